"""The returns of a scan that lie in wanted cells, found without the points of all others."""

import numpy as np
from numba import njit

from v2xsim.gpu.lidar.ray_noise import LOW_16, MOST_DEVIATIONS, random_bits

# Far above the rounding of a height computed from a range and a direction.
_ROUNDING_M = 1e-6
# Factor that makes a range smaller by more than the rounding of float32.
_LESS = 1.0 - 1e-6
# A ray that gains less height per metre than this, or loses less, runs level over any range.
_NO_RISE = 1e-12


@njit(cache=True, nogil=True, error_model="numpy")
def in_cells(  # type: ignore[no-untyped-def]
    range_m, column, first, cos_el, sin_el, cos_az, sin_az, pose, key, quantile, noise_m,
    world, lower, cell_m, cells, above_m,
):  # fmt: skip
    """Return row and point of the returns in wanted cells; the points are those of `LidarReturns.points_m`.

    Few returns are wanted. So those that cannot be, whatever their noise, are passed over in loops that become vector code.
    """
    columns, count = len(cos_az), 0
    rows, points = np.empty(len(range_m), np.int64), np.empty((len(range_m), 3))
    # No noise moves a return farther than this.
    moved_m = MOST_DEVIATIONS * noise_m + _ROUNDING_M
    nearest_m = _nearest_m(world, pose, lower, cell_m, cells) - moved_m
    tilt = np.sqrt(pose[2, 0] * pose[2, 0] + pose[2, 1] * pose[2, 1])
    seen_from = _cells_along(world, pose, lower, cell_m, cos_az, sin_az)
    is_near = np.zeros((columns + 7) // 8 * 8, np.bool_)
    eights = is_near.view(np.uint64)
    near, u, v = np.empty(columns + 8, np.uint32), np.empty(columns), np.empty(columns)
    x, y, z = np.empty(columns), np.empty(columns), np.empty(columns)
    for b in range(len(cos_el)):
        ce, se = cos_el[b], sin_el[b]
        px, qx, sx = pose[0, 0] * ce, pose[0, 1] * ce, pose[0, 2] * se
        py, qy, sy = pose[1, 0] * ce, pose[1, 1] * ce, pose[1, 2] * se
        pz, qz, sz = pose[2, 0] * ce, pose[2, 1] * ce, pose[2, 2] * se
        # Most returns lie on the road.
        low_m, high_m = _range_above(pose[2, 3] - above_m, moved_m, sz - tilt * ce, sz + tilt * ce)
        low_m = max(low_m, np.float32(nearest_m * _LESS))
        begin, size = first[b], first[b + 1] - first[b]
        beam_range_m, beam_column = range_m[begin : begin + size], column[begin : begin + size]
        for n in range(size):
            is_near[n] = (beam_range_m[n] >= low_m) & (beam_range_m[n] <= high_m)
        is_near[size : (size + 7) // 8 * 8] = False
        found = 0
        for eight in range((size + 7) // 8):
            if eights[eight] != 0:
                for n in range(8 * eight, 8 * eight + 8):
                    near[found] = n
                    found += is_near[n]
        found = _perhaps_wanted(
            near[:found], beam_range_m, beam_column, ce, se, seen_from, cells, moved_m / cell_m, u, v
        )
        for m in range(found):
            k = beam_column[near[m]]
            bits = random_bits(key, b * columns + k)
            r = max(0.0, float(beam_range_m[near[m]]) + noise_m * quantile[bits & LOW_16])
            c, s = cos_az[k], sin_az[k]
            x[m] = r * (c * px + s * qx + sx) + pose[0, 3]
            y[m] = r * (c * py + s * qy + sy) + pose[1, 3]
            z[m] = r * (c * pz + s * qz + sz) + pose[2, 3]
            u[m] = np.floor((world[0, 0] * x[m] + world[0, 1] * y[m] + world[0, 2] * z[m] + world[0, 3]) / cell_m)
            v[m] = np.floor((world[1, 0] * x[m] + world[1, 1] * y[m] + world[1, 2] * z[m] + world[1, 3]) / cell_m)
        for m in range(found):
            i, j = int(u[m]) - lower[0], int(v[m]) - lower[1]
            if z[m] > above_m and 0 <= i < cells.shape[0] and 0 <= j < cells.shape[1] and cells[i, j]:
                rows[count] = begin + int(near[m])
                points[count, 0], points[count, 1], points[count, 2] = x[m], y[m], z[m]
                count += 1
    return rows[:count].copy(), points[:count].copy()


@njit(cache=True, nogil=True, error_model="numpy")
def _cells_along(world, pose, lower, cell_m, cos_az, sin_az):  # type: ignore[no-untyped-def]
    """Return, for both axes, the numbers by which the place of a return in the window of cells is computed roughly.

    A return of a beam at a range r is at r * (cos_el * across[column] + sin_el * along) + start, in cells.
    """
    across, along, start = np.empty((2, len(cos_az))), np.empty(2), np.empty(2)
    for axis in range(2):
        turn = [
            (world[axis, 0] * pose[0, n] + world[axis, 1] * pose[1, n] + world[axis, 2] * pose[2, n]) / cell_m
            for n in range(4)
        ]
        for k in range(len(cos_az)):
            across[axis, k] = cos_az[k] * turn[0] + sin_az[k] * turn[1]
        along[axis], start[axis] = turn[2], turn[3] + world[axis, 3] / cell_m - lower[axis]
    return across, along, start


@njit(cache=True, nogil=True, error_model="numpy")
def _perhaps_wanted(near, range_m, column, ce, se, seen_from, cells, reach, u, v):  # type: ignore[no-untyped-def]
    """Move the numbers of the returns of a beam that may be in wanted cells to the front, and return how many these are.

    Args:
        near: Numbers of the returns in question; changed.
        range_m: Range of each return of the beam.
        column: Column of each return of the beam.
        ce: Cosine of the elevation of the beam.
        se: Sine of it.
        seen_from: As `_cells_along` returns it.
        cells: Wanted cells.
        reach: How far a return may be away, in cells.
        u: Memory for a number of each return.
        v: Memory for another one.
    """
    across, along, start = seen_from
    along_u, along_v = se * along[0], se * along[1]
    for m in range(len(near)):
        k, r = column[near[m]], float(range_m[near[m]])
        u[m], v[m] = r * (ce * across[0, k] + along_u) + start[0], r * (ce * across[1, k] + along_v) + start[1]
    found = 0
    for m in range(len(near)):
        near[found] = near[m]
        found += _is_any(cells, u[m], v[m], reach)
    return found


@njit(cache=True, nogil=True, error_model="numpy")
def _range_above(height_m, moved_m, least_rise, most_rise):  # type: ignore[no-untyped-def]
    """Return between which ranges a beam can have returns above a limit, with a margin for the noise and for rounding errors.

    Args:
        height_m: Height of the lidar above the limit.
        moved_m: Farthest that noise moves a return.
        least_rise: Least height that a ray of the beam gains per metre; negative for rays that go down.
        most_rise: Most height that a ray of the beam gains per metre.
    """
    spare_m = height_m + moved_m * max(abs(least_rise), abs(most_rise)) + _ROUNDING_M
    if most_rise > _NO_RISE:
        return np.float32(-spare_m / most_rise * _LESS), np.float32(np.inf)
    if most_rise < -_NO_RISE:
        return np.float32(0.0), np.float32(-spare_m / most_rise / _LESS)
    return np.float32(0.0), np.float32(np.inf if spare_m > 0.0 else -1.0)


@njit(cache=True, nogil=True, error_model="numpy")
def _nearest_m(world, pose, lower, cell_m, cells):  # type: ignore[no-untyped-def]
    """Return the horizontal distance of a lidar to the nearest wanted cell; infinite if none is wanted."""
    place_x = world[0, 0] * pose[0, 3] + world[0, 1] * pose[1, 3] + world[0, 2] * pose[2, 3] + world[0, 3]
    place_y = world[1, 0] * pose[0, 3] + world[1, 1] * pose[1, 3] + world[1, 2] * pose[2, 3] + world[1, 3]
    nearest = np.inf
    for i in range(cells.shape[0]):
        x = (lower[0] + i) * cell_m
        across = max(x - place_x, place_x - x - cell_m, 0.0)
        for j in range(cells.shape[1]):
            if cells[i, j]:
                y = (lower[1] + j) * cell_m
                along = max(y - place_y, place_y - y - cell_m, 0.0)
                nearest = min(nearest, across * across + along * along)
    return np.sqrt(nearest)


@njit(cache=True, nogil=True, error_model="numpy")
def _is_any(cells, u, v, reach):  # type: ignore[no-untyped-def]
    """Return whether any cell is wanted within a distance, along both axes, of a place; all lengths are in cells."""
    for i in range(max(0, int(np.floor(u - reach))), min(cells.shape[0], int(np.floor(u + reach)) + 1)):
        for j in range(max(0, int(np.floor(v - reach))), min(cells.shape[1], int(np.floor(v + reach)) + 1)):
            if cells[i, j]:
                return True
    return False
