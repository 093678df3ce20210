"""Compiled loops of the medium of random slots: who locks on which packet, what each packet comes to, and busy times.

All loops go over arrivals: one for each transmission and station that it reaches. So their time grows with the number of
links over which packets arrive, and not with the square of the number of stations.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int32, Int64, UInt64
from numba import njit

from v2xsim.comms.access.packets import COLLISION, DELIVERED, HALF_DUPLEX, PROPAGATION, RECEIVER_BUSY, SENSING
from v2xsim.comms.phy.error_rate import error_rate_at


class OnAir(NamedTuple):
    """Transmissions that have begun, sorted by start; the columns are those of `random_slot_medium.Transmissions`."""

    sender: Int64[np.ndarray, " packets"]
    target: Int64[np.ndarray, " packets"]
    start_us: Int64[np.ndarray, " packets"]
    end_us: Int64[np.ndarray, " packets"]
    ebn0_over_sinr_db: Float[np.ndarray, " packets"]
    key: UInt64[np.ndarray, " packets"]


class Arrivals(NamedTuple):
    """The stations that each transmission reaches, as compressed rows.

    Attributes:
        offset: Index of the first arrival of each transmission; one entry more than transmissions.
        station: Row of the station of each arrival, in rising order for each transmission.
        power_mw: Received power of each arrival.
        caught: Whether the station locked on the transmission when it began.
    """

    offset: Int64[np.ndarray, " packets_plus_1"]
    station: Int32[np.ndarray, " arrivals"]
    power_mw: Float[np.ndarray, " arrivals"]
    caught: Bool[np.ndarray, " arrivals"]


class AtStation(NamedTuple):
    """The transmissions at each station, its own among them, as compressed rows.

    Attributes:
        offset: Index of the first transmission of each station; one entry more than stations.
        packet: Row of each transmission, in rising order for each station.
        arrival: Index of its arrival at the station; -1 for the station's own transmissions.
        power_mw: Received power of each transmission; infinity for the station's own.
    """

    offset: Int64[np.ndarray, " stations_plus_1"]
    packet: Int32[np.ndarray, " arrivals"]
    arrival: Int64[np.ndarray, " arrivals"]
    power_mw: Float[np.ndarray, " arrivals"]


class Levels(NamedTuple):
    """Noise power, and the power thresholds of every receiver."""

    noise_mw: float
    sensitivity_mw: float
    busy_mw: float
    report_mw: float


class Outcomes(NamedTuple):
    """The receptions of the transmissions that ended.

    Attributes:
        receptions: Number of receptions of each transmission that ended.
        station: Row of the receiver of each reception.
        cause: DELIVERED or the cause of loss of each reception.
        power_dbm: Received power of each reception.
        sinr_db: Ratio of signal to noise plus interference of each reception.
    """

    receptions: Int64[np.ndarray, " ended"]
    station: Int32[np.ndarray, " receptions"]
    cause: np.ndarray
    power_dbm: Float[np.ndarray, " receptions"]
    sinr_db: Float[np.ndarray, " receptions"]


@njit(cache=True, nogil=True)
def uniform_of(packet_key, station_key):  # type: ignore[no-untyped-def]
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
def arrivals_from(sender, target, link_offset, link_other, link_mw):  # type: ignore[no-untyped-def]
    """Return the number of arrivals of each of some transmissions that begin, their stations and their received powers.

    The station that a transmission is addressed to is among them, with a power of 0 if it is out of reach.
    """
    count, room = np.empty(len(sender), np.int64), len(sender)
    for k in range(len(sender)):
        room += link_offset[sender[k] + 1] - link_offset[sender[k]]
    station, power_mw = np.empty(room, np.int32), np.empty(room)
    n = 0
    for k in range(len(sender)):
        before, end = n, link_offset[sender[k] + 1]
        # Whether the target is still to be listed.
        waits = target[k] >= 0 and target[k] != sender[k]
        for link in range(link_offset[sender[k]], end):
            if waits and target[k] < link_other[link]:
                station[n], power_mw[n] = target[k], 0.0
                n += 1
            waits = waits and target[k] > link_other[link]
            station[n], power_mw[n] = link_other[link], link_mw[link]
            n += 1
        if waits:
            station[n], power_mw[n] = target[k], 0.0
            n += 1
        count[k] = n - before
    return count, station[:n], power_mw[:n]


@njit(cache=True, nogil=True)
def milliwatts_of(power_dbm):  # type: ignore[no-untyped-def]
    """Convert powers from dBm to milliwatts."""
    power_mw = np.empty(len(power_dbm))
    for n in range(len(power_dbm)):
        power_mw[n] = 10.0 ** (0.1 * power_dbm[n])
    return power_mw


@njit(cache=True, nogil=True)
def with_more(arrivals, count, station, power_dbm):  # type: ignore[no-untyped-def]
    """Return arrivals, followed by those of transmissions that begin: their number, stations and received powers."""
    old, old_packets = len(arrivals.station), len(arrivals.offset) - 1
    offset = np.empty(old_packets + len(count) + 1, np.int64)
    offset[: old_packets + 1] = arrivals.offset
    for k in range(len(count)):
        offset[old_packets + k + 1] = offset[old_packets + k] + count[k]
    stations, power_mw = np.empty(old + len(station), np.int32), np.empty(old + len(station))
    stations[:old], stations[old:] = arrivals.station, station
    power_mw[:old], power_mw[old:] = arrivals.power_mw, milliwatts_of(power_dbm)
    caught = np.zeros(len(stations), np.bool_)
    caught[:old] = arrivals.caught
    return Arrivals(offset, stations, power_mw, caught)


@njit(cache=True, nogil=True)
def of_packets(arrivals, kept):  # type: ignore[no-untyped-def]
    """Return the arrivals of some transmissions; `kept` says which."""
    packets, room = 0, 0
    for k in range(len(kept)):
        if kept[k]:
            packets += 1
            room += arrivals.offset[k + 1] - arrivals.offset[k]
    offset, station = np.zeros(packets + 1, np.int64), np.empty(room, np.int32)
    power_mw, caught = np.empty(room), np.empty(room, np.bool_)
    packets = 0
    for k in range(len(kept)):
        if kept[k]:
            begin, end = arrivals.offset[k], arrivals.offset[k + 1]
            to, packets = offset[packets], packets + 1
            offset[packets] = to + end - begin
            station[to : offset[packets]] = arrivals.station[begin:end]
            power_mw[to : offset[packets]] = arrivals.power_mw[begin:end]
            caught[to : offset[packets]] = arrivals.caught[begin:end]
    return Arrivals(offset, station, power_mw, caught)


@njit(cache=True, nogil=True)
def lock(air, arrivals, old, locked_us, sending_us, sensitivity_mw):  # type: ignore[no-untyped-def]
    """Lock free receivers on transmissions that begin: of all that begin at one instant, the strongest.

    Args:
        air: All transmissions that have begun.
        arrivals: The stations that each transmission reaches; `caught` is set.
        old: Number of transmissions that began in earlier calls.
        locked_us: Time until which each station is locked on a packet; changed in place.
        sending_us: Time until which each station sends; changed in place.
        sensitivity_mw: Power of the weakest packet on which a receiver locks.
    """
    stations = len(locked_us)
    # The strongest arrival at each station that the transmissions of one instant reach, and its transmission.
    best, best_packet = np.full(stations, -1, np.int64), np.empty(stations, np.int64)
    reached = np.empty(stations, np.int64)
    first = old
    while first < len(air.sender):
        begin_us, last, count = air.start_us[first], first, 0
        while last < len(air.sender) and air.start_us[last] == begin_us:
            s = air.sender[last]
            # Half duplex: a station that begins to send is no longer locked on any packet.
            locked_us[s] = min(locked_us[s], begin_us)
            sending_us[s] = max(sending_us[s], air.end_us[last])
            for n in range(arrivals.offset[last], arrivals.offset[last + 1]):
                r = arrivals.station[n]
                if best[r] < 0:
                    reached[count] = r
                    count += 1
                    best[r], best_packet[r] = n, last
                elif arrivals.power_mw[n] > arrivals.power_mw[best[r]]:
                    best[r], best_packet[r] = n, last
            last += 1
        for n in range(count):
            r = reached[n]
            is_free = sending_us[r] <= begin_us and locked_us[r] <= begin_us
            if is_free and arrivals.power_mw[best[r]] >= sensitivity_mw:
                arrivals.caught[best[r]] = True
                locked_us[r] = air.end_us[best_packet[r]]
            best[r] = -1
        first = last


@njit(cache=True, nogil=True)
def by_station(air, arrivals, stations):  # type: ignore[no-untyped-def]
    """Return the transmissions at each station."""
    offset = np.zeros(stations + 1, np.int64)
    for n in range(len(arrivals.station)):
        offset[arrivals.station[n] + 1] += 1
    for k in range(len(air.sender)):
        # A station that has left has no row any more.
        if air.sender[k] >= 0:
            offset[air.sender[k] + 1] += 1
    for r in range(stations):
        offset[r + 1] += offset[r]
    room = offset[stations]
    packet, arrival, power_mw = np.empty(room, np.int32), np.empty(room, np.int64), np.empty(room)
    filled = offset[:stations].copy()
    for k in range(len(air.sender)):
        s = air.sender[k]
        if s >= 0:
            packet[filled[s]], arrival[filled[s]], power_mw[filled[s]] = k, -1, np.inf
            filled[s] += 1
        for n in range(arrivals.offset[k], arrivals.offset[k + 1]):
            r = arrivals.station[n]
            packet[filled[r]], arrival[filled[r]], power_mw[filled[r]] = k, n, arrivals.power_mw[n]
            filled[r] += 1
    return AtStation(offset, packet, arrival, power_mw)


@njit(cache=True, nogil=True)
def disturbances(air, at, arrivals, ended):  # type: ignore[no-untyped-def]
    """Return the mean interference with each arrival in mW, and whether its station sent meanwhile, so heard nothing.

    Args:
        air: All transmissions that have begun.
        at: The transmissions at each station.
        arrivals: Number of arrivals.
        ended: Rows of the transmissions whose arrivals are computed; those of others are 0.
    """
    is_ended = np.zeros(len(air.sender), np.bool_)
    for k in ended:
        is_ended[k] = True
    others_mw, deaf, longest_us = np.zeros(arrivals), np.zeros(arrivals, np.bool_), 0
    for k in range(len(air.sender)):
        longest_us = max(longest_us, air.end_us[k] - air.start_us[k])
    for r in range(len(at.offset) - 1):
        low, last = at.offset[r], at.offset[r + 1]
        for m in range(low, last):
            i, arrival = at.packet[m], at.arrival[m]
            if arrival < 0 or not is_ended[i]:
                continue
            begin_us, end_us = air.start_us[i], air.end_us[i]
            # Transmissions are sorted by start: none before `low` lasts until this one or a later one begins.
            while air.start_us[at.packet[low]] + longest_us <= begin_us:
                low += 1
            for n in range(low, last):
                k = at.packet[n]
                if air.start_us[k] >= end_us:
                    break
                overlap_us = min(end_us, air.end_us[k]) - max(begin_us, air.start_us[k])
                if k == i or overlap_us <= 0:
                    continue
                if at.arrival[n] < 0:
                    deaf[arrival] = True
                else:
                    others_mw[arrival] += overlap_us / (end_us - begin_us) * at.power_mw[n]
    return others_mw, deaf


@njit(cache=True, nogil=True)
def resolve(air, arrivals, at, ended, station_key, levels, curve_db, curve_rate):  # type: ignore[no-untyped-def]
    """Return the outcome of each ended packet at each station that it reached, and at the station it is addressed to."""
    if len(ended) == 0:
        nothing = np.zeros(0)
        return Outcomes(np.zeros(0, np.int64), np.zeros(0, np.int32), np.zeros(0, np.int8), nothing, nothing)
    others_mw, deaf = disturbances(air, at, len(arrivals.station), ended)
    room = 0
    for i in ended:
        room += arrivals.offset[i + 1] - arrivals.offset[i]
    count, station, cause = np.zeros(len(ended), np.int64), np.empty(room, np.int32), np.empty(room, np.int8)
    power_dbm, sinr_db = np.empty(room), np.empty(room)
    m = 0
    for e in range(len(ended)):
        i = ended[e]
        for n in range(arrivals.offset[i], arrivals.offset[i + 1]):
            r, power_mw = arrivals.station[n], arrivals.power_mw[n]
            if power_mw < levels.report_mw and r != air.target[i]:
                continue
            power_dbm[m] = 10.0 * math.log10(power_mw) if power_mw > 0.0 else -np.inf
            ratio = power_mw / (levels.noise_mw + others_mw[n])
            sinr_db[m] = 10.0 * math.log10(ratio) if ratio > 0.0 else -np.inf
            # The first cause that applies, in the order that the docstring of `random_slot_medium` gives.
            if deaf[n]:
                cause[m] = HALF_DUPLEX
            elif power_mw < levels.sensitivity_mw:
                cause[m] = SENSING
            elif not arrivals.caught[n]:
                cause[m] = RECEIVER_BUSY
            else:
                snr_db, over_db = 10.0 * math.log10(power_mw / levels.noise_mw), air.ebn0_over_sinr_db[i]
                uniform = uniform_of(air.key[i], station_key[r])
                cause[m] = _decoded(uniform, snr_db + over_db, sinr_db[m] + over_db, curve_db, curve_rate)
            station[m] = r
            count[e] += 1
            m += 1
    return Outcomes(count, station[:m], cause[:m], power_dbm[:m], sinr_db[:m])


@njit(cache=True, nogil=True)
def _decoded(uniform, ebn0_db, disturbed_ebn0_db, curve_db, curve_rate):  # type: ignore[no-untyped-def]
    """Return whether a packet on which its receiver locked is delivered, or lost with or without the help of others."""
    if uniform < error_rate_at(ebn0_db, curve_db, curve_rate):
        return PROPAGATION
    if uniform < error_rate_at(disturbed_ebn0_db, curve_db, curve_rate):
        return COLLISION
    return DELIVERED


@njit(cache=True, nogil=True)
def busy_times(air, at, from_us, until_us, busy_mw):  # type: ignore[no-untyped-def]
    """Return for how long each station sent, or received a total power above the busy threshold, between two instants."""
    stations = len(at.offset) - 1
    busy_us = np.zeros(stations, np.int64)
    for r in range(stations):
        low, end, now_us = at.offset[r], at.offset[r + 1], from_us
        while now_us < until_us and low < end:
            # Sum the powers on the air now, and find the next instant at which one of them ends or another begins.
            present_mw, next_us = 0.0, until_us
            for n in range(low, end):
                k = at.packet[n]
                if air.start_us[k] > now_us:
                    next_us = min(next_us, air.start_us[k])
                    break
                if air.end_us[k] > now_us:
                    present_mw += at.power_mw[n]
                    next_us = min(next_us, air.end_us[k])
                elif n == low:
                    low += 1
            if present_mw > busy_mw:
                busy_us[r] += next_us - now_us
            now_us = next_us
    return busy_us


@njit(cache=True, nogil=True)
def settled(  # type: ignore[no-untyped-def]
    air, arrivals, old, locked_us, sending_us, ended, from_us, until_us, station_key, levels, curve_db, curve_rate
):
    """Return the outcomes of the transmissions that ended, and the busy time of each station between two instants.

    Args:
        air: All transmissions that have begun.
        arrivals: The stations that each transmission reaches; `caught` is set for those that begin.
        old: Number of transmissions that began in earlier calls.
        locked_us: Time until which each station is locked on a packet; changed in place.
        sending_us: Time until which each station sends; changed in place.
        ended: Rows of the transmissions that ended, in the order of the result.
        from_us: Instant from which on busy times count.
        until_us: Instant up to which they count.
        station_key: Random key of each station.
        levels: Noise and power thresholds of every receiver.
        curve_db: Eb/N0 of each point of the error curve.
        curve_rate: Packet error rate at each point of the error curve, 0 to 1.
    """
    lock(air, arrivals, old, locked_us, sending_us, levels.sensitivity_mw)
    at = by_station(air, arrivals, len(locked_us))
    outcomes = resolve(air, arrivals, at, ended, station_key, levels, curve_db, curve_rate)
    return outcomes, busy_times(air, at, from_us, until_us, levels.busy_mw)
