"""Compiled loops of the medium of random slots: who is reached by each packet and locks on it, and busy times.

All loops go over arrivals: one for each transmission and station that it reaches. So their time grows with the number of
links over which packets arrive, and not with the square of the number of stations.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int32, Int64, UInt64
from numba import njit

from v2xsim.comms.access.random_slot_outcomes import columns_of, ended_between, resolve

# Rows of a table of transmissions; its columns are the transmissions. One table instead of seven arrays, because each array
# that goes into or comes out of a compiled call takes time. The key is an unsigned number with the same bits.
PACKET, SENDER, TARGET, START_US, END_US, MCS, KEY = range(7)


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


class MediumState(NamedTuple):
    """State of the medium between two calls of `advanced`.

    Attributes:
        time_us: Instant up to which the medium has been advanced.
        started: Table of the transmissions that began before time_us and either have not ended or overlap one that has not
            ended; sorted by start, then key.
        arrivals: The stations that each started transmission reaches, and whether each of them locked on it when it began.
        waiting: Table of the transmissions that begin at time_us or later; sorted by start, then key.
        locked_until_us: Time until which each station is locked on a packet.
        sending_until_us: Time until which each station transmits, counting only transmissions that have begun.
    """

    time_us: int
    started: Int64[np.ndarray, "7 started"]
    arrivals: Arrivals
    waiting: Int64[np.ndarray, "7 waiting"]
    locked_until_us: Int64[np.ndarray, " stations"]
    sending_until_us: Int64[np.ndarray, " stations"]


class Levels(NamedTuple):
    """Noise power and power thresholds of every receiver, and the error curve.

    Attributes:
        noise_mw: Noise power.
        noise_dbm: The same in dBm.
        sensitivity_mw: Power of the weakest packet that a receiver detects.
        busy_mw: Total received power above which the channel is busy.
        report_mw: Power of the weakest packet that is reported.
        ebn0_over_sinr_db: Difference of Eb/N0 and SINR of each modulation and coding scheme.
        curve_db: Eb/N0 of each point of the error curve.
        curve_rate: Packet error rate at each point of the error curve, 0 to 1.
    """

    noise_mw: float
    noise_dbm: float
    sensitivity_mw: float
    busy_mw: float
    report_mw: float
    ebn0_over_sinr_db: Float[np.ndarray, " mcs"]
    curve_db: Float[np.ndarray, " points"]
    curve_rate: Float[np.ndarray, " points"]


@njit(cache=True, nogil=True)
def level_mw(link_mw):  # type: ignore[no-untyped-def]
    """Return a received power, rounded as a level in dB is: recorded results depend on it."""
    return 10.0 ** (0.1 * (10.0 * math.log10(link_mw))) if link_mw > 0.0 else 0.0


@njit(cache=True, nogil=True)
def with_more(arrivals, air, links):  # type: ignore[no-untyped-def]
    """Return the arrivals of all transmissions, given those of the first ones and the links over which the others begin.

    The station that a transmission is addressed to is among its arrivals, with a power of 0 if it is out of reach.
    """
    old, first = len(arrivals.station), len(arrivals.offset) - 1
    packets, room = len(air.sender), old
    for k in range(first, packets):
        room += links.offset[air.sender[k] + 1] - links.offset[air.sender[k]] + 1
    offset, station = np.empty(packets + 1, np.int64), np.empty(room, np.int32)
    power_mw, caught = np.empty(room), np.zeros(room, np.bool_)
    offset[: first + 1] = arrivals.offset
    station[:old], power_mw[:old], caught[:old] = arrivals.station, arrivals.power_mw, arrivals.caught
    n = old
    for k in range(first, packets):
        sender, target = air.sender[k], air.target[k]
        # Whether the target is still to be listed.
        waits = target >= 0 and target != sender
        for link in range(links.offset[sender], links.offset[sender + 1]):
            if waits and target < links.other[link]:
                station[n], power_mw[n] = target, 0.0
                n += 1
            waits = waits and target > links.other[link]
            station[n], power_mw[n] = links.other[link], level_mw(links.power_mw[link])
            n += 1
        if waits:
            station[n], power_mw[n] = target, 0.0
            n += 1
        offset[k + 1] = n
    return Arrivals(offset, station[:n], power_mw[:n], caught[:n])


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
def _needed(air, until_us):  # type: ignore[no-untyped-def]
    """Return which transmissions last longer than an instant, or overlap one that does."""
    first_us = until_us
    for k in range(len(air.sender)):
        if air.end_us[k] > until_us:
            # Transmissions are sorted by start.
            first_us = air.start_us[k]
            break
    return air.end_us > first_us


@njit(cache=True, nogil=True)
def advanced(medium, until_us, links, station_key, levels):  # type: ignore[no-untyped-def]
    """Return the medium at a later instant, the outcomes of the transmissions that end by then, and busy times.

    Args:
        medium: State of the medium.
        until_us: Instant up to which to advance.
        links: The links over which transmissions begin.
        station_key: Random key of each station.
        levels: Noise and power thresholds of every receiver, and the error curve.

    Returns:
        The medium, the outcomes, and the time for which each station sent, or found the channel busy.
    """
    old, begun = medium.started.shape[1], np.searchsorted(medium.waiting[START_US], until_us)
    table = np.empty((len(medium.started), old + begun), np.int64)
    table[:, :old], table[:, old:] = medium.started, medium.waiting[:, :begun]
    air = OnAir(
        table[SENDER], table[TARGET], table[START_US], table[END_US], levels.ebn0_over_sinr_db[table[MCS]],
        table[KEY].view(np.uint64),
    )  # fmt: skip
    arrivals = with_more(medium.arrivals, air, links)
    locked_us, sending_us = medium.locked_until_us.copy(), medium.sending_until_us.copy()
    lock(air, arrivals, old, locked_us, sending_us, levels.sensitivity_mw)
    at = by_station(air, arrivals, len(locked_us))
    outcomes = resolve(table, air, arrivals, at, ended_between(air, medium.time_us, until_us), station_key, levels)
    busy_us = busy_times(air, at, medium.time_us, until_us, levels.busy_mw)
    kept = _needed(air, until_us)
    started, waiting = columns_of(table, np.flatnonzero(kept)), medium.waiting[:, begun:].copy()
    after = MediumState(until_us, started, of_packets(arrivals, kept), waiting, locked_us, sending_us)
    return after, outcomes, busy_us
