"""The simplest access scheme: each packet is sent in a random slot of its window, without sensing the channel first.

The scheme follows no standard; it is the baseline for the schemes that sense the channel. `random_slot_medium` decides
which packets are received, `random_slot_acks` which of them are acknowledged.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Int64, UInt64

from v2xsim.comms.access.acknowledged import ACK, DATA, codes_of, key_of, parts_of
from v2xsim.comms.access.packets import Field, Packets, Receptions
from v2xsim.comms.access.random_slot_acks import Waiting, WaitingPackets, delivered, sends_between, unsent_ack
from v2xsim.comms.access.random_slot_choice import choose_in_turn, no_intervals
from v2xsim.comms.access.random_slot_medium import Transmissions, advance, levels_of, reindexed, silent, with_waiting
from v2xsim.comms.phy.airtime import ACK_MCS, ack_airtime_us, airtime_us, sifs_us
from v2xsim.comms.phy.noise import Receiver

# The increment of the random generator splitmix64.
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
# The end of a packet that may be sent again is not known before.
_UNKNOWN_US = -1


@dataclass(frozen=True)
class RandomSlotParams:
    """Parameters of the access scheme `random_slot`.

    Attributes:
        receiver: Noise, sensitivity, busy threshold and report limit of every receiver.
        bandwidth_mhz: Bandwidth of the channel: 10, 20 or 40.
        slot_us: Length of a slot.
        window_us: Length of the window in which a single packet draws its slot; a packet of a stream draws within its
            period.
        ack_timeout_us: Time from the end of a packet after which its sender sends it again without an acknowledgement.
    """

    receiver: Receiver
    bandwidth_mhz: int
    slot_us: int
    window_us: int
    ack_timeout_us: int = 1000


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
        self._unacknowledged = WaitingPackets()

    def submit(self, packets: Packets) -> Int64[np.ndarray, " packets"]:
        """Draw a slot for each packet, and return the time at which the packet ends; -1 if it may be sent again.

        The packets of one station that become ready together draw one after the other, and do not overlap.
        """
        params = self._params
        airtime = np.asarray(airtime_us(packets.size_bytes, packets.mcs, params.bandwidth_mhz), np.int64)
        window = np.where(packets.period_us > 0, packets.period_us, params.window_us)
        end = self._choose(packets, airtime, window, np.zeros(len(packets), np.int64))
        acknowledged = np.flatnonzero(packets.retries > 0)
        if len(acknowledged) == 0:
            return end
        for row in acknowledged.tolist():
            packet = Waiting(
                int(packets.number[row]), int(packets.sender[row]), int(packets.target[row]), int(packets.mcs[row]),
                int(airtime[row]), packets.key[row], int(packets.retries[row]), 0, int(end[row]),
            )  # fmt: skip
            self._unacknowledged.add(packet)
            self._unacknowledged.watch(packet, packet.end_us, DATA)
        end[acknowledged] = _UNKNOWN_US
        return end

    def advance(self, until_us: int, field: Field) -> tuple[Receptions, Int64[np.ndarray, " stations"]]:
        """Return the packets that ended by `until_us`, and each station's busy time in us since the call before."""
        if self._unacknowledged.earliest_us() is None:
            self._state, receptions, busy_us = advance(
                self._state, until_us, field, self._key, self._levels, is_coded=True
            )
            return receptions, busy_us
        ended, finished = [], []
        busy_us = np.zeros(field.stations, np.int64)
        # An acknowledgement depends on the outcome of its packet. So the medium stops where such a packet ends; several short
        # calls give the same result as a long one.
        while True:
            stop_us = self._unacknowledged.earliest_us()
            is_last = stop_us is None or stop_us > until_us
            now_us = until_us if stop_us is None or is_last else stop_us
            self._state, receptions, more_us = advance(self._state, now_us, field, self._key, self._levels)
            ended.append(receptions)
            busy_us = busy_us + more_us
            if is_last:
                break
            for packet, code in self._unacknowledged.ended(now_us):
                is_reply = code == packet.code(ACK)
                is_delivered = delivered(receptions, code, packet.sender if is_reply else packet.target)
                if is_delivered and not is_reply and self._can_acknowledge(packet):
                    self._acknowledge(packet)
                    continue
                if is_delivered and not is_reply:
                    ended.append(unsent_ack(packet, packet.code(ACK), now_us, self._levels.noise_dbm))
                if (is_delivered and is_reply) or packet.repeat == packet.retries:
                    self._unacknowledged.remove(packet)
                    finished.append(packet.number)
                else:
                    self._repeat(packet)
        receptions = ended[0] if len(ended) == 1 else Receptions.joined(ended)
        number, repeat, kind = parts_of(receptions.number)
        receptions = replace(
            receptions, number=number, repeat=repeat, is_ack=kind == ACK, finished=np.array(finished, np.int64)
        )
        return receptions, busy_us

    def reindexed(self, row: Int64[np.ndarray, " new"], station_key: UInt64[np.ndarray, " new"]) -> None:
        """Carry the state over to another list of stations; waiting packets of stations that left are dropped."""
        known = np.flatnonzero(row >= 0)
        new_row = np.full(len(self._key) + 1, -1, np.int64)
        new_row[row[known]] = known
        self._unacknowledged.reindexed(new_row)
        self._state = reindexed(self._state, row)
        self._own = self._own.of(row)
        self._key = station_key

    def _choose(
        self, packets: Packets, airtime_us: Int64[np.ndarray, " packets"], window_us: Int64[np.ndarray, " packets"],
        repeat: Int64[np.ndarray, " packets"], past_us: int | None = None,
    ) -> Int64[np.ndarray, " packets"]:  # fmt: skip
        """Put packets into slots, and return their ends; arguments as in `choose_in_turn`."""
        params = self._params
        with np.errstate(over="ignore"):
            draw = ((packets.key * _GOLDEN) >> np.uint64(11)).astype(np.float64) * 2.0**-53
        own_us, may_repeat = airtime_us, packets.retries > 0
        if may_repeat.any():
            # A station that sends in the time of the acknowledgement would not hear it.
            reply_us = sifs_us(params.bandwidth_mhz) + ack_airtime_us(packets.mcs, params.bandwidth_mhz)
            own_us = airtime_us + np.where(may_repeat, reply_us, 0)
        self._own, start = choose_in_turn(
            self._own, packets.sender, packets.ready_us, window_us, own_us, draw, params.slot_us, past_us
        )
        end = start + airtime_us
        self._send(packets, start, end, repeat, DATA)
        return end

    def _send(
        self, packets: Packets, start_us: Int64[np.ndarray, " packets"], end_us: Int64[np.ndarray, " packets"],
        repeat: Int64[np.ndarray, " packets"], kind: int,
    ) -> None:  # fmt: skip
        code = codes_of(packets.number) | (repeat << 2) | kind
        new = Transmissions(code, packets.sender, packets.target, start_us, end_us, packets.mcs, packets.key)
        self._state = with_waiting(self._state, new)

    def _reply_time_us(self, packet: Waiting) -> tuple[int, int]:
        start_us = packet.end_us + sifs_us(self._params.bandwidth_mhz)
        return start_us, start_us + int(ack_airtime_us(np.array([packet.mcs]), self._params.bandwidth_mhz)[0])

    def _can_acknowledge(self, packet: Waiting) -> bool:
        """Return whether the target of a packet sends nothing else at the time of the acknowledgement."""
        return not sends_between(self._state, packet.target, *self._reply_time_us(packet))

    def _acknowledge(self, packet: Waiting) -> None:
        """Let the target of a packet send its acknowledgement."""
        start_us, end_us = self._reply_time_us(packet)
        reply = _packet(packet, ACK, start_us)
        # None of the station's later packets overlaps the acknowledgement.
        self._own = self._own.with_one(packet.target, start_us, end_us)
        self._send(reply, np.array([start_us]), np.array([end_us]), np.array([packet.repeat]), ACK)
        self._unacknowledged.watch(packet, end_us, ACK)

    def _repeat(self, packet: Waiting) -> None:
        """Put a packet that was not acknowledged into a slot after the timeout."""
        packet.repeat += 1
        again = _packet(packet, DATA, max(packet.end_us + self._params.ack_timeout_us, self._state.time_us))
        airtime, window = np.array([packet.airtime_us]), np.array([self._params.window_us])
        # The repetition waits for the timeout; until then, packets that are made later may be sent.
        (end_us,) = self._choose(again, airtime, window, np.array([packet.repeat]), self._state.time_us)
        packet.end_us = int(end_us)
        self._unacknowledged.watch(packet, packet.end_us, DATA)


def _packet(packet: Waiting, kind: int, ready_us: int) -> Packets:
    """Return the next transmission of a packet (DATA), or its acknowledgement (ACK)."""
    ways = (packet.sender, packet.target, packet.mcs), (packet.target, packet.sender, int(ACK_MCS[packet.mcs]))
    sender, target, mcs = (np.array([value], np.int64) for value in ways[kind])
    number, ready, retries = (np.array([value], np.int64) for value in (packet.number, ready_us, packet.retries))
    nothing, key = np.zeros(1, np.int64), np.array([key_of(packet.key, packet.repeat, kind)], np.uint64)
    return Packets(number, sender, target, ready, nothing, mcs, nothing, key, retries)
