"""Groups of touching occupied cells, and which of them a known road user explains."""

import numpy as np
from jaxtyping import Bool, Float, Int64
from numba import njit


def unexplained_groups(
    is_occupied: Bool[np.ndarray, "nx ny"], lower: Int64[np.ndarray, " 2"], cell_m: float,
    known_m: Float[np.ndarray, "known 2"], within_m: float,
) -> tuple[Float[np.ndarray, "groups 2"], Float[np.ndarray, "groups 2"]]:  # fmt: skip
    """Return mean position, and extent along x and y, of each group of occupied cells that no known road user explains.

    Cells of one group touch along a side. The groups come in the order of their first cells.

    Args:
        is_occupied: Whether each cell is occupied.
        lower: World cell index of cell (0, 0).
        cell_m: Side of a cell.
        known_m: Centres of the known road users.
        within_m: A road user explains a group if the centre of one of its cells is this close.
    """
    center_m, extent_m = _grouped(
        is_occupied, np.asarray(lower, np.int64), cell_m, np.ascontiguousarray(known_m, np.float64), within_m
    )
    return center_m, extent_m


@njit(cache=True, nogil=True)
def _grouped(is_occupied, lower, cell_m, known_m, within_m):  # type: ignore[no-untyped-def]
    nx, ny = is_occupied.shape
    is_left, waiting = is_occupied.copy(), np.empty((nx * ny, 2), np.int64)
    center_m, extent_m, groups = np.empty((nx * ny, 2)), np.empty((nx * ny, 2)), 0
    for first_i in range(nx):
        for first_j in range(ny):
            if not is_left[first_i, first_j]:
                continue
            is_left[first_i, first_j] = False
            waiting[0, 0], waiting[0, 1], count, done = first_i, first_j, 1, 0
            low_i, high_i, low_j, high_j = first_i, first_i, first_j, first_j
            sum_i = sum_j = 0
            is_explained = False
            while done < count:
                i, j = waiting[done]
                done += 1
                sum_i, sum_j = sum_i + i, sum_j + j
                low_i, high_i, low_j, high_j = min(low_i, i), max(high_i, i), min(low_j, j), max(high_j, j)
                x, y = (lower[0] + i + 0.5) * cell_m, (lower[1] + j + 0.5) * cell_m
                for k in range(len(known_m)):
                    dx, dy = known_m[k, 0] - x, known_m[k, 1] - y
                    is_explained |= dx * dx + dy * dy <= within_m * within_m
                for di, dj in ((1, 0), (-1, 0), (0, 1), (0, -1)):
                    a, b = i + di, j + dj
                    if 0 <= a < nx and 0 <= b < ny and is_left[a, b]:
                        is_left[a, b] = False
                        waiting[count, 0], waiting[count, 1] = a, b
                        count += 1
            if is_explained:
                continue
            center_m[groups, 0] = (lower[0] + sum_i / count + 0.5) * cell_m
            center_m[groups, 1] = (lower[1] + sum_j / count + 0.5) * cell_m
            extent_m[groups, 0], extent_m[groups, 1] = (high_i - low_i + 1) * cell_m, (high_j - low_j + 1) * cell_m
            groups += 1
    return center_m[:groups].copy(), extent_m[:groups].copy()
