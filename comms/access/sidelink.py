"""Sensing-based sidelink: LTE-V2X mode 4 and NR-V2X mode 2, over all stations at once.

For one second, a station remembers the power in every subchannel of every slot and the reservations that it decoded.
For a new packet it considers the slots from T1 to T2 after the packet is ready. The station excludes slots a whole
number of periods after a slot in which it sent and so could not listen, and the resources that others have reserved
with a received power above a threshold. The threshold rises in steps of 3 dB until a given share of the resources
remains. Mode 4 then keeps the resources with the least mean power. Mode 2 does not rank, but checks the chosen resource
again before its first use. In both modes, one of the remaining resources is then drawn at random. A stream keeps its
resource for a random number of packets, and each packet announces the next use.

In mode 2, the target of a packet can send feedback, and a packet without is sent again (`sidelink_feedback`).

The loop over all slots is in `sidelink_slots`, its tables in `sidelink_tables`. Resources are chosen in
`sidelink_selection`, `sidelink_air` computes who receives what, and the parameters for scenarios are in
`sidelink_scheme`.

Each receiver in range has one outcome per packet, the first in this list that applies: half duplex (the receiver
transmits in the slot), sensing (the packet is weaker than the sensitivity), propagation (lost with the error rate at
its SNR), collision (lost with the error rate at its SINR), delivered. A packet with repetitions is delivered if any of
its transmissions is; otherwise its outcome is that of the last transmission.

References:
    3GPP TS 36.213 V14, 14.1.1.6 (mode 4), TS 38.214 V16, 8.1.4 (mode 2), TS 36.214 and TS 38.215 (S-RSSI, CBR). The
    rules follow the descriptions of published simulators; we did not check them against the documents.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Int64, UInt64

from v2xsim.comms.access.acknowledged import codes_of, parts_of
from v2xsim.comms.access.events import DETAIL, STATION, no_events, with_other_stations
from v2xsim.comms.access.outcome import DROPS, receptions_of
from v2xsim.comms.access.packets import Field, Packets, Receptions
from v2xsim.comms.access.sidelink_slots import run_slots, with_room
from v2xsim.comms.access.sidelink_tables import (
    ENTRY_COLUMNS,
    MEMORY,
    NONE,
    SENDER,
    SENT_SLOT,
    STATION_COLUMNS,
    TARGET,
    USED,
    Arrivals,
    Rules,
    Schedule,
    Senses,
    Thresholds,
)
from v2xsim.comms.pairs import carried, homes
from v2xsim.comms.phy.error_rate import curve_for_kernels
from v2xsim.comms.phy.noise import milliwatts, noise_dbm
from v2xsim.comms.phy.sidelink import QPSK_ERROR_RATE, QPSK_SINR_DB


@dataclass(frozen=True)
class SidelinkParams:
    """Parameters of the sidelink access layer; the defaults are those of LTE-V2X mode 4 on a 10 MHz channel.

    Attributes:
        slot_us: Length of a slot; 1000 (one subframe) in LTE.
        subchannels: Number of subchannels in the channel.
        rb_per_subchannel: Number of resource blocks in each subchannel.
        packet_subchannels: Number of subchannels that every packet takes (None computes it from the packet size and
            `bits_per_subchannel`).
        bits_per_subchannel: Number of bits that one subchannel carries in a slot.
        t1_slots: First slot of the selection window, counted from the slot in which the packet is ready.
        t2_slots: Last slot of the selection window, counted from the slot in which the packet is ready.
        single_t2_slots: Last slot of the selection window for a packet without a period, counted from the slot in which
            it is ready.
        candidate_share: Least share of the resources that must remain after exclusion, 0 to 1; the threshold is raised
            until this share remains.
        rsrp_threshold_dbm: First value of the exclusion threshold: received power per resource element. At -128, every
            resource with a decoded reservation is excluded at first.
        ranked: Whether the remaining resources are ranked by mean power (mode 4).
        window_slots: Length of the sensing window in slots.
        keep_probability: Probability that a stream keeps its resource when its uses run out, 0 to 1.
        uses: Smallest and largest number of packets for which a resource is kept, for periods of 100 slots and more.
        repetitions: Largest number of blind retransmissions of each packet; fewer are sent if too few slots are free.
        recheck_slots: How many slots before its first use a resource is checked again; 0 for never (mode 4).
        noise_dbm: Noise power over the whole channel.
        sensitivity_dbm: Power of the weakest packet that a receiver detects.
        busy_threshold_dbm: S-RSSI above which a subchannel counts as busy.
        sci_sinr_db: Least SINR at which control information is decoded.
        overlap: Share of another packet's power in a subchannel that falls on a packet's own resource blocks, 0 to 1;
            below 1 if packets do not fill their subchannels.
        leak_db: Power that leaks into the subchannels at distance 1, 2, ..., in dB relative to the power in one of the
            packet's own subchannels; empty for no leakage.
        queue_packets: Largest number of packets that a station can have scheduled; further packets are dropped.
        feedback_period: Number of slots from one with a feedback channel to the next; 0 without feedback.
        feedback_gap: Smallest number of slots from a packet to its feedback.
        feedback_sinr_db: Least SNR at which feedback is decoded.
        curve_db: SINR at each point of the error curve.
        curve_rate: Packet error rate at each point of the error curve, 0 to 1.
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
    feedback_period: int = 0
    feedback_gap: int = 2
    feedback_sinr_db: float = 0.0
    curve_db: tuple[float, ...] = QPSK_SINR_DB
    curve_rate: tuple[float, ...] = QPSK_ERROR_RATE


