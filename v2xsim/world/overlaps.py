"""Road users whose bodies overlap, seen from above."""

import numpy as np
from jaxtyping import Int64
from numba import njit
from scipy.spatial import cKDTree

from v2xsim.records import Boxes

DEPTH_M = 0.2
"""Bodies that overlap by less than this touch: SUMO places the vehicles of a queue with rounded gaps."""


def overlapping(boxes: Boxes, depth_m: float = DEPTH_M) -> Int64[np.ndarray, "pairs 2"]:
    """Return the pairs of bodies that overlap, as rows in rising order.

    Args:
        boxes: Bodies of the road users.
        depth_m: Least distance by which one body of a pair must be moved to separate the two.
    """
    if len(boxes) < 2:
        return np.zeros((0, 2), np.int64)
    widest_m = float(np.hypot(boxes.size_m[:, 0], boxes.size_m[:, 1]).max())
    pairs = cKDTree(boxes.center_m[:, :2]).query_pairs(widest_m, output_type="ndarray").astype(np.int64)
    center_m, size_m, yaw_rad = (
        np.ascontiguousarray(column, np.float64) for column in (boxes.center_m, boxes.size_m, boxes.yaw_rad)
    )
    pairs = pairs[_overlaps(pairs, center_m, size_m, yaw_rad, depth_m)]
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


@njit(cache=True, nogil=True)
def _overlaps(pairs, center_m, size_m, yaw_rad, depth_m):  # type: ignore[no-untyped-def]
    """Return whether the bodies of each pair overlap by at least `depth_m` along each side of one of them.

    Two rectangles are apart if and only if they are apart along a side of one of them (separating axis theorem).
    """
    overlaps = np.zeros(len(pairs), np.bool_)
    for p in range(len(pairs)):
        a, b = pairs[p]
        x, y = center_m[b, 0] - center_m[a, 0], center_m[b, 1] - center_m[a, 1]
        reach = 0.5 * (np.hypot(size_m[a, 0], size_m[a, 1]) + np.hypot(size_m[b, 0], size_m[b, 1]))
        if np.hypot(x, y) >= reach:
            continue
        overlaps[p] = True
        for yaw in (yaw_rad[a], yaw_rad[a] + 0.5 * np.pi, yaw_rad[b], yaw_rad[b] + 0.5 * np.pi):
            apart = abs(x * np.cos(yaw) + y * np.sin(yaw))
            if _reach_m(size_m[a], yaw_rad[a] - yaw) + _reach_m(size_m[b], yaw_rad[b] - yaw) - apart < depth_m:
                overlaps[p] = False
                break
    return overlaps


@njit(cache=True, nogil=True)
def _reach_m(size_m, turn_rad):  # type: ignore[no-untyped-def]
    """Return half the extent of a body along a direction that is turned away from its heading."""
    return 0.5 * (abs(np.cos(turn_rad)) * size_m[0] + abs(np.sin(turn_rad)) * size_m[1])
