"""The course of every request and answer, for the record of the run; no decision of a station reads it."""

import math
from collections import deque
from dataclasses import dataclass

from v2xsim.engine.channel.messages import AnswerMessage, RequestMessage
from v2xsim.engine.cooperation.cycles import Cycles
from v2xsim.results.tables import Columns


@dataclass(slots=True)
class Transfer:
    """The course of one request or answer. The time of an event that has not happened is -1.

    The message itself is not kept, because its content may hold a whole point cloud.

    Attributes:
        number: Number of the message with the request or the answer.
        kind: Kind of that message.
        origin: Agent id of the station that made the message.
        destination: Agent id of the station that the message is for.
        relay: Agent id of the station that must forward the message, or NOBODY.
        queued_us: Time at which the message was made.
        size_bytes: Size of the payload.
        allowance_bytes: Largest payload of the answer to a request; 0 for an answer.
        frame_us: Capture time of the ego's frame for which the ego asked.
        capture_us: Capture time of the data in an answer; -1 for a request.
        detect_us: Time at which the helper's detection of that data was finished; -1 for a request.
        fragments: Number of fragments of the message.
        predicted: Probability of the whole cycle that the ego predicted when it asked; NaN for an answer.
        parts: One bit for each fragment that has arrived at the destination, the lowest for fragment 0.
        by_relay: Whether the relay has brought a fragment that the destination had not overheard before.
        air_us: Start of the earliest transmission that delivered a fragment, to the relay or the destination.
        arrive_us: Time at which the message was complete; -1 if a fragment was lost.
        fuse_us: Time at which an ego first fused the answer.
        outcome: Outcome so far, `lost` at first; the table `transfers` of a run lists the outcomes.
        is_under_way: Whether a packet of the message may still arrive.
    """

    number: int
    kind: str
    origin: int
    destination: int
    relay: int
    queued_us: int
    size_bytes: int
    allowance_bytes: int
    frame_us: int
    capture_us: int
    detect_us: int
    fragments: int
    predicted: float = math.nan
    parts: int = 0
    by_relay: bool = False
    air_us: int = -1
    arrive_us: int = -1
    fuse_us: int = -1
    outcome: str = "lost"
    is_under_way: bool = True

    @staticmethod
    def of(
        message: RequestMessage | AnswerMessage, frame_us: int, capture_us: int, detect_us: int, fragments: int,
        predicted: float = math.nan,
    ) -> "Transfer":  # fmt: skip
        """Return the course of a message that is being sent; arguments as the attributes."""
        allowance_bytes = message.body.allowance_bytes if isinstance(message, RequestMessage) else 0
        return Transfer(
            message.number, message.kind, message.origin, message.destination, message.relay, message.queued_us,
            message.size_bytes, allowance_bytes, frame_us, capture_us, detect_us, fragments, predicted,
        )  # fmt: skip

    @property
    def is_request(self) -> bool:
        """Whether the message is a request; otherwise it is an answer."""
        return self.kind == RequestMessage.kind

    @property
    def ego(self) -> int:
        """Agent id of the ego that sent the request."""
        return self.origin if self.is_request else self.destination

    @property
    def helper(self) -> int:
        """Agent id of the helper to which the request was sent."""
        return self.destination if self.is_request else self.origin

    @property
    def is_whole(self) -> bool:
        """Whether all fragments have arrived."""
        return self.parts == (1 << self.fragments) - 1

    @property
    def final_outcome(self) -> str:
        """Outcome of the request or answer, once it is final."""
        if self.is_request or self.outcome != "lost" or not self.parts:
            return self.outcome
        # The answer arrived and was never fused: another answer was newer, the last deadline had passed, or it was too old.
        return "superseded" if self.is_whole else "partial"

    def on_air(self, start_us: int) -> None:
        """Record the start of a transmission that delivered a packet of the message; the earliest one counts."""
        if self.air_us < 0 or start_us < self.air_us:
            self.air_us = start_us

    def receive(self, fragment: int, time_us: int, by_relay: bool = False) -> bool:
        """Record that a fragment arrived at its destination; return whether this one completes the message.

        A fragment may arrive twice: overheard from its origin, and then from the relay.
        """
        if self.parts >> fragment & 1:
            return False
        self.parts |= 1 << fragment
        self.by_relay |= by_relay
        if self.is_whole:
            self.arrive_us = time_us
            return True
        return False

    def reached_helper(self, is_answered: bool) -> None:
        """Record that the whole request reached its helper, and whether the helper had a frame from which to answer."""
        self.outcome = "answered" if is_answered else "no_frame"

    def fused(self, time_us: int, frame_us: int) -> None:
        """Record that an ego fused the answer with a frame; only the first time counts."""
        if self.fuse_us < 0:
            self.fuse_us = time_us
            self.outcome = "used" if self.frame_us == frame_us else "late"


