"""Overlap of upright boxes seen from above, and non-maximum suppression."""

import numpy as np
from jaxtyping import Float, Int64
from numba import njit

from v2xsim.records import Boxes, Detections

# Room for the corners of a clipped rectangle: it has at most 8, but with rounding errors each of the four clips can at worst
# double the number.
_CORNERS = 64


def corners_m(boxes: Boxes) -> Float[np.ndarray, "boxes 4 2"]:
    """Return the corners of each box seen from above, counter-clockwise from the front left one."""
    half = 0.5 * boxes.size_m[:, None, :2] * np.array([[1.0, 1.0], [-1.0, 1.0], [-1.0, -1.0], [1.0, -1.0]])
    cos, sin = np.cos(boxes.yaw_rad)[:, None], np.sin(boxes.yaw_rad)[:, None]
    turned = np.stack([half[..., 0] * cos - half[..., 1] * sin, half[..., 0] * sin + half[..., 1] * cos], axis=-1)
    corners: np.ndarray = boxes.center_m[:, None, :2] + turned
    return corners


def _planar(boxes: Boxes) -> Float[np.ndarray, "boxes 5"]:
    """Return x, y, length, width and yaw of each box as contiguous rows, as the kernel reads them."""
    return np.column_stack([boxes.center_m[:, :2], boxes.size_m[:, :2], boxes.yaw_rad]).astype(np.float64)


@njit(cache=True, nogil=True)
def overlaps(
    a: Float[np.ndarray, "a_boxes 5"], b: Float[np.ndarray, "b_boxes 5"]
) -> Float[np.ndarray, "a_boxes b_boxes"]:
    """Return the intersection over union (0 to 1) of every box of `a` with every box of `b`, seen from above.

    Each box of `a` is clipped in the frame of the box of `b`.
    """
    iou = np.zeros((a.shape[0], b.shape[0]))
    polygon = np.empty((_CORNERS, 2))
    clipped = np.empty((_CORNERS, 2))
    limit = np.empty(2)
    for i in range(a.shape[0]):
        reach_a = 0.5 * np.hypot(a[i, 2], a[i, 3])
        for j in range(b.shape[0]):
            dx = a[i, 0] - b[j, 0]
            dy = a[i, 1] - b[j, 1]
            reach = reach_a + 0.5 * np.hypot(b[j, 2], b[j, 3])
            # Boxes whose circumscribed circles do not meet do not overlap; this holds for nearly all pairs.
            if dx * dx + dy * dy >= reach * reach:
                continue
            cos_b = np.cos(b[j, 4])
            sin_b = np.sin(b[j, 4])
            x = cos_b * dx + sin_b * dy
            y = -sin_b * dx + cos_b * dy
            cos = np.cos(a[i, 4] - b[j, 4])
            sin = np.sin(a[i, 4] - b[j, 4])
            for k in range(4):
                forward = 0.5 * a[i, 2] * (1.0 if k == 0 or k == 3 else -1.0)
                left = 0.5 * a[i, 3] * (1.0 if k < 2 else -1.0)
                polygon[k, 0] = x + cos * forward - sin * left
                polygon[k, 1] = y + sin * forward + cos * left
            corners = 4
            limit[0] = 0.5 * b[j, 2]
            limit[1] = 0.5 * b[j, 3]
            for plane in range(4):
                axis = plane // 2
                sign = 1.0 if plane % 2 == 0 else -1.0
                kept = 0
                for k in range(corners):
                    after = (k + 1) % corners
                    inside = limit[axis] - sign * polygon[k, axis]
                    inside_after = limit[axis] - sign * polygon[after, axis]
                    if inside >= 0.0:
                        clipped[kept, 0] = polygon[k, 0]
                        clipped[kept, 1] = polygon[k, 1]
                        kept += 1
                    if (inside > 0.0 and inside_after < 0.0) or (inside < 0.0 and inside_after > 0.0):
                        share = inside / (inside - inside_after)
                        clipped[kept, 0] = polygon[k, 0] + share * (polygon[after, 0] - polygon[k, 0])
                        clipped[kept, 1] = polygon[k, 1] + share * (polygon[after, 1] - polygon[k, 1])
                        kept += 1
                polygon, clipped = clipped, polygon
                corners = kept
            twice_area = 0.0
            for k in range(corners):
                after = (k + 1) % corners
                twice_area += polygon[k, 0] * polygon[after, 1] - polygon[after, 0] * polygon[k, 1]
            shared = max(0.0, 0.5 * twice_area)
            union = a[i, 2] * a[i, 3] + b[j, 2] * b[j, 3] - shared
            if union > 0.0:
                iou[i, j] = min(1.0, shared / union)
    return iou


