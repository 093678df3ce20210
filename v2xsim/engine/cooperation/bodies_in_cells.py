"""Which cells of a grid the bodies of vehicles reach into."""

import numpy as np
from numba import njit


@njit(cache=True, nogil=True, error_model="numpy")
def clear_reached(weight, lower, cell_m, center_m, size_m, yaw_rad):  # type: ignore[no-untyped-def]
    """Set the weight of all cells to 0 that a body reaches into."""
    for n in range(len(center_m)):
        for i, j in _around(weight.shape, lower, cell_m, center_m[n], size_m[n], yaw_rad[n]):
            if _reaches(i, j, lower, cell_m, center_m[n], size_m[n], yaw_rad[n]):
                weight[i, j] = 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def placed_in(cells, lower, cell_m, center_m, size_m, yaw_rad):  # type: ignore[no-untyped-def]
    """Return for each body the middle of the nearest of some cells that it reaches into; its centre if that lies in one, or if it reaches none."""
    place_m = center_m.copy()
    for n in range(len(center_m)):
        own_i, own_j = (
            int(np.floor(center_m[n, 0] / cell_m)) - lower[0],
            int(np.floor(center_m[n, 1] / cell_m)) - lower[1],
        )
        least = np.inf
        for i, j in _around(cells.shape, lower, cell_m, center_m[n], size_m[n], yaw_rad[n]):
            if not (cells[i, j] and _reaches(i, j, lower, cell_m, center_m[n], size_m[n], yaw_rad[n])):
                continue
            x, y = (lower[0] + i + 0.5) * cell_m, (lower[1] + j + 0.5) * cell_m
            is_own = i == own_i and j == own_j
            gap = -1.0 if is_own else np.hypot(x - center_m[n, 0], y - center_m[n, 1])
            if gap < least:
                least = gap
                place_m[n, 0], place_m[n, 1] = (center_m[n, 0], center_m[n, 1]) if is_own else (x, y)
    return place_m


@njit(cache=True, nogil=True, error_model="numpy")
def _around(shape, lower, cell_m, center_m, size_m, yaw_rad):  # type: ignore[no-untyped-def]
    """Return the cells of a window that lie in the smallest rectangle along the axes around a body."""
    cos, sin = abs(np.cos(yaw_rad)), abs(np.sin(yaw_rad))
    reach_x = (cos * size_m[0] + sin * size_m[1]) / 2.0
    reach_y = (sin * size_m[0] + cos * size_m[1]) / 2.0
    first_i = max(0, int(np.floor((center_m[0] - reach_x) / cell_m)) - lower[0])
    first_j = max(0, int(np.floor((center_m[1] - reach_y) / cell_m)) - lower[1])
    last_i = min(shape[0] - 1, int(np.floor((center_m[0] + reach_x) / cell_m)) - lower[0])
    last_j = min(shape[1] - 1, int(np.floor((center_m[1] + reach_y) / cell_m)) - lower[1])
    return [(i, j) for i in range(first_i, last_i + 1) for j in range(first_j, last_j + 1)]


@njit(cache=True, nogil=True, error_model="numpy")
def _reaches(i, j, lower, cell_m, center_m, size_m, yaw_rad):  # type: ignore[no-untyped-def]
    """Return whether a body and a cell overlap, for a cell in the rectangle around the body: two rectangles are apart only if an axis of one separates them."""
    cos, sin = np.cos(yaw_rad), np.sin(yaw_rad)
    east, north = (lower[0] + i + 0.5) * cell_m - center_m[0], (lower[1] + j + 0.5) * cell_m - center_m[1]
    corner_m = (abs(cos) + abs(sin)) * cell_m / 2.0
    is_ahead = abs(east * cos + north * sin) < size_m[0] / 2.0 + corner_m
    return is_ahead and abs(north * cos - east * sin) < size_m[1] / 2.0 + corner_m
