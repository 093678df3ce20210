"""What a lidar reports in fog, rain and snow: weaker surfaces, lost ones, and echoes of the air in place of surfaces."""

from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Float32, UInt8
from numba import njit

from v2xsim.gpu.lidar.effects.clutter import Clutter
from v2xsim.gpu.lidar.ray_noise import random_bits

LOST, SURFACE, AIR = 0, 1, 2
"""What a ray reports: nothing, the surface that it would have met in clear air, or an echo of the air."""

_32 = np.uint64(32)
_LOW_32 = np.uint64(0xFFFFFFFF)


class Weathered(NamedTuple):
    """The returns of a scan in weather.

    Attributes:
        range_m: Range of each return; infinite where there is none.
        power: Its power; 0 where there is none.
        source: LOST, SURFACE or AIR.
    """

    range_m: Float32[np.ndarray, "beams columns"]
    power: Float32[np.ndarray, "beams columns"]
    source: UInt8[np.ndarray, "beams columns"]


def in_weather(
    range_m: Float[np.ndarray, "beams columns"] | Float32[np.ndarray, "beams columns"],
    power: Float[np.ndarray, "beams columns"] | Float32[np.ndarray, "beams columns"],
    air: Clutter,
    key: int,
    mode: Literal["strongest", "last"] = "strongest",
) -> Weathered:
    """Return what each ray of a scan reports in weather.

    The power of a surface falls by exp(-2 extinction R), and the surface is lost if less than the least power of the sensor is left.
    A sensor that reports the strongest return reports an echo of the air if one before the surface is stronger; of several, the
    nearest. A sensor that reports the last return reports one only if the surface is lost; of several, the farthest.

    Args:
        range_m: Range of each ray in clear air; infinite where it meets nothing.
        power: Power of its return in clear air, from `intensity.received_power`.
        air: Echoes of the air and its extinction, from `clutter.fog`, `rain` or `snow`.
        key: Random key of the scan, with 64 bits: another one than that of the range noise. The chance of a ray depends only on the key
            and on the ray's number, beam times columns plus column.
        mode: Which return the sensor reports.
    """
    kept = Weathered(
        np.empty(range_m.shape, np.float32), np.empty(range_m.shape, np.float32), np.empty(range_m.shape, np.uint8)
    )
    _weathered(
        np.ascontiguousarray(range_m), np.ascontiguousarray(power), air.extinction_per_m, air.sensor.least_power, air.sensor.least_reflectivity,
        air.log_power, air.range_m, air.none, air.scale, air.mean_diameter_m, air.reflectivity, np.uint64(key),
        mode == "strongest", *kept,
    )  # fmt: skip
    return kept


@njit(cache=True, nogil=True, error_model="numpy")
def _echo_range(none, row, share, ranges, end, wanted):  # type: ignore[no-untyped-def]
    """Return the range at which the probability of no echo, between two rows of the table, has fallen to a value.

    `end` is the last column to look at. The value must lie between those of the first column and of that one.
    """
    low, high = 0, end
    while high - low > 1:
        middle = (low + high) // 2
        if none[row, middle] * (1.0 - share) + none[row + 1, middle] * share > wanted:
            low = middle
        else:
            high = middle
    before = none[row, low] * (1.0 - share) + none[row + 1, low] * share
    after = none[row, high] * (1.0 - share) + none[row + 1, high] * share
    part = (before - wanted) / (before - after) if before > after else 1.0
    return ranges[low] + min(max(part, 0.0), 1.0) * (ranges[high] - ranges[low])


@njit(cache=True, nogil=True, error_model="numpy")
def _none_before(none, row, share, ranges, end, reach):  # type: ignore[no-untyped-def]
    """Return the probability of no echo before a range that lies between the columns `end - 1` and `end`."""
    after = none[row, end] * (1.0 - share) + none[row + 1, end] * share
    if reach >= ranges[end]:
        return after
    before = none[row, end - 1] * (1.0 - share) + none[row + 1, end - 1] * share
    return before + (after - before) * (reach - ranges[end - 1]) / (ranges[end] - ranges[end - 1])


@njit(cache=True, nogil=True, error_model="numpy")
def _echo_power(level, at, bits, extinction, scale, diameter, reflectivity):  # type: ignore[no-untyped-def]
    """Return the power of an echo at a range that is stronger than a level."""
    more = -np.log((float(bits & _LOW_32) + 0.5) / 4294967296.0)
    unit = scale * np.exp(-2.0 * extinction * at) / (at * at)
    if diameter == 0.0:
        return level + more * unit
    size = np.sqrt(level / unit) * at + more * diameter
    return min(unit * (size / at) ** 2, reflectivity * np.exp(-2.0 * extinction * at) / (at * at))


@njit(cache=True, nogil=True, error_model="numpy")
def _weathered(  # type: ignore[no-untyped-def]
    clear_m, clear_power, extinction, least, darkest, log_power, ranges, none, scale, diameter, reflectivity, key, is_strongest,
    reported_m, reported_power, source,
):  # fmt: skip
    """Write the returns of `in_weather`; the arguments are its plain arrays."""
    beams, columns = clear_m.shape
    steps = len(ranges) - 1
    top = np.exp(log_power[-1])
    per_row = 1.0 / (log_power[1] - log_power[0])
    per_column = steps / np.log(ranges[-1] / ranges[0])
    nothing = none[0, steps] == 1.0
    for b in range(beams):
        for k in range(columns):
            far = clear_m[b, k]
            left = clear_power[b, k] * np.exp(-2.0 * extinction * far) if far < np.inf else 0.0
            is_seen = left >= least and left > 0.0
            reported_m[b, k] = far if is_seen else np.inf
            reported_power[b, k] = left if is_seen else 0.0
            source[b, k] = SURFACE if is_seen else LOST
            level = left if is_seen else least
            if nothing or level >= top or far <= ranges[0] or (is_seen and not is_strongest):
                continue
            bits = random_bits(key, b * columns + k)
            chance = (float(bits >> _32) + 0.5) / 4294967296.0
            at_row = (np.log(level) - log_power[0]) * per_row if is_seen else 0.0
            row = min(int(at_row), len(log_power) - 2)
            share = at_row - row
            end = steps
            if far < ranges[-1]:
                end = min(max(int(np.log(far / ranges[0]) * per_column) + 1, 1), steps)
            quiet = _none_before(none, row, share, ranges, end, far)
            if chance <= quiet:
                continue
            if is_strongest:
                at = _echo_range(none, row, share, ranges, end, chance)
            else:
                # The farthest echo: the probability of none behind it is quiet / none(r).
                at = _echo_range(none, row, share, ranges, end, quiet / chance)
            at = min(at, far)
            reported_m[b, k] = at
            level = max(level, darkest / (at * at))
            reported_power[b, k] = _echo_power(level, at, bits, extinction, scale, diameter, reflectivity)
            source[b, k] = AIR
