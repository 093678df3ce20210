"""Window of the rays of a lidar that can hit an object: a range of columns and beams that never misses a ray.

All coordinates are in the sensor's own frame, so a tilted sensor needs no special case.
"""

import math

import numpy as np
from numba import njit

# Margin for rounding errors, in columns and in radians of elevation: far below the spacing of rays, far above 1e-16.
_COLUMN_SLACK = 1e-6
_ELEVATION_SLACK = 1e-7
# The same for the rays of a camera, relative to their position at x = 1.
_FLAT_SLACK = 1e-9

# What is nearer to the plane of a camera is not seen by it.
_FRONT_M = 1e-3


@njit(cache=True, nogil=True, error_model="numpy")
def window(corner, count, facing_x, facing_y, elevation, columns):  # type: ignore[no-untyped-def]
    """Return the columns and beams whose rays can hit the convex hull of some corners.

    The extreme azimuths of a convex body are at corners. The extreme elevations need not be at corners; they are
    bounded by the height of the corners divided by the least distance of the body from the sensor's axis. A lower bound
    of this distance is the least coordinate of the corners along a direction: along the middle azimuth or along the
    given direction, whichever gives the larger bound.

    Args:
        corner: Corners as rows of x, y, z in the sensor's frame.
        count: Number of rows of `corner` that are used.
        facing_x: First component of a unit vector perpendicular to the sensor's axis along which a flat body is thin,
            such as the normal of a wall; its sign does not matter.
        facing_y: Second component of this unit vector.
        elevation: Elevation of the beams, in rising order.
        columns: Number of columns of the sensor.

    Returns:
        First column (may be negative: take it modulo `columns`), number of columns, first beam, and the beam after the
        last one.
    """
    mean_x = 0.0
    mean_y = 0.0
    lowest = corner[0, 2]
    highest = corner[0, 2]
    nearest = math.inf
    farthest = 0.0
    for i in range(count):
        x, y, z = corner[i, 0], corner[i, 1], corner[i, 2]
        mean_x += x
        mean_y += y
        lowest = min(lowest, z)
        highest = max(highest, z)
        square = x * x + y * y
        nearest = min(nearest, square)
        farthest = max(farthest, square)
    around = nearest < 1e-18 or mean_x * mean_x + mean_y * mean_y < 1e-18
    first = 0
    width = columns
    reach = 0.0
    if not around:
        right = 0.0
        left = 0.0
        for i in range(count):
            x, y = corner[i, 0], corner[i, 1]
            turn = math.atan2(mean_x * y - mean_y * x, mean_x * x + mean_y * y)
            right = min(right, turn)
            left = max(left, turn)
        # No half-plane beside the axis is free of corners, so the body surrounds the axis.
        if left - right < math.pi - 1e-6:
            middle = math.atan2(mean_y, mean_x)
            per_column = columns / (2.0 * math.pi)
            first = math.ceil((middle + right) * per_column - _COLUMN_SLACK)
            last = math.floor((middle + left) * per_column + _COLUMN_SLACK)
            width = min(last - first + 1, columns)
            ux = math.cos(middle + 0.5 * (left + right))
            uy = math.sin(middle + 0.5 * (left + right))
            along = math.inf
            ahead = math.inf
            behind = math.inf
            for i in range(count):
                x, y = corner[i, 0], corner[i, 1]
                along = min(along, ux * x + uy * y)
                facing = facing_x * x + facing_y * y
                ahead = min(ahead, facing)
                behind = min(behind, -facing)
            reach = max(0.0, along, ahead, behind)
    far = math.sqrt(farthest)
    upper = math.atan2(highest, reach if highest > 0.0 else far) + _ELEVATION_SLACK
    lower = math.atan2(lowest, far if lowest > 0.0 else reach) - _ELEVATION_SLACK
    low = np.searchsorted(elevation, lower)
    high = np.searchsorted(elevation, upper)
    return first, width, low, high


@njit(cache=True, nogil=True, error_model="numpy")
def flat_window(corner, count, height, aside):  # type: ignore[no-untyped-def]
    """Return the columns and rows of a camera whose rays can hit the convex hull of some corners, as `window` does.

    Of a hull that crosses the plane of the camera, only the part in front of it counts. It is bounded by the corners in front and by the points
    in which the lines from them to the corners behind reach the plane at a small distance in front of the camera.

    Args:
        corner: Corners as rows of x, y, z in the sensor's frame.
        count: Number of rows of `corner` that are used.
        height: z of the rays of each row at x = 1, in rising order.
        aside: y of the rays of each column at x = 1, in rising order.
    """
    left, right, low, high = -math.inf, math.inf, math.inf, -math.inf
    for i in range(count):
        x = corner[i, 0]
        if x < _FRONT_M:
            continue
        y, z = corner[i, 1] / x, corner[i, 2] / x
        left, right, low, high = max(left, y), min(right, y), min(low, z), max(high, z)
        for j in range(count):
            if corner[j, 0] < _FRONT_M:
                share = (x - _FRONT_M) / (x - corner[j, 0])
                y = (corner[i, 1] + share * (corner[j, 1] - corner[i, 1])) / _FRONT_M
                z = (corner[i, 2] + share * (corner[j, 2] - corner[i, 2])) / _FRONT_M
                left, right, low, high = max(left, y), min(right, y), min(low, z), max(high, z)
    if left < right:
        return 0, 0, 0, 0
    first = np.searchsorted(aside, right - _FLAT_SLACK * (1.0 + abs(right)))
    last = np.searchsorted(aside, left + _FLAT_SLACK * (1.0 + abs(left)))
    below = np.searchsorted(height, low - _FLAT_SLACK * (1.0 + abs(low)))
    above = np.searchsorted(height, high + _FLAT_SLACK * (1.0 + abs(high)))
    return first, last - first, below, above


@njit(cache=True, nogil=True, error_model="numpy")
def rays_at(view, corner, count, facing_x, facing_y, elevation, sin_az):  # type: ignore[no-untyped-def]
    """Return the window of a lidar (`window`), of a sector of it, or of a camera (`flat_window`), from the arrays of `Rays` and a `View`.

    The window of a whole turn may reach over its last column, those of a sector and of a camera end with it.
    """
    if view.is_flat:
        return flat_window(corner, count, elevation, sin_az)
    first, width, low, end = window(corner, count, facing_x, facing_y, elevation, view.turn_columns)
    columns = len(sin_az)
    if columns == view.turn_columns:
        return first, width, low, end
    before = (first - view.first_column) % view.turn_columns
    behind = before + width - view.turn_columns
    if width >= view.turn_columns or (before < columns and behind > 0):
        return 0, columns, low, end
    if before < columns:
        return before, min(width, columns - before), low, end
    return 0, min(behind, columns), low, end
