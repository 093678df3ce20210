"""The course of every request and answer, for the record of the run; no decision of a station reads it."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from v2xsim.engine.channel.messages import AnswerMessage, RequestMessage


@dataclass
class Transfer:
    """The course of one request or answer. The time of an event that has not happened is -1.

    Attributes:
        message: Message with the request or the answer.
        frame_us: Capture time of the ego's frame for which the ego asked.
        capture_us: Capture time of the data in an answer; -1 for a request.
        detect_us: Time at which the helper's detection of that data was finished; -1 for a request.
        parts: Whether each fragment of the message has arrived.
        air_us: Start of the earliest transmission that delivered a fragment, to the relay or the destination.
        arrive_us: Time at which the message was complete; -1 if a fragment was lost.
        fuse_us: Time at which an ego first fused the answer.
        outcome: Outcome so far, `lost` at first; the table `transfers` of a run lists the outcomes.
    """

    message: RequestMessage | AnswerMessage
    frame_us: int
    capture_us: int
    detect_us: int
    parts: Bool[np.ndarray, " fragments"]
    air_us: int = -1
    arrive_us: int = -1
    fuse_us: int = -1
    outcome: str = "lost"

    @property
    def ego(self) -> int:
        """Agent id of the ego that sent the request."""
        return self.message.origin if isinstance(self.message, RequestMessage) else self.message.destination

    @property
    def helper(self) -> int:
        """Agent id of the helper to which the request was sent."""
        return self.message.destination if isinstance(self.message, RequestMessage) else self.message.origin

    @property
    def final_outcome(self) -> str:
        """Outcome of the request or answer at the end of the run."""
        if isinstance(self.message, RequestMessage) or self.outcome != "lost" or not self.parts.any():
            return self.outcome
        # The answer arrived and was never fused: another answer was newer, the last deadline had passed, or it was too old.
        return "superseded" if self.parts.all() else "partial"

    def on_air(self, start_us: int) -> None:
        """Record the start of a transmission that delivered a packet of the message; the earliest one counts."""
        if self.air_us < 0 or start_us < self.air_us:
            self.air_us = start_us

    def receive(self, fragment: int, time_us: int) -> bool:
        """Record that a fragment arrived at its destination; return whether all fragments have arrived now."""
        self.parts[fragment] = True
        if self.parts.all():
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
    """All requests and answers of a run."""

    def __init__(self) -> None:
        self._all: list[Transfer] = []
        self._by_number: dict[int, Transfer] = {}
        self._by_frame: dict[tuple[int, int], list[Transfer]] = {}

    def add(self, transfer: Transfer) -> None:
        """Add a request or answer that is being sent."""
        self._all.append(transfer)
        self._by_number[transfer.message.number] = transfer
        self._by_frame.setdefault((transfer.ego, transfer.frame_us), []).append(transfer)

    def all(self) -> list[Transfer]:
        """Return all requests and answers of the run, in the order in which they were sent."""
        return self._all

    def of_message(self, number: int) -> Transfer:
        """Return the request or answer whose message has this number."""
        return self._by_number[number]

    def of_frame(self, ego: int, frame_us: int) -> list[Transfer]:
        """Return the requests that an ego sent for a frame and the answers to them, in the order in which they were sent."""
        return self._by_frame.get((ego, frame_us), [])
