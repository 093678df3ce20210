"""Which bodies stand inside buildings."""

import math

import numpy as np
from jaxtyping import Float, Int64
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
        first, last = prisms.offset[row : row + 2]
        return bool(_covers(prisms.vertices_m, prisms.is_seam, first, last, place_m[0], place_m[1]))

    return np.array([row for row in np.flatnonzero(near).tolist() if covers(row)], np.int64)


@njit(cache=True, nogil=True)
def _covers(vertex, seam, first, last, x, y):  # type: ignore[no-untyped-def]
    """Return whether a point lies in a footprint and on none of its walls: whether an odd number of edges lies east of it."""
    inside = False
    previous = last - 1
    for v in range(first, last):
        ax, ay, bx, by = vertex[previous, 0], vertex[previous, 1], vertex[v, 0], vertex[v, 1]
        if (ay > y) != (by > y) and x < ax + (y - ay) * (bx - ax) / (by - ay):
            inside = not inside
        length = max(1e-12, math.hypot(bx - ax, by - ay))
        along = ((bx - ax) * (x - ax) + (by - ay) * (y - ay)) / length
        across = abs((bx - ax) * (y - ay) - (by - ay) * (x - ax)) / length
        if not seam[previous] and across <= ON_WALL_M and -ON_WALL_M <= along <= length + ON_WALL_M:
            return False
        previous = v
    return inside


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
            if _covers(vertex, seam, first_vertex[p], first_vertex[p + 1], x, y):
                rows[n] = p
                break
    return rows
