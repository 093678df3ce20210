"""The abstract perception matrix: which cells around a station it saw free, saw occupied, or did not see.

The definition of the matrix is our reading of the abstract of arXiv 2307.06615, whose full text was not available to
us. A cell is free if a lidar ray crosses it lower than LOW_M above the ground before its return, or returns from the
ground there. A cell is occupied if a return from anything but the ground lies in it at a height between LEAST_M and
MOST_M. A cell that is both free and occupied counts as occupied. All other cells are unobserved.
"""

import numpy as np
from jaxtyping import Bool, Float, Int64, UInt8
from numba import njit

from v2xsim.gpu.lidar.cast import Scan
from v2xsim.gpu.lidar.models import Beams
from v2xsim.records import BUILDING, FREE, NOTHING, OCCUPIED, UNOBSERVED, PerceptionMatrix

# A ray higher than this may pass over the bonnet of a low car, so it does not show that the cell below is free; our
# choice.
LOW_M = 1.0
# With these limits, neither kerbs nor objects higher than a truck above the road count as occupied; our choice.
LEAST_M, MOST_M = 0.3, 4.0
# Depth behind the hit surface of the point whose cell is marked.
_SURFACE_M = 0.02
# Samples of a ray per cell length: a cell between two samples is missed only if the ray just touches its corner.
_SAMPLES_PER_CELL = 2.0


def observed_matrix(
    cell_m: float,
    extent_m: float,
    position_m: Float[np.ndarray, " 2"],
    sensors: list[tuple[Beams, Float[np.ndarray, "4 4"], Scan]],
) -> PerceptionMatrix:
    """Return the perception matrix of what a station observed with its lidars.

    Args:
        cell_m: Side length of a cell.
        extent_m: Distance from the station to the edge of the matrix, rounded up to whole cells.
        position_m: Position of the station by its own estimate.
        sensors: For each lidar: its beams, its pose world_from_sensor by the station's own estimate, and its scan.
    """
    half = int(np.ceil(extent_m / cell_m))
    lower = np.floor(np.asarray(position_m) / cell_m).astype(np.int64) - half
    code = np.full((2 * half, 2 * half), UNOBSERVED, np.uint8)
    for beams, world_from_sensor, scan in sensors:
        _mark(
            code, float(lower[0] * cell_m), float(lower[1] * cell_m), float(cell_m),
            np.ascontiguousarray(world_from_sensor, np.float64), beams.elevation_rad, beams.columns,
            float(beams.range_m), scan.range_m, scan.object_id,
        )  # fmt: skip
    return PerceptionMatrix(lower, cell_m, code)