class Sidelink:
    """Access layer of the sidelink schemes; its methods are described in `v2xsim.comms.access.packets`."""

    def __init__(
        self, stations: int, params: SidelinkParams, time_us: int, station_key: UInt64[np.ndarray, " stations"]
    ) -> None:
        self._params, self._rules, self._thresholds = params, _rules(params), _thresholds(params)
        self._curve = curve_for_kernels(np.array(params.curve_db, float), np.array(params.curve_rate, float))
        self._slot = -(-time_us // params.slot_us)
        self._waiting = Packets.none()
        self.dropped: list[int] = []
        no_key = np.zeros(0, np.uint64)
        entry, entry_key = np.zeros((1024, ENTRY_COLUMNS), np.int64), np.zeros(1024, np.uint64)
        self._schedule = Schedule(
            np.zeros((0, STATION_COLUMNS), np.int64), no_key, entry, entry_key, np.zeros(1, np.int64)
        )
        self._agenda = no_events()
        power_mw = np.zeros((MEMORY, 0, params.subchannels), np.float32)
        self._senses = Senses(
            np.zeros(0, np.int64), power_mw, power_mw.copy(), power_mw.astype(np.int16), np.zeros((0, MEMORY), np.int64),
            np.array([self._slot], np.int64), np.zeros(1, np.int64), np.zeros((0, 0), np.int64),
        )  # fmt: skip
        self.reindexed(np.full(stations, -1), station_key)

    def submit(self, packets: Packets) -> None:
        """Add packets; a packet may become ready at the present instant or later."""
        self._waiting = self._waiting.with_more(packets)

    def advance(self, until_us: int, field: Field) -> tuple[Receptions, Int64[np.ndarray, " stations"]]:
        """Return the packets that ended by `until_us`, and each station's busy time in us over the slots that ended."""
        p = self._params
        until = int(until_us // p.slot_us)
        slot = -(-self._waiting.ready_us // p.slot_us)
        ready = int(np.searchsorted(slot, until))
        new = self._waiting[:ready]
        self._waiting = self._waiting[ready:]
        if until <= self._slot:
            return Receptions.none(), np.zeros(len(self._senses.column), np.int64)
        periodic = new.period_us > 0
        arrivals = Arrivals(
            codes_of(new.number), new.sender, new.target, slot[:ready], self._width(new),
            np.where(periodic, np.maximum(1, new.period_us // p.slot_us), 0),
            np.where(periodic, p.t2_slots, p.single_t2_slots), new.key, new.retries, np.zeros(1, np.int64),
        )  # fmt: skip
        self._schedule, self._agenda = with_room(self._schedule, self._agenda, ready, p.repetitions)
        outcome, busy_us = run_slots(
            self._schedule, self._agenda, self._senses, arrivals, field.rows, self._rules, self._thresholds, self._curve, until
        )  # fmt: skip
        self._slot = until
        self.dropped += parts_of(outcome.dropped[: outcome.size[DROPS]])[0].tolist()
        return receptions_of(outcome), np.round(busy_us).astype(np.int64)

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
        """Carry the state over to another list of stations; scheduled packets of stations that left are dropped."""
        old, agenda, known = self._schedule, self._agenda, row >= 0
        new_row = np.full(len(old.station) + 1, -1, np.int64)
        new_row[row[known]] = np.flatnonzero(known)
        events = agenda.rows[: agenda.size[0]]
        old.entry[events[new_row[events[:, STATION]] < 0, DETAIL], USED] = 0
        for column in (SENDER, TARGET):
            old.entry[:, column] = new_row[old.entry[:, column]]
        moved = replace(self._waiting, sender=new_row[self._waiting.sender], target=new_row[self._waiting.target])
        self._waiting = moved[moved.sender >= 0]
        station = carried(old.station, row, 0)
        station[~known, SENT_SLOT] = NONE
        self._schedule = old._replace(station=station, station_key=np.asarray(station_key, np.uint64))
        self._agenda = with_other_stations(agenda, new_row)
        self._senses = _with_columns(self._senses, row, bool(self._params.repetitions))


def _rules(params: SidelinkParams) -> Rules:
    """Return the rules for choosing resources as a named tuple for the compiled slot loop."""
    return Rules(
        params.subchannels, params.slot_us, params.t1_slots, params.candidate_share, milliwatts(params.rsrp_threshold_dbm),
        int(params.ranked), params.window_slots, params.keep_probability, *params.uses, params.repetitions,
        params.recheck_slots, params.queue_packets, params.feedback_period, params.feedback_gap,
    )  # fmt: skip


def _thresholds(params: SidelinkParams) -> Thresholds:
    """Return the thresholds of receivers, the noise power and the shares of interference as a named tuple for the compiled slot loop."""
    leak = np.zeros(params.subchannels + 1)
    leak[1 : 1 + len(params.leak_db)] = [milliwatts(v) for v in params.leak_db[: params.subchannels]]
    feedback_noise_dbm = params.noise_dbm - 10.0 * float(np.log10(params.subchannels * params.rb_per_subchannel))
    return Thresholds(
        milliwatts(params.noise_dbm), milliwatts(params.sensitivity_dbm), milliwatts(params.busy_threshold_dbm),
        milliwatts(params.sci_sinr_db), params.overlap, leak, 12.0 * params.rb_per_subchannel,
        milliwatts(feedback_noise_dbm + params.feedback_sinr_db), feedback_noise_dbm,
    )  # fmt: skip


def _with_columns(senses: Senses, row: Int64[np.ndarray, " new"], repeats: bool) -> Senses:
    """Return the memories for another list of stations: a known station keeps its column, a newcomer's is empty.

    Args:
        senses: Memories of the old list of stations.
        row: Old row of each new station; -1 for newcomers.
        repeats: Whether packets are repeated; if so, each station remembers which packets it has already decoded.
    """
    column, taken = homes(senses.column, row, len(senses.sent_slot))
    missing = int(column.max(initial=-1)) + 1 - len(senses.sent_slot)
    if missing > 0:
        # Grow by the missing columns and a quarter more, so that most newcomers cost no copy of the memories.
        more = missing + len(senses.sent_slot) // 4
        wider = [
            np.concatenate([memory, np.zeros((MEMORY, more, *memory.shape[2:]), memory.dtype)], axis=1)
            for memory in (senses.rssi_mw, senses.rsrp_mw, senses.reserved)
        ]
        senses = senses._replace(
            rssi_mw=wider[0], rsrp_mw=wider[1], reserved=wider[2],
            sent_slot=np.concatenate([senses.sent_slot, np.full((more, MEMORY), NONE, np.int64)]),
            decoded_number=np.pad(senses.decoded_number, (0, more)) if repeats else senses.decoded_number,
        )  # fmt: skip
    senses.sent_slot[taken] = NONE
    senses.rssi_mw[:, taken], senses.reserved[:, taken] = 0, 0
    if repeats:
        senses.decoded_number[taken], senses.decoded_number[:, taken] = 0, 0
    return senses._replace(column=column)
