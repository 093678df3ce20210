"""Angle of incidence of lidar returns, found from the returns themselves and the bodies that they lie on.

The error of a return is along its ray, so the ray is known exactly, and the surface is the one that the ray crosses nearest to
the return. Returns are few compared with what a scan costs, and only exported clouds need the angle, so `cast` does not keep it.
"""

import math

import numpy as np
from jaxtyping import Float, Float32, Int64, UInt8
from numba import njit

from v2xsim.records import BUILDING, GROUND, Boxes, Obstacles

# A return lies within this many standard deviations of its surface: more than the largest quantile of `returns`, 4.3.
_SIGMAS = 4.5
# And within this distance, for coordinates that are rounded.
_ROUNDED_M = 0.1


def incidence_cosines(
    points_m: Float[np.ndarray, "points 3"],
    object_id: Int64[np.ndarray, " points"],
    lidar: UInt8[np.ndarray, " points"],
    lidars_m: Float[np.ndarray, "lidars 3"],
    boxes: Boxes,
    box_id: Int64[np.ndarray, " boxes"],
    obstacles: Obstacles,
    range_noise_m: float,
) -> Float32[np.ndarray, " points"]:
    """Return the cosine of the angle between each ray and the normal of the surface that it hit, 0 (grazing) to 1.

    Args:
        points_m: Returns in the world frame, placed by the true pose of the station.
        object_id: What each return lies on: an agent id, GROUND or BUILDING.
        lidar: Number of the lidar that measured each return.
        lidars_m: Position of each lidar in the world.
        boxes: Bounding boxes of the road users.
        box_id: Agent id of each box, in rising order; two boxes of one agent follow each other.
        obstacles: Buildings.
        range_noise_m: Standard deviation of the range error of the returns.

    Returns:
        The cosines; NaN for a return on a body that is not in `boxes`, on no wall or roof of `obstacles`, or exactly at its
        lidar, where the error of a short range was cut off at 0 and the direction of the ray is lost.
    """
    prisms, grid = obstacles.prisms, obstacles.grid
    cosines: np.ndarray = _cosines(
        np.ascontiguousarray(points_m, np.float64), object_id, lidar, np.ascontiguousarray(lidars_m, np.float64),
        boxes.center_m, boxes.size_m, boxes.yaw_rad, box_id, prisms.vertices_m, prisms.is_seam, prisms.offset, prisms.base_m,
        prisms.top_m, grid.origin_m, float(grid.cell_m), grid.shape[0], grid.shape[1], grid.offset, grid.item,
        _ROUNDED_M + _SIGMAS * range_noise_m,
    )  # fmt: skip
    return cosines


@njit(cache=True, nogil=True, error_model="numpy")
def _box_cosine(x, y, z, dx, dy, dz, half_l, half_w, high):  # type: ignore[no-untyped-def]
    """Return the cosine at a box, for a ray in the box's frame: the slab test as in `cast`, which keeps the axis of the hit."""
    enter, leave, enter_part, leave_part = -math.inf, math.inf, 0.0, 0.0
    for origin, part, low, top in ((x, dx, -half_l, half_l), (y, dy, -half_w, half_w), (z, dz, 0.0, high)):
        first, last = (low - origin) / part, (top - origin) / part
        first, last = min(first, last), max(first, last)
        if first > enter:
            enter, enter_part = first, part
        if last < leave:
            leave, leave_part = last, part
    return abs(enter_part if enter > 0.0 else leave_part) / math.sqrt(dx * dx + dy * dy + dz * dz)


@njit(cache=True, nogil=True, error_model="numpy")
def _away(point, center, size, yaw):  # type: ignore[no-untyped-def]
    """Return how far a point lies inside or outside the surface of a box, measured along the axis on which it lies farthest out."""
    c, s = math.cos(yaw), math.sin(yaw)
    x, y, z = point[0] - center[0], point[1] - center[1], point[2] - center[2]
    along, across = abs(c * x + s * y) - 0.5 * size[0], abs(c * y - s * x) - 0.5 * size[1]
    return abs(max(along, across, -z, z - size[2]))


