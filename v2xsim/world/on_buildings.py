"""Which points lie on buildings of the map: a station knows its map and where it believes to be, not what its lidar hit."""

import math

import numpy as np
from jaxtyping import Bool, Float
from numba import njit

from v2xsim.records import Obstacles

REACH_M = 0.5
"""A point this close to a wall, a roof or an underside of the map lies on the building: more than usual errors of a position and a range;
our choice. So a road user is not seen where it is closer than this to a wall."""


def on_buildings(
    points_m: Float[np.ndarray, "points 3"], obstacles: Obstacles, reach_m: float = REACH_M
) -> Bool[np.ndarray, " points"]:
    """Return whether each point lies within `reach_m` of a wall, the roof or the underside of a building.

    Points inside a building and away from its walls lie on none: a station may stand in a hall. Walls between parts of one building
    that were drawn to join its rings count for nothing.

    Args:
        points_m: Positions in the world.
        obstacles: Buildings.
        reach_m: Largest distance from a building.
    """
    prisms, grid = obstacles.prisms, obstacles.grid
    if len(prisms) == 0 or len(points_m) == 0:
        return np.zeros(len(points_m), bool)
    found: Bool[np.ndarray, " points"] = _on_buildings(
        np.ascontiguousarray(points_m, np.float64), float(reach_m), prisms.vertices_m, prisms.is_seam, prisms.offset, prisms.base_m,
        prisms.top_m, obstacles.lower_m, obstacles.upper_m, grid.origin_m, float(grid.cell_m), grid.shape[0], grid.shape[1], grid.offset,
        grid.item,
    )  # fmt: skip
    return found


@njit(cache=True, nogil=True)
def _on_buildings(  # type: ignore[no-untyped-def]
    points, reach, vertex, seam, first_vertex, base, top, lower, upper, origin, cell, nx, ny, offset, item
):
    found = np.zeros(len(points), np.bool_)
    for n in range(len(points)):
        x, y, z = points[n]
        first_x, last_x = math.floor((x - reach - origin[0]) / cell), math.floor((x + reach - origin[0]) / cell)
        first_y, last_y = math.floor((y - reach - origin[1]) / cell), math.floor((y + reach - origin[1]) / cell)
        for ix in range(max(0, first_x), min(nx - 1, last_x) + 1):
            for iy in range(max(0, first_y), min(ny - 1, last_y) + 1):
                for entry in range(offset[ix * ny + iy], offset[ix * ny + iy + 1]):
                    p = item[entry]
                    if (
                        found[n] or x < lower[p, 0] - reach or x > upper[p, 0] + reach or y < lower[p, 1] - reach
                        or y > upper[p, 1] + reach or z < base[p] - reach or z > top[p] + reach
                    ):  # fmt: skip
                        continue
                    is_level = abs(z - top[p]) <= reach or (base[p] > 0.0 and abs(z - base[p]) <= reach)
                    found[n] = _touches(vertex, seam, first_vertex[p], first_vertex[p + 1], x, y, reach, is_level)
    return found


@njit(cache=True, nogil=True)
def _touches(vertex, seam, first, last, x, y, reach, is_level):  # type: ignore[no-untyped-def]
    """Return whether a point lies close to an edge of a footprint or, if it is as high as roof or underside, in the footprint."""
    inside, previous = False, last - 1
    for v in range(first, last):
        ax, ay, bx, by = vertex[previous, 0], vertex[previous, 1], vertex[v, 0], vertex[v, 1]
        if (ay > y) != (by > y) and x < ax + (y - ay) * (bx - ax) / (by - ay):
            inside = not inside
        dx, dy = bx - ax, by - ay
        length_2 = dx * dx + dy * dy
        along = 0.0 if length_2 == 0.0 else min(1.0, max(0.0, ((x - ax) * dx + (y - ay) * dy) / length_2))
        if not seam[previous] and math.hypot(x - ax - along * dx, y - ay - along * dy) <= reach:
            return True
        previous = v
    return inside and is_level
