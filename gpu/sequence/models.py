"""Sequence models by name, for commands and for files of weights."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal

import torch

from v2xsim.errors import UserError
from v2xsim.gpu.sequence.block import BlockTransformer
from v2xsim.gpu.sequence.block_decoder import Decoder
from v2xsim.gpu.sequence.gru import Gru
from v2xsim.gpu.sequence.hgrn import Hgrn
from v2xsim.gpu.sequence.hgrn_layer import Bounds, Forget, NormGate, Variant
from v2xsim.gpu.sequence.kv_sharing import Kind, Target, sharing_map
from v2xsim.gpu.sequence.sharedllm import SharedModel
from v2xsim.gpu.sequence.sharedllm_parts import ChunkEnd
from v2xsim.gpu.sequence.sharedllm_tree import Alike, Choice, ContextTree
from v2xsim.gpu.sequence.sizes import check_whole
from v2xsim.gpu.sequence.skip_schedule import ExitSchedule
from v2xsim.gpu.sequence.tokens import TokenModel, TokenSequence
from v2xsim.gpu.sequence.transformer import Transformer


@dataclass(frozen=True)
class Entry:
    """A model that can be built by name.

    Attributes:
        about: Description in one line.
        make: Function of vocabulary, dim, layers, heads, and options by name.
    """

    about: str
    make: Callable[..., TokenSequence]


def build(
    name: str, vocabulary: int, dim: int, layers: int, heads: int, seed: int | None = None, **options: Any
) -> TokenSequence:
    """Return a token model with new weights.

    Args:
        name: Name in MODELS.
        vocabulary: Number of different tokens.
        dim: Number of entries of a vector.
        layers: Number of layers, over all parts.
        heads: Number of attention heads; ignored by models without attention.
        seed: Seed of the weights; None uses torch's own generator.
        options: Options of the model: the parameters of its function in this module.

    Raises:
        UserError: If there is no such model or option, or sizes do not fit.
    """
    if not isinstance(name, str) or name not in MODELS:
        raise UserError(f"there is no model {name!r}{_nearest(name, MODELS)}; there are {', '.join(MODELS)}")
    make = MODELS[name].make
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
        model = make(vocabulary, dim, layers, heads, **options)
    model.recipe = {
        "name": name, "vocabulary": vocabulary, "dim": dim, "layers": layers, "heads": heads, "options": options,
    }  # fmt: skip
    return model


def options_of(name: str) -> list[str]:
    """Return the names of a model's options."""
    return [p.name for p in inspect.signature(MODELS[name].make).parameters.values() if p.kind is p.KEYWORD_ONLY]


