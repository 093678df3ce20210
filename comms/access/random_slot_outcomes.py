"""What each packet of random slots comes to at each station that it reaches, in compiled loops over its arrivals."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Int8, Int32, Int64
from numba import njit

from v2xsim.comms.access.packets import COLLISION, DELIVERED, HALF_DUPLEX, PROPAGATION, RECEIVER_BUSY, SENSING
from v2xsim.comms.phy.error_rate import error_rate_at


class Outcomes(NamedTuple):
    """The receptions of the transmissions that ended.

    Attributes:
        ended: Table of the transmissions that ended, sorted by their end, then as they began.
        noise_dbm: Noise power at the receivers of each transmission.
        offset: Index of the first reception of each transmission; one entry more than transmissions.
        station: Row of the receiver of each reception.
        cause: DELIVERED or the cause of loss of each reception.
        power_dbm: Received power of each reception.
        sinr_db: Ratio of signal to noise plus interference of each reception.
    """

    ended: Int64[np.ndarray, "7 ended"]
    noise_dbm: Float[np.ndarray, " ended"]
    offset: Int64[np.ndarray, " ended_plus_1"]
    station: Int32[np.ndarray, " receptions"]
    cause: Int8[np.ndarray, " receptions"]
    power_dbm: Float32[np.ndarray, " receptions"]
    sinr_db: Float32[np.ndarray, " receptions"]


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
def columns_of(table, columns):  # type: ignore[no-untyped-def]
    """Return some columns of a table of transmissions."""
    some = np.empty((len(table), len(columns)), np.int64)
    for row in range(len(table)):
        for k in range(len(columns)):
            some[row, k] = table[row, columns[k]]
    return some


@njit(cache=True, nogil=True)
def ended_between(air, from_us, until_us):  # type: ignore[no-untyped-def]
    """Return the transmissions that end after an instant and not after another one, by their end, then as they began."""
    ended, count = np.empty(len(air.sender), np.int64), 0
    for k in range(len(air.sender)):
        if from_us < air.end_us[k] <= until_us:
            n = count
            while n > 0 and air.end_us[ended[n - 1]] > air.end_us[k]:
                ended[n] = ended[n - 1]
                n -= 1
            ended[n] = k
            count += 1
    return ended[:count]


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
def resolve(table, air, arrivals, at, ended, station_key, levels):  # type: ignore[no-untyped-def]
    """Return the outcome of each ended packet at each station that it reached, and at the station it is addressed to."""
    packets, noise_dbm, room = columns_of(table, ended), np.full(len(ended), levels.noise_dbm), 0
    for i in ended:
        room += arrivals.offset[i + 1] - arrivals.offset[i]
    offset, station, cause = np.zeros(len(ended) + 1, np.int64), np.empty(room, np.int32), np.empty(room, np.int8)
    power_dbm, sinr_db = np.empty(room, np.float32), np.empty(room, np.float32)
    if len(ended) == 0:
        return Outcomes(packets, noise_dbm, offset, station, cause, power_dbm, sinr_db)
    others_mw, deaf = disturbances(air, at, len(arrivals.station), ended)
    m = 0
    for e in range(len(ended)):
        i = ended[e]
        for n in range(arrivals.offset[i], arrivals.offset[i + 1]):
            r, power_mw = arrivals.station[n], arrivals.power_mw[n]
            if power_mw < levels.report_mw and r != air.target[i]:
                continue
            power_dbm[m] = _decibels(power_mw)
            disturbed_db = _decibels(power_mw / (levels.noise_mw + others_mw[n]))
            sinr_db[m] = disturbed_db
            # The first cause that applies, in the order that the docstring of `random_slot_medium` gives.
            if deaf[n]:
                cause[m] = HALF_DUPLEX
            elif power_mw < levels.sensitivity_mw:
                cause[m] = SENSING
            elif not arrivals.caught[n]:
                cause[m] = RECEIVER_BUSY
            else:
                # Most receptions are undisturbed, and a logarithm takes time.
                snr_db = disturbed_db if others_mw[n] == 0.0 else _decibels(power_mw / levels.noise_mw)
                over_db = air.ebn0_over_sinr_db[i]
                uniform = uniform_of(air.key[i], station_key[r])
                cause[m] = _decoded(
                    uniform, snr_db + over_db, disturbed_db + over_db, levels.curve_db, levels.curve_rate
                )
            station[m] = r
            m += 1
        offset[e + 1] = m
    return Outcomes(packets, noise_dbm, offset, station[:m], cause[:m], power_dbm[:m], sinr_db[:m])


@njit(cache=True, nogil=True)
def _decibels(ratio):  # type: ignore[no-untyped-def]
    return 10.0 * math.log10(ratio) if ratio > 0.0 else -np.inf


@njit(cache=True, nogil=True)
def _decoded(uniform, ebn0_db, disturbed_ebn0_db, curve_db, curve_rate):  # type: ignore[no-untyped-def]
    """Return whether a packet on which its receiver locked is delivered, or lost with or without the help of others."""
    if uniform < error_rate_at(ebn0_db, curve_db, curve_rate):
        return PROPAGATION
    if uniform < error_rate_at(disturbed_ebn0_db, curve_db, curve_rate):
        return COLLISION
    return DELIVERED
