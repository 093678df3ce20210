"""Detections of an ego compared with the truth: which ones count, which hit a body, and which road users they show.

The matching is in `v2xsim.perception.metrics.average_precision`.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool

from v2xsim.evaluation.scene import Scene
from v2xsim.perception.metrics.average_precision import THRESHOLDS, Frame, Matched, matched
from v2xsim.records import Detections


def counted(detections: Detections, scene: Scene, range_m: float) -> Detections:
    """Return the detections that count: those of road users in range, and false positives in range.

    For a true detection, the true distance of its road user decides, wherever its box is. Otherwise, a box that an error
    moves out of range would be neither a hit nor a false positive. For a false positive, the distance from the ego's
    believed position decides.
    """
    offset_m = detections.boxes.center_m[:, :2] - scene.believed_ego_m
    of_near = np.isin(detections.truth, scene.agent[scene.near(range_m)])
    counts = np.where(detections.truth >= 0, of_near, np.hypot(offset_m[:, 0], offset_m[:, 1]) <= range_m)
    return detections[np.flatnonzero(counts)]


def matched_bodies(
    detections: Detections, scene: Scene, range_m: float, thresholds: Sequence[float] = THRESHOLDS
) -> Matched:
    """Return which of the detections that count hit the body of a road user in range.

    Args:
        detections: Detections that count (see `counted`), placed by the pose that the ego believes.
        scene: The truth around the ego.
        range_m: Road users farther from the ego than this are not expected to be detected.
        thresholds: Least overlaps (intersection over union, 0 to 1) at which a detection counts as a hit.
    """
    bodies = scene.apparent[np.flatnonzero(scene.near(range_m))]
    return matched(Frame(detections=detections, objects=bodies), thresholds)


def seen(detections: Detections, scene: Scene, range_m: float) -> Bool[np.ndarray, " agents"]:
    """Return whether each road user is in range and has at least one detection, whatever the overlap of the boxes."""
    return scene.near(range_m) & np.isin(scene.agent, detections.truth)
