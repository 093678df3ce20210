"""The simplest access scheme: each packet is sent in a random slot of its window, without sensing the channel first.

The scheme follows no standard; it is the baseline for the schemes that sense the channel. `random_slot_medium` decides
which packets are received.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64, UInt64

from v2xsim.comms.access.packets import Field, Packets, Receptions
from v2xsim.comms.access.random_slot_choice import choose_in_turn, no_intervals
from v2xsim.comms.access.random_slot_medium import Transmissions, advance, levels_of, reindexed, silent, with_waiting
from v2xsim.comms.phy.airtime import airtime_us
from v2xsim.comms.phy.noise import Receiver

# The increment of the random generator splitmix64.
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class RandomSlotParams:
    """Parameters of the access scheme `random_slot`.

    Attributes:
        receiver: Noise, sensitivity, busy threshold and report limit of every receiver.
        bandwidth_mhz: Bandwidth of the channel: 10, 20 or 40.
        slot_us: Length of a slot.
        window_us: Length of the window in which a single packet draws its slot; a packet of a stream draws within its
            period.
    """

    receiver: Receiver
    bandwidth_mhz: int
    slot_us: int
    window_us: int


class RandomSlot:
    """Access layer of `random_slot`; its methods are described in `v2xsim.comms.access.packets`."""

    def __init__(
        self, stations: int, params: RandomSlotParams, time_us: int, station_key: UInt64[np.ndarray, " stations"]
    ) -> None:
        self._params, self._key = params, station_key
        self._levels = levels_of(params.receiver, params.bandwidth_mhz)
        self._state = silent(stations, time_us)
        self.dropped: list[int] = []
        self._own = no_intervals(stations)

    def submit(self, packets: Packets) -> Int64[np.ndarray, " packets"]:
        """Draw a slot for each packet, and return the time at which the packet ends.

        The packets of one station that become ready together draw one after the other, and do not overlap.
        """
        params = self._params
        airtime = np.asarray(airtime_us(packets.size_bytes, packets.mcs, params.bandwidth_mhz), np.int64)
        with np.errstate(over="ignore"):
            draw = ((packets.key * _GOLDEN) >> np.uint64(11)).astype(np.float64) * 2.0**-53
        window = np.where(packets.period_us > 0, packets.period_us, params.window_us)
        self._own, start = choose_in_turn(
            self._own, packets.sender, packets.ready_us, window, airtime, draw, params.slot_us
        )
        end = start + airtime
        self._state = with_waiting(
            self._state,
            Transmissions(packets.number, packets.sender, packets.target, start, end, packets.mcs, packets.key),
        )
        return end

    def advance(self, until_us: int, field: Field) -> tuple[Receptions, Int64[np.ndarray, " stations"]]:
        """Return the packets that ended by `until_us`, and each station's busy time in us since the call before."""
        self._state, receptions, busy_us = advance(self._state, until_us, field, self._key, self._levels)
        return receptions, busy_us

    def reindexed(self, row: Int64[np.ndarray, " new"], station_key: UInt64[np.ndarray, " new"]) -> None:
        """Carry the state over to another list of stations; waiting packets of stations that left are dropped."""
        self._state = reindexed(self._state, row)
        self._own = self._own.of(row)
        self._key = station_key
