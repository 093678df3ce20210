"""Sensing-based sidelink: LTE-V2X mode 4 and NR-V2X mode 2, over all stations at once.

For one second, a station remembers the power in every subchannel of every slot and the reservations that it decoded.
For a new packet it considers the slots from T1 to T2. It excludes the slots in which it could not listen because it
sent, and the resources that others have reserved with a received power above a threshold. The threshold rises in steps
of 3 dB until a given share of the resources remains. Mode 4 then keeps the resources with the least mean power; mode 2
does not rank, and checks again before the first use. One of the remaining resources is drawn. A stream keeps its
resource for a drawn number of packets, and each packet announces the next use.

Resources are chosen in `sidelink_selection`, the loop over all slots is `sidelink_kernel`, and the parameters for
scenarios are in `sidelink_scheme`.

Each receiver in range has one outcome per packet, the first of these that applies: half duplex (it transmits in the
slot), sensing (below the sensitivity), propagation (lost at the error rate of its SNR), collision (lost at the error
rate of its SINR), delivered. A packet with repetitions is delivered if any of its transmissions is; otherwise its
outcome is that of the last.

References:
    3GPP TS 36.213 V14, 14.1.1.6 (mode 4); TS 38.214 V16, 8.1.4 (mode 2); TS 36.214 and TS 38.215 (S-RSSI, CBR). All as
    research groups' simulators describe them; we did not check the documents.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Int64, UInt64

from v2xsim.comms.access import sidelink_kernel as kernel
from v2xsim.comms.access.packets import Field, Packets, Receptions
from v2xsim.comms.access.sidelink_selection import MEMORY, NONE
from v2xsim.comms.pairs import carried, homes
from v2xsim.comms.phy.error_rate import lost_below
from v2xsim.comms.phy.noise import milliwatts, noise_dbm
from v2xsim.comms.phy.sidelink import QPSK_ERROR_RATE, QPSK_SINR_DB


@dataclass(frozen=True)
class SidelinkParams:
    """Parameters of the access layer; the defaults are those of LTE-V2X mode 4 on 10 MHz.

    Attributes:
        slot_us: Length of a slot: 1 ms in LTE.
        subchannels: Number of subchannels in the channel.
        rb_per_subchannel: Resource blocks of each subchannel.
        packet_subchannels: Subchannels that every packet takes; None computes them from its size and
            `bits_per_subchannel`.
        bits_per_subchannel: Number of bits that one subchannel carries in a slot.
        t1_slots: First slot of the selection window, counted from the slot in which the packet is ready.
        t2_slots: Last slot of the selection window.
        single_t2_slots: Last slot of the selection window for packets without a period.
        candidate_share: Least share of the resources that must remain, 0 to 1; the threshold is raised until it is
            reached.
        rsrp_threshold_dbm: First value of the threshold, per resource element; -128 first excludes every decoded
            reservation.
        ranked: Whether the remaining resources are ranked by mean power (mode 4).
        window_slots: Length of the sensing window.
        keep_probability: Probability of keeping the resource when its uses run out.
        uses: Least and most packets for which a resource is kept, at periods of 100 slots and more.
        repetitions: Number of blind retransmissions of each packet.
        recheck_slots: How many slots before its first use a resource is checked again; 0 for never (mode 4).
        noise_dbm: Noise over the channel.
        sensitivity_dbm: Weakest packet that a receiver detects.
        busy_threshold_dbm: S-RSSI above which a subchannel counts as busy.
        sci_sinr_db: Least SINR at which control information is decoded.
        overlap: Share of another packet's power in a subchannel that falls on a packet's own resource blocks, 0 to 1;
            below 1 if packets do not fill their subchannels.
        leak_db: Power that leaks into the subchannels 1, 2, ... away, in dB relative to the packet's own; empty for no
            leakage.
        queue_packets: Most packets that a station can have scheduled; further ones are dropped.
        curve_db: SINR of each row of the error curve.
        curve_rate: Packet error rate of each row.
    """

    slot_us: int = 1000
    subchannels: int = 4
    rb_per_subchannel: int = 12
    packet_subchannels: int | None = 1
    bits_per_subchannel: int = 1520
    t1_slots: int = 1
    t2_slots: int = 100
    single_t2_slots: int = 100
    candidate_share: float = 0.2
    rsrp_threshold_dbm: float = -128.0
    ranked: bool = True
    window_slots: int = 1000
    keep_probability: float = 0.0
    uses: tuple[int, int] = (5, 15)
    repetitions: int = 0
    recheck_slots: int = 0
    noise_dbm: float = noise_dbm(10, 9.0)
    sensitivity_dbm: float = -90.5
    busy_threshold_dbm: float = -94.0
    sci_sinr_db: float = 0.0
    overlap: float = 1.0
    leak_db: tuple[float, ...] = ()
    queue_packets: int = 1000
    curve_db: tuple[float, ...] = QPSK_SINR_DB
    curve_rate: tuple[float, ...] = QPSK_ERROR_RATE


class Sidelink:
    """An access layer (v2xsim.comms.access.packets)."""

    def __init__(
        self, stations: int, params: SidelinkParams, time_us: int, station_key: UInt64[np.ndarray, " stations"]
    ) -> None:
        self._params = params
        self._slot = -(-time_us // params.slot_us)
        self._cleared = np.array([self._slot], np.int64)
        self._heap, self._size = np.zeros((1024, 4), np.int64), 0
        self._entry, self._entry_key = np.zeros((1024, kernel.ENTRY), np.int64), np.zeros(1024, np.uint64)
        self._waiting = Packets.none()
        self.dropped: list[int] = []
        self._station = np.zeros((0, kernel.STATION), np.int64)
        # Column of each station's memory: it stays the same while stations come and go.
        self._column = np.zeros(0, np.int64)
        self._mine = np.zeros((0, MEMORY), np.int64)
        self._rssi = np.zeros((MEMORY, 0, params.subchannels), np.float32)
        self._rsrp, self._reserved = self._rssi.copy(), self._rssi.astype(np.int16)
        self._got = np.zeros((0, 0), np.int64)
        self._longest = np.zeros(1, np.int64)
        self._key = np.zeros(0, np.uint64)
        leak = np.zeros(params.subchannels + 1)
        leak[1 : 1 + len(params.leak_db)] = [milliwatts(v) for v in params.leak_db[: params.subchannels]]
        self._leak = leak
        self._curve_db, self._curve_rate = np.array(params.curve_db, float), np.array(params.curve_rate, float)
        self._bound = lost_below(self._curve_db, self._curve_rate)
        self.reindexed(np.full(stations, -1), station_key)

    def submit(self, packets: Packets) -> None:
        """Take packets; they may become ready later."""
        self._waiting = self._waiting.with_more(packets)

    def advance(self, until_us: int, field: Field) -> tuple[Receptions, Int64[np.ndarray, " stations"]]:
        """Return the packets that ended by an instant, and the busy time of the slots that ended."""
        p = self._params
        until = until_us // p.slot_us
        slot = -(-self._waiting.ready_us // p.slot_us)
        ready = int(np.searchsorted(slot, until))
        new = self._waiting[:ready]
        self._waiting = self._waiting[ready:]
        if until <= self._slot:
            return Receptions.none(), np.zeros(len(self._station), np.int64)
        self._heap, self._size, self._entry, self._entry_key, sent, reception_arrays, busy, dropped = kernel.advanced(
            self._station, self._column, self._mine, self._rssi, self._rsrp, self._reserved, self._cleared, self._longest,
            self._got,
            self._entry, self._entry_key, self._key, self._heap, self._size,
            new.number, new.sender, new.target, slot[:ready], self._width(new),
            np.where(new.period_us > 0, np.maximum(1, new.period_us // p.slot_us), 0), new.key,
            field.offset, field.other, field.power_mw, field.nakagami_m, self._slot, int(until),
            p.subchannels, p.t1_slots, np.where(new.period_us > 0, p.t2_slots, p.single_t2_slots), p.candidate_share,
            milliwatts(p.rsrp_threshold_dbm), p.ranked,
            p.window_slots, p.keep_probability, p.uses[0], p.uses[1], p.repetitions, p.recheck_slots,
            milliwatts(p.noise_dbm), milliwatts(p.sensitivity_dbm), milliwatts(p.busy_threshold_dbm),
            milliwatts(p.sci_sinr_db), p.overlap, self._leak, 12.0 * p.rb_per_subchannel,
            self._bound, self._curve_db, self._curve_rate, p.slot_us, p.queue_packets,
        )  # fmt: skip
        self._slot = int(until)
        self.dropped += dropped.tolist()
        number, by, began_us, noise, offset = sent
        packets = (number, by, began_us, began_us + p.slot_us, offset)
        return Receptions.of_powers(packets, noise, reception_arrays), np.round(busy).astype(np.int64)

    def _width(self, packets: Packets) -> Int64[np.ndarray, " packets"]:
        p = self._params
        if p.packet_subchannels is not None:
            return np.full(len(packets), p.packet_subchannels)
        width = -(-8 * packets.size_bytes // p.bits_per_subchannel)
        if (width > p.subchannels).any():
            raise ValueError(
                f"a packet must fit into a slot: {int(packets.size_bytes.max())} B need {int(width.max())} subchannels of "
                f"{p.bits_per_subchannel} bits, the channel has {p.subchannels}"
            )
        return width.astype(np.int64)

    def reindexed(self, row: Int64[np.ndarray, " new"], station_key: UInt64[np.ndarray, " new"]) -> None:
        """Carry the state over to another list of stations; scheduled packets of a station that left are dropped."""
        old, known = len(self._station), row >= 0
        new_row = np.full(old + 1, -1, np.int64)
        new_row[row[known]] = np.flatnonzero(known)
        heap = self._heap[: self._size]
        gone = heap[new_row[heap[:, 2]] < 0]
        self._entry[gone[:, 3], kernel.USED] = 0
        kept = heap[new_row[heap[:, 2]] >= 0]
        kept = np.column_stack([kept[:, :2], new_row[kept[:, 2]], kept[:, 3]])
        kept = kept[np.lexsort((kept[:, 2], kept[:, 1], kept[:, 0]))]
        self._size = len(kept)
        self._heap = np.zeros((max(1024, 2 * self._size), 4), np.int64)
        self._heap[: self._size] = kept
        moved = replace(self._waiting, sender=new_row[self._waiting.sender], target=new_row[self._waiting.target])
        self._waiting = moved[moved.sender >= 0]
        self._station = carried(self._station, row, 0)
        self._station[~known, kernel.SENT_SLOT] = NONE
        self._column = self._columns(row)
        self._key = np.asarray(station_key, np.uint64)

    def _columns(self, row: Int64[np.ndarray, " new"]) -> Int64[np.ndarray, " new"]:
        """Return the column of each station's memory; those of newcomers are empty."""
        column, taken = homes(self._column, row, len(self._mine))
        missing = int(column.max(initial=-1)) + 1 - len(self._mine)
        if missing > 0:
            more = missing + len(self._mine) // 4
            self._mine = np.concatenate([self._mine, np.full((more, MEMORY), NONE, np.int64)])
            self._rssi, self._rsrp, self._reserved = [
                np.concatenate([a, np.zeros((MEMORY, more, *a.shape[2:]), a.dtype)], axis=1)
                for a in (self._rssi, self._rsrp, self._reserved)
            ]
            if self._params.repetitions:
                self._got = np.pad(self._got, (0, more))
        self._mine[taken] = NONE
        for memory in (self._rssi, self._reserved):
            memory[:, taken] = 0
        if self._params.repetitions:
            self._got[taken], self._got[:, taken] = 0, 0
        return column
