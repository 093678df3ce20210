"""IEEE 802.11p: broadcast with carrier sensing (EDCA, no acknowledgement), over all stations at once.

A packet that finds the channel idle is sent after the channel has been idle for AIFS. One that finds it busy draws a
back-off of 0 to CW slots; the back-off counts down while the channel is idle and pauses while it is busy. After each
packet a station backs off again. A station notices that another has started only after one slot (CCA and turn-around),
so starts less than a slot apart collide. A busy station queues packets; a full queue drops the oldest. The loop over
all events is in `csma_kernel`: back-offs, sending and reception. The parameters for scenarios are in
`schemes.ieee80211p`.

Each receiver in range has one outcome per packet, the first of these that applies:

1. sensing: the packet is weaker than the sensitivity;
2. half duplex: it transmits during any part of the packet;
3. receiver busy: it was locked on another packet. Of packets that begin within a slot it keeps the strongest; to a later
   one it turns over only with capture, if that is stronger by `capture_db`; the first is then lost to collision;
4. propagation: lost at the error rate of its SNR;
5. collision: lost at the error rate of its SINR, the interference averaged over the packet's time, or its worst;
6. delivered.

References:
    IEEE 802.11-2016, 10.22.2 (EDCA) and 17 (OFDM PHY at 10 MHz). The order of causes is that of Sepulcre et al., IEEE
    TVT 2022, with half duplex separated from receiver busy.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Int64, UInt64

from v2xsim.comms.access import csma_kernel as kernel
from v2xsim.comms.access.packets import Field, Packets, Receptions
from v2xsim.comms.pairs import carried, homes
from v2xsim.comms.phy.airtime import MAC_HEADER_BYTES, airtime_us
from v2xsim.comms.phy.error_rate import ebn0_over_sinr_db, error_curve, lost_below
from v2xsim.comms.phy.noise import milliwatts, noise_dbm


@dataclass(frozen=True)
class CsmaParams:
    """Parameters of the access layer; the defaults are those of ITS-G5 on 10 MHz.

    Attributes:
        bandwidth_mhz: Bandwidth of the channel: 10, 20 or 40.
        noise_dbm: Noise over the channel.
        sensitivity_dbm: Weakest packet that a receiver locks on.
        cca_preamble_dbm: A packet received above this makes the channel busy.
        cca_energy_dbm: A total power above this makes the channel busy.
        busy_threshold_dbm: Total power that counts towards the channel busy ratio (ETSI TS 102 687 takes -85 dBm);
            infinity counts the time during which some single packet is stronger than `cca_preamble_dbm`.
        aifs_us: SIFS 32 us and AIFSN slots: 6 for messages like CAM (IEEE 802.11-2016, table 9-138, AC_BE) gives 110 us.
        slot_us: 13 us on 10 MHz (IEEE 802.11-2016, table 17-21).
        cw: Contention window: the back-off is drawn from 0 to this, in slots.
        header_bytes: Bytes that the MAC adds to each packet.
        capture_db: Power by which a packet must be stronger to take over a busy receiver; None for no capture.
        worst_interference: Which interference decides over a packet: True for its worst moment, as in Veins and in the
            equations of Sepulcre et al.; False for its mean, as in WiLabV2Xsim.
        curve_db: Rows of the error curve: Eb/N0 in dB, or SINR if `curve_is_sinr`.
        curve_rate: Packet error rate of each row.
        curve_is_sinr: Whether the curve is over SINR, the same for all data rates.
        queue_packets: Most packets that a station can hold; a full queue drops the oldest.
    """

    bandwidth_mhz: int = 10
    noise_dbm: float = noise_dbm(10, 9.0)
    sensitivity_dbm: float = -85.0
    cca_preamble_dbm: float = -85.0
    cca_energy_dbm: float = -65.0
    busy_threshold_dbm: float = -85.0
    aifs_us: int = 110
    slot_us: int = 13
    cw: int = 15
    header_bytes: int = MAC_HEADER_BYTES
    capture_db: float | None = None
    worst_interference: bool = True
    curve_db: tuple[float, ...] = ()
    curve_rate: tuple[float, ...] = ()
    curve_is_sinr: bool = False
    queue_packets: int = 1000


class Csma:
    """An access layer (v2xsim.comms.access.packets)."""

    def __init__(
        self, stations: int, params: CsmaParams, time_us: int, station_key: UInt64[np.ndarray, " stations"]
    ) -> None:
        self._params, self._now_us = params, time_us
        curve_db, curve_rate = error_curve()
        if params.curve_db:
            curve_db, curve_rate = np.array(params.curve_db), np.array(params.curve_rate)
        self._curve_db, self._curve_rate = np.ascontiguousarray(curve_db), np.ascontiguousarray(curve_rate)
        self._bound = lost_below(self._curve_db, self._curve_rate)
        self._heap, self._size = np.zeros((1024, 4), np.int64), 0
        self._waiting = Packets.none()
        self._state = np.zeros((0, kernel.INTEGERS), np.int64)
        self._level, self._rare = np.zeros((0, kernel.FLOATS)), np.zeros((0, kernel.RARE))
        # Each station's queue keeps its slot in the arrays while stations come and go.
        room = params.queue_packets
        self._queue, self._queue_key = np.zeros((0, room, 3), np.int64), np.zeros((0, room), np.uint64)
        self._queue_db, self._send_key = np.zeros((0, room)), np.zeros(0, np.uint64)
        self._place = np.zeros(0, np.int64)
        self._receiver, self._power, self._verdict = _pool(0, 0)
        self._key = np.zeros(0, np.uint64)
        self.dropped: list[int] = []
        self.reindexed(np.full(stations, -1), station_key)

    def submit(self, packets: Packets) -> None:
        """Take packets; they may become ready later."""
        self._waiting = self._waiting.with_more(packets)

    def advance(self, until_us: int, field: Field) -> tuple[Receptions, Int64[np.ndarray, " stations"]]:
        """Return the packets that ended by an instant, and the busy time since the call before."""
        p = self._params
        ready = int(np.searchsorted(self._waiting.ready_us, until_us))
        new = self._waiting[:ready]
        self._waiting = self._waiting[ready:]
        widest = int(np.diff(field.offset).max(initial=0))
        if widest > self._receiver.shape[1]:
            self._widen(widest)
        over_db = np.zeros(8) if p.curve_is_sinr else ebn0_over_sinr_db(p.bandwidth_mhz)
        self._heap, self._size, sent, reception_arrays, load_us, dropped = kernel.advanced(
            self._state, self._level, self._rare, self._place, self._queue, self._queue_key, self._queue_db, self._send_key, self._key,
            self._receiver, self._power, self._verdict, self._heap, self._size,
            new.number, new.sender, new.target, new.ready_us, self._airtime_us(new), over_db[new.mcs], new.key,
            field.offset, field.other, field.power_mw, field.nakagami_m, self._now_us, int(until_us),
            p.aifs_us, p.slot_us, p.cw, p.queue_packets, milliwatts(p.noise_dbm), milliwatts(p.sensitivity_dbm),
            milliwatts(p.cca_preamble_dbm), milliwatts(p.cca_energy_dbm), milliwatts(p.busy_threshold_dbm),
            0.0 if p.capture_db is None else milliwatts(p.capture_db),
            p.worst_interference, self._bound, self._curve_db, self._curve_rate,
        )  # fmt: skip
        self._now_us = int(until_us)
        self.dropped += dropped.tolist()
        return Receptions.of_powers(sent, np.full(len(sent[0]), p.noise_dbm), reception_arrays), load_us

    def _airtime_us(self, packets: Packets) -> Int64[np.ndarray, " packets"]:
        size = packets.size_bytes + self._params.header_bytes - MAC_HEADER_BYTES
        return np.asarray(airtime_us(size, packets.mcs, self._params.bandwidth_mhz), np.int64)

    def reindexed(self, row: Int64[np.ndarray, " new"], station_key: UInt64[np.ndarray, " new"]) -> None:
        """Carry the state over to another list of stations.

        The transmission of a station that left breaks off, because its power is gone; its waiting packets are dropped.
        """
        old = len(self._state)
        new_row = np.full(old + 1, -1, np.int64)
        new_row[row[row >= 0]] = np.flatnonzero(row >= 0)
        known, count = row >= 0, len(row)
        state = np.zeros((count, kernel.INTEGERS), np.int64)
        state[:, kernel.START_US] = state[:, kernel.BUSY_SINCE_US] = kernel.NONE
        # A newcomer starts as if it had sensed an idle channel for a long time.
        state[:, kernel.IDLE_SINCE_US] = self._now_us - 1_000_000
        state[known] = self._state[row[known]]
        level = np.zeros((count, kernel.FLOATS))
        level[:, kernel.LOCKED_ON], level[:, kernel.LOCKED_MW] = kernel.NOTHING, np.inf
        level[:, kernel.LOUD_SINCE_US] = -1.0
        level[known] = self._level[row[known]]
        gone = [s for s in range(old) if new_row[s] < 0 and self._level[s, kernel.LOCKED_ON] == kernel.ITSELF]
        for s in gone:
            for n in range(self._state[s, kernel.LINKS]):
                r = new_row[self._receiver[s, n]] if self._receiver[s, n] >= 0 else -1
                if r < 0:
                    continue
                level[r, kernel.ONGOING] -= 1
                power = self._power[s, n]
                level[r, kernel.ENERGY] = max(0.0, level[r, kernel.ENERGY] - power) if level[r, kernel.ONGOING] else 0.0
                if power >= milliwatts(self._params.cca_preamble_dbm):
                    level[r, kernel.HOLDS] -= 1
        locked = level[:, kernel.LOCKED_ON]
        receiving = np.flatnonzero(locked >= 0)
        locked[receiving] = new_row[locked[receiving].astype(np.int64)]
        lost = receiving[locked[receiving] < 0]
        level[lost, kernel.LOCKED_ON], level[lost, kernel.LOCKED_MW] = kernel.NOTHING, np.inf
        level[lost, kernel.HOLDS] -= 1
        self._rare = carried(self._rare, row, 0.0)
        receiver, power_mw, verdict = _pool(count, self._receiver.shape[1])
        receiver[known] = np.where(self._receiver[row[known]] >= 0, new_row[self._receiver[row[known]]], -1)
        power_mw[known], verdict[known] = self._power[row[known]], self._verdict[row[known]]
        self._receiver, self._power, self._verdict = receiver, power_mw, verdict
        self._send_key = carried(self._send_key, row, 0)
        self._place, _ = homes(self._place, row, len(self._queue))
        more = int(self._place.max(initial=-1)) + 1 - len(self._queue)
        if more > 0:
            self._queue, self._queue_key, self._queue_db = [
                np.concatenate([a, np.zeros((more + len(a) // 4, *a.shape[1:]), a.dtype)])
                for a in (self._queue, self._queue_key, self._queue_db)
            ]
        heap = self._heap[: self._size]
        heap = np.column_stack([heap[:, :2], new_row[heap[:, 2]], heap[:, 3]])[new_row[heap[:, 2]] >= 0]
        heap = heap[np.lexsort((heap[:, 2], heap[:, 1], heap[:, 0]))]
        self._size = len(heap)
        self._heap = np.zeros((max(1024, 2 * self._size), 4), np.int64)
        self._heap[: self._size] = heap
        moved = replace(self._waiting, sender=new_row[self._waiting.sender], target=new_row[self._waiting.target])
        self._waiting = moved[moved.sender >= 0]
        self._state, self._level, self._key = state, level, np.asarray(station_key, np.uint64)

    def _widen(self, links: int) -> None:
        wider, width = _pool(len(self._state), links + links // 4), self._receiver.shape[1]
        for new, old in zip(wider, (self._receiver, self._power, self._verdict), strict=True):
            new[:, :width] = old
        self._receiver, self._power, self._verdict = wider


def _pool(stations: int, links: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return arrays for the transmissions of every station: receivers, received power in milliwatts, outcome so far."""
    shape = (stations, links)
    return np.full(shape, -1, np.int32), np.zeros(shape), np.zeros(shape, np.int8)
