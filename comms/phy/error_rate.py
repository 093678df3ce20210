"""Packet error rate over the signal-to-interference-plus-noise ratio (SINR): the 802.11p curve and curve look-ups."""

import math
from functools import cache
from importlib.resources import files
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numba import njit

from v2xsim.comms.phases import INLINED_PHASE, PHASE
from v2xsim.comms.phy.airtime import MCS_COUNT, rate_mbps
from v2xsim.comms.phy.error_points import ErrorPoints


@cache
def ebn0_over_sinr_db(bandwidth_mhz: int) -> Float[np.ndarray, " mcs"]:
    """Return Eb/N0 minus SINR in dB for each MCS: the ratio of bandwidth to data rate.

    The result does not depend on the bandwidth, since the data rates are proportional to it.
    """
    return 10.0 * np.log10(bandwidth_mhz / rate_mbps(np.arange(MCS_COUNT), bandwidth_mhz))


@cache
def error_curve() -> tuple[Float[np.ndarray, " rows"], Float[np.ndarray, " rows"]]:
    """Return the tabulated values of Eb/N0 in dB, and the frame error rate at each of them.

    References:
        The file comms/phy/data/frame_error_rate.csv names the source of the curve.
    """
    text = (files("v2xsim.comms.phy") / "data" / "frame_error_rate.csv").read_text(encoding="utf-8")
    rows = [line.split(",") for line in text.splitlines() if line and not line.startswith("#")][1:]
    table = np.array(rows, float)
    table.flags.writeable = False
    return np.ascontiguousarray(table[:, 0]), np.ascontiguousarray(table[:, 1])


def per(
    sinr_db: Float[np.ndarray, "*packets"] | float, mcs: Int[np.ndarray, "*packets"] | int, bandwidth_mhz: int
) -> Float[np.ndarray, "*packets"] | float:
    """Return the packet error rate, 0 to 1, of IEEE 802.11p.

    The same curve over Eb/N0 is used for every MCS and packet length, as in the source of the curve. It ends at an error rate
    of 0.1 %, which holds at every higher ratio. The curve is too
    optimistic for fast MCS: for MCS 5 to 7, the SINR thresholds of a commercial receiver (as listed in WiLabV2Xsim) are
    4 to 8 dB above the middle of the curve.

    Args:
        sinr_db: Ratio of signal to interference plus noise over the whole channel.
        mcs: Index of the modulation and coding scheme, 0 to 7.
        bandwidth_mhz: Bandwidth of the channel: 10, 20 or 40.
    """
    ebn0_db, error_rate = error_curve()
    wanted_db = np.asarray(sinr_db) + ebn0_over_sinr_db(bandwidth_mhz)[mcs]
    rate: Float[np.ndarray, "*packets"] | float = np.interp(wanted_db, ebn0_db, error_rate)
    return rate


def ieee80211p_points(mcs: int, bandwidth_mhz: int) -> ErrorPoints:
    """Return the points of `per` for one modulation and coding scheme."""
    ebn0_db, error_rate = error_curve()
    return ErrorPoints(ebn0_db - ebn0_over_sinr_db(bandwidth_mhz)[mcs], error_rate)


@njit(**PHASE)
def error_rate_at(ebn0_db, curve_db, curve_rate):  # type: ignore[no-untyped-def]
    """Return the error rate at one point of a curve, by linear interpolation (`np.interp` for compiled kernels)."""
    low, high = 0, len(curve_db) - 1
    if ebn0_db <= curve_db[0]:
        return curve_rate[0]
    if ebn0_db >= curve_db[high]:
        return curve_rate[high]
    while high - low > 1:
        middle = (low + high) // 2
        if ebn0_db < curve_db[middle]:
            high = middle
        else:
            low = middle
    share = (ebn0_db - curve_db[low]) / (curve_db[high] - curve_db[low])
    return curve_rate[low] + share * (curve_rate[high] - curve_rate[low])


# With this number of bins, few packets are close enough to the curve to need a look-up.
UNIFORM_BINS = 256


def lost_below(
    curve_db: Float[np.ndarray, " rows"], curve_rate: Float[np.ndarray, " rows"]
) -> Float[np.ndarray, "bins 2"]:
    """Return two SINR limits for each bin of the uniform random number that decides whether a packet is lost.

    Below the first limit the packet is certainly lost; from the second limit on it is certainly received. Only packets
    whose SINR lies between the two limits need a logarithm and a look-up in the curve.
    """
    if (np.diff(curve_rate) > 0).any():
        return np.tile([0.0, np.inf], (UNIFORM_BINS, 1))
    # Find where the falling curve crosses a rate: the last row at which the curve is above the rate.
    edge = np.arange(UNIFORM_BINS + 1) / UNIFORM_BINS
    passed = np.empty(len(edge))
    for n, rate in enumerate(edge):
        above = np.flatnonzero(curve_rate > rate)
        if len(above) == 0:
            passed[n] = -np.inf
        elif above[-1] == len(curve_rate) - 1:
            passed[n] = np.inf
        else:
            k = above[-1]
            share = (curve_rate[k] - rate) / (curve_rate[k] - curve_rate[k + 1])
            passed[n] = curve_db[k] + share * (curve_db[k + 1] - curve_db[k])
    # A margin of a millionth of a decibel covers rounding errors.
    return np.ascontiguousarray(
        np.stack([10.0 ** (0.1 * (passed[1:] - 1e-6)), 10.0 ** (0.1 * (passed[:-1] + 1e-6))], axis=1)
    )


class ErrorCurve(NamedTuple):
    """An error curve as a named tuple of arrays for compiled kernels.

    Attributes:
        db: Ratio of signal to noise at each point in dB, in rising order.
        rate: Packet error rate at each point, 0 to 1.
        bound: Limits of the ratio by bin of the random number, from `lost_below`.
    """

    db: Float[np.ndarray, " rows"]
    rate: Float[np.ndarray, " rows"]
    bound: Float[np.ndarray, "bins 2"]


def curve_for_kernels(curve_db: Float[np.ndarray, " rows"], curve_rate: Float[np.ndarray, " rows"]) -> ErrorCurve:
    """Return an error curve with its limits from `lost_below`, for compiled kernels."""
    return ErrorCurve(
        np.ascontiguousarray(curve_db), np.ascontiguousarray(curve_rate), lost_below(curve_db, curve_rate)
    )


@njit(**INLINED_PHASE)
def is_lost(uniform, ratio, curve):  # type: ignore[no-untyped-def]
    """Return whether a packet is lost: its random number in (0, 1) is below the error rate at its signal-to-noise ratio."""
    # In nearly all cases the limits on the ratio decide, without a logarithm.
    uniform_bin = int(uniform * UNIFORM_BINS)
    lost = ratio < curve.bound[uniform_bin, 1]
    if lost and ratio >= curve.bound[uniform_bin, 0]:
        lost = uniform < error_rate_at(10.0 * math.log10(ratio), curve.db, curve.rate)
    return lost
