"""The lives of requests and answers, as the run records them; no station reads this."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from v2xsim.engine.channel.messages import AnswerMessage, RequestMessage


@dataclass
class Transfer:
    """The life of one request or answer. Times are -1 for what has not happened.

    Attributes:
        message: The request or the answer.
        frame_us: Capture of the ego's frame that asked.
        capture_us: Capture of the data carried; -1 for a request.
        detect_us: When that data was available to its station; -1 for a request.
        parts: Which of its fragments have arrived.
        air_us: When the first of its packets that reached its target began.
        arrive_us: When it was complete; -1 if a part was lost.
        fuse_us: When it was first fused.
        outcome: `lost` until something better is known; see the table of transfers.
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
        """Station that asked."""
        return self.message.origin if isinstance(self.message, RequestMessage) else self.message.destination

    @property
    def helper(self) -> int:
        """Station that was asked."""
        return self.message.destination if isinstance(self.message, RequestMessage) else self.message.origin

    @property
    def final_outcome(self) -> str:
        """What became of it, once the run is over."""
        if isinstance(self.message, RequestMessage) or self.outcome != "lost" or not self.parts.any():
            return self.outcome
        # It arrived and was never fused: another answer was newer, the last deadline had passed, or it was too old.
        return "superseded" if self.parts.all() else "partial"

    def on_air(self, start_us: int) -> None:
        """Note when one of its packets that reached its target began."""
        if self.air_us < 0 or start_us < self.air_us:
            self.air_us = start_us

    def receive(self, fragment: int, time_us: int) -> bool:
        """Note that a fragment arrived at its destination; return whether all are there now."""
        self.parts[fragment] = True
        if self.parts.all():
            self.arrive_us = time_us
            return True
        return False

    def answered(self) -> None:
        """Note that the whole request reached its helper, even if the helper has no frame to answer from."""
        self.outcome = "answered"

    def fused(self, time_us: int, frame_us: int) -> None:
        """Note that an ego fused it for a frame; only the first time counts."""
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
        """Record one more."""
        self._all.append(transfer)
        self._by_number[transfer.message.number] = transfer
        self._by_frame.setdefault((transfer.ego, transfer.frame_us), []).append(transfer)

    def all(self) -> list[Transfer]:
        """Return all of the run, in the order in which they were sent."""
        return self._all

    def of_message(self, number: int) -> Transfer:
        """Return the one whose message has a number."""
        return self._by_number[number]

    def of_frame(self, ego: int, frame_us: int) -> list[Transfer]:
        """Return the requests for an ego's frame and the answers to them, in the order in which they were sent."""
        return self._by_frame.get((ego, frame_us), [])
