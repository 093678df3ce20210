"""The contribution of HGRN's lower bounds and forget gate, on a task that needs both: overwrite the memory, then keep it.

A sequence shows several signs one after the other, each for 2 to 4 positions, and then noise for 4 to 128 positions.
The model must name the last sign. The model is asked at every position from the fourth after the last sign, and never
sooner, so that short sequences cannot teach it to remember. Without a forget gate, earlier signs stay as strong as the
last one. Without lower bounds, the memory has faded before the first question, so the model learns little.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Int64
from torch import Tensor

from v2xsim.gpu.sequence.hgrn import Hgrn
from v2xsim.gpu.sequence.hgrn_layer import Variant
from v2xsim.gpu.sequence.tokens import TokenModel

# Number of noise tokens, which are the first of the vocabulary; the signs follow them.
_NOISE = 2
_SIGNS = 8
# Least and largest number of positions between the last sign and a question.
_SOONEST, _LATEST = 4, 128
_NOT_ASKED = -1
_POSITIONS = 256
# Far from the seeds of the trainings, so that the test has sequences of its own.
_TEST_SEED = 10_000

ARMS = {
    "hgrn": Variant(),
    "without lower bound": Variant(bounds="none"),
    "without forget gate": Variant(forget="constant"),
}
"""Variants of the HGRN model, by name.

Without a forget gate, each channel of the memory keeps a constant, learned share per step, which is above its lower bound.
"""


@dataclass(frozen=True)
class MemoryRow:
    """The result of one training.

    Attributes:
        arm: Name of the model variant.
        seed: Seed of the first weights and of the training data.
        steps: Number of training steps.
        accuracy: Share of right answers on test sequences, which are the same for all variants; guessing gives 0.125.
        loss: Cross-entropy of the answers on the test sequences, in nats.
        seconds: Duration of the training.
    """

    arm: str
    seed: int
    steps: int
    accuracy: float
    loss: float
    seconds: float


def memory_rows(seeds: int = 3, steps: int = 400, device: str = "cpu") -> Iterator[MemoryRow]:
    """Train each variant of the model from each seed; yield the results on the test sequences."""
    for seed in range(seeds):
        for arm in ARMS:
            yield _trained(arm, seed, steps, torch.device(device))


def shown(rng: np.random.Generator, rows: int) -> tuple[Int64[Tensor, "rows time"], Int64[Tensor, "rows time"]]:
    """Return sequences, and the right answer at each position where there is a question."""
    tokens = rng.integers(0, _NOISE, (rows, _POSITIONS))
    answers = np.full((rows, _POSITIONS), _NOT_ASKED)
    for row in range(rows):
        at = -int(rng.integers(0, 12))
        while at < _POSITIONS:
            for _ in range(rng.integers(4, 11)):
                sign, length = int(rng.integers(_SIGNS)), int(rng.integers(2, 5))
                tokens[row, max(at, 0) : max(at + length, 0)] = _NOISE + sign
                at += length
            gone = int(rng.integers(_SOONEST, _LATEST + 1))
            answers[row, max(at + _SOONEST, 0) : max(at + gone, 0)] = sign
            at += gone
    return torch.from_numpy(tokens), torch.from_numpy(answers)


def _trained(arm: str, seed: int, steps: int, device: torch.device) -> MemoryRow:
    began = time.perf_counter()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = TokenModel(Hgrn(dim=16, layers=3, hidden=16, variant=ARMS[arm]), _NOISE + _SIGNS)
        torch.nn.init.normal_(model.embedding.weight)
    model.to(device)
    optimizer = torch.optim.AdamW(model.parameters(), 0.01, betas=(0.9, 0.98))
    # Warm-up over a fifth of the steps, then half a cosine down to a tenth of the rate.
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1.0, 5 * (step + 1) / steps) * (0.55 + 0.45 * float(np.cos(np.pi * step / steps)))
    )
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        loss, _ = _asked(model, *shown(rng, 8))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    seconds = time.perf_counter() - began
    with torch.no_grad():
        loss, accuracy = _asked(model.eval(), *shown(np.random.default_rng(_TEST_SEED), 64))
    return MemoryRow(arm, seed, steps, float(accuracy), float(loss), seconds)


def _asked(model: TokenModel, tokens: Tensor, answers: Tensor) -> tuple[Tensor, Tensor]:
    """Return the cross-entropy of the model's answers in nats, and the share of right answers."""
    logits, _ = model(tokens.to(model.device))
    answers = answers.to(model.device)
    has_question = answers != _NOT_ASKED
    answer_logits, right = logits[has_question][:, _NOISE:], answers[has_question]
    return F.cross_entropy(answer_logits, right), (answer_logits.argmax(-1) == right).float().mean()
