"""Which bodies are within reach of some points, seen from above."""

import numpy as np
from jaxtyping import Bool, Float, Int64
from numba import njit


@njit(cache=True, nogil=True)
def in_reach(
    point_m: Float[np.ndarray, "points 2"], reach_m: Float[np.ndarray, " points"], center_m: Float[np.ndarray, "boxes 3"],
    size_m: Float[np.ndarray, "boxes 3"], yaw_rad: Float[np.ndarray, " boxes"], owner: Int64[np.ndarray, " boxes"], owners: int,
) -> Bool[np.ndarray, "points owners"]:  # fmt: skip
    """Return for each point and each body whether the nearest place of the body is no farther than the reach of the point.

    Args:
        point_m: Positions in the plane.
        reach_m: Distance up to which each point reaches.
        center_m: Centre of each box of the bodies.
        size_m: Length, width and height of each box.
        yaw_rad: Heading of each box.
        owner: Number of the body to which each box belongs.
        owners: Number of bodies.
    """
    near = np.zeros((len(point_m), owners), np.bool_)
    for box in range(len(owner)):
        cos, sin = np.cos(yaw_rad[box]), np.sin(yaw_rad[box])
        for n in range(len(point_m)):
            dx, dy = point_m[n, 0] - center_m[box, 0], point_m[n, 1] - center_m[box, 1]
            ahead_m = max(abs(cos * dx + sin * dy) - 0.5 * size_m[box, 0], 0.0)
            aside_m = max(abs(cos * dy - sin * dx) - 0.5 * size_m[box, 1], 0.0)
            if ahead_m * ahead_m + aside_m * aside_m <= reach_m[n] * reach_m[n]:
                near[n, owner[box]] = True
    return near
