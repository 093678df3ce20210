"""The radio medium that all stations share: which station receives each packet, and the cause of each loss.

One compiled call advances the medium to an instant. For every transmission that has ended by then, it decides the
outcome at every receiver, with the interference of all transmissions that overlapped it. While the received powers stay
the same, one long call gives the same result as several short ones.

Each pair of packet and receiver has one outcome, the first in this list that applies:

1. Half duplex: the receiver transmits during any part of the packet.
2. Sensing: the packet is weaker than the sensitivity.
3. Receiver busy: when the packet began, the receiver was locked on another packet. A receiver that neither transmits nor
   is locked locks on the strongest packet that begins, if this is above the sensitivity. A locked receiver stays so
   until the packet ends or the receiver itself transmits, and does not change to a stronger packet that begins later.
4. Propagation: the packet is lost with the probability that the error curve gives for its SNR.
5. Collision: the packet is lost with the probability that the error curve gives for its SINR, with the mean
   interference over the packet's duration.
6. Delivered.

The order is that of Sepulcre et al., IEEE TVT 2022 (802.11p), with half duplex first as in Gonzalez-Martin et al., IEEE
TVT 2019 (C-V2X). Steps 4 and 5 use the same uniform random number for one packet and receiver. The number is a hash of
the keys of packet and receiver, so that an additional station does not change the numbers of the others.

The received power of a packet is taken from the call during which the packet began, and stays constant until its end.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int64, UInt64
from numba import njit

from v2xsim.comms.access.packets import (
    COLLISION,
    DELIVERED,
    HALF_DUPLEX,
    PROPAGATION,
    RECEIVER_BUSY,
    SENSING,
    Receptions,
)
from v2xsim.comms.phy.error_rate import ebn0_over_sinr_db, error_curve, error_rate_at
from v2xsim.comms.phy.noise import Receiver


@dataclass(frozen=True)
class Transmissions:
    """Packets on the air or waiting for their start.

    Attributes:
        packet: Number that the caller gave each packet; its receptions carry it.
        sender: Row of the sending station; -1 for one that has left.
        target: Row of the station that the packet is addressed to; -1 for a broadcast. The addressed station gets an
            outcome even if the packet is too weak to be detected.
        start_us: Time at which the packet begins.
        end_us: Time at which the packet has ended; at least start_us + 1.
        mcs: Index of the modulation and coding scheme, 0 to 7.
        key: Random key of each packet; all keys differ. Packets with equal start times are sorted by their keys.
    """

    packet: Int64[np.ndarray, " packets"]
    sender: Int64[np.ndarray, " packets"]
    target: Int64[np.ndarray, " packets"]
    start_us: Int64[np.ndarray, " packets"]
    end_us: Int64[np.ndarray, " packets"]
    mcs: Int64[np.ndarray, " packets"]
    key: UInt64[np.ndarray, " packets"]

    def __len__(self) -> int:
        return len(self.packet)

    def __getitem__(self, rows: np.ndarray | slice) -> "Transmissions":
        return Transmissions(
            self.packet[rows], self.sender[rows], self.target[rows], self.start_us[rows], self.end_us[rows],
            self.mcs[rows], self.key[rows],
        )  # fmt: skip

    @staticmethod
    def none() -> "Transmissions":
        """Return an empty set of transmissions."""
        empty = np.zeros(0, np.int64)
        return Transmissions(empty, empty, empty, empty, empty, empty, np.zeros(0, np.uint64))


@dataclass(frozen=True)
class MediumState:
    """State of the medium between two calls of `advance`.

    Attributes:
        time_us: Instant up to which the medium has been advanced.
        started: Transmissions that began before time_us and either have not ended or overlap one that has not ended;
            sorted by start, then key.
        power_mw: Received power of each started transmission at each station.
        caught: Whether each station locked on each started transmission when it began.
        waiting: Transmissions that begin at time_us or later; sorted by start, then key.
        locked_until_us: Time until which each station is locked on a packet.
        sending_until_us: Time until which each station transmits, counting only transmissions that have begun.
    """

    time_us: int
    started: Transmissions
    power_mw: Float[np.ndarray, "started stations"]
    caught: Bool[np.ndarray, "started stations"]
    waiting: Transmissions
    locked_until_us: Int64[np.ndarray, " stations"]
    sending_until_us: Int64[np.ndarray, " stations"]


def silent(stations: int, time_us: int = 0) -> MediumState:
    """Return a medium without any transmission."""
    none = Transmissions.none()
    never = np.zeros(stations, np.int64)
    return MediumState(
        time_us, none, np.zeros((0, stations)), np.zeros((0, stations), np.bool_), none, never, never.copy()
    )


def advance(
    state: MediumState,
    new: Transmissions,
    until_us: int,
    power_dbm: Float[np.ndarray, "stations stations"],
    station_key: UInt64[np.ndarray, " stations"],
    receiver: Receiver,
    bandwidth_mhz: int,
) -> tuple[MediumState, Receptions, Int64[np.ndarray, " stations"]]:
    """Return the medium at a later instant, the outcomes of all packets that have ended by then, and busy times.

    Args:
        state: State of the medium that the previous call returned.
        new: Transmissions that begin at state.time_us or later, in any order.
        until_us: Instant up to which to advance; packets that end exactly then are included.
        power_dbm: Received power by sender and receiver, antenna gains and all losses included; minus infinity where
            nothing arrives. The powers apply to the packets that begin during this call.
        station_key: Random key of each station.
        receiver: Noise, sensitivity and thresholds of every receiver.
        bandwidth_mhz: Bandwidth of the channel: 10, 20 or 40.

    Returns:
        The medium, the receptions, and each station's busy time since state.time_us: the time during which it
        transmitted or its total received power was above the busy threshold.
    """
    if len(new):
        if new.start_us.min() < state.time_us or (new.end_us <= new.start_us).any():
            raise ValueError(
                f"transmissions must begin at {state.time_us} us or later and last at least 1 us; "
                f"got starts from {new.start_us.min()} us, shortest {(new.end_us - new.start_us).min()} us"
            )
        waiting = _merged(state.waiting, new)
    else:
        waiting = state.waiting
    begun = int(np.searchsorted(waiting.start_us, until_us, side="left"))
    if begun == 0 and len(state.started) == 0:
        idle = replace(state, time_us=until_us, waiting=waiting)
        return idle, Receptions.none(), np.zeros(len(state.locked_until_us), np.int64)
    air = _joined(state.started, waiting[:begun]) if begun else state.started
    curve_db, curve_rate = error_curve()
    ended = np.flatnonzero((air.end_us > state.time_us) & (air.end_us <= until_us))
    ended = ended[np.argsort(air.end_us[ended], kind="stable")]
    edges_us = np.concatenate([air.start_us, air.end_us, np.array([state.time_us, until_us])])
    edges_us = np.sort(np.clip(edges_us, state.time_us, until_us))
    on_air = _OnAir(
        air.sender, air.target, air.start_us, air.end_us, ebn0_over_sinr_db(bandwidth_mhz)[air.mcs], air.key
    )
    heard = _heard(state, len(air))
    thresholds = _Thresholds(
        float(receiver.noise_mw), float(receiver.sensitivity_mw), float(receiver.busy_mw), float(receiver.report_mw)
    )
    rows, causes, levels, busy_us = _advanced(
        on_air, heard, len(state.started), ended, edges_us, np.ascontiguousarray(power_dbm, np.float64), station_key,
        thresholds, curve_db, curve_rate,
    )  # fmt: skip
    # Keep the transmissions still on the air, and those that overlap them.
    lasting = air.end_us > until_us
    kept = air.end_us > (air.start_us[lasting].min() if lasting.any() else until_us)
    later = waiting[begun:] if begun else waiting
    after = MediumState(
        until_us, air[kept], heard.power_mw[kept], heard.caught[kept], later, heard.locked_us, heard.sending_us
    )  # fmt: skip
    count = np.bincount(rows[:, 0], minlength=len(air))[ended]
    receptions = Receptions(
        air.packet[ended], air.sender[ended], air.start_us[ended], air.end_us[ended],
        np.full(len(ended), 10.0 * np.log10(receiver.noise_mw)),
        np.concatenate([[0], np.cumsum(count)]).astype(np.int64), rows[:, 1].astype(np.int32), causes,
        levels[:, 0].astype(np.float32), levels[:, 1].astype(np.float32),
    )  # fmt: skip
    return after, receptions, busy_us


def reindexed(state: MediumState, row: Int64[np.ndarray, " new"]) -> MediumState:
    """Return the medium for another list of stations.

    A packet that a station was sending when it left stays on the air until its end, with sender -1; its waiting packets
    are dropped. A newcomer does not receive packets that began before it came.

    Args:
        state: State of the medium for the old list of stations.
        row: Old row of each new station; -1 for newcomers (`pairs.kept_rows`).
    """
    old = len(state.locked_until_us)
    new_row = np.full(old + 1, -1, np.int64)
    known = np.flatnonzero(row >= 0)
    new_row[row[known]] = known

    def moved(air: Transmissions) -> Transmissions:
        return Transmissions(
            air.packet, new_row[air.sender], new_row[air.target], air.start_us, air.end_us, air.mcs, air.key
        )

    waiting = moved(state.waiting)
    power_mw = np.zeros((len(state.started), len(row)))
    power_mw[:, known] = state.power_mw[:, row[known]]
    caught = np.zeros(power_mw.shape, np.bool_)
    caught[:, known] = state.caught[:, row[known]]
    return MediumState(
        state.time_us, moved(state.started), power_mw, caught, waiting[waiting.sender >= 0],
        np.where(row >= 0, state.locked_until_us[row] if old else 0, 0).astype(np.int64),
        np.where(row >= 0, state.sending_until_us[row] if old else 0, 0).astype(np.int64),
    )  # fmt: skip


class _OnAir(NamedTuple):
    """Transmissions that have begun, as a named tuple for compiled loops."""

    sender: Int64[np.ndarray, " packets"]
    target: Int64[np.ndarray, " packets"]
    start_us: Int64[np.ndarray, " packets"]
    end_us: Int64[np.ndarray, " packets"]
    ebn0_over_sinr_db: Float[np.ndarray, " packets"]
    key: UInt64[np.ndarray, " packets"]


class _Heard(NamedTuple):
    """Reception of transmissions at each station: power, whether it locked on them, until when it is locked or sends."""

    power_mw: Float[np.ndarray, "packets stations"]
    caught: Bool[np.ndarray, "packets stations"]
    locked_us: Int64[np.ndarray, " stations"]
    sending_us: Int64[np.ndarray, " stations"]


class _Thresholds(NamedTuple):
    """Noise power, and the power thresholds of every receiver."""

    noise_mw: float
    sensitivity_mw: float
    busy_mw: float
    report_mw: float


def _heard(state: MediumState, packets: int) -> _Heard:
    """Return the reception table with room for `packets` rows; the transmissions that began before this call come first."""
    old, stations = len(state.started), len(state.locked_until_us)
    power_mw, caught = np.empty((packets, stations)), np.zeros((packets, stations), np.bool_)
    power_mw[:old], caught[:old] = state.power_mw, state.caught
    return _Heard(power_mw, caught, state.locked_until_us.copy(), state.sending_until_us.copy())


def _joined(first: Transmissions, second: Transmissions) -> Transmissions:
    if len(first) == 0:
        return second
    return Transmissions(
        np.concatenate([first.packet, second.packet]), np.concatenate([first.sender, second.sender]),
        np.concatenate([first.target, second.target]), np.concatenate([first.start_us, second.start_us]),
        np.concatenate([first.end_us, second.end_us]), np.concatenate([first.mcs, second.mcs]),
        np.concatenate([first.key, second.key]),
    )  # fmt: skip


def _merged(waiting: Transmissions, new: Transmissions) -> Transmissions:
    both = _joined(waiting, new)
    return both[np.lexsort((both.key, both.start_us))]


@njit(cache=True, nogil=True)
def _uniform(packet_key, station_key):  # type: ignore[no-untyped-def]
    """Return a random number in (0, 1) that depends only on the two keys.

    The first key goes through splitmix64's output function; the result is combined with the second key by XOR and goes
    through the function again.

    References:
        Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
    """
    golden = np.uint64(0x9E3779B97F4A7C15)
    bits = packet_key
    for turn in range(2):
        bits = bits + golden
        bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        bits = bits ^ (bits >> np.uint64(31))
        if turn == 0:
            bits = bits ^ station_key
    return (float(bits >> np.uint64(11)) + 0.5) * 2.0**-53


@njit(cache=True, nogil=True)
def _advanced(  # type: ignore[no-untyped-def]
    air, heard, old, ended, edges_us, power_dbm, station_key, thresholds, curve_db, curve_rate
):
    """Compute receptions and busy times of transmissions that have begun.

    Args:
        air: All transmissions that have begun, sorted by start.
        heard: Reception of each transmission at each station; filled by this function.
        old: Number of transmissions that had begun before this call.
        ended: Rows of the transmissions whose outcome is computed, in the order of the result.
        edges_us: All starts and ends of transmissions within this call, with the limits of the call itself; in rising
            order.
        power_dbm: Received power by sender and receiver.
        station_key: Random key of each station.
        thresholds: Noise and power thresholds of every receiver.
        curve_db: Eb/N0 of each point of the error curve.
        curve_rate: Packet error rate at each point of the error curve, 0 to 1.

    Returns:
        Row of the transmission and row of the receiver of each reception; its outcome; its power in dBm and SINR in dB;
        and the busy time of each station in us.
    """
    _lock(air, heard, old, power_dbm, thresholds.sensitivity_mw)
    most = len(ended) * len(heard.locked_us)
    rows, causes, levels = np.empty((most, 2), np.int64), np.empty(most, np.int8), np.empty((most, 2))
    count = _resolve(air, heard, ended, station_key, thresholds, curve_db, curve_rate, rows, causes, levels)
    busy_us = _busy_times(air, heard, edges_us, thresholds.busy_mw)
    return rows[:count], causes[:count], levels[:count], busy_us


@njit(cache=True, nogil=True)
def _lock(air, heard, old, power_dbm, sensitivity_mw):  # type: ignore[no-untyped-def]
    """Lock free receivers on transmissions that begin: of all that begin at one instant, the strongest."""
    power_mw, locked_us, sending_us = heard.power_mw, heard.locked_us, heard.sending_us
    stations, first = len(locked_us), old
    while first < len(air.sender):
        begin_us, last = air.start_us[first], first
        while last < len(air.sender) and air.start_us[last] == begin_us:
            s = air.sender[last]
            # Half duplex: a station that begins to send is no longer locked on any packet.
            locked_us[s] = min(locked_us[s], begin_us)
            sending_us[s] = max(sending_us[s], air.end_us[last])
            for r in range(stations):
                power_mw[last, r] = 10.0 ** (0.1 * power_dbm[s, r])
            last += 1
        for r in range(stations):
            if sending_us[r] <= begin_us and locked_us[r] <= begin_us:
                strongest = first
                for i in range(first + 1, last):
                    if power_mw[i, r] > power_mw[strongest, r]:
                        strongest = i
                if power_mw[strongest, r] >= sensitivity_mw:
                    heard.caught[strongest, r] = True
                    locked_us[r] = air.end_us[strongest]
        first = last


@njit(cache=True, nogil=True)
def _disturb(i, air, power_mw, interference_mw, deaf):  # type: ignore[no-untyped-def]
    """Compute the mean interference during packet `i` at each station, and whether the station sent meanwhile."""
    for r in range(len(deaf)):
        interference_mw[r], deaf[r] = 0.0, False
    for k in range(len(air.sender)):
        if air.start_us[k] >= air.end_us[i]:
            # They are sorted by start, so all the others begin after the packet's end.
            break
        overlap_us = min(air.end_us[i], air.end_us[k]) - max(air.start_us[i], air.start_us[k])
        if k == i or overlap_us <= 0:
            continue
        share = overlap_us / (air.end_us[i] - air.start_us[i])
        for r in range(len(deaf)):
            interference_mw[r] += share * power_mw[k, r]
        if air.sender[k] >= 0:
            deaf[air.sender[k]] = True


@njit(cache=True, nogil=True)
def _resolve(air, heard, ended, station_key, thresholds, curve_db, curve_rate, rows, causes, levels):  # type: ignore[no-untyped-def]
    """Write the outcome of each ended packet at each station that it reached; return the number of receptions."""
    stations, power_mw, noise_mw = len(heard.locked_us), heard.power_mw, thresholds.noise_mw
    interference_mw, deaf = np.empty(stations), np.empty(stations, np.bool_)
    count = 0
    for i in ended:
        _disturb(i, air, power_mw, interference_mw, deaf)
        for r in range(stations):
            if r == air.sender[i] or (power_mw[i, r] < thresholds.report_mw and r != air.target[i]):
                continue
            snr_db = 10.0 * np.log10(power_mw[i, r] / noise_mw)
            sinr_db = 10.0 * np.log10(power_mw[i, r] / (noise_mw + interference_mw[r]))
            # The first cause that applies, in the order that the module's docstring gives.
            if deaf[r]:
                cause = HALF_DUPLEX
            elif power_mw[i, r] < thresholds.sensitivity_mw:
                cause = SENSING
            elif not heard.caught[i, r]:
                cause = RECEIVER_BUSY
            else:
                uniform = _uniform(air.key[i], station_key[r])
                if uniform < error_rate_at(snr_db + air.ebn0_over_sinr_db[i], curve_db, curve_rate):
                    cause = PROPAGATION
                elif uniform < error_rate_at(sinr_db + air.ebn0_over_sinr_db[i], curve_db, curve_rate):
                    cause = COLLISION
                else:
                    cause = DELIVERED
            rows[count, 0], rows[count, 1] = i, r
            causes[count] = cause
            levels[count, 0], levels[count, 1] = 10.0 * np.log10(power_mw[i, r]), sinr_db
            count += 1
    return count


@njit(cache=True, nogil=True)
def _busy_times(air, heard, edges_us, busy_mw):  # type: ignore[no-untyped-def]
    """Return for how long each station sent, or received a total power above the busy threshold."""
    stations = len(heard.locked_us)
    busy_us, present_mw = np.zeros(stations, np.int64), np.empty(stations)
    # Between two neighbouring starts or ends nothing changes.
    for e in range(len(edges_us) - 1):
        span_us = edges_us[e + 1] - edges_us[e]
        if span_us == 0:
            continue
        for r in range(stations):
            present_mw[r] = 0.0
        for i in range(len(air.sender)):
            if air.start_us[i] > edges_us[e]:
                break
            if edges_us[e] < air.end_us[i]:
                for r in range(stations):
                    present_mw[r] += heard.power_mw[i, r]
                if air.sender[i] >= 0:
                    present_mw[air.sender[i]] = np.inf
        for r in range(stations):
            if present_mw[r] > busy_mw:
                busy_us[r] += span_us
    return busy_us
