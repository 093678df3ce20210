"""The cost of SkipDecode in cross-entropy and its saving in time, compared with all layers and with early termination."""

import copy
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch

from v2xsim.claims.corpus import CorpusWindows
from v2xsim.gpu.sequence.skip_schedule import ExitSchedule
from v2xsim.gpu.sequence.tokens import TokenModel, next_token_loss
from v2xsim.gpu.sequence.transformer import Transformer
from v2xsim.gpu.sequence.windows import Windows
from v2xsim.gpu.training.trainer import Progress, TrainSettings, train

_TURNS = 5


@dataclass(frozen=True)
class SkipRow:
    """The result of one policy of skipping layers at one speed-up.

    Attributes:
        policy: `all layers`, `skip` (SkipDecode) or `early` (early termination). With `untuned`, the model has the weights
            trained with all layers; with `tuned`, it was trained further with the policy. "all layers tuned" was trained
            further for the same number of steps without a policy.
        nominal: Nominal speed-up: number of layers divided by the mean number of layers that run.
        mean_layers: Mean number of layers that run at the positions after the prompt.
        seed: Seed of the first weights and of the training batches.
        nats: Cross-entropy per token after the prompt, on the validation windows.
        unseen_nats: Cross-entropy as `nats`, on windows of road networks that are not in the training set.
    """

    policy: str
    nominal: float
    mean_layers: float
    seed: int
    nats: float
    unseen_nats: float


@dataclass(frozen=True)
class SpeedRow:
    """The speed of generation with a cache; the values of the weights have no influence on it.

    Attributes:
        nominal: Nominal speed-up: number of layers divided by the mean number of layers that run.
        layers: Number of all layers.
        dim: Number of entries of a vector.
        batch: Number of sequences generated together.
        generated: Number of generated tokens, over which the schedule of layers runs.
        tokens_per_s: Tokens generated per second; median of the turns.
        against_full: `tokens_per_s` divided by that of a model that runs all layers, measured in turns.
        kv_share: Size of the cached keys and values at the end, divided by that of a model that runs all layers.
    """

    nominal: float
    layers: int
    dim: int
    batch: int
    generated: int
    tokens_per_s: float
    against_full: float
    kv_share: float


def skip_rows(
    windows: CorpusWindows,
    dim: int = 64,
    layers: int = 12,
    prompt: int = 8,
    speeds: Sequence[float] = (2.0, 3.0, 4.0, 5.0),
    seeds: int = 1,
    base: TrainSettings | None = None,
    tuning: TrainSettings | None = None,
    on_step: Callable[[Progress], None] | None = None,
) -> Iterator[SkipRow]:
    """Train a model with all layers, then train copies of it further, each with one policy; yield the result of each."""
    base = base or TrainSettings(steps=800, batch=32, rate=2e-3, warm_up=80, evaluate_every=10_000)
    tuning = tuning or TrainSettings(steps=500, batch=32, rate=1e-3, warm_up=20, evaluate_every=10_000)
    horizon = windows.training.tokens.shape[1] - prompt

    def judged(model: TokenModel) -> tuple[float, float]:
        return _judged(model, windows.validation, prompt), _judged(model, windows.unseen, prompt)

    for seed in range(1, seeds + 1):
        torch.manual_seed(seed)
        plain = TokenModel(Transformer(dim, layers, max(1, dim // 32)), windows.vocabulary)
        train(plain, windows.training, replace(base, seed=seed), on_step=on_step)
        yield SkipRow("all layers", 1.0, layers, seed, *judged(plain))
        more = with_schedule(plain, None)
        train(more, windows.training, replace(tuning, seed=seed + 1000), on_step=on_step)
        yield SkipRow("all layers tuned", 1.0, layers, seed, *judged(more))
        for nominal in speeds:
            keeps: tuple[tuple[str, Literal["top", "bottom"]], ...] = (("skip", "top"), ("early", "bottom"))
            for name, keep in keeps:
                schedule = ExitSchedule.of_speed(layers, nominal, horizon, keep=keep, prompt=prompt)
                model, mean = with_schedule(plain, schedule), schedule.mean_layers(horizon, prompt)
                yield SkipRow(f"{name} untuned", nominal, mean, seed, *judged(model))
                train(model, windows.training, replace(tuning, seed=seed + 1000), on_step=on_step)
                yield SkipRow(f"{name} tuned", nominal, mean, seed, *judged(model))


def with_schedule(model: TokenModel, schedule: ExitSchedule | None) -> TokenModel:
    """Return a copy of a model that runs only the layers that a schedule gives for each position."""
    body = model.body
    assert isinstance(body, Transformer)
    copied = TokenModel(
        Transformer(body.dim, len(body.layers), body.heads, body.hidden, body.kv_map, body.windows, schedule),
        model.vocabulary,
    )
    copied.load_state_dict(copy.deepcopy(model.state_dict()))
    return copied


@torch.no_grad()
def _judged(model: TokenModel, windows: Windows, prompt: int, batch: int = 64) -> float:
    """Return the mean cross-entropy per token in nats at the positions after the prompt."""
    total, count = 0.0, 0
    model.eval()
    for tokens, mask in windows.pieces(batch):
        weight = tokens[:, prompt:].numel() if mask is None else int(mask[:, prompt:].sum())
        total += float(next_token_loss(model(tokens, None, mask)[0], tokens, mask, first=prompt)) * weight
        count += weight
    return total / max(1, count)


@torch.no_grad()
def speed_rows(
    dim: int = 256,
    layers: int = 12,
    vocabulary: int = 384,
    batch: int = 32,
    prompt: int = 16,
    generated: int = 128,
    speeds: Sequence[float] = (2.0, 3.0, 4.0, 5.0),
) -> Iterator[SpeedRow]:
    """Time a whole generation with a cache, at each speed-up in turns; yield a row for each."""
    torch.manual_seed(1)
    plain = TokenModel(Transformer(dim, layers, max(1, dim // 32)), vocabulary).eval()
    policies: dict[float, TokenModel] = {1.0: plain}
    for nominal in speeds:
        schedule = ExitSchedule.of_speed(layers, nominal, generated, prompt=prompt)
        policies[nominal] = with_schedule(plain, schedule).eval()
    start = torch.randint(vocabulary, (batch, prompt), generator=torch.Generator().manual_seed(1))
    taken: dict[float, list[float]] = {nominal: [] for nominal in policies}
    held: dict[float, int] = {}
    for _ in range(_TURNS):
        for nominal, model in policies.items():
            logits, state = model.prefill(start, model.init_state(batch, room=prompt + generated))
            begun = time.perf_counter()
            for _ in range(generated):
                logits, state = model.step(logits.argmax(-1), state)
            taken[nominal].append(time.perf_counter() - begun)
            held[nominal] = state.nbytes()
    for nominal, seconds in taken.items():
        ratio = float(np.median(np.array(taken[1.0]) / np.array(seconds)))
        yield SpeedRow(
            nominal,
            layers,
            dim,
            batch,
            generated,
            batch * generated / float(np.median(seconds)),
            ratio,
            held[nominal] / held[1.0],
        )
