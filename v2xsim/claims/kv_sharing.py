"""The cost of KV sharing between layers in cross-entropy and its saving in bytes, measured on motion tokens."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch

from v2xsim.claims.corpus import CorpusWindows
from v2xsim.gpu.sequence.models import build
from v2xsim.gpu.sequence.tokens import TokenModel
from v2xsim.gpu.sequence.transformer import Transformer
from v2xsim.gpu.training.trainer import Progress, TrainSettings, evaluate, train

ALL_MAPS = tuple((kind, target) for kind in ("pizza", "sandwich", "lasagna") for target in ("bottom", "middle", "top"))
USUAL_MAPS = (*(pair for pair in ALL_MAPS if pair[1] == "bottom"), ("sandwich", "middle"), ("sandwich", "top"))


@dataclass(frozen=True)
class SharingRow:
    """The results of one map of KV sharing; all maps are trained with the same number of steps and the same seed.

    Attributes:
        sharing: Name of the map, as kind-target; `none` for no sharing.
        layers: Number of all layers.
        kv_layers: Number of layers with keys and values of their own.
        seed: Seed of the first weights and of the training batches.
        parameters: Number of trained weights.
        steps: Number of training steps.
        train_s: Duration of the training in seconds.
        nats: Cross-entropy per token on the validation windows.
        against_full: `nats` divided by that of the model without sharing, minus 1.
        unseen_nats: Cross-entropy as `nats`, on windows of road networks that are not in the training set.
        unseen_against_full: `unseen_nats` divided by that of the model without sharing, minus 1.
        kv_bytes: Size of the keys and values of one sequence of the windows' length, in 32-bit numbers.
        reads_per_token: Number of times that the cache of a layer is read for one token; KV sharing reduces the stored
            bytes, not the bytes read.
    """

    sharing: str
    layers: int
    kv_layers: int
    seed: int
    parameters: int
    steps: int
    train_s: float
    nats: float
    against_full: float
    unseen_nats: float
    unseen_against_full: float
    kv_bytes: int
    reads_per_token: int


def sharing_rows(
    windows: CorpusWindows,
    dim: int = 64,
    layers: int = 8,
    kv_layers: int = 4,
    maps: Sequence[tuple[str, str]] = USUAL_MAPS,
    seeds: int = 1,
    settings: TrainSettings | None = None,
    on_step: Callable[[Progress], None] | None = None,
) -> Iterator[SharingRow]:
    """Train the model without sharing and one model for each map; yield the results of each as it is finished."""
    settings = settings or TrainSettings(steps=800, batch=32, rate=2e-3, warm_up=80, evaluate_every=10_000)
    for seed in range(1, seeds + 1):
        full = unseen_full = float("nan")
        for map_kind, target in (("none", ""), *maps):
            sharing_options = {} if map_kind == "none" else {"kind": map_kind, "target": target, "kv_layers": kv_layers}
            name = "transformer" if map_kind == "none" else "kv_sharing"
            model = build(name, windows.vocabulary, dim, layers, max(1, dim // 32), seed=seed, **sharing_options)
            assert isinstance(model, TokenModel)
            assert isinstance(model.body, Transformer)
            begun = time.perf_counter()
            train(model, windows.training, TrainSettings(**{**vars(settings), "seed": seed}), on_step=on_step)
            train_s = time.perf_counter() - begun
            nats, unseen_nats = evaluate(model, windows.validation).nats, evaluate(model, windows.unseen).nats
            if map_kind == "none":
                full, unseen_full = nats, unseen_nats
            with torch.no_grad():
                _, state = model(windows.validation.tokens[:1])
            yield SharingRow(
                map_kind if map_kind == "none" else f"{map_kind}-{target}", layers, len(model.body.givers), seed, model.parameter_count,
                settings.steps, train_s, nats, nats / full - 1.0, unseen_nats, unseen_nats / unseen_full - 1.0, state.nbytes(), layers,
            )  # fmt: skip
