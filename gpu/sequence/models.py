"""Sequence models by name, for commands and for files of weights."""

import inspect
from collections.abc import Callable
from difflib import get_close_matches
from typing import Any

import torch

from v2xsim.errors import UserError
from v2xsim.gpu.sequence.model_options import (
    BlockOptions,
    GruOptions,
    HgrnOptions,
    KvSharingOptions,
    ModelOptions,
    ModelSizes,
    SharedOptions,
    SkipDecodeOptions,
    TransformerOptions,
)
from v2xsim.gpu.sequence.sizes import check_whole
from v2xsim.gpu.sequence.tokens import TokenSequence


def build(
    name: str, vocabulary: int, dim: int, layers: int, heads: int, seed: int | None = None, **options: Any
) -> TokenSequence:
    """Return a token model with new random weights.

    Args:
        name: Name of the kind of model, a key of MODELS.
        vocabulary: Number of different tokens.
        dim: Number of entries of a vector.
        layers: Total number of layers in all parts of the model.
        heads: Number of attention heads; ignored by models without attention.
        seed: Seed of the random weights (None uses the present state of torch's global generator).
        options: Options of the model: fields of its options class in MODELS.

    Raises:
        UserError: If the model or an option is unknown, or if the sizes are invalid or do not fit together.
    """
    if not isinstance(name, str) or name not in MODELS:
        raise UserError(f"there is no model {name!r}{_nearest(name, MODELS)}; there are {', '.join(MODELS)}")
    known = options_of(name)
    for option in options:
        if option not in known:
            known_options = f"its options are {', '.join(known)}" if known else "it has no options"
            raise UserError(f"model {name} has no option {option!r}{_nearest(option, known)}; {known_options}")
    check_whole(1, vocabulary=vocabulary, dim=dim, layers=layers, heads=heads)
    check_whole(0, 2**64 - 1, seed=0 if seed is None else seed)
    # Initial weights come from torch's global generator; its state is restored afterwards.
    with torch.random.fork_rng(devices=[], enabled=seed is not None):
        if seed is not None:
            torch.manual_seed(seed)
        model = MODELS[name](**options).build(ModelSizes(vocabulary, dim, layers, heads))
    model.recipe = {
        "name": name, "vocabulary": vocabulary, "dim": dim, "layers": layers, "heads": heads, "options": options,
    }  # fmt: skip
    return model


def options_of(name: str) -> list[str]:
    """Return the names of the options of a kind of model."""
    return list(inspect.signature(MODELS[name]).parameters)


def _nearest(word: str, words: Any) -> str:
    close = get_close_matches(word, list(words), n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else ""


MODELS: dict[str, Callable[..., ModelOptions]] = {
    "transformer": TransformerOptions,
    "gru": GruOptions,
    "hgrn": HgrnOptions,
    "block": BlockOptions,
    "kv_sharing": KvSharingOptions,
    "skipdecode": SkipDecodeOptions,
    "shared": SharedOptions,
}
"""Options class of each kind of model, by the name of the kind."""
