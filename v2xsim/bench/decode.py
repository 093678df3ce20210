"""Measurement of the tokens per second that a sequence model generates, step by step from its stored state.

The number of sequences generated together is given, or chosen as the fastest number that fits into memory.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from v2xsim.gpu.sequence.cache import Cache
from v2xsim.gpu.sequence.memory import Memory
from v2xsim.gpu.sequence.replay import steps_of
from v2xsim.gpu.sequence.state import State
from v2xsim.gpu.sequence.tokens import TokenSequence

_TIMED, _SPARE = 4, 64
"""Number of timed rounds of steps, and number of further positions for which a state gets memory."""


@dataclass(frozen=True)
class Length:
    """The lengths of a generation, in tokens.

    Attributes:
        prompt: Number of tokens in the prompt, before the generation.
        generated: Number of tokens that are generated.
        period: Number of steps after which the cost of a step repeats, such as a block's length.
        points: Number of lengths at which steps are timed, spread evenly over the generation; their mean stands for
            all lengths.
    """

    prompt: int
    generated: int
    period: int = 4
    points: int = 5

    def at(self) -> list[int]:
        """Return the lengths (prompt included) at which steps are timed: the middles of equal parts of the generation."""
        part = self.generated / self.points
        return [self.prompt + int(part * (i + 0.5)) for i in range(self.points)]


@torch.no_grad()
def filled(model: TokenSequence, row: State, batch: int, room: int) -> State:
    """Return a state for several sequences, each a copy of the state of one sequence.

    Args:
        model: Model that the state belongs to.
        row: State of one sequence.
        batch: Number of sequences of the new state.
        room: Number of further positions for which the new state has memory.
    """
    length = int(row.seen[0])
    return _copied(row, model.init_state(batch, room=length + room), batch)


def step_s(model: TokenSequence, batch: int, row: State, period: int) -> float:
    """Return the mean duration of a generation step in seconds, from the median of several rounds of `period` steps.

    Args:
        model: Model in evaluation mode.
        batch: Number of sequences generated together.
        row: State of one sequence at the length of interest; all sequences start from copies of it.
        period: Number of steps in a round. One round before the timed ones warms up.
    """
    steps = steps_of(model, filled(model, row, batch, _SPARE), _SPARE)
    tokens = random_tokens(model, batch, 1)[:, 0]
    taken = []
    with torch.no_grad():
        for _ in range(1 + _TIMED):
            begun = now(model.device)
            for _ in range(period):
                tokens = steps(tokens).argmax(-1)
            taken.append(now(model.device) - begun)
    return float(np.median(taken[1:])) / period


def whole_s(model: TokenSequence, batch: int, length: Length) -> float:
    """Return the duration of a whole generation in seconds, without the time to read the prompt."""
    with torch.no_grad():
        state = model.init_state(batch, room=length.prompt + length.generated)
        logits, state = model.prefill(random_tokens(model, batch, length.prompt), state)
        steps = steps_of(model, state, length.generated)
        begun = now(model.device)
        for _ in range(length.generated):
            logits = steps(logits.argmax(-1))
    return now(model.device) - begun


@torch.no_grad()
def rows_at(model: TokenSequence, sizes: Length) -> tuple[dict[int, State], int]:
    """Return the state of one sequence at each timed length, and the state's largest size in bytes in the last `period` steps."""
    end = sizes.prompt + sizes.generated
    tokens, state = random_tokens(model, 1, end), prompted(model, 1, sizes.prompt)
    at, states = 0, {}
    for length in sorted({sizes.prompt, *sizes.at(), max(sizes.prompt, end - sizes.period)}):
        if length > at:
            state, at = model.prefill(tokens[:, at:length], state)[1], length
        states[length] = state
    most = state.nbytes()
    for token in tokens[0, at:]:
        state = model.step(token[None], state)[1]
        most = max(most, state.nbytes())
    return states, most


def prompted(model: TokenSequence, batch: int, prompt: int) -> State:
    """Return a new state, in which the length of the prompt is stored if the model needs it."""
    state = model.init_state(batch, room=prompt)
    return replace(state, notes={**state.notes, "prompt": prompt}) if "prompt" in state.notes else state


def now(device: torch.device) -> float:
    """Return the clock time in seconds, after the device has finished all work given to it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def batches_within(model: TokenSequence, row_bytes: int, memory_bytes: float) -> list[int]:
    """Return the numbers of sequences to try: powers of two, and the largest number that fits into memory beside the weights.

    Args:
        model: Model whose weights take part of the memory.
        row_bytes: Size of the state of one sequence.
        memory_bytes: Memory for weights and states together.
    """
    weights = sum(p.numel() * p.element_size() for p in model.parameters())
    most = max(1, int((memory_bytes - weights) // row_bytes))
    return [*(2**power for power in range(16) if 2**power < most), most]


def best_batch(model: TokenSequence, row: State, period: int, batches: Sequence[int]) -> int:
    """Return the number of sequences that gives the most tokens per second, measured in the middle of the generation.

    The largest number is tried first. The search ends when two numbers in succession are a tenth slower than the best one.
    """
    best, rate, slower = 0, 0.0, 0
    for batch in sorted(batches, reverse=True):
        now = batch / step_s(model, batch, row, period)
        slower = slower + 1 if now < 0.9 * rate else 0
        if now > rate:
            best, rate = batch, now
        if slower == 2:
            break
    return best


def rates(
    models: dict[str, TokenSequence],
    batches: dict[str, int],
    sizes: Length,
    rows: dict[str, dict[int, State]],
    full: bool = False,
) -> dict[str, float]:
    """Return the number of tokens that each model generates per second.

    The models are timed in turns, so that other load on the machine affects all of them alike.

    Args:
        models: Models by name.
        batches: Number of sequences that each model generates together.
        sizes: Lengths of the generation.
        rows: State of one sequence of each model at the timed lengths, as `rows_at` returns it.
        full: Whether to time the whole generation instead of steps at several lengths.
    """
    if full:
        return {
            name: batches[name] * sizes.generated / whole_s(model, batches[name], sizes)
            for name, model in models.items()
        }
    taken: dict[str, list[float]] = {name: [] for name in models}
    for length in sizes.at():
        for name, model in models.items():
            taken[name].append(step_s(model, batches[name], rows[name][length], sizes.period))
    return {name: batches[name] / float(np.mean(taken[name])) for name in models}


def random_tokens(model: TokenSequence, batch: int, time: int) -> Int64[Tensor, "batch time"]:
    """Return random tokens, uniformly distributed over the vocabulary; every call returns the same."""
    drawn = torch.randint(model.vocabulary, (batch, time), generator=torch.Generator().manual_seed(batch + time))
    return drawn.to(model.device)


def _copied(row: State, fresh: State, batch: int) -> State:
    slots: dict[str, Memory | Cache | State] = {}
    for name, slot in row.slots.items():
        if isinstance(slot, State):
            slots[name] = _copied(slot, fresh.part(name), batch)
        elif isinstance(slot, Cache):
            keys, values = (held.expand(batch, -1, -1, -1) for held in (slot.keys, slot.values))
            slots[name] = fresh.cache(name).extend(keys, values, slot.first)
        else:
            slots[name] = slot.select(torch.zeros(batch, dtype=torch.int64, device=row.device))
    return replace(row, seen=row.seen.repeat(batch), clock=row.clock.repeat(batch), slots=slots)
