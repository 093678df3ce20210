"""Points to send and to merge: rigid transforms, thinning to one point per voxel, rounding to the message format."""

import numpy as np
from jaxtyping import Bool, Float, Int64
from numba import njit

# Sixteen bits in steps of one centimetre reach 327 m in each direction.
STEP_M = 0.01


def transform(
    points_m: Float[np.ndarray, "points 3"], target_from_source: Float[np.ndarray, "4 4"]
) -> Float[np.ndarray, "points 3"]:
    """Return points in another frame, by the rigid transform `target_from_source`."""
    return points_m @ target_from_source[:3, :3].T + target_from_source[:3, 3]


def rows_in_cells(
    points_m: Float[np.ndarray, "points 3"],
    left_out: Bool[np.ndarray, " points"],
    world_from_points: Float[np.ndarray, "4 4"],
    lower: Int64[np.ndarray, " 2"],
    cell_m: float,
    cells: Bool[np.ndarray, "nx ny"],
    above_m: float,
) -> Int64[np.ndarray, " kept"]:
    """Return the row numbers, in rising order, of the points that lie in wanted cells of the world grid.

    Args:
        points_m: Lidar points in any frame, such as that of the vehicle.
        left_out: Whether each point is left out of the result.
        world_from_points: Transform from the frame of the points to the world.
        lower: Index in the world grid of cell (0, 0) of `cells`.
        cell_m: Side length of a cell.
        cells: Whether the points in each cell are wanted.
        above_m: Height in the frame of the points; only points above it are returned.
    """
    pose = np.ascontiguousarray(world_from_points, np.float64)
    rows: np.ndarray = _rows_in_cells(points_m, left_out, pose, lower, cell_m, cells, above_m)
    return rows


@njit(cache=True, nogil=True)
def _rows_in_cells(points, left_out, pose, lower, cell_m, cells, above_m):  # type: ignore[no-untyped-def]
    rows = np.empty(len(points), np.int64)
    count = 0
    for n in range(len(points)):
        if points[n, 2] <= above_m or left_out[n]:
            continue
        x, y, z = points[n, 0], points[n, 1], points[n, 2]
        i = int(np.floor((pose[0, 0] * x + pose[0, 1] * y + pose[0, 2] * z + pose[0, 3]) / cell_m)) - lower[0]
        j = int(np.floor((pose[1, 0] * x + pose[1, 1] * y + pose[1, 2] * z + pose[1, 3]) / cell_m)) - lower[1]
        if 0 <= i < cells.shape[0] and 0 <= j < cells.shape[1] and cells[i, j]:
            rows[count] = n
            count += 1
    return rows[:count].copy()


def thinned(points_m: Float[np.ndarray, "points 3"], voxel_m: float) -> Int64[np.ndarray, " kept"]:
    """Return the row numbers, in rising order, of the first point in each cubic voxel of side `voxel_m`."""
    if len(points_m) == 0:
        return np.zeros(0, np.int64)
    voxel = np.floor(points_m / voxel_m).astype(np.int64)
    voxel -= voxel.min(axis=0)
    size = voxel.max(axis=0) + 1
    key = (voxel[:, 0] * size[1] + voxel[:, 1]) * size[2] + voxel[:, 2]
    return np.sort(np.unique(key, return_index=True)[1]).astype(np.int64)


def quantised(
    points_m: Float[np.ndarray, "points 3"], origin_m: Float[np.ndarray, " 3"], step_m: float = STEP_M
) -> Float[np.ndarray, "points 3"]:
    """Return points after rounding their offsets from `origin_m` to signed 16-bit numbers of steps."""
    steps = np.clip(np.round((points_m - origin_m) / step_m), -32768, 32767)
    return steps * step_m + origin_m
