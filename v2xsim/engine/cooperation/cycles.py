"""The course of every cycle of cooperation, for the record of the run; no decision of a station reads it.

A cycle is what an ego asks of helpers for one frame, with their answers. It is wanted if the ego has a blind zone, whether or not it asks.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from jaxtyping import Bool, Float

from v2xsim.engine.cooperation.matching import Ask, Candidates
from v2xsim.engine.stations.frame import Frame
from v2xsim.evaluation.cycles import COMPLETE, FAILURES
from v2xsim.perception.matching.greedy_loops import counted
from v2xsim.results.tables import Columns

_ORDER = {reason: number for number, reason in enumerate(FAILURES)}


class Sent(Protocol):
    """A request or an answer on its way, as `v2xsim.engine.cooperation.transfers.Transfer` describes it."""

    parts: int
    arrive_us: int
    frame_us: int
    outcome: str
    is_under_way: bool

    @property
    def is_request(self) -> bool:
        """Whether it is a request; otherwise it is an answer."""

    @property
    def ego(self) -> int:
        """Agent id of the ego that asked."""

    @property
    def helper(self) -> int:
        """Agent id of the helper that was asked."""

    @property
    def is_whole(self) -> bool:
        """Whether all of it has arrived."""


@dataclass(slots=True)
class _Cycle:
    """One cycle until its outcome is final.

    Attributes:
        frame_us: Capture time of the ego's frame.
        ego: Agent id of the ego.
        ask_us: Time at which the ego chose helpers.
        weight: Sum of the relevance of its blind cells.
        known: Number of helpers that it knew and could reach.
        asked: Agent ids of the helpers that it asked.
        reason: Why it asked nobody; empty if it asked.
        transfers: The requests and answers.
        complete: Helpers whose answers were complete at the deadline.
        partial: Helpers of whose answers only some fragments had arrived at the deadline.
        fuse_us: The deadline; -1 before it.
    """

    frame_us: int
    ego: int
    ask_us: int
    weight: float
    known: int
    asked: tuple[int, ...]
    reason: str
    transfers: list[Sent] = field(default_factory=list)
    complete: set[int] = field(default_factory=set)
    partial: set[int] = field(default_factory=set)
    fuse_us: int = -1

    @property
    def is_final(self) -> bool:
        """Whether the deadline has passed and nothing is on its way any more."""
        return self.fuse_us >= 0 and not any(transfer.is_under_way for transfer in self.transfers)

    def end(self, fuse_us: int) -> None:
        """Note what has arrived at the deadline."""
        self.fuse_us = fuse_us
        for transfer in self.transfers:
            if not transfer.is_request and transfer.parts:
                (self.complete if transfer.is_whole else self.partial).add(transfer.helper)
        self.partial -= self.complete

    def outcome(self) -> str:
        """Return whether the cycle was complete by the deadline, or the first reason why not."""
        if not self.asked:
            return self.reason
        failures = [self._failure_of(helper) for helper in self.asked if helper not in self.complete]
        return min(failures, key=_ORDER.__getitem__) if failures else COMPLETE

    def complete_us(self) -> int:
        """Return when the last answer was complete; -1 if the ego asked nobody or one never was."""
        first_us: dict[int, int] = {}
        for transfer in self.transfers:
            if transfer.is_whole and not transfer.is_request:
                helper = transfer.helper
                first_us[helper] = min(first_us.get(helper, transfer.arrive_us), transfer.arrive_us)
        arrivals = [first_us.get(helper, -1) for helper in self.asked]
        return max(arrivals) if arrivals and min(arrivals) >= 0 else -1

    def _of(self, helper: int) -> list[Sent]:
        return [transfer for transfer in self.transfers if transfer.helper == helper]

    def _failure_of(self, helper: int) -> str:
        """Return why the answer of a helper was not complete at the deadline."""
        transfers = self._of(helper)
        answers = [transfer for transfer in transfers if not transfer.is_request]
        if any(answer.is_whole for answer in answers):
            return "late"
        if any(transfer.is_under_way for transfer in transfers):
            return "run_ended"
        if answers:
            return "answer_lost"
        # An exchange without messages has no requests: a helper without a frame is the only reason for it to send nothing.
        if not transfers or any(transfer.outcome == "no_frame" for transfer in transfers):
            return "no_frame"
        return "request_lost"


class Cycles:
    """The cycles that have no row yet: their outcome is not final, or an earlier one has no row.

    Args:
        table: Table in which each cycle is recorded.
    """

    def __init__(self, table: Columns) -> None:
        self._table = table
        self._waiting: deque[_Cycle] = deque()
        self._by_frame: dict[tuple[int, int], _Cycle] = {}

    def wanted(
        self, ask_us: int, egos: Sequence[Frame], weight: Float[np.ndarray, "egos nx ny"], known: Candidates,
        requests: Sequence[Sequence[Ask]],
    ) -> None:  # fmt: skip
        """Note the frames for which egos want data: those with a blind zone. Call it before the requests are sent.

        Args:
            ask_us: Present time.
            egos: Frame of each ego.
            weight: Relevance of each blind cell of each ego.
            known: Possible helpers of each ego.
            requests: Requests of each ego.
        """
        total, count = weight.sum(axis=(1, 2)), np.diff(known.offset)
        asks_nobody = np.array([not asks for asks in requests], bool)
        is_useful = _has_useful(egos, weight, known, asks_nobody & (count > 0) & (total > 0.0))
        for e in np.flatnonzero(total > 0.0).tolist():
            reason = "" if requests[e] else _reason(int(count[e]), bool(is_useful[e]))
            asked = tuple(dict.fromkeys(ask.helper for ask in requests[e]))
            ego = egos[e]
            cycle = _Cycle(ego.time_us, ego.agent, ask_us, float(total[e]), int(count[e]), asked, reason)
            self._waiting.append(cycle)
            if asked:
                self._by_frame[ego.time_us, ego.agent] = cycle

    def add(self, transfer: Sent) -> None:
        """Add a request or answer that is being sent."""
        cycle = self._by_frame.get((transfer.frame_us, transfer.ego))
        if cycle is not None:
            cycle.transfers.append(transfer)

    def fused_before(self, next_frame_us: int, now_us: int) -> None:
        """Note that the deadline of all frames before a time has come, and write the rows that are final."""
        for cycle in self._waiting:
            if cycle.frame_us < next_frame_us and cycle.fuse_us < 0:
                cycle.end(now_us)
        final = []
        while self._waiting and self._waiting[0].is_final:
            final.append(self._waiting.popleft())
        self._record(final)

    def close(self) -> None:
        """Write the rows of all others at the end of the run, with their outcome so far."""
        self._record(list(self._waiting))
        self._waiting.clear()

    def _record(self, cycles: list[_Cycle]) -> None:
        if not cycles:
            return
        for cycle in cycles:
            self._by_frame.pop((cycle.frame_us, cycle.ego), None)
        self._table.add(
            frame_us=[cycle.frame_us for cycle in cycles], ego=[cycle.ego for cycle in cycles],
            ask_us=[cycle.ask_us for cycle in cycles], fuse_us=[cycle.fuse_us for cycle in cycles],
            blind_weight=[cycle.weight for cycle in cycles], known=[cycle.known for cycle in cycles],
            asked=[len(cycle.asked) for cycle in cycles], complete=[len(cycle.complete) for cycle in cycles],
            partial=[len(cycle.partial) for cycle in cycles], complete_us=[cycle.complete_us() for cycle in cycles],
            outcome=[cycle.outcome() for cycle in cycles],
        )  # fmt: skip


def _reason(known: int, is_useful: bool) -> str:
    """Return why an ego asked nobody, given the number of helpers that it knew and whether one had observed blind cells."""
    return "nobody_known" if known == 0 else "not_asked" if is_useful else "nobody_useful"


def _has_useful(
    egos: Sequence[Frame], weight: Float[np.ndarray, "egos nx ny"], known: Candidates, is_looked_at: Bool[np.ndarray, " egos"]
) -> Bool[np.ndarray, " egos"]:  # fmt: skip
    """Return whether a possible helper of each ego that is looked at had observed a blind cell; false for the other egos."""
    is_useful = np.zeros(len(egos), bool)
    rows = np.flatnonzero(is_looked_at)
    if len(rows) == 0:
        return is_useful
    parts = [known.matrix[known.offset[e] : known.offset[e + 1]] for e in rows]
    offset = np.concatenate([[0], np.cumsum([len(part) for part in parts])])
    used, matrix = np.unique(np.concatenate(parts), return_inverse=True)
    observed, _ = counted(
        weight[rows], np.array([egos[e].matrix.lower for e in rows.tolist()]), offset, matrix,
        np.array([known.matrices[m].code for m in used]), np.array([known.matrices[m].lower for m in used]),
    )  # fmt: skip
    is_useful[rows] = np.add.reduceat(observed, offset[:-1]) > 0
    return is_useful