class Transfers:
    """The requests and answers that have no row yet: their outcome is not final, or an earlier one has no row.

    The rows of the table are in the order of sending, so a message that is under way for long delays the rows after it.

    Args:
        table: Table in which the course of each request and answer is recorded.
        max_age_us: An ego fuses no answer whose data was captured longer than this before the ego's frame.
        cycles: Table in which each cycle of requests and answers is recorded.

    Attributes:
        cycles: The cycles to which the requests and answers belong.
    """

    def __init__(self, table: Columns, max_age_us: int, cycles: Columns) -> None:
        self._table, self._max_age_us, self.cycles = table, max_age_us, Cycles(cycles)
        self._waiting: deque[Transfer] = deque()
        self._by_number: dict[int, Transfer] = {}
        self._by_frame: dict[int, dict[int, list[Transfer]]] = {}
        # Capture time of the next frames to be fused: all earlier ones have been.
        self._next_frame_us = -(2**62)

    def add(self, transfer: Transfer) -> None:
        """Add a request or answer that is being sent."""
        self._waiting.append(transfer)
        self._by_number[transfer.number] = transfer
        self.cycles.add(transfer)
        # The answer to a late request may be for a frame that was fused already.
        if transfer.frame_us >= self._next_frame_us:
            self._by_frame.setdefault(transfer.frame_us, {}).setdefault(transfer.ego, []).append(transfer)

    def without_row(self) -> list[Transfer]:
        """Return the requests and answers that have no row yet, in the order in which they were sent."""
        return list(self._waiting)

    def of_message(self, number: int) -> Transfer:
        """Return the request or answer whose message has this number; its packets are under way, or it may be fused."""
        return self._by_number[number]

    def of_frame(self, ego: int, frame_us: int) -> list[Transfer]:
        """Return the requests that an ego sent for a frame and the answers to them, in the order in which they were sent.

        The frame must be one that has not been fused.
        """
        return self._by_frame.get(frame_us, {}).get(ego, [])

    def over(self, number: int) -> None:
        """Note that no packet of a request or an answer can arrive any more."""
        self._by_number[number].is_under_way = False

    def fused_before(self, next_frame_us: int, now_us: int) -> None:
        """Write the rows of the requests, answers and cycles whose outcome is final, now that all frames before a time are fused."""
        self._next_frame_us = next_frame_us
        self.cycles.fused_before(next_frame_us, now_us)
        for frame_us in [frame_us for frame_us in self._by_frame if frame_us < next_frame_us]:
            del self._by_frame[frame_us]
        final = []
        while self._waiting and self._is_final(self._waiting[0]):
            final.append(self._waiting.popleft())
        self._record(final)

    def close(self) -> None:
        """Write the rows of all others at the end of the run, with their outcome so far."""
        self.cycles.close()
        self._record(list(self._waiting))
        self._waiting.clear()

    def _is_final(self, transfer: Transfer) -> bool:
        if transfer.is_under_way:
            return False
        is_too_old = transfer.capture_us < self._next_frame_us - self._max_age_us
        return transfer.is_request or is_too_old or not transfer.parts

    def _record(self, transfers: list[Transfer]) -> None:
        """Write one row for each of some requests and answers, and forget them."""
        if not transfers:
            return
        for transfer in transfers:
            del self._by_number[transfer.number]
        columns = zip(*map(_row, transfers), strict=True)
        self._table.add(**dict(zip(_COLUMNS, map(list, columns), strict=True)))


_COLUMNS = (
    "message", "kind", "origin", "destination", "relay", "frame_us", "capture_us", "detect_us", "queue_us", "air_us", "arrive_us",
    "fuse_us", "size_bytes", "fragments", "arrived", "predicted", "outcome",
)  # fmt: skip


def _row(transfer: Transfer) -> tuple[float | str, ...]:
    """Return the row of a request or an answer, in the order of _COLUMNS."""
    return (
        transfer.number, transfer.kind, transfer.origin, transfer.destination, transfer.relay, transfer.frame_us,
        transfer.capture_us, transfer.detect_us, transfer.queued_us, transfer.air_us, transfer.arrive_us, transfer.fuse_us,
        transfer.size_bytes, transfer.fragments, transfer.parts.bit_count(), transfer.predicted, transfer.final_outcome,
    )  # fmt: skip