def _nearest(word: str, words: Any) -> str:
    close = get_close_matches(word, list(words), n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else ""


def _transformer(
    vocabulary: int,
    dim: int,
    layers: int,
    heads: int,
    *,
    hidden: int | None = None,
    windows: int | Sequence[int] = 0,
    dropout: float = 0.0,
    tied: bool = False,
) -> TokenSequence:
    body = Transformer(dim, layers, heads, hidden, windows=windows, dropout=dropout)
    return TokenModel(body, vocabulary, tied)


def _gru(
    vocabulary: int, dim: int, layers: int, heads: int, *, residual: bool = True, tied: bool = False
) -> TokenSequence:
    return TokenModel(Gru(dim, layers, residual), vocabulary, tied)


def _kv_sharing(
    vocabulary: int,
    dim: int,
    layers: int,
    heads: int,
    *,
    kind: Kind = "lasagna",
    target: Target = "bottom",
    kv_layers: int | None = None,
    kv_map: str | Sequence[int] | None = None,
    times: float | None = None,
    horizon: int = 256,
    hidden: int | None = None,
    windows: int | Sequence[int] = 0,
    passes: tuple[int, int] = (7, 2),
    dropout: float = 0.0,
    tied: bool = False,
) -> TokenSequence:
    shared = kv_map if kv_map is not None else _half(layers, kind, target, kv_layers)
    schedule = None if times is None else ExitSchedule.of_speed(layers, times, horizon)
    body = Transformer(dim, layers, heads, hidden, shared, windows, schedule, passes, dropout)
    return TokenModel(body, vocabulary, tied)


def _half(layers: int, kind: Kind, target: Target, kv_layers: int | None) -> tuple[int, ...]:
    """Return a map of KV sharing; by default half of the layers have keys and values of their own."""
    return sharing_map(kind, target, layers, max(1, layers // 2) if kv_layers is None else kv_layers)


def _skipdecode(
    vocabulary: int,
    dim: int,
    layers: int,
    heads: int,
    *,
    times: float = 2.0,
    horizon: int = 256,
    warm_up: int = 1,
    hidden: int | None = None,
    dropout: float = 0.0,
    tied: bool = False,
) -> TokenSequence:
    schedule = ExitSchedule.of_speed(layers, times, horizon, warm_up)
    return TokenModel(Transformer(dim, layers, heads, hidden, schedule=schedule, dropout=dropout), vocabulary, tied)


def _hgrn(
    vocabulary: int,
    dim: int,
    layers: int,
    heads: int,
    *,
    hidden: int | None = None,
    complex_state: bool = True,
    norm_gate: NormGate = "code",
    bounds: Bounds = "exclusive",
    forget: Forget = "data",
    dropout: float = 0.0,
    tied: bool = False,
) -> TokenSequence:
    variant = Variant(complex_state, norm_gate, bounds, forget)
    return TokenModel(Hgrn(dim, layers, hidden, variant, dropout), vocabulary, tied)


def _block(
    vocabulary: int,
    dim: int,
    layers: int,
    heads: int,
    *,
    block: int = 4,
    prefix: int = 2,
    token_layers: int | None = None,
    kind: Kind | None = None,
    target: Target = "bottom",
    kv_layers: int | None = None,
    times: float | None = None,
    horizon: int = 256,
    first_block: bool = True,
    hidden: int | None = None,
    dropout: float = 0.0,
    tied: bool = False,
) -> TokenSequence:
    """Divide the layers between the two decoders, by default in halves.

    KV sharing and exits apply to the block decoder.
    """
    within = layers - layers // 2 if token_layers is None else token_layers
    check_whole(1, block=block, horizon=horizon, token_layers=within)
    over = layers - within
    shared = None if kind is None else _half(over, kind, target, kv_layers)
    schedule = None if times is None else ExitSchedule.of_speed(over, times, max(1, horizon // block))
    return BlockTransformer(
        vocabulary,
        dim,
        Decoder(over, heads, hidden, shared, schedule=schedule),
        Decoder(within, heads, hidden),
        block=block,
        prefix=prefix,
        first_block=first_block,
        tied=tied,
        dropout=dropout,
    )


def _shared(
    vocabulary: int,
    dim: int,
    layers: int,
    heads: int,
    *,
    inject: int = 2,
    chunk: int = 64,
    depth: int = 3,
    kept: int | Sequence[int] | None = None,
    choice: Choice = "query",
    alike: Alike = "last",
    window: int = 0,
    renew: Literal["all", "new"] = "all",
    hidden: int | None = None,
    dropout: float = 0.0,
    tied: bool = False,
) -> TokenSequence:
    tree = ContextTree(chunk, depth, kept, choice, alike)
    return SharedModel(
        vocabulary, dim, layers, heads, tree, inject, ChunkEnd(window, renew), hidden=hidden, dropout=dropout, tied=tied
    )


MODELS: dict[str, Entry] = {
    "transformer": Entry("Transformer: pre-norm, rotary positions, keys and values of every layer kept", _transformer),
    "gru": Entry("gated recurrent units: the plain recurrent baseline, a state of fixed size", _gru),
    "hgrn": Entry("hierarchically gated linear recurrence, a state of fixed size", _hgrn),
    "block": Entry("Block Transformer: one decoder over blocks of 4 tokens, one within a block", _block),
    "kv_sharing": Entry("Transformer whose layers share keys and values (nine maps, or free-form)", _kv_sharing),
    "skipdecode": Entry("Transformer that gives later positions fewer layers", _skipdecode),
    "shared": Entry("SharedLLM: the past in chunks, compressed coarsely or in detail depending on a query", _shared),
}
