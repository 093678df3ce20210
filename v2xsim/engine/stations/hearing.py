"""What stations measured lately on each other's packets: the SNR, and the share of announcements that arrive."""

from itertools import pairwise

import numpy as np
from jaxtyping import Float, Int64

from v2xsim.comms.pairs import homes, kept_rows
from v2xsim.engine.stations.contents import HeardList
from v2xsim.engine.stations.heard_pairs import (
    Measured,
    Packets,
    measured_by,
    no_pairs,
    noted,
    with_room,
    with_stations,
)

# A link is forgotten after a time without packets of this many times the message rule's longest pause.
SILENT_PERIODS = 5
NEWEST = 0.4
"""Weight of the newest packet in the mean SNR, chosen by us so that about the last three packets count."""


class Hearing:
    """The measurements of stations on each other's packets.

    Pairs of stations that never heard each other take no memory.

    Args:
        forget_us: A sender that has not been heard for longer than this counts as gone.
        period_us: Longest time between two announcements of a station.
    """

    def __init__(self, forget_us: int, period_us: int) -> None:
        self._forget_us, self._period_us = forget_us, period_us
        # Agent ids of the stations, in rising order.
        self._agent = np.zeros(0, np.int64)
        self._pairs = no_pairs()
        # Packets whose measurements are not in `_pairs` yet: receivers, sender, SNR at each receiver, time, sequence number.
        self._new: list[tuple[Int64[np.ndarray, " receivers"], int, Float[np.ndarray, " receivers"], int, int]] = []

    def enter(self, agent: Int64[np.ndarray, " stations"]) -> None:
        """Set the stations of a new tick; new stations have heard no other."""
        self._update()
        if np.array_equal(agent, self._agent):
            return
        slot, newcomers = homes(self._pairs.slot, kept_rows(self._agent, agent), len(self._pairs.filled))
        self._pairs = with_stations(self._pairs, agent, slot, newcomers, self._agent)
        self._agent = agent

    def note(
        self, receivers: Int64[np.ndarray, " receivers"], sender: int, snr_db: Float[np.ndarray, " receivers"], time_us: int,
        sequence: int = -1,
    ) -> None:  # fmt: skip
        """Update the measurements of every station that received a packet.

        If a receiver had not heard the sender lately, its means start again with this packet. Receivers that have left are
        ignored.

        Args:
            receivers: Agent ids of the stations that received the packet.
            sender: Agent id of the station that sent the packet.
            snr_db: SNR that each receiver measured.
            time_us: Time at which the packet ended.
            sequence: Sequence number of the sender's own announcement that the packet brought; -1 for another packet.
        """
        # One call for many packets takes much less time than a call for each.
        self._new.append((receivers, sender, snr_db, time_us, sequence))

    def measured(self, agents: Int64[np.ndarray, " agents"], now_us: int) -> Measured:
        """Return what each of some stations measured on the packets of those that it has heard lately."""
        self._update()
        return measured_by(self._pairs, agents, now_us, self._forget_us, self._period_us)

    def heard_by_each(self, agents: Int64[np.ndarray, " agents"], now_us: int) -> list[HeardList]:
        """Return for each of some stations the list of the stations that it has heard lately, as it announces it."""
        found = self.measured(agents, now_us)
        # Rounded for all stations at once.
        every = HeardList.of(*found[1:])
        return [
            HeardList(every.agent[first:last], every.snr_db[first:last], every.share[first:last])
            for first, last in pairwise(found.offset.tolist())
        ]

    def heard_lately(self, agent: int, now_us: int) -> tuple[Int64[np.ndarray, " heard"], Float[np.ndarray, " heard"]]:
        """Return the stations that a station has heard lately, in rising order of their agent ids, and the mean SNR of each."""
        found = self.measured(np.array([agent], np.int64), now_us)
        return found.sender, found.snr_db

    def _update(self) -> None:
        """Enter the measurements of the packets that arrived since the last call."""
        if not self._new:
            return
        receivers, sender, snr_db, time_us, sequence = zip(*self._new, strict=True)
        self._new = []
        count = [len(rows) for rows in receivers]
        repeated = (np.repeat(np.array(values, np.int64), count) for values in (sender, time_us, sequence))
        senders, times_us, sequences = repeated
        packets = Packets(np.concatenate(receivers), senders, np.concatenate(snr_db), times_us, sequences)
        done = 0
        while (done := noted(self._pairs, packets, done, self._forget_us, NEWEST)) < len(packets.receiver):
            self._pairs = with_room(self._pairs)