def bev_iou(a: Boxes, b: Boxes) -> Float[np.ndarray, "a_boxes b_boxes"]:
    """Return the intersection over union (0 to 1) of every box of `a` with every box of `b`, seen from above.

    Heights are ignored, as in the average precision of OPV2V. The intersection is computed exactly: the rectangle of `a`
    is clipped by the four sides of the rectangle of `b` (Sutherland and Hodgman, CACM 17(1), 1974).
    """
    iou: np.ndarray = overlaps(_planar(a), _planar(b))
    return iou


def content_order(boxes: Boxes, score: Float[np.ndarray, " boxes"] | None = None) -> Int64[np.ndarray, " boxes"]:
    """Return the row numbers of boxes in an order that does not depend on the order of the rows.

    Args:
        boxes: Boxes to order. Boxes with equal scores are ordered by x, y, z, yaw, length, width and height.
        score: Score of each box; the highest comes first. None if all scores are equal.
    """
    ranks = np.zeros(len(boxes)) if score is None else np.ascontiguousarray(score, np.float64)
    order: np.ndarray = ordered_by_content(_contents(boxes), ranks)
    return order


def _contents(boxes: Boxes) -> Float[np.ndarray, "boxes 7"]:
    """Return the numbers by which boxes are ordered, the most important one first."""
    return np.column_stack([boxes.center_m, boxes.yaw_rad, boxes.size_m]).astype(np.float64)


@njit(cache=True, nogil=True)
def ordered_by_content(
    content: Float[np.ndarray, "boxes 7"], score: Float[np.ndarray, " boxes"]
) -> Int64[np.ndarray, " boxes"]:
    """Return the row numbers of boxes in order of falling score, then of rising content; equal boxes keep their order."""
    rows = len(score)
    order, merged = np.arange(rows), np.empty(rows, np.int64)
    width = 1
    while width < rows:
        for low in range(0, rows, 2 * width):
            middle, high = min(low + width, rows), min(low + 2 * width, rows)
            i, j = low, middle
            for k in range(low, high):
                if i < middle and (j >= high or not _comes_before(content, score, order[j], order[i])):
                    merged[k] = order[i]
                    i += 1
                else:
                    merged[k] = order[j]
                    j += 1
        order, merged = merged, order
        width *= 2
    return order


@njit(cache=True, nogil=True)
def _comes_before(content: np.ndarray, score: np.ndarray, one: int, other: int) -> bool:
    """Return whether a box comes before another one, both given by their rows."""
    if score[one] != score[other]:
        return bool(score[one] > score[other])
    for k in range(content.shape[1]):
        if content[one, k] != content[other, k]:
            return bool(content[one, k] < content[other, k])
    return False


def suppressed(detections: Detections, iou: float = 0.15) -> Int64[np.ndarray, " kept"]:
    """Return the row numbers of the detections that non-maximum suppression keeps, highest score first.

    A box is dropped if it overlaps a kept box with a higher score by more than `iou`. The resulting set of boxes does not
    depend on the order of the rows: equal scores are ranked by `content_order`.

    Args:
        detections: Detections, all in the same coordinate frame.
        iou: Largest overlap of two kept boxes, 0 to 1; a larger value usually keeps more boxes. OpenCOOD uses 0.15 for OPV2V.
    """
    order = content_order(detections.boxes, detections.score)
    ranked = detections.boxes[order]
    close = bev_iou(ranked, ranked) > iou
    alive = np.ones(len(order), bool)
    for better in np.flatnonzero(np.triu(close, 1).any(axis=1)):
        if alive[better]:
            alive[better + 1 :] &= ~close[better, better + 1 :]
    return order[alive]
