"""Road users whose bodies overlap, seen from above."""

import numpy as np
from jaxtyping import Float, Int64
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
    radius = 0.5 * np.hypot(boxes.size_m[:, 0], boxes.size_m[:, 1])
    pairs = (
        cKDTree(boxes.center_m[:, :2]).query_pairs(2.0 * float(radius.max()), output_type="ndarray").astype(np.int64)
    )
    apart = boxes.center_m[pairs[:, 1], :2] - boxes.center_m[pairs[:, 0], :2]
    pairs = pairs[np.hypot(apart[:, 0], apart[:, 1]) < radius[pairs].sum(axis=1)]
    pairs = pairs[_depth_m(boxes, pairs) >= depth_m]
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


def _depth_m(boxes: Boxes, pairs: Int64[np.ndarray, "pairs 2"]) -> Float[np.ndarray, " pairs"]:
    """Return by how much the bodies of each pair overlap along the axis on which they overlap least; negative if apart.

    Two rectangles are apart if and only if they are apart along a side of one of them (separating axis theorem).
    """
    first, second = boxes[pairs[:, 0]], boxes[pairs[:, 1]]
    apart = second.center_m[:, :2] - first.center_m[:, :2]
    least = np.full(len(pairs), np.inf)
    for yaw in (first.yaw_rad, first.yaw_rad + 0.5 * np.pi, second.yaw_rad, second.yaw_rad + 0.5 * np.pi):
        axis = np.stack([np.cos(yaw), np.sin(yaw)], axis=1)
        reach = _reach_m(first, yaw) + _reach_m(second, yaw)
        least = np.minimum(least, reach - np.abs((apart * axis).sum(axis=1)))
    return least


def _reach_m(boxes: Boxes, yaw_rad: Float[np.ndarray, " boxes"]) -> Float[np.ndarray, " boxes"]:
    """Return half the extent of each body along the direction of a yaw."""
    turn = boxes.yaw_rad - yaw_rad
    return 0.5 * (np.abs(np.cos(turn)) * boxes.size_m[:, 0] + np.abs(np.sin(turn)) * boxes.size_m[:, 1])
