"""IEEE 802.11p: carrier sensing with back-off (EDCA), over all stations at once.

A packet that finds the channel idle is sent after the channel has been idle for AIFS. A packet that finds the channel
busy draws a back-off of 0 to CW slots; the back-off counts down while the channel is idle and pauses while it is busy.
After each packet a station backs off again. A station notices the transmission of another only one slot after its start
(CCA and turn-around), so transmissions that begin less than a slot apart collide. A busy station queues packets; a full
queue drops the oldest. A packet to one station is sent again until it is acknowledged, if the packet may be repeated
(`csma_acks`). The loop over all events is in `csma_events`, sending and reception are in `csma_starts` and `csma_air`, the
tables in `csma_tables`. The parameters for scenarios are in `schemes.ieee80211p`.

Each receiver in range has one outcome per packet, the first in this list that applies:

1. Sensing: the packet is weaker than the sensitivity.
2. Half duplex: the receiver transmits when the packet begins, or begins to transmit while it is locked on the packet.
3. Receiver busy: the receiver was locked on another packet. Of packets that begin within one slot, a receiver stays
   locked on the strongest. A receiver changes to a packet that begins later only with capture, if the later packet is
   stronger by more than `capture_db`. The earlier packet is then lost to collision.
4. Propagation: the packet is lost with the probability that the error curve gives for its SNR.
5. Collision: the packet is lost with the probability that the error curve gives for its SINR. The interference is
   either the mean over the packet's duration or the highest value in it (`worst_interference`).
6. Delivered.

References:
    IEEE 802.11-2016, 10.22.2 (EDCA) and 17 (OFDM PHY at 10 MHz). The order of the causes of loss is that of Sepulcre et
    al., IEEE TVT 2022, with half duplex separated from receiver busy.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int64, UInt64

from v2xsim.comms.access import csma_tables as tables
from v2xsim.comms.access.csma_events import run_events
from v2xsim.comms.access.events import no_events, with_other_stations
from v2xsim.comms.access.outcome import DROPS, receptions_of
from v2xsim.comms.access.packets import Field, Packets, Receptions
from v2xsim.comms.pairs import carried, homes
from v2xsim.comms.phy.airtime import ACK_MCS, MAC_HEADER_BYTES, ack_airtime_us, airtime_us, sifs_us
from v2xsim.comms.phy.error_rate import curve_for_kernels, ebn0_over_sinr_db, error_curve
from v2xsim.comms.phy.noise import milliwatts, noise_dbm

# Time from the first bit of a frame to the notice of the physical layer that a frame begins, at 10 MHz (IEEE 802.11-2016,
# table 17-21, aRxPHYStartDelay). The acknowledgement must begin within SIFS, a slot and this time.
_PHY_START_US = 49


@dataclass(frozen=True)
class CsmaParams:
    """Parameters of the IEEE 802.11p access layer; the defaults are those of ITS-G5 on a 10 MHz channel.

    Attributes:
        bandwidth_mhz: Bandwidth of the channel: 10, 20 or 40.
        noise_dbm: Noise power over the whole bandwidth.
        sensitivity_dbm: Power of the weakest packet that a receiver can lock on.
        cca_preamble_dbm: A packet received with at least this power makes the channel busy.
        cca_energy_dbm: A total power of at least this makes the channel busy.
        busy_threshold_dbm: Total power that counts towards the channel busy ratio (ETSI TS 102 687 takes -85 dBm); if
            infinite, the channel counts as busy while at least one packet is received with `cca_preamble_dbm` or more.
        aifs_us: Time for which the channel must be idle before a station sends: SIFS (32 us) plus AIFSN slots. AIFSN is
            6 for messages such as CAM (IEEE 802.11-2016, table 9-138, AC_BE), which gives 110 us.
        slot_us: Length of a back-off slot: 13 us on a 10 MHz channel (IEEE 802.11-2016, table 17-21).
        cw: Contention window: the back-off is a whole number of slots drawn from 0 to this value.
        cw_max: Largest contention window: before each repetition the window doubles up to this value.
        header_bytes: Bytes that the MAC adds to each packet.
        capture_db: A receiver leaves the packet that it is locked on only for a later packet that is stronger by more
            than this (None for no capture).
        worst_interference: Whether the highest interference during a packet sets its SINR, as in Veins and in the
            equations of Sepulcre et al. (False takes the mean interference, as in WiLabV2Xsim).
        curve_db: Points of the error curve: Eb/N0 in dB, or SINR in dB if `curve_is_sinr`.
        curve_rate: Packet error rate at each point of the curve, 0 to 1.
        curve_is_sinr: Whether the error curve is over SINR and so the same for all data rates.
        queue_packets: Largest number of packets in a station's queue; a full queue drops its oldest packet.
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
    cw_max: int = 1023
    header_bytes: int = MAC_HEADER_BYTES
    capture_db: float | None = None
    worst_interference: bool = True
    curve_db: tuple[float, ...] = ()
    curve_rate: tuple[float, ...] = ()
    curve_is_sinr: bool = False
    queue_packets: int = 1000


