"""Fusion of boxes, for the fusion schemes in which helpers send boxes.

Received boxes are moved by their velocity times their age. Of overlapping boxes, only the one with the highest score is
kept.
"""

import numpy as np
from jaxtyping import Bool, Float

from v2xsim.gpu.bev.fusion.scheme import FusedObjects, FusionView
from v2xsim.records import Boxes, Detections


def with_boxes(view: FusionView) -> FusedObjects:
    """Return the ego's detections combined with the received boxes."""
    # Imported here, so that a scenario can be checked without loading compiled kernels.
    from v2xsim.spatial.boxes import suppressed

    parts = [view.own_detections]
    for item in view.received:
        received = item.detections
        center = received.boxes.center_m.copy()
        center[:, :2] += received.velocity_mps * item.age_s
        # Other stations detect the ego as a road user, but the ego must not track itself.
        outside = ~on_own_body(view, center)
        moved = Boxes(center, received.boxes.size_m, received.boxes.yaw_rad)
        parts.append(Detections(moved, received.velocity_mps, received.score, received.truth)[np.flatnonzero(outside)])
    joined = Detections.joined(parts)
    return FusedObjects(joined[suppressed(joined)], view.own_points)


def on_own_body(view: FusionView, center_m: Float[np.ndarray, "boxes 3"]) -> Bool[np.ndarray, " boxes"]:
    """Return which boxes have their centre inside the ego's own body, by the ego's own estimate of its pose."""
    length, width = view.size_m[:2]
    offset = center_m[:, :2] - view.pose[:2]
    cos, sin = np.cos(view.pose[3]), np.sin(view.pose[3])
    ahead = offset[:, 0] * cos + offset[:, 1] * sin
    left = offset[:, 1] * cos - offset[:, 0] * sin
    inside: np.ndarray = (np.abs(ahead) < 0.5 * length) & (np.abs(left) < 0.5 * width)
    return inside
