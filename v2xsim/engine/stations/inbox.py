"""The messages that arrived at each station since the last step, for a program that steps a run; no decision reads them."""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Int64

from v2xsim.engine.stations.contents import NOBODY


@dataclass(frozen=True)
class Arrival:
    """A message that has arrived completely.

    Attributes:
        kind: Kind of the message, as in the table `packets`.
        number: Number of the message, unique in a run.
        origin: Agent id of the station that made the message.
        relay: Agent id of the station that forwarded it, NOBODY if it came directly.
        time_us: Time at which its last fragment arrived.
        size_bytes: Size of the payload.
        payload: Content of a message of the program; empty for other kinds.
    """

    kind: str
    number: int
    origin: int
    relay: int = NOBODY
    time_us: int = 0
    size_bytes: int = 0
    payload: bytes = field(default=b"", repr=False)


class Inboxes:
    """The messages that arrived at each station since `clear`; nothing is stored until `clear` is called once."""

    def __init__(self) -> None:
        self._arrivals: list[tuple[Int64[np.ndarray, " receivers"], Arrival]] = []
        self.is_open = False

    def clear(self) -> None:
        """Forget all messages, and store those that arrive from now on."""
        self._arrivals, self.is_open = [], True

    def put(self, receivers: Int64[np.ndarray, " receivers"], arrival: Arrival) -> None:
        """Store a message that arrived at some stations."""
        if self.is_open and len(receivers):
            self._arrivals.append((receivers, arrival))

    def of(self, agent: int) -> list[Arrival]:
        """Return the messages of a station, in the order of their arrival."""
        return [arrival for receivers, arrival in self._arrivals if agent in receivers]
