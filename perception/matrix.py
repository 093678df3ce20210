"""The abstract perception matrix: which cells around a station it saw free, saw occupied, or did not see.

Our reading of the abstract of arXiv 2307.06615; its body was not available to us. A cell is free if a ray crosses it
lower than LOW_M above the ground before its return, or returns from the ground there; occupied if a return from
something else than the ground falls in it between LEAST_M and MOST_M; unobserved otherwise. Occupied wins.
"""

import numpy as np
from jaxtyping import Bool, Float, Int64, Shaped
from numba import njit

from v2xsim.gpu.lidar.cast import Scan
from v2xsim.gpu.lidar.models import Beams
from v2xsim.records import FREE, NOTHING, OCCUPIED, UNOBSERVED, PerceptionMatrix

# A ray higher than this may pass over a low car's bonnet and says nothing of the cell below; ours.
LOW_M = 1.0
# Kerbs are not occupied, and neither is what hangs over the road higher than a truck; ours.
LEAST_M, MOST_M = 0.3, 4.0
_SAMPLES_PER_CELL = 2.0


def observed_matrix(
    cell_m: float,
    extent_m: float,
    position_m: Float[np.ndarray, " 2"],
    sensors: list[tuple[Beams, Float[np.ndarray, "4 4"], Scan]],
) -> PerceptionMatrix:
    """Return what a station observed with its lidars.

    Args:
        cell_m: Side of a cell.
        extent_m: From the station to the edge, rounded up to whole cells.
        position_m: Of the station, as it believes it.
        sensors: Beams, world_from_sensor as the station believes it, and scan of each lidar.
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
    nx, ny = code.shape
    ox, oy, oz = pose[0, 3], pose[1, 3], pose[2, 3]
    cos_az = np.cos(np.arange(columns) * (2.0 * np.pi / columns))
    sin_az = np.sin(np.arange(columns) * (2.0 * np.pi / columns))
    far = cell_m * np.sqrt(float(nx * nx + ny * ny))
    per_metre = _SAMPLES_PER_CELL / cell_m
    for b in range(len(elevation)):
        ce, se = np.cos(elevation[b]), np.sin(elevation[b])
        for k in range(columns):
            sx, sy = ce * cos_az[k], ce * sin_az[k]
            dx = pose[0, 0] * sx + pose[0, 1] * sy + pose[0, 2] * se
            dy = pose[1, 0] * sx + pose[1, 1] * sy + pose[1, 2] * se
            dz = pose[2, 0] * sx + pose[2, 1] * sy + pose[2, 2] * se
            hit = object_id[b, k] != NOTHING
            end = float(ranges[b, k]) if hit else range_m
            flat = np.sqrt(dx * dx + dy * dy)
            if object_id[b, k] >= 0 or (hit and object_id[b, k] == -2):
                z = oz + dz * end
                if LEAST_M <= z <= MOST_M:
                    # A little past the surface, so that a wall on a cell's edge belongs to the body behind it.
                    x, y = ox + dx * (end + 0.02), oy + dy * (end + 0.02)
                    i, j = int(np.floor((x - lower_x) / cell_m)), int(np.floor((y - lower_y) / cell_m))
                    if 0 <= i < nx and 0 <= j < ny:
                        code[i, j] = OCCUPIED
            if dz < 0.0:
                begin = max(0.0, (LOW_M - oz) / dz)
            elif oz < LOW_M:
                begin = 0.0
                if dz > 0.0:
                    end = min(end, (LOW_M - oz) / dz)
            else:
                continue
            if hit and object_id[b, k] != -1:
                end -= 0.02
            # Nothing beyond the window's far corner matters.
            if flat > 1e-9:
                end = min(end, far / flat)
            if end <= begin:
                continue
            steps = int(flat * (end - begin) * per_metre) + 1
            stride = (end - begin) / steps
            # In cells from the window's lower corner, so that a step is an addition.
            u, v = (ox + dx * begin - lower_x) / cell_m, (oy + dy * begin - lower_y) / cell_m
            du, dv = dx * stride / cell_m, dy * stride / cell_m
            for _ in range(steps + 1):
                if 0.0 <= u < nx and 0.0 <= v < ny:
                    i, j = int(u), int(v)
                    if code[i, j] == UNOBSERVED:
                        code[i, j] = FREE
                u += du
                v += dv


def shifted(
    matrix: PerceptionMatrix, lower: Int64[np.ndarray, " 2"], shape: tuple[int, int]
) -> Shaped[np.ndarray, "nx ny"]:
    """Return a matrix's codes on another window of the same cells; UNOBSERVED (0) outside its own."""
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
    """Return the cell of each point on a window, and whether it lies in the window; cells outside are clipped."""
    cell = np.floor(np.asarray(points_m) / cell_m).astype(np.int64) - np.asarray(lower)
    inside = (cell >= 0).all(axis=1) & (cell < np.array(shape)).all(axis=1)
    clipped = np.clip(cell, 0, np.array(shape) - 1)
    return clipped[:, 0], clipped[:, 1], inside
