"""Generation by recorded steps, which are replayed as CUDA graphs.

On a GPU, a step is recorded once and then repeated, so that the CPU need not launch its kernels one by one.

A step of generation consists of several hundred small kernels. Unless the batch is very large, launching them one by
one takes the CPU longer than the GPU needs to run them. A CUDA graph launches all of them at once.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import cache, partial

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from v2xsim.errors import UserError
from v2xsim.gpu.sequence.cache import Cache, _Buffer
from v2xsim.gpu.sequence.memory import Memory
from v2xsim.gpu.sequence.sizes import check_whole
from v2xsim.gpu.sequence.standing import StandingCache
from v2xsim.gpu.sequence.state import State
from v2xsim.gpu.sequence.tokens import TokenSequence

_WORTH = 16
"""Number of periods from which on recording saves time.

On an H200, recording took as long as 6 to 50 periods of models with 12 layers.
"""


class NotRecordableError(UserError):
    """Error: the steps from a state cannot be recorded; plain steps are possible."""


class Steps:
    """Consecutive steps of a model, each computed with `model.step`; the base of recorded steps.

    Args:
        model: Model in evaluation mode.
        state: State from which to start; it is not changed.
    """

    def __init__(self, model: TokenSequence, state: State) -> None:
        self.model, self._now = model, state

    @torch.no_grad()
    def __call__(self, tokens: Int64[Tensor, " batch"]) -> Float[Tensor, "batch vocabulary"]:
        """Read one token per row and return the logits, which are valid until the next call."""
        logits, self._now = self.model.step(tokens, self._now)
        return logits

    def state(self) -> State:
        """Return the present state; later steps do not change it."""
        return self._now


class RecordedSteps(Steps):
    """Steps recorded as CUDA graphs, one graph for each step of the model's period.

    Args:
        model: Model in evaluation mode; its weights must not move in memory.
        state: State from which to start, which is not changed; its rows must all have read the same number of
            positions.
        room: Number of steps for which to allocate memory; after `room` steps, the steps are recorded again.
        record: Whether to record CUDA graphs (False runs the same code step by step, on any device).

    Raises:
        NotRecordableError: If the operations of the model's steps are not always the same, rows are at different
            positions, or there are no rows.
        UserError: If the state belongs to another model, or room is below 1.
    """

    def __init__(self, model: TokenSequence, state: State, room: int, record: bool = True) -> None:
        # The base constructor is not called: it would keep the first caches alive after their content has moved to
        # larger ones.
        self.model, self._record = model, record
        model._refuse_other(state)
        check_whole(1, room=room)
        self._begin(state, room)

    # These tensors are written later, possibly outside an inference mode that is active now.
    @torch.inference_mode(False)
    @torch.no_grad()
    def _begin(self, state: State, room: int) -> None:
        standing, period = self.model.standing(state, room), self.model.period
        if standing is None:
            raise NotRecordableError(
                f"steps of {self.model.signature} from this state cannot be recorded: that needs a model without windows, exit schedules "
                "and chunks, and rows that have all seen equally many positions without gaps; take model.step instead"
            )
        self._room, self._done = room, 0
        self._static = _copied(standing)
        self._tokens = torch.zeros(standing.batch, dtype=torch.int64, device=standing.device)
        self._wrong = torch.zeros((), dtype=torch.bool, device=standing.device)
        self._after: list[State] = [self._static] * period
        self._logits: list[Tensor] = [self._tokens] * period
        self._graphs: list[Callable[[], None]] = [partial(self._run, step) for step in range(period)]
        if self._record:
            # A graph stores addresses. Weights cast and cached by autocast would be freed when autocast ends.
            on, bits = torch.is_autocast_enabled("cuda"), torch.get_autocast_dtype("cuda")
            with torch.autocast("cuda", bits, on, cache_enabled=False):
                self._recorded()

    def _recorded(self) -> None:
        """Record the steps of one period on the device of the state, even if another device is the current one."""
        device, period = self._tokens.device, len(self._graphs)
        counts = [(held.filled, held.filled.clone()) for held in _standing(self._static)]
        (side, recording), main = _streams(device), torch.cuda.current_stream(device)
        side.wait_stream(main)
        with torch.cuda.stream(side):
            # Warm up, so that kernels are compiled and selected; this writes only after the end of the caches.
            for step in range(period):
                self._run(step, last=False)
        main.wait_stream(side)
        for filled, before in counts:
            filled.copy_(before)
        with torch.cuda.device(device):
            pool = torch.cuda.graph_pool_handle()
            for step in range(period):
                graph = torch.cuda.CUDAGraph()
                with torch.cuda.graph(graph, pool=pool, stream=recording):
                    self._run(step)
                self._graphs[step] = graph.replay

    def _run(self, step: int, last: bool = True) -> None:
        """Run one step of the period.

        The last step of the period writes the state back to where the first step reads it.
        """
        before, most = self._after[step - 1] if step else self._static, self.model.vocabulary - 1
        ids = self._tokens.clamp(0, most)
        self._wrong.logical_or_((ids != self._tokens).any())
        y, after = self.model._advance(ids[:, None], before, None, None)
        self._logits[step], self._after[step] = y[:, 0], after
        if last and step == len(self._after) - 1:
            for to, source in zip(_tensors(self._static), _tensors(after), strict=True):
                to.copy_(source)

    @torch.no_grad()
    def __call__(self, tokens: Int64[Tensor, " batch"]) -> Float[Tensor, "batch vocabulary"]:
        """Read one token per row and return the logits, which are valid until the next call.

        Only `state` checks whether the values are valid tokens: a check in every step would make the GPU wait for the
        CPU.

        Raises:
            UserError: If the tokens have another batch size, type or device, or if a value read earlier turns out not
                to be a token (which is checked when more memory is allocated).
        """
        if not isinstance(tokens, Tensor):
            raise UserError(f"a recorded step reads a torch tensor, got {type(tokens).__name__}")
        if tokens.shape != self._tokens.shape or tokens.dtype != torch.int64 or tokens.device != self._tokens.device:
            raise UserError(
                f"a recorded step reads torch.int64 of shape {tuple(self._tokens.shape)} on {self._tokens.device}, "
                f"got {tokens.dtype} of {tuple(tokens.shape)} on {tokens.device}"
            )
        if self._done == self._room:
            self._begin(self.state(), 2 * self._room)
        step = self._done % len(self._after)
        self._tokens.copy_(tokens)
        self._graphs[step]()
        self._done += 1
        return self._logits[step]

    def state(self) -> State:
        """Return the present state; later steps do not change it.

        Raises:
            UserError: If a value was read that is not a token.
        """
        if bool(self._wrong):
            raise UserError(f"tokens must be from 0 to {self.model.vocabulary - 1}, and some that were read were not")
        step = self._done % len(self._after)
        now = self._after[step - 1] if step else self._static
        return self._released(_copied(now))

    def _released(self, state: State) -> State:
        slots: dict[str, Memory | Cache | State] = {}
        for name, slot in state.slots.items():
            if isinstance(slot, StandingCache):
                slots[name] = slot.left(int(slot.filled))
            else:
                slots[name] = self._released(slot) if isinstance(slot, State) else slot
        return replace(state, steps=int(state.seen[0]), slots=slots)


def steps_of(model: TokenSequence, state: State, room: int) -> Steps:
    """Return recorded steps if they are possible and save time; otherwise plain steps."""
    if model.device.type == "cuda" and room >= _WORTH * model.period and state.steps:
        with suppress(NotRecordableError):
            return RecordedSteps(model, state, room)
    return Steps(model, state)


@cache
def _streams(device: torch.device) -> tuple[torch.cuda.Stream, torch.cuda.Stream]:
    """Return the CUDA streams for warm-up and for recording on a device.

    The same two streams are used every time, because cuBLAS keeps memory for each stream on which it was used.
    """
    return torch.cuda.Stream(device), torch.cuda.Stream(device)


def _standing(state: State) -> Iterator[StandingCache]:
    for slot in state.slots.values():
        if isinstance(slot, State):
            yield from _standing(slot)
        elif isinstance(slot, StandingCache):
            yield slot


def _tensors(state: State) -> Iterator[Tensor]:
    """Yield all tensors of a state, except those of caches with fixed storage."""
    yield from (state.seen, state.clock)
    for slot in state.slots.values():
        if isinstance(slot, State):
            yield from _tensors(slot)
        elif isinstance(slot, Memory):
            yield slot.value
        elif not isinstance(slot, StandingCache):
            yield from (slot.keys, slot.values)


def _copied(state: State) -> State:
    """Return a state with all tensors copied, except those of caches with fixed storage."""
    slots: dict[str, Memory | Cache | State] = {}
    for name, slot in state.slots.items():
        if isinstance(slot, State):
            slots[name] = _copied(slot)
        elif isinstance(slot, Memory):
            slots[name] = replace(slot, value=slot.value.clone())
        elif isinstance(slot, StandingCache):
            slots[name] = slot
        else:
            buffer = _Buffer(slot.keys.clone(), slot.values.clone(), None, len(slot))
            slots[name] = replace(slot, buffer=buffer, start=0, end=len(slot))
    return replace(state, seen=state.seen.clone(), clock=state.clock.clone(), slots=slots)
