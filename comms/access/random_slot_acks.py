"""Packets of the access scheme `random_slot` that wait for their acknowledgements.

A station that receives a packet addressed to it sends an acknowledgement SIFS after the packet's end, whether or not the
channel is free, unless it is sending then. The sender reserves that time: none of its own packets begins in it. If the
acknowledgement is not received, the sender sends the packet again in a random slot after the timeout.
"""

from dataclasses import dataclass
from heapq import heappop, heappush

import numpy as np
from jaxtyping import Int64

from v2xsim.comms.access.acknowledged import code_of
from v2xsim.comms.access.packets import DELIVERED, NOT_SENT, Receptions
from v2xsim.comms.access.random_slot_air import END_US, SENDER, START_US, MediumState


@dataclass
class Waiting:
    """A packet that is not acknowledged yet.

    Attributes:
        number: The caller's number.
        sender: Row of the station that sends it; -1 if it has left.
        target: Row of the station that acknowledges it; -1 if it has left.
        mcs: Index of the modulation and coding scheme.
        airtime_us: Duration of the packet.
        key: Random key of the packet.
        retries: How often it may be sent again.
        repeat: How often it was sent again so far.
        end_us: End of its last transmission.
    """

    number: int
    sender: int
    target: int
    mcs: int
    airtime_us: int
    key: np.uint64
    retries: int
    repeat: int
    end_us: int

    def code(self, kind: int) -> int:
        """Return the code of its present transmission or acknowledgement (`v2xsim.comms.access.acknowledged`)."""
        return int(code_of(self.number, self.repeat, kind))


class WaitingPackets:
    """All packets that are not acknowledged yet, and the ends of their transmissions and acknowledgements."""

    def __init__(self) -> None:
        self._packets: dict[int, Waiting] = {}
        # End and code of each transmission and acknowledgement, and the number of its packet; the earliest is the first.
        self._ends: list[tuple[int, int, int]] = []

    def add(self, packet: Waiting) -> None:
        """Add a packet."""
        self._packets[packet.number] = packet

    def watch(self, packet: Waiting, end_us: int, kind: int) -> None:
        """Note when the transmission of a packet or its acknowledgement ends."""
        heappush(self._ends, (end_us, packet.code(kind), packet.number))

    def remove(self, packet: Waiting) -> None:
        """Remove a packet that is not sent again."""
        del self._packets[packet.number]

    def earliest_us(self) -> int | None:
        """Return the earliest end; None if nothing waits."""
        while self._ends and self._ends[0][2] not in self._packets:
            heappop(self._ends)
        return self._ends[0][0] if self._ends else None

    def ended(self, now_us: int) -> list[tuple[Waiting, int]]:
        """Return the packets that ended, or whose acknowledgements ended, at an instant, each with its code."""
        found = []
        while self.earliest_us() == now_us:
            _, code, number = heappop(self._ends)
            found.append((self._packets[number], code))
        return found

    def reindexed(self, new_row: Int64[np.ndarray, " old_plus_1"]) -> None:
        """Carry the rows over to another list of stations: `new_row` has the new row of each old one, -1 at its end.

        The packets of senders that left are forgotten.
        """
        for packet in list(self._packets.values()):
            packet.sender, packet.target = int(new_row[packet.sender]), int(new_row[packet.target])
            if packet.sender < 0:
                self.remove(packet)


def delivered(receptions: Receptions, code: int, receiver: int) -> bool:
    """Return whether a station received a transmission."""
    (rows,) = np.nonzero(receptions.number == code)
    for row in rows.tolist():
        own = slice(int(receptions.offset[row]), int(receptions.offset[row + 1]))
        if ((receptions.receiver[own] == receiver) & (receptions.outcome[own] == DELIVERED)).any():
            return True
    return False


def sends_between(medium: MediumState, station: int, start_us: int, end_us: int) -> bool:
    """Return whether a station sends at any time between two instants."""
    for table in (medium.started, medium.waiting):
        if ((table[SENDER] == station) & (table[START_US] < end_us) & (table[END_US] > start_us)).any():
            return True
    return False


def unsent_ack(packet: Waiting, code: int, time_us: int, noise_dbm: float) -> Receptions:
    """Return the outcome of an acknowledgement that its station could not send, because it was sending something else."""
    one = np.array([time_us], np.int64)
    nothing = np.full(1, np.nan, np.float32)
    return Receptions(
        np.array([code], np.int64), np.array([packet.target], np.int64), one, one, np.full(1, noise_dbm),
        np.array([0, 1], np.int64), np.array([packet.sender], np.int32), np.array([NOT_SENT], np.int8), nothing, nothing,
    )  # fmt: skip
