"""The link quality that stations measured lately on each other's packets, and the delivery predicted from it."""

from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float, Int64

from v2xsim.comms.access.scheme import error_points_of
from v2xsim.comms.pairs import homes, kept_rows
from v2xsim.comms.phy.error_points import delivery_at
from v2xsim.comms.relay.links import LinkDelivery
from v2xsim.engine.stations.heard_pairs import heard_since, links_of, no_pairs, noted, with_room, without_gone
from v2xsim.scenario.schema_radio import Radio

# A link is forgotten after a time without packets of this many times the message rule's longest pause.
SILENT_PERIODS = 5
# Weight of the newest packet in the mean SNR, chosen by us so that about the last three packets count.
_NEWEST = 0.4


class Hearing:
    """The measurements of stations on each other's packets.

    Pairs of stations that never heard each other take no memory.

    Args:
        forget_us: A sender that has not been heard for longer than this counts as gone.
    """

    def __init__(self, forget_us: int) -> None:
        self._forget_us = forget_us
        # Agent ids of the stations, in rising order.
        self._agent = np.zeros(0, np.int64)
        self._pairs = no_pairs()
        # Packets whose measurements are not in `_pairs` yet: receivers, sender, SNR at each receiver, time.
        self._new: list[tuple[Int64[np.ndarray, " receivers"], int, Float[np.ndarray, " receivers"], int]] = []

    def enter(self, agent: Int64[np.ndarray, " stations"]) -> None:
        """Set the stations of a new tick; new stations have heard no other, and no other has heard them."""
        self._update()
        if np.array_equal(agent, self._agent):
            return
        slot, newcomers = homes(self._pairs.slot, kept_rows(self._agent, agent), len(self._pairs.filled))
        self._pairs = without_gone(self._pairs, agent, slot, newcomers, self._agent)
        self._agent = agent

    def note(
        self, receivers: Int64[np.ndarray, " receivers"], sender: int, snr_db: Float[np.ndarray, " receivers"], time_us: int
    ) -> None:  # fmt: skip
        """Update the measurements of every station that received a packet.

        If a receiver had not heard the sender lately, its mean starts again with this packet. Stations that have left are
        ignored.

        Args:
            receivers: Agent ids of the stations that received the packet.
            sender: Agent id of the station that sent the packet.
            snr_db: SNR that each receiver measured.
            time_us: Time at which the packet ended.
        """
        # One call for many packets takes much less time than a call for each.
        self._new.append((receivers, sender, snr_db, time_us))

    def heard_by_each(self, agents: Int64[np.ndarray, " agents"], now_us: int) -> list[Int64[np.ndarray, " _"]]:
        """Return for each of some stations the stations that it has heard lately, in rising order of their agent ids."""
        self._update()
        offset, heard = heard_since(self._pairs, agents, now_us - self._forget_us)
        return [heard[first:last] for first, last in pairwise(offset.tolist())]

    def heard_lately(self, agent: int, now_us: int) -> tuple[Int64[np.ndarray, " heard"], Float[np.ndarray, " heard"]]:
        """Return the stations that a station has heard lately, in rising order of their agent ids, and the mean SNR of each."""
        self._update()
        slot = self._pairs.slot_of(agent)
        count = self._pairs.filled[slot] if slot >= 0 else 0
        lately = now_us - self._pairs.last_us[slot, :count] <= self._forget_us
        return self._pairs.sender[slot, :count][lately], self._pairs.snr_db[slot, :count][lately]

    def delivery(self, now_us: int, radio: Radio, ends: Bool[np.ndarray, " stations"]) -> LinkDelivery:
        """Return the predicted probability that a data packet crosses each link of some stations, the same in both directions.

        Of the SNRs measured at the two ends the larger one is used, since the channel is reciprocal. The prediction is 0 if
        neither end has heard the other lately. The prediction does not include interference, and assumes that a data
        packet is received with the SNR of the packets measured.

        Args:
            now_us: Present simulated time.
            radio: Section `radio` of the scenario.
            ends: Stations whose links are listed.
        """
        self._update()
        offset, other, snr_db = links_of(self._pairs, ends, now_us, self._forget_us)
        finite = np.isfinite(snr_db)
        curve = error_points_of(radio.access, radio.mcs, radio.bandwidth_mhz)
        probability = np.where(finite, delivery_at(np.where(finite, snr_db, 0.0), curve), 0.0)
        return LinkDelivery(offset, other, probability)

    def _update(self) -> None:
        """Enter the measurements of the packets that arrived since the last call."""
        if not self._new:
            return
        receivers, sender, snr_db, time_us = zip(*self._new, strict=True)
        self._new = []
        count = [len(rows) for rows in receivers]
        packets = (
            np.concatenate(receivers), np.repeat(np.array(sender, np.int64), count), np.concatenate(snr_db),
            np.repeat(np.array(time_us, np.int64), count),
        )  # fmt: skip
        done = 0
        while (done := noted(self._pairs, *packets, done, self._forget_us, _NEWEST)) < len(packets[0]):
            self._pairs = with_room(self._pairs)
