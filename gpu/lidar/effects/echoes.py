"""The returns that a sensor reports for a beam whose sub-rays meet several surfaces: strongest, last, or both.

Sub-rays that lie closer together in range than the sensor can separate make one return, at their mean range weighted by power. At an edge
this is a point in the air between two surfaces, a mixed pixel. Surfaces that lie farther apart make separate returns.

References:
    Velodyne VLS-128 User Manual 63-9483 Rev. A, section 6.2 (read): several returns come from the divergence of the beam; a sensor reports
        the strongest, the last, or both, and both only if they lie at least 1 m apart. VLP-32C User Manual 63-9325 Rev. C, page 57 (read):
        where the strongest is also the last, the second strongest takes its place.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Int32, UInt8
from numba import njit

from v2xsim.gpu.lidar.effects.divergence import SubRays

STRONGEST, LAST, SECOND = 0, 1, 2
"""Rows of `Echoes`."""

_LIGHT_M_PER_S = 299_792_458.0


class Echoes(NamedTuple):
    """The returns of each ray of a lidar.

    The first axis is STRONGEST (the return with the most power; of equals the nearest), LAST (the farthest) and SECOND (the second
    strongest).

    Attributes:
        range_m: Range of each return; infinite where there is none.
        power: Its power, relative as in `intensity`; 0 where there is none.
        row: Row in the pattern of sub-rays of the sub-ray with the most power in the return, which tells what the return lies on;
            -1 where there is none.
        column: Column of it.
        number: Number of returns of each ray that are strong enough.
    """

    range_m: Float32[np.ndarray, "3 beams columns"]
    power: Float32[np.ndarray, "3 beams columns"]
    row: Int32[np.ndarray, "3 beams columns"]
    column: Int32[np.ndarray, "3 beams columns"]
    number: UInt8[np.ndarray, "beams columns"]


def pulse_separation_m(pulse_s: float) -> float:
    """Return how far apart two surfaces must be for their echoes not to overlap: half the length of the pulse in space."""
    return 0.5 * _LIGHT_M_PER_S * pulse_s


def echoes(
    range_m: Float[np.ndarray, "rows columns"] | Float32[np.ndarray, "rows columns"],
    power: Float[np.ndarray, "rows columns"] | Float32[np.ndarray, "rows columns"],
    sub: SubRays,
    separation_m: float,
    least_power: float,
) -> Echoes:
    """Return the returns of each ray of a lidar from what its sub-rays met.

    Surfaces that follow each other in range by less than `separation_m` make one return. So a slanted surface without gaps makes one
    return, however far it extends.

    Args:
        range_m: Range of each ray of the pattern `sub.beams`; infinite where it meets nothing.
        power: Power of its return if the whole beam met the same surface (`intensity.received_power`); 0 or more.
        sub: How the rays of the pattern make up beams.
        separation_m: Least distance in range of two returns: about half the length of the pulse (`pulse_separation_m`). Velodyne states 1 m.
        least_power: Power of the weakest return that the sensor detects (`intensity.least_power`). Weaker ones are no returns.
    """
    beams, columns = len(sub.row), sub.beams.columns // sub.column_step
    shape = (3, beams, columns)
    found = Echoes(
        np.full(shape, np.inf, np.float32), np.zeros(shape, np.float32), np.full(shape, -1, np.int32),
        np.full(shape, -1, np.int32), np.zeros(shape[1:], np.uint8),
    )  # fmt: skip
    _echoes(
        np.ascontiguousarray(range_m), np.ascontiguousarray(power), sub.row, sub.row_weight, sub.column_step, sub.column_offset,
        sub.column_weight, float(separation_m), float(least_power), *found,
    )  # fmt: skip
    return found


def dual_ranges(found: Echoes) -> Float32[np.ndarray, "2 beams columns"]:
    """Return the two ranges that a sensor in dual mode reports: last, and strongest or, where that is also the last, second strongest.

    The second is infinite where a ray has one return only; sensors repeat the first there.
    """
    is_same = found.range_m[STRONGEST] == found.range_m[LAST]
    return np.stack([found.range_m[LAST], np.where(is_same, found.range_m[SECOND], found.range_m[STRONGEST])])


@njit(cache=True, nogil=True, error_model="numpy")
def _echoes(  # type: ignore[no-untyped-def]
    depth, strength, row, row_weight, step, offset, column_weight, separation, least, range_m, power, source_row, source_column, number
):  # fmt: skip
    """Write the returns of `echoes`; the arguments are its plain arrays and the arrays of `Echoes`."""
    beams, rows = row.shape
    wide, columns = depth.shape[1], range_m.shape[2]
    most = rows * len(offset)
    near, weight = np.empty(most), np.empty(most)
    at_row, at_column = np.empty(most, np.int64), np.empty(most, np.int64)
    for b in range(beams):
        for k in range(columns):
            # The sub-rays that met something, nearest first.
            met = 0
            for j in range(len(offset)):
                c = k * step + offset[j]
                c = c + wide if c < 0 else c - wide if c >= wide else c
                for i in range(rows):
                    r = depth[row[b, i], c]
                    p = strength[row[b, i], c]
                    if not (r < np.inf and p > 0.0):
                        continue
                    n = met
                    while n > 0 and near[n - 1] > r:
                        near[n], weight[n] = near[n - 1], weight[n - 1]
                        at_row[n], at_column[n] = at_row[n - 1], at_column[n - 1]
                        n -= 1
                    near[n], weight[n], at_row[n], at_column[n] = r, row_weight[i] * column_weight[j] * p, row[b, i], c
                    met += 1
            n, most_power, second_power = 0, 0.0, 0.0
            while n < met:
                first, best, total, moment = n, n, 0.0, 0.0
                while n < met and (n == first or near[n] - near[n - 1] < separation):
                    total += weight[n]
                    moment += weight[n] * (near[n] - near[first])
                    if weight[n] > weight[best]:
                        best = n
                    n += 1
                if total < least:
                    continue
                number[b, k] += 1
                mean = near[first] + moment / total
                # Surfaces come in rising order, so each return is the last so far.
                _write(
                    range_m, power, source_row, source_column, LAST, b, k, mean, total, at_row[best], at_column[best]
                )
                if total > most_power:
                    most_power, second_power = total, most_power
                    _copy(range_m, power, source_row, source_column, STRONGEST, SECOND, b, k)
                    _copy(range_m, power, source_row, source_column, LAST, STRONGEST, b, k)
                elif total > second_power:
                    second_power = total
                    _copy(range_m, power, source_row, source_column, LAST, SECOND, b, k)


@njit(cache=True, nogil=True, error_model="numpy")
def _write(range_m, power, source_row, source_column, kind, b, k, mean, total, at_row, at_column):  # type: ignore[no-untyped-def]
    """Write one return."""
    range_m[kind, b, k] = mean
    power[kind, b, k] = total
    source_row[kind, b, k] = at_row
    source_column[kind, b, k] = at_column


@njit(cache=True, nogil=True, error_model="numpy")
def _copy(range_m, power, source_row, source_column, kind, other, b, k):  # type: ignore[no-untyped-def]
    """Copy the return of one kind to another."""
    range_m[other, b, k] = range_m[kind, b, k]
    power[other, b, k] = power[kind, b, k]
    source_row[other, b, k] = source_row[kind, b, k]
    source_column[other, b, k] = source_column[kind, b, k]
