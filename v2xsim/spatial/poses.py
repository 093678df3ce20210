"""Rigid transforms as 4x4 matrices, named target_from_source, so that the inner names of a product cancel."""

import math

import numpy as np
from jaxtyping import Float, Int64
from numba import njit

from v2xsim.records import Boxes
from v2xsim.spatial.products import fused_multiply_add


def pose_matrix(x_m: float, y_m: float, z_m: float, yaw_rad: float) -> Float[np.ndarray, "4 4"]:
    """Return the transform world_from_body of an upright body with a given position and heading."""
    cos, sin = math.cos(yaw_rad), math.sin(yaw_rad)
    return np.array([[cos, -sin, 0.0, x_m], [sin, cos, 0.0, y_m], [0.0, 0.0, 1.0, z_m], [0.0, 0.0, 0.0, 1.0]])


def pose_matrices(pose: Float[np.ndarray, "bodies 4"]) -> Float[np.ndarray, "bodies 4 4"]:
    """Return what `pose_matrix` gives for each of several poses (x, y, z and yaw), to the last bit."""
    matrices = np.zeros((len(pose), 4, 4))
    # The functions of numpy may differ from those of `math` in the last bit.
    cos, sin = ([function(yaw) for yaw in pose[:, 3].tolist()] for function in (math.cos, math.sin))
    matrices[:, 0, 0] = matrices[:, 1, 1] = cos
    matrices[:, 1, 0] = sin
    matrices[:, 0, 1] = -matrices[:, 1, 0]
    matrices[:, :3, 3] = pose[:, :3]
    matrices[:, 2, 2] = matrices[:, 3, 3] = 1.0
    return matrices


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


def all_believed_from_true(
    believed: Float[np.ndarray, "stations 4"], true: Float[np.ndarray, "stations 4"]
) -> Float[np.ndarray, "stations 4 4"]:
    """Return what `believed_from_true` gives for each of several stations, to the last bit."""
    return np.asarray(pose_matrices(believed) @ inverses(pose_matrices(true)))


def moved_boxes(boxes: Boxes, target_from_source: Float[np.ndarray, "4 4"]) -> Boxes:
    """Return boxes moved by a transform that only rotates about the z axis and shifts."""
    turn = np.arctan2(target_from_source[1, 0], target_from_source[0, 0])
    center_m = np.empty(boxes.center_m.shape)
    every = np.arange(len(center_m))
    _move(_plain(boxes.center_m), _plain(target_from_source)[None], np.zeros(len(every), np.int64), every, center_m)
    return Boxes(center_m, boxes.size_m, boxes.yaw_rad + turn)


def moved_rows(
    boxes: Boxes, target_from_source: Float[np.ndarray, "transforms 4 4"], number: Int64[np.ndarray, " rows"],
    row: Int64[np.ndarray, " rows"],
) -> Boxes:  # fmt: skip
    """Return some boxes, each as `moved_boxes` gives it for one of several transforms, to the last bit.

    Args:
        boxes: All boxes.
        target_from_source: Transforms that only rotate about the z axis and shift.
        number: Number of the transform of each returned box.
        row: Row in `boxes` of each returned box.
    """
    turn = np.arctan2(target_from_source[:, 1, 0], target_from_source[:, 0, 0])
    center_m = np.empty((len(row), 3))
    _move(_plain(boxes.center_m), _plain(target_from_source), number, row, center_m)
    return Boxes(center_m, boxes.size_m[row], boxes.yaw_rad[row] + turn[number])


def moved_by_each(
    boxes: Boxes, target_from_source: Float[np.ndarray, "transforms 4 4"]
) -> tuple[Float[np.ndarray, "transforms boxes 3"], Float[np.ndarray, "transforms boxes"]]:
    """Return centre and heading of all boxes, as `moved_boxes` gives them, for each of several transforms, to the last bit.

    Args:
        boxes: The boxes.
        target_from_source: Transforms that only rotate about the z axis and shift.
    """
    turn = np.arctan2(target_from_source[:, 1, 0], target_from_source[:, 0, 0])
    center_m = np.empty((len(target_from_source), len(boxes), 3))
    _move_by_each(_plain(boxes.center_m), _plain(target_from_source), center_m)
    return center_m, boxes.yaw_rad + turn[:, None]


def _plain(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array, np.float64)


@njit(cache=True, nogil=True)
def _move(points_m, target_from_source, number, rows, moved_m):  # type: ignore[no-untyped-def]
    """Write some of the points, each moved by one of the transforms."""
    for n in range(len(rows)):
        move_point(points_m[rows[n]], target_from_source[number[n]], len(points_m) == 1, moved_m[n])


@njit(cache=True, nogil=True)
def _move_by_each(points_m, target_from_source, moved_m):  # type: ignore[no-untyped-def]
    """Write all points, moved by each of the transforms."""
    for n in range(len(target_from_source)):
        for row in range(len(points_m)):
            move_point(points_m[row], target_from_source[n], len(points_m) == 1, moved_m[n, row])


@njit(cache=True, nogil=True)
def move_point(point_m, transform, is_alone, moved_m):  # type: ignore[no-untyped-def]
    """Write a point moved by a transform.

    Each product and sum is rounded once, in the order of numpy's product of all points and the matrix. For a point that is
    alone, numpy adds the terms from the last to the first.
    """
    for i in range(3):
        total = 0.0
        for k in range(3):
            j = 2 - k if is_alone else k
            total = fused_multiply_add(point_m[j], transform[i, j], total)
        moved_m[i] = total + transform[i, 3]


def inverses(target_from_source: Float[np.ndarray, "transforms 4 4"]) -> Float[np.ndarray, "transforms 4 4"]:
    """Return what `inverse` gives for each of several transforms, to the last bit."""
    rotation = target_from_source[:, :3, :3].transpose(0, 2, 1)
    source_from_target = np.zeros(target_from_source.shape)
    source_from_target[:, :3, :3] = rotation
    source_from_target[:, :3, 3] = (-rotation @ target_from_source[:, :3, 3, None])[:, :, 0]
    source_from_target[:, 3, 3] = 1.0
    return source_from_target
