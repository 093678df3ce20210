"""Rigid transforms as 4x4 matrices, named target_from_source, so that the inner names of a product cancel."""

import math

import numpy as np
from jaxtyping import Float
from numba import njit

from v2xsim.records import Boxes
from v2xsim.spatial.products import fused_multiply_add


def pose_matrix(x_m: float, y_m: float, z_m: float, yaw_rad: float) -> Float[np.ndarray, "4 4"]:
    """Return the transform world_from_body of an upright body with a given position and heading."""
    cos, sin = math.cos(yaw_rad), math.sin(yaw_rad)
    return np.array([[cos, -sin, 0.0, x_m], [sin, cos, 0.0, y_m], [0.0, 0.0, 1.0, z_m], [0.0, 0.0, 0.0, 1.0]])


def inverse(target_from_source: Float[np.ndarray, "4 4"]) -> Float[np.ndarray, "4 4"]:
    """Return the inverse (source_from_target) of a rigid transform; it uses the transposed rotation, not a general inversion."""
    rotation = target_from_source[:3, :3].T
    source_from_target = np.eye(4)
    source_from_target[:3, :3] = rotation
    source_from_target[:3, 3] = -rotation @ target_from_source[:3, 3]
    return source_from_target


def believed_from_true(believed: Float[np.ndarray, " 4"], true: Float[np.ndarray, " 4"]) -> Float[np.ndarray, "4 4"]:
    """Return the transform that moves a true position to where a station would place it, given the error of its own pose.

    Args:
        believed: x, y, z and yaw that the station believes.
        true: True x, y, z and yaw of the station.
    """
    return pose_matrix(*believed) @ inverse(pose_matrix(*true))


def moved_boxes(boxes: Boxes, target_from_source: Float[np.ndarray, "4 4"]) -> Boxes:
    """Return boxes moved by a transform that only rotates about the z axis and shifts."""
    turn = np.arctan2(target_from_source[1, 0], target_from_source[0, 0])
    center_m = _moved(np.ascontiguousarray(boxes.center_m, np.float64), np.ascontiguousarray(target_from_source))
    return Boxes(center_m, boxes.size_m, boxes.yaw_rad + turn)


@njit(cache=True, nogil=True)
def _moved(
    points_m: Float[np.ndarray, "points 3"], target_from_source: Float[np.ndarray, "4 4"]
) -> Float[np.ndarray, "points 3"]:
    """Return points moved by a transform; each product and sum is rounded once, in the order of numpy's matrix product."""
    moved_m = np.empty(points_m.shape)
    for row in range(len(points_m)):
        for i in range(3):
            total = 0.0
            for k in range(3):
                # Numpy adds the terms of a single row from the last to the first.
                j = 2 - k if len(points_m) == 1 else k
                total = fused_multiply_add(points_m[row, j], target_from_source[i, j], total)
            moved_m[row, i] = total + target_from_source[i, 3]
    return moved_m