@njit(cache=True, nogil=True)
def _mark(code, lower_x, lower_y, cell_m, pose, elevation, columns, range_m, ranges, object_id):  # type: ignore[no-untyped-def]
    """Mark the cells that one scan saw, going from azimuth to azimuth.

    For a level sensor, all beams of one azimuth run along one line on the ground. A running sum along this line adds 1
    where a ray becomes low and subtracts 1 behind its end; cells with a positive sum are free. So the line is followed
    only once for all beams.
    """
    nx, ny = code.shape
    ox, oy, oz = pose[0, 3], pose[1, 3], pose[2, 3]
    step = cell_m / _SAMPLES_PER_CELL
    level = abs(pose[2, 0]) < 1e-12 and abs(pose[2, 1]) < 1e-12
    # No ray is followed beyond the far corner of the window.
    across = max(abs(ox - lower_x), abs(ox - lower_x - nx * cell_m))
    along = max(abs(oy - lower_y), abs(oy - lower_y - ny * cell_m))
    samples = int(np.sqrt(across * across + along * along) / step) + 2
    change = np.zeros(samples + 2, np.int64)
    start_u, start_v = (ox - lower_x) / cell_m, (oy - lower_y) / cell_m
    cos_el, sin_el = np.cos(elevation), np.sin(elevation)
    beams = len(elevation)
    if level:
        # The ground range of a beam without a hit is the same for all azimuths.
        first_low, last_low = np.zeros(beams, np.int64), np.full(beams, -1, np.int64)
        for b in range(beams):
            dz = pose[2, 2] * sin_el[b]
            begin, end = _low_part(oz, dz, -oz / dz if dz < 0.0 and -oz / dz < range_m else range_m)
            first_low[b] = int(np.ceil(begin * cos_el[b] / step))
            last_low[b] = min(samples, int(end * cos_el[b] / step)) if end >= begin else -1
    for k in range(columns):
        azimuth = k * (2.0 * np.pi / columns)
        cos_az, sin_az = np.cos(azimuth), np.sin(azimuth)
        first, last = samples, -1
        du, dv = 0.0, 0.0
        if level:
            du = (pose[0, 0] * cos_az + pose[0, 1] * sin_az) * step / cell_m
            dv = (pose[1, 0] * cos_az + pose[1, 1] * sin_az) * step / cell_m
        for b in range(beams):
            met = object_id[b, k]
            body = met >= 0 or met == BUILDING
            if level and not body:
                low, high = first_low[b], last_low[b]
            else:
                sx, sy, sz = cos_el[b] * cos_az, cos_el[b] * sin_az, sin_el[b]
                dx = pose[0, 0] * sx + pose[0, 1] * sy + pose[0, 2] * sz
                dy = pose[1, 0] * sx + pose[1, 1] * sy + pose[1, 2] * sz
                dz = pose[2, 0] * sx + pose[2, 1] * sy + pose[2, 2] * sz
                flat = np.sqrt(dx * dx + dy * dy)
                if not level:
                    # A vertical ray has no direction in the plane; it stays in one cell.
                    scale = step / (cell_m * max(flat, 1e-9))
                    du, dv = dx * scale, dy * scale
                end = range_m if met == NOTHING else float(ranges[b, k])
                if body:
                    if LEAST_M <= oz + dz * end <= MOST_M:
                        # Take a point a little behind the surface, so that a wall exactly on a cell edge marks the cell
                        # on its inner side.
                        u = (ox + dx * (end + _SURFACE_M) - lower_x) / cell_m
                        v = (oy + dy * (end + _SURFACE_M) - lower_y) / cell_m
                        if 0.0 <= u < nx and 0.0 <= v < ny:
                            code[int(u), int(v)] = OCCUPIED
                    end -= _SURFACE_M
                begin, end = _low_part(oz, dz, end)
                if end < begin:
                    continue
                low, high = int(np.ceil(begin * flat / step)), min(samples, int(end * flat / step))
            if high < low:
                continue
            change[low] += 1
            change[high + 1] -= 1
            first, last = min(first, low), max(last, high)
            if not level:
                _walk(code, change, first, last, start_u, start_v, du, dv)
                first, last = samples, -1
        if last >= first:
            _walk(code, change, first, last, start_u, start_v, du, dv)


@njit(cache=True, nogil=True)
def _low_part(height_m, rise, end_m):  # type: ignore[no-untyped-def]
    """Return start and end of the part of a ray below LOW_M; if there is none, the end is smaller than the start."""
    if height_m >= LOW_M:
        return ((LOW_M - height_m) / rise, end_m) if rise < 0.0 else (0.0, -1.0)
    return 0.0, min(end_m, (LOW_M - height_m) / rise) if rise > 0.0 else end_m


@njit(cache=True, nogil=True)
def _walk(code, change, first, last, u, v, du, dv):  # type: ignore[no-untyped-def]
    """Mark unobserved cells along a line as free where at least one ray is low, and reset the running sums."""
    nx, ny = code.shape
    rays = 0
    for s in range(first, last + 1):
        rays += change[s]
        if rays > 0:
            x, y = u + s * du, v + s * dv
            if not (0.0 <= x < nx and 0.0 <= y < ny):
                break
            if code[int(x), int(y)] == UNOBSERVED:
                code[int(x), int(y)] = FREE
    change[first : last + 2] = 0


def shifted(
    matrix: PerceptionMatrix, lower: Int64[np.ndarray, " 2"], shape: tuple[int, int]
) -> UInt8[np.ndarray, "nx ny"]:
    """Return a matrix's codes on another window of the same grid; cells outside its own window are UNOBSERVED (0)."""
    code = np.zeros(shape, matrix.code.dtype)
    shift = np.asarray(lower) - matrix.lower
    first = np.maximum(shift, 0)
    last = np.minimum(shift + np.array(shape), np.array(matrix.code.shape))
    if (last > first).all():
        to = first - shift
        size = last - first
        code[to[0] : to[0] + size[0], to[1] : to[1] + size[1]] = matrix.code[first[0] : last[0], first[1] : last[1]]
    return code


def cells_of(
    points_m: Float[np.ndarray, "points 2"], lower: Int64[np.ndarray, " 2"], cell_m: float, shape: tuple[int, int]
) -> tuple[Int64[np.ndarray, " points"], Int64[np.ndarray, " points"], Bool[np.ndarray, " points"]]:
    """Return the cell of each point in a window, and whether the point is in the window.

    Points outside get the nearest cell of the window.
    """
    cell = np.floor(np.asarray(points_m) / cell_m).astype(np.int64) - np.asarray(lower)
    inside = (cell >= 0).all(axis=1) & (cell < np.array(shape)).all(axis=1)
    clipped = np.clip(cell, 0, np.array(shape) - 1)
    return clipped[:, 0], clipped[:, 1], inside
