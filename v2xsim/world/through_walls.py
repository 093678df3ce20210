"""Which bodies a wall of a building passes through."""

import math

import numpy as np
from jaxtyping import Bool, Float
from numba import njit

from v2xsim.records import Boxes, Obstacles
from v2xsim.world.overlaps import DEPTH_M


def through_walls(boxes: Boxes, obstacles: Obstacles, depth_m: float = DEPTH_M) -> Bool[np.ndarray, " boxes"]:
    """Return whether a wall passes through each body, below a roof and above an underside that the body reaches.

    Args:
        boxes: Bodies of the road users.
        obstacles: Buildings.
        depth_m: Depth at each side of a body within which a wall only touches it.
    """
    prisms, grid = obstacles.prisms, obstacles.grid
    if len(prisms) == 0 or len(boxes) == 0:
        return np.zeros(len(boxes), bool)
    half_m = np.maximum(0.5 * boxes.size_m[:, :2] - depth_m, 0.01)
    body: Float[np.ndarray, "boxes 8"] = np.column_stack([
        boxes.center_m[:, :2], half_m, np.cos(boxes.yaw_rad), np.sin(boxes.yaw_rad), boxes.center_m[:, 2],
        boxes.center_m[:, 2] + boxes.size_m[:, 2],
    ]).astype(np.float64)  # fmt: skip
    through: Bool[np.ndarray, " boxes"] = _through(
        body, prisms.vertices_m, prisms.offset, prisms.is_seam, prisms.base_m, prisms.top_m, obstacles.lower_m, obstacles.upper_m,
        grid.origin_m, float(grid.cell_m), grid.shape[0], grid.shape[1], grid.offset, grid.item,
    )  # fmt: skip
    return through


@njit(cache=True, nogil=True)
def _through(  # type: ignore[no-untyped-def]
    body, vertex, first_vertex, is_seam, base, top, lower, upper, origin, cell, nx, ny, offset, item
):
    through = np.zeros(len(body), np.bool_)
    for n in range(len(body)):
        x, y, half_x, half_y, cos, sin, bottom, roof = body[n]
        reach_x, reach_y = abs(cos) * half_x + abs(sin) * half_y, abs(sin) * half_x + abs(cos) * half_y
        first_x, last_x = math.floor((x - reach_x - origin[0]) / cell), math.floor((x + reach_x - origin[0]) / cell)
        first_y, last_y = math.floor((y - reach_y - origin[1]) / cell), math.floor((y + reach_y - origin[1]) / cell)
        for ix in range(max(first_x, 0), min(last_x, nx - 1) + 1):
            for iy in range(max(first_y, 0), min(last_y, ny - 1) + 1):
                for entry in range(offset[ix * ny + iy], offset[ix * ny + iy + 1]):
                    p = item[entry]
                    if (
                        x + reach_x < lower[p, 0] or x - reach_x > upper[p, 0] or y + reach_y < lower[p, 1]
                        or y - reach_y > upper[p, 1] or roof <= base[p] or bottom >= top[p]
                    ):  # fmt: skip
                        continue
                    last = first_vertex[p + 1] - 1
                    for v in range(first_vertex[p], last + 1):
                        if is_seam[v]:
                            continue
                        w = v + 1 if v < last else first_vertex[p]
                        if _meets(vertex[v] - body[n, :2], vertex[w] - body[n, :2], half_x, half_y, cos, sin):
                            through[n] = True
        # All walls of a cell are looked at, although the first one would do: bodies at walls are rare.
    return through


@njit(cache=True, nogil=True)
def _meets(start, end, half_x, half_y, cos, sin):  # type: ignore[no-untyped-def]
    """Return whether a line between two points meets a rectangle about the origin (Liang and Barsky, TOG 3(1), 1984)."""
    enter, leave = 0.0, 1.0
    for axis in range(2):
        if axis == 0:
            a, b, half = cos * start[0] + sin * start[1], cos * end[0] + sin * end[1], half_x
        else:
            a, b, half = cos * start[1] - sin * start[0], cos * end[1] - sin * end[0], half_y
        if a == b:
            if abs(a) > half:
                return False
        else:
            near, far = (-half - a) / (b - a), (half - a) / (b - a)
            enter, leave = max(enter, min(near, far)), min(leave, max(near, far))
    return enter <= leave