class Csma:
    """Access layer of IEEE 802.11p; its methods are described in `v2xsim.comms.access.packets`."""

    def __init__(
        self, stations: int, params: CsmaParams, time_us: int, station_key: UInt64[np.ndarray, " stations"]
    ) -> None:
        self._params, self._now_us = params, time_us
        curve_db, curve_rate = error_curve()
        if params.curve_db:
            curve_db, curve_rate = np.array(params.curve_db), np.array(params.curve_rate)
        self._curve = curve_for_kernels(curve_db, curve_rate)
        self._rules = tables.Rules(
            params.aifs_us, params.slot_us, params.cw, params.queue_packets,
            0.0 if params.capture_db is None else milliwatts(params.capture_db), int(params.worst_interference),
            params.cw_max, sifs_us(params.bandwidth_mhz),
            sifs_us(params.bandwidth_mhz) + params.slot_us + _PHY_START_US * 10 // params.bandwidth_mhz,
        )  # fmt: skip
        self._over_db = np.zeros(8) if params.curve_is_sinr else ebn0_over_sinr_db(params.bandwidth_mhz)
        self._replies = tables.Replies(ack_airtime_us(np.arange(tables.RATES), params.bandwidth_mhz), self._over_db)
        # Whether any packet so far was addressed to one station.
        self._has_targets = False
        self._thresholds = tables.Thresholds(
            milliwatts(params.noise_dbm), float(params.noise_dbm), milliwatts(params.sensitivity_dbm),
            milliwatts(params.cca_preamble_dbm), milliwatts(params.cca_energy_dbm), milliwatts(params.busy_threshold_dbm),
        )  # fmt: skip
        self._agenda, self._waiting = no_events(), Packets.none()
        self._no_arrivals = self._arrivals_of(Packets.none())
        no_key = np.zeros(0, np.uint64)
        self._stations = tables.Stations(
            np.zeros((0, tables.INTEGERS), np.int64), np.zeros((0, tables.FLOATS)), np.zeros((0, tables.RARE)), no_key
        )
        room = params.queue_packets
        self._queues = tables.Queues(
            np.zeros(0, np.int64), np.zeros((0, room, 4), np.int64), np.zeros((0, room), np.uint64), np.zeros((0, room))
        )
        self._on_air = tables.OnAir(no_key, *_pool(0, 0))
        self.dropped: list[int] = []
        self.reindexed(np.full(stations, -1), station_key)

    def submit(self, packets: Packets) -> None:
        """Add packets to those that wait; a packet may become ready at the present instant or later."""
        self._waiting = self._waiting.with_more(packets)
        self._has_targets = self._has_targets or bool((packets.target >= 0).any())

    def advance(self, until_us: int, field: Field) -> tuple[Receptions, Int64[np.ndarray, " stations"]]:
        """Return the packets that ended by `until_us`, and each station's busy time in us since the call before."""
        new, self._waiting = self._waiting.split(int(self._waiting.ready_us.searchsorted(until_us)))
        widest = field.most_links
        if widest > self._on_air.receiver.shape[1]:
            self._on_air = _widened(self._on_air, widest + widest // 4)
        arrivals = self._arrivals_of(new) if len(new) else self._no_arrivals
        self._agenda, outcome, busy_us = run_events(
            self._stations, self._queues, self._on_air, self._agenda, arrivals, field.rows, self._rules, self._replies,
            self._thresholds, self._curve, int(until_us),
        )  # fmt: skip
        self._now_us = int(until_us)
        self.dropped += outcome.dropped[: outcome.size[DROPS]].tolist()
        return receptions_of(outcome), busy_us

    def _arrivals_of(self, new: Packets) -> tables.Arrivals:
        reply = np.where(new.retries > 0, new.retries * tables.RATES + ACK_MCS[new.mcs], 0)
        airtime_us, over_db, admitted = self._airtime_us(new), self._over_db[new.mcs], np.zeros(1, np.int64)
        return tables.Arrivals(
            new.number, new.sender, new.target, new.ready_us, airtime_us, over_db, new.key, reply, admitted
        )

    def _airtime_us(self, packets: Packets) -> Int64[np.ndarray, " packets"]:
        size = packets.size_bytes + self._params.header_bytes - MAC_HEADER_BYTES
        return np.asarray(airtime_us(size, packets.mcs, self._params.bandwidth_mhz), np.int64)

    def reindexed(self, row: Int64[np.ndarray, " new"], station_key: UInt64[np.ndarray, " new"]) -> None:
        """Carry the state over to another list of stations; `row` has each station's old row, or -1 for a newcomer.

        The transmission of a station that left breaks off, and its waiting packets are dropped.
        """
        known, new_row = row >= 0, np.full(len(self._stations.state) + 1, -1, np.int64)
        new_row[row[known]] = np.flatnonzero(known)
        level = self._level_of(row)
        self._break_off(level, new_row)
        _forget_senders(level, new_row)
        state = np.zeros((len(row), tables.INTEGERS), np.int64)
        for column in (tables.START_US, tables.BUSY_SINCE_US, tables.TARGET, tables.ACKS_TO):
            state[:, column] = tables.NONE
        # A newcomer starts as if it had sensed an idle channel for a long time.
        state[:, tables.IDLE_SINCE_US] = self._now_us - 1_000_000
        state[known] = self._stations.state[row[known]]
        self._stations = tables.Stations(
            state, level, carried(self._stations.rare, row, 0.0), np.asarray(station_key, np.uint64)
        )
        self._on_air = _moved(self._on_air, row, new_row)
        self._queues = _with_rings(self._queues, row)
        if self._has_targets:
            self._readdress(new_row)
        self._agenda = with_other_stations(self._agenda, new_row)
        moved = replace(self._waiting, sender=new_row[self._waiting.sender], target=new_row[self._waiting.target])
        self._waiting = moved[moved.sender >= 0]

    def _readdress(self, new_row: Int64[np.ndarray, " old_plus_1"]) -> None:
        """Write the new rows of targets into packets that wait or are on the air; -1 for targets that left."""
        state, queues, room = self._stations.state, self._queues, self._params.queue_packets
        for column in (tables.TARGET, tables.ACKS_TO):
            state[:, column] = new_row[state[:, column]]
        for s in np.flatnonzero(state[:, tables.QUEUED] > 0):
            places = (state[s, tables.FIRST] + np.arange(state[s, tables.QUEUED])) % room
            queues.packet[queues.row[s], places, 1] = new_row[queues.packet[queues.row[s], places, 1]]

    def _level_of(self, row: Int64[np.ndarray, " new"]) -> Float[np.ndarray, "new 8"]:
        """Return the reception state (`tables.FLOATS` columns) of another list of stations; a newcomer receives nothing."""
        level = np.zeros((len(row), tables.FLOATS))
        level[:, tables.LOCKED_ON], level[:, tables.LOCKED_MW] = tables.NOTHING, np.inf
        level[:, tables.CBR_BUSY_SINCE_US] = -1.0
        level[row >= 0] = self._stations.level[row[row >= 0]]
        return level

    def _break_off(self, level: Float[np.ndarray, "new 8"], new_row: Int64[np.ndarray, " old_plus_1"]) -> None:
        """Subtract the power of stations that left while they were sending from the power that others receive."""
        sending = self._stations.level[:, tables.LOCKED_ON] == tables.ITSELF
        preamble_mw = self._thresholds.preamble_mw
        for s in np.flatnonzero(sending & (new_row[:-1] < 0)):
            for n in range(self._stations.state[s, tables.LINKS]):
                receiver = self._on_air.receiver[s, n]
                r = new_row[receiver] if receiver >= 0 else -1
                if r < 0:
                    continue
                level[r, tables.ONGOING] -= 1
                power_mw, present_mw = self._on_air.power_mw[s, n], level[r, tables.ENERGY]
                level[r, tables.ENERGY] = max(0.0, present_mw - power_mw) if level[r, tables.ONGOING] else 0.0
                if power_mw >= preamble_mw:
                    level[r, tables.HOLDS] -= 1


def _forget_senders(level: Float[np.ndarray, "new 8"], new_row: Int64[np.ndarray, " old_plus_1"]) -> None:
    """Update the row of the sender that each station is locked on; if the sender left, release the lock."""
    locked_on = level[:, tables.LOCKED_ON]
    receiving = np.flatnonzero(locked_on >= 0)
    locked_on[receiving] = new_row[locked_on[receiving].astype(np.int64)]
    lost = receiving[locked_on[receiving] < 0]
    level[lost, tables.LOCKED_ON], level[lost, tables.LOCKED_MW] = tables.NOTHING, np.inf
    level[lost, tables.HOLDS] -= 1


def _moved(
    on_air: tables.OnAir, row: Int64[np.ndarray, " new"], new_row: Int64[np.ndarray, " old_plus_1"]
) -> tables.OnAir:
    """Return the ongoing transmissions of another list of stations, with the receivers in their new rows."""
    known = row >= 0
    receiver, power_mw, cause_so_far = _pool(len(row), on_air.receiver.shape[1])
    old = on_air.receiver[row[known]]
    receiver[known] = np.where(old >= 0, new_row[old], -1)
    power_mw[known], cause_so_far[known] = on_air.power_mw[row[known]], on_air.cause_so_far[row[known]]
    return tables.OnAir(carried(on_air.key, row, 0), receiver, power_mw, cause_so_far)


def _with_rings(queues: tables.Queues, row: Int64[np.ndarray, " new"]) -> tables.Queues:
    """Return the queues of another list of stations: a known station keeps its ring, a newcomer takes a free one."""
    ring, _ = homes(queues.row, row, len(queues.packet))
    more = int(ring.max(initial=-1)) + 1 - len(queues.packet)
    if more > 0:
        # Grow by the missing rings and a quarter more, so that most newcomers cost no copy.
        more += len(queues.packet) // 4
        packet, key, ebn0_db = [np.concatenate([a, np.zeros((more, *a.shape[1:]), a.dtype)]) for a in queues[1:]]
        return tables.Queues(ring, packet, key, ebn0_db)
    return queues._replace(row=ring)


def _widened(on_air: tables.OnAir, links: int) -> tables.OnAir:
    """Return the table of transmissions with room for up to `links` links of each station."""
    wider, width = _pool(len(on_air.receiver), links), on_air.receiver.shape[1]
    for new, old in zip(wider, on_air[1:], strict=True):
        new[:, :width] = old
    return tables.OnAir(on_air.key, *wider)


def _pool(stations: int, links: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return empty arrays, station by link, of the transmissions: receiver row, received power in mW, outcome so far."""
    shape = (stations, links)
    return np.full(shape, -1, np.int32), np.zeros(shape), np.zeros(shape, np.int8)
