"""The abstract perception matrix: which cells around a station it saw free, saw occupied, or did not see.

The definition of the matrix is our reading of the abstract of arXiv 2307.06615, whose full text was not available to
us. A cell is free if a lidar ray crosses it lower than LOW_M above the ground before its return, or returns from the
ground there. Where a share of its area must be seen, rays must do so in that share of its parts (`of_whole_cells`). A cell
is occupied if a return from anything but the ground lies in it at a height between LEAST_M and MOST_M. A ray whose return is lost shows nothing. A cell that is both
free and occupied counts as occupied. All other cells are unobserved.
"""

import math

import numpy as np
from jaxtyping import Bool, Float, Int64, UInt8
from numba import njit

from v2xsim.gpu.lidar.cast import Scan
from v2xsim.gpu.lidar.models import Beams
from v2xsim.gpu.lidar.rays import rays_of
from v2xsim.records import BUILDING, CLUTTER, FREE, GROUND, LOST, NOTHING, OCCUPIED, UNOBSERVED, PerceptionMatrix

# A ray higher than this may pass over the bonnet of a low car, so it does not show that the cell below is free; our
# choice.
LOW_M = 1.0
# With these limits, neither kerbs nor objects higher than a truck above the road count as occupied; our choice.
LEAST_M, MOST_M = 0.3, 4.0
# Depth behind the hit surface of the point whose cell is marked.
_SURFACE_M = 0.02
PARTS = 4
"""Number of parts into which each side of a cell is divided where a share of its area must be seen."""

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
        mark(
            code, float(lower[0] * cell_m), float(lower[1] * cell_m), float(cell_m),
            np.ascontiguousarray(world_from_sensor, np.float64), *rays_of(beams), scan.range_m.astype(np.float64),
            scan.object_id.astype(np.int32),
        )  # fmt: skip
    return PerceptionMatrix(lower, cell_m, code)


@njit(cache=True, nogil=True)
def mark(  # type: ignore[no-untyped-def]
    code, lower_x, lower_y, cell_m, pose, elevation, cos_el, sin_el, cos_az, sin_az, range_m, depth, met
):
    """Mark in `code` the cells that one scan saw.

    The corner of cell (0, 0) is at `lower_x` and `lower_y`, and `pose` is that of the lidar by the station's own estimate.
    `elevation` and what follows it are the attributes of `Rays`. `depth` is the distance of each ray to what it hits, which
    counts with the precision of float32, and `met` is not negative if this is a road user; else GROUND, BUILDING, CLUTTER, NOTHING or LOST.
    """
    nx, ny = code.shape
    # No ray is followed beyond the far corner of the window.
    across = max(abs(pose[0, 3] - lower_x), abs(pose[0, 3] - lower_x - nx * cell_m))
    along = max(abs(pose[1, 3] - lower_y), abs(pose[1, 3] - lower_y - ny * cell_m))
    samples = int(np.sqrt(across * across + along * along) / (cell_m / _SAMPLES_PER_CELL)) + 2
    if abs(pose[2, 0]) < 1e-12 and abs(pose[2, 1]) < 1e-12:
        _mark_level(code, lower_x, lower_y, cell_m, samples, pose, cos_el, sin_el, cos_az, sin_az, range_m, depth, met)
    else:
        _mark_tilted(code, lower_x, lower_y, cell_m, samples, pose, cos_el, sin_el, cos_az, sin_az, range_m, depth, met)


