"""Which bodies stand inside buildings."""

import math

import numpy as np
from jaxtyping import Bool, Float, Int64
from numba import njit

from v2xsim.records import Obstacles

# A position at most this far from a wall is on it.
ON_WALL_M = 1e-6


def buildings_around(
    center_m: Float[np.ndarray, "bodies 3"], top_m: Float[np.ndarray, " bodies"], obstacles: Obstacles
) -> Int64[np.ndarray, " bodies"]:
    """Return the row of a building inside which each body stands; -1 for a body that stands in none.

    A body stands inside a building if its centre lies in the footprint, its top above the underside, and its bottom below the roof:
    a car under a bridge or below a roof on posts does not. A centre on a wall lies outside, as an antenna there does.

    Args:
        center_m: Centre of the bottom face of each body.
        top_m: Height of the top of each body.
        obstacles: Buildings.
    """
    prisms, grid = obstacles.prisms, obstacles.grid
    if len(prisms) == 0 or len(center_m) == 0:
        return np.full(len(center_m), -1, np.int64)
    rows: Int64[np.ndarray, " bodies"] = _rows(
        np.ascontiguousarray(center_m, np.float64), np.ascontiguousarray(top_m, np.float64), prisms.vertices_m, prisms.is_seam, prisms.offset,
        prisms.base_m, prisms.top_m, obstacles.lower_m, obstacles.upper_m, grid.origin_m, float(grid.cell_m), grid.shape[0],
        grid.shape[1], grid.offset, grid.item,
    )  # fmt: skip
    return rows


def all_around(position_m: Float[np.ndarray, " 3"], top_m: float, obstacles: Obstacles) -> Int64[np.ndarray, " rows"]:
    """Return the rows of all buildings inside which a body stands, by the rule of `buildings_around`: parts of buildings may overlap.

    Args:
        position_m: Centre of the bottom face of the body.
        top_m: Height of its top.
        obstacles: Buildings.
    """
    prisms, place_m = obstacles.prisms, np.asarray(position_m[:2])
    near = ((obstacles.lower_m <= place_m) & (obstacles.upper_m >= place_m)).all(axis=1)
    near &= (prisms.base_m < top_m) & (prisms.top_m > position_m[2])

    def covers(row: int) -> bool:
        is_seam = prisms.is_seam[prisms.offset[row] : prisms.offset[row + 1]]
        return _covers(prisms.footprint_m(row), is_seam, place_m)

    return np.array([row for row in np.flatnonzero(near).tolist() if covers(row)], np.int64)


def _covers(
    footprint_m: Float[np.ndarray, "corners 2"], is_seam: Bool[np.ndarray, " corners"], place_m: Float[np.ndarray, " 2"]
) -> bool:
    """Return whether a point lies in a footprint and on none of its walls: whether an odd number of edges lies east of it."""
    after_m = np.roll(footprint_m, 1, axis=0)
    edge_m, away_m = after_m - footprint_m, place_m - footprint_m
    length_m = np.maximum(np.hypot(edge_m[:, 0], edge_m[:, 1]), 1e-12)
    across_m = np.abs(edge_m[:, 0] * away_m[:, 1] - edge_m[:, 1] * away_m[:, 0]) / length_m
    along_m = (edge_m * away_m).sum(axis=1) / length_m
    is_wall = ~np.roll(is_seam, 1)
    if (is_wall & (across_m <= ON_WALL_M) & (along_m >= -ON_WALL_M) & (along_m <= length_m + ON_WALL_M)).any():
        return False
    spans = (after_m[:, 1] > place_m[1]) != (footprint_m[:, 1] > place_m[1])
    (ax, ay), (bx, by) = after_m[spans].T, footprint_m[spans].T
    return int((place_m[0] < ax + (place_m[1] - ay) * (bx - ax) / (by - ay)).sum()) % 2 == 1


@njit(cache=True, nogil=True)
def _rows(  # type: ignore[no-untyped-def]
    center, body_top, vertex, seam, first_vertex, base, top, lower, upper, origin, cell, nx, ny, offset, item
):
    rows = np.full(len(center), -1, np.int64)
    for n in range(len(center)):
        x, y = center[n, 0], center[n, 1]
        ix, iy = math.floor((x - origin[0]) / cell), math.floor((y - origin[1]) / cell)
        if ix < 0 or iy < 0 or ix >= nx or iy >= ny:
            continue
        for entry in range(offset[ix * ny + iy], offset[ix * ny + iy + 1]):
            p = item[entry]
            if (
                x < lower[p, 0] or x > upper[p, 0] or y < lower[p, 1] or y > upper[p, 1]
                or body_top[n] <= base[p] or center[n, 2] >= top[p]
            ):  # fmt: skip
                continue
            inside, on_wall = False, False
            previous = first_vertex[p + 1] - 1
            for v in range(first_vertex[p], first_vertex[p + 1]):
                ax, ay, bx, by = vertex[previous, 0], vertex[previous, 1], vertex[v, 0], vertex[v, 1]
                if (ay > y) != (by > y) and x < ax + (y - ay) * (bx - ax) / (by - ay):
                    inside = not inside
                length = max(1e-12, math.hypot(bx - ax, by - ay))
                along = ((bx - ax) * (x - ax) + (by - ay) * (y - ay)) / length
                across = abs((bx - ax) * (y - ay) - (by - ay) * (x - ax)) / length
                on_wall |= not seam[previous] and across <= ON_WALL_M and -ON_WALL_M <= along <= length + ON_WALL_M
                previous = v
            if inside and not on_wall:
                rows[n] = p
                break
    return rows