@njit(cache=True, nogil=True, error_model="numpy")
def _prism_cosine(origin, point, foot, seam, base, top):  # type: ignore[no-untyped-def]
    """Return how far from a return its ray crosses a prism's nearest surface, and the cosine of the ray there.

    Both are infinite and NaN if the ray crosses no surface near the return.
    """
    dx, dy, dz = point[0] - origin[0], point[1] - origin[1], point[2] - origin[2]
    length = math.sqrt(dx * dx + dy * dy + dz * dz)
    best, cosine = math.inf, math.nan
    inside = False
    for v in range(len(foot)):
        w = v + 1 if v + 1 < len(foot) else 0
        ax, ay, bx, by = foot[v, 0], foot[v, 1], foot[w, 0], foot[w, 1]
        if (ay > point[1]) != (by > point[1]) and point[0] < ax + (bx - ax) / (by - ay) * (point[1] - ay):
            inside = not inside
        edge = math.hypot(bx - ax, by - ay)
        if seam[v] or edge < 1e-9:
            continue
        nx, ny = (by - ay) / edge, (ax - bx) / edge
        towards = nx * dx + ny * dy
        t = (nx * (ax - origin[0]) + ny * (ay - origin[1])) / towards
        away = abs(t - 1.0) * length
        along = ((origin[0] + t * dx - ax) * (bx - ax) + (origin[1] + t * dy - ay) * (by - ay)) / edge
        up = origin[2] + t * dz
        # A millimetre more than the wall, since the coordinates of a return may be rounded.
        if away < best and -1e-3 <= along <= edge + 1e-3 and base - 1e-3 <= up <= top + 1e-3:
            best, cosine = away, abs(towards) / length
    for level in (top, base):
        t = (level - origin[2]) / dz
        away = abs(t - 1.0) * length
        if inside and away < best:
            best, cosine = away, abs(dz) / length
    return best, cosine


@njit(cache=True, nogil=True, error_model="numpy")
def _cosines(  # type: ignore[no-untyped-def]
    points, object_id, lidar, lidars, center, size, yaw, name, vertex, seam, first_vertex, base, top, grid_origin, cell, nx, ny,
    offset, item, near_m,
):  # fmt: skip
    """Return the cosines of `incidence_cosines`; the arguments are its plain arrays."""
    cosines = np.full(len(points), math.nan, np.float32)
    row_of = np.searchsorted(name, object_id)
    for n in range(len(points)):
        point, origin = points[n], lidars[lidar[n]]
        dx, dy, dz = point[0] - origin[0], point[1] - origin[1], point[2] - origin[2]
        if object_id[n] == GROUND:
            cosines[n] = abs(dz) / math.sqrt(dx * dx + dy * dy + dz * dz)
        elif object_id[n] == BUILDING:
            x0 = max(0, math.floor((point[0] - near_m - grid_origin[0]) / cell))
            y0 = max(0, math.floor((point[1] - near_m - grid_origin[1]) / cell))
            x1 = min(nx - 1, math.floor((point[0] + near_m - grid_origin[0]) / cell))
            y1 = min(ny - 1, math.floor((point[1] + near_m - grid_origin[1]) / cell))
            nearest = near_m
            for ix in range(x0, x1 + 1):
                for iy in range(y0, y1 + 1):
                    for entry in range(offset[ix * ny + iy], offset[ix * ny + iy + 1]):
                        p = item[entry]
                        own = slice(first_vertex[p], first_vertex[p + 1])
                        away, cosine = _prism_cosine(origin, point, vertex[own], seam[own], base[p], top[p])
                        if away < nearest:
                            nearest, cosines[n] = away, cosine
        elif row_of[n] < len(name) and name[row_of[n]] == object_id[n]:
            k = row_of[n]
            # Of a road user of two parts, the part on whose surface the return lies.
            if k + 1 < len(name) and name[k + 1] == name[k] and (
                _away(point, center[k + 1], size[k + 1], yaw[k + 1]) < _away(point, center[k], size[k], yaw[k])
            ):  # fmt: skip
                k += 1
            c, s = math.cos(yaw[k]), math.sin(yaw[k])
            ox, oy = origin[0] - center[k, 0], origin[1] - center[k, 1]
            cosines[n] = _box_cosine(
                c * ox + s * oy, c * oy - s * ox, origin[2] - center[k, 2], c * dx + s * dy, c * dy - s * dx, dz,
                0.5 * size[k, 0], 0.5 * size[k, 1], size[k, 2],
            )  # fmt: skip
    return cosines