@njit(cache=True, nogil=True, error_model="numpy")
def _mark_level(  # type: ignore[no-untyped-def]
    code, lower_x, lower_y, cell_m, samples, pose, cos_el, sin_el, cos_az, sin_az, range_m, depth, met
):
    """Mark the cells that the scan of a level lidar saw.

    All beams of one azimuth run along one line on the ground. Each sample of this line is one bit, which is set if at least one
    of the rays is low there. So the line is followed only once for all beams, and rays without a body set whole words.
    """
    nx, ny = code.shape
    ox, oy, oz = pose[0, 3], pose[1, 3], pose[2, 3]
    step = cell_m / _SAMPLES_PER_CELL
    beams, columns = depth.shape
    words = samples // 64 + 1
    low_bits = np.zeros((words, columns), np.uint64)
    is_body = np.zeros((columns + 7) // 8 * 8, np.bool_)
    eights = is_body.view(np.uint64)
    bodies = np.empty(columns, np.int64)
    first, last = np.empty(columns, np.int64), np.empty(columns, np.int64)
    hit_m, east, north = np.empty(columns, np.float32), np.empty(columns), np.empty(columns)
    x, y = np.empty(columns), np.empty(columns)
    occupied = np.zeros((nx, ny), np.bool_)
    is_high = oz >= LOW_M
    for b in range(beams):
        ce, sz = cos_el[b], sin_el[b]
        # The ground range of a beam without a hit is the same for all azimuths.
        dz = pose[2, 2] * sz
        begin, end = _low_part(oz, dz, -oz / dz if dz < 0.0 and -oz / dz < range_m else range_m)
        low = int(np.ceil(begin * ce / step)) if end >= begin else 0
        high = min(samples, int(end * ce / step)) if end >= begin else -1
        met_row, depth_row = met[b], depth[b]
        for w in range(low // 64, high // 64 + 1):
            bits, word_row = _bits(low - 64 * w, high - 64 * w), low_bits[w]
            for k in range(columns):
                word_row[k] |= bits if (met_row[k] == GROUND) | (met_row[k] == NOTHING) else np.uint64(0)
        count = 0
        for k in range(columns):
            is_body[k] = (met_row[k] >= 0) | (met_row[k] == BUILDING) | (met_row[k] == CLUTTER)
        for eight in range(len(eights)):
            if eights[eight] == 0:
                continue
            for k in range(8 * eight, min(columns, 8 * eight + 8)):
                if is_body[k]:
                    bodies[count], hit_m[count] = k, np.float32(depth_row[k])
                    east[count], north[count] = cos_az[k], sin_az[k]
                    count += 1
        # Without branches and look-ups, so that it becomes vector code.
        for n in range(count):
            sx, sy = ce * east[n], ce * north[n]
            dx = pose[0, 0] * sx + pose[0, 1] * sy + pose[0, 2] * sz
            dy = pose[1, 0] * sx + pose[1, 1] * sy + pose[1, 2] * sz
            dz = pose[2, 0] * sx + pose[2, 1] * sy + pose[2, 2] * sz
            flat = np.sqrt(dx * dx + dy * dy)
            hit = float(hit_m[n])
            height = oz + dz * hit
            # Take a point a little behind the surface, so that a wall exactly on a cell edge marks the cell on its inner
            # side.
            u = (ox + dx * (hit + _SURFACE_M) - lower_x) / cell_m
            x[n] = u if (height >= LEAST_M) & (height <= MOST_M) else -1.0
            y[n] = (oy + dy * (hit + _SURFACE_M) - lower_y) / cell_m
            # As `_low_part`.
            crossing, end = (LOW_M - oz) / dz, hit - _SURFACE_M
            begin = crossing if is_high else 0.0
            end = crossing if (not is_high) & (dz > 0.0) & (crossing < end) else end
            is_low = ((dz < 0.0) | (not is_high)) & (end >= begin)
            low_sample, high_sample = int(np.ceil(begin * flat / step)), int(end * flat / step)
            first[n] = low_sample if is_low else 0
            last[n] = min(samples, high_sample) if is_low else -1
        for n in range(count):
            if 0.0 <= x[n] < nx and 0.0 <= y[n] < ny:
                occupied[int(x[n]), int(y[n])] = True
            for w in range(first[n] // 64, last[n] // 64 + 1):
                low_bits[w, bodies[n]] |= _bits(first[n] - 64 * w, last[n] - 64 * w)
    start_u, start_v = (ox - lower_x) / cell_m, (oy - lower_y) / cell_m
    du, dv = np.empty(columns), np.empty(columns)
    for k in range(columns):
        du[k] = (pose[0, 0] * cos_az[k] + pose[0, 1] * sin_az[k]) * step / cell_m
        dv[k] = (pose[1, 0] * cos_az[k] + pose[1, 1] * sin_az[k]) * step / cell_m
    _cut_at_edges(low_bits, samples, start_u, start_v, du, dv, nx, ny)
    # The last one takes samples at which no ray is low.
    free, nowhere = np.zeros(nx * ny + 1, np.bool_), np.uint64(nx * ny)
    cell = np.empty(columns, np.uint64)
    for s in range(samples + 1):
        word_row, bit = low_bits[s // 64], np.uint64(s % 64)
        for k in range(columns):
            is_low = ((word_row[k] >> bit) & np.uint64(1)) != 0
            u, v = start_u + s * du[k], start_v + s * dv[k]
            cell[k] = np.uint64(int(u) * ny + int(v)) if is_low else nowhere
        for k in range(columns):
            free[cell[k]] = True
    for i in range(nx):
        for j in range(ny):
            if occupied[i, j]:
                code[i, j] = OCCUPIED
            elif free[i * ny + j] and code[i, j] == UNOBSERVED:
                code[i, j] = FREE


@njit(cache=True, nogil=True, error_model="numpy")
def _cut_at_edges(low_bits, samples, start_u, start_v, du, dv, nx, ny):  # type: ignore[no-untyped-def]
    """Clear the bits of each azimuth from the first low sample outside of the window on; the line does not return to it."""
    is_inside = 0.0 <= start_u < nx and 0.0 <= start_v < ny
    for k in range(len(du)):
        last = -1
        if is_inside:
            # The edge is near the sample that the division gives; rounding decides which one is the last inside.
            across = ((nx if du[k] > 0.0 else 0.0) - start_u) / du[k] if du[k] != 0.0 else math.inf
            along = ((ny if dv[k] > 0.0 else 0.0) - start_v) / dv[k] if dv[k] != 0.0 else math.inf
            last = int(min(float(samples), across, along))
            while last < samples and _lies_in(start_u + (last + 1) * du[k], start_v + (last + 1) * dv[k], nx, ny):
                last += 1
            while not _lies_in(start_u + last * du[k], start_v + last * dv[k], nx, ny):
                last -= 1
        else:
            for s in range(samples + 1):
                if (low_bits[s // 64, k] >> np.uint64(s % 64)) & np.uint64(1):
                    if not _lies_in(start_u + s * du[k], start_v + s * dv[k], nx, ny):
                        break
                    last = s
        for w in range(len(low_bits)):
            low_bits[w, k] &= _bits(-64 * w, last - 64 * w)


@njit(cache=True, nogil=True, error_model="numpy")
def _lies_in(u, v, nx, ny):  # type: ignore[no-untyped-def]
    """Return whether a position in cells lies in the window."""
    return 0.0 <= u < nx and 0.0 <= v < ny


@njit(cache=True, nogil=True, error_model="numpy")
def _bits(low, high):  # type: ignore[no-untyped-def]
    """Return a word with the bits from `low` to `high` set, as far as they are in it."""
    if high < 0 or low > 63 or high < low:
        return np.uint64(0)
    bits = np.uint64(0xFFFFFFFFFFFFFFFF) << np.uint64(max(low, 0))
    return bits & (np.uint64(0xFFFFFFFFFFFFFFFF) >> np.uint64(63 - min(high, 63)))


@njit(cache=True, nogil=True)
def _mark_tilted(  # type: ignore[no-untyped-def]
    code, lower_x, lower_y, cell_m, samples, pose, cos_el, sin_el, cos_az, sin_az, range_m, depth, met
):
    """Mark the cells that the scan of a tilted lidar saw, whose rays run along lines of their own on the ground."""
    nx, ny = code.shape
    ox, oy, oz = pose[0, 3], pose[1, 3], pose[2, 3]
    step = cell_m / _SAMPLES_PER_CELL
    start_u, start_v = (ox - lower_x) / cell_m, (oy - lower_y) / cell_m
    for k in range(len(cos_az)):
        for b in range(len(cos_el)):
            if met[b, k] == LOST:
                continue
            sx, sy, sz = cos_el[b] * cos_az[k], cos_el[b] * sin_az[k], sin_el[b]
            dx = pose[0, 0] * sx + pose[0, 1] * sy + pose[0, 2] * sz
            dy = pose[1, 0] * sx + pose[1, 1] * sy + pose[1, 2] * sz
            dz = pose[2, 0] * sx + pose[2, 1] * sy + pose[2, 2] * sz
            flat = np.sqrt(dx * dx + dy * dy)
            # A vertical ray has no direction in the plane; it stays in one cell.
            scale = step / (cell_m * max(flat, 1e-9))
            du, dv = dx * scale, dy * scale
            end = range_m if met[b, k] == NOTHING else float(np.float32(depth[b, k]))
            if met[b, k] >= 0 or met[b, k] == BUILDING or met[b, k] == CLUTTER:
                if LEAST_M <= oz + dz * end <= MOST_M:
                    # As for a level lidar, a point a little behind the surface.
                    u = (ox + dx * (end + _SURFACE_M) - lower_x) / cell_m
                    v = (oy + dy * (end + _SURFACE_M) - lower_y) / cell_m
                    if 0.0 <= u < nx and 0.0 <= v < ny:
                        code[int(u), int(v)] = OCCUPIED
                end -= _SURFACE_M
            begin, end = _low_part(oz, dz, end)
            if end >= begin:
                first, last = int(np.ceil(begin * flat / step)), min(samples, int(end * flat / step))
                _walk(code, first, last, start_u, start_v, du, dv)


@njit(cache=True, nogil=True)
def _low_part(height_m, rise, end_m):  # type: ignore[no-untyped-def]
    """Return start and end of the part of a ray below LOW_M; if there is none, the end is smaller than the start."""
    if height_m >= LOW_M:
        return ((LOW_M - height_m) / rise, end_m) if rise < 0.0 else (0.0, -1.0)
    return 0.0, min(end_m, (LOW_M - height_m) / rise) if rise > 0.0 else end_m


@njit(cache=True, nogil=True)
def _walk(code, first, last, u, v, du, dv):  # type: ignore[no-untyped-def]
    """Mark unobserved cells along a line as free, from one sample to another, as far as the line stays in the window."""
    nx, ny = code.shape
    for s in range(first, last + 1):
        x, y = u + s * du, v + s * dv
        if not (0.0 <= x < nx and 0.0 <= y < ny):
            break
        if code[int(x), int(y)] == UNOBSERVED:
            code[int(x), int(y)] = FREE


@njit(cache=True, nogil=True)
def of_whole_cells(code, parts, free_share):  # type: ignore[no-untyped-def]
    """Return the codes of cells from those of their parts, parts x parts for each cell.

    A cell is occupied if one of its parts is, and free if the share of its parts that were seen is at least `free_share`.
    """
    nx, ny = code.shape[0] // parts, code.shape[1] // parts
    whole = np.full((nx, ny), UNOBSERVED, np.uint8)
    least = free_share * parts * parts - 1e-9
    for i in range(nx):
        for j in range(ny):
            seen, is_occupied = 0, False
            for a in range(i * parts, (i + 1) * parts):
                for b in range(j * parts, (j + 1) * parts):
                    seen += code[a, b] != UNOBSERVED
                    is_occupied |= code[a, b] == OCCUPIED
            if is_occupied:
                whole[i, j] = OCCUPIED
            elif seen >= least:
                whole[i, j] = FREE
    return whole


def shifted(
    matrix: PerceptionMatrix, lower: Int64[np.ndarray, " 2"], shape: tuple[int, int]
) -> UInt8[np.ndarray, "nx ny"]:
    """Return a matrix's codes on another window of the same grid; cells outside its own window are UNOBSERVED (0)."""
    code = np.zeros(shape, matrix.code.dtype)
    # Plain integers: an array of two takes ten times as long.
    (x, y), (nx, ny), (wide, high) = (lower - matrix.lower).tolist(), matrix.code.shape, shape
    x0, y0, x1, y1 = max(x, 0), max(y, 0), min(x + wide, nx), min(y + high, ny)
    if x1 > x0 and y1 > y0:
        code[x0 - x : x1 - x, y0 - y : y1 - y] = matrix.code[x0:x1, y0:y1]
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
