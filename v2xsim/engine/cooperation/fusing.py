"""Fusion at the deadline: the ego's own frame with the parts of the answers that arrived."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int64, UInt8

from v2xsim.engine.cooperation.answers import Answer
from v2xsim.engine.stations.sensing import Frame, moved_boxes
from v2xsim.gpu.bev.fusion.scheme import Detect, FusionScheme, FusionView, Received, fused_of
from v2xsim.gpu.lidar.points import transform
from v2xsim.records import UNOBSERVED, Detections
from v2xsim.spatial.poses import pose_matrix


@dataclass(frozen=True)
class Arrived:
    """An answer and which of its fragments are there."""

    answer: Answer
    parts: Bool[np.ndarray, " fragments"]


@dataclass(frozen=True)
class Fused:
    """An ego frame after fusion, in the world as the ego believes it.

    Attributes:
        code: Matrix codes of the ego after fusion.
        points: Lidar returns on each road user of the ego's snapshot, received ones included.
        detections: What is detected now.
        added_m: Received points.
        added_object: What each of them hit.
        added_source: Whose lidar saw each of them.
    """

    code: UInt8[np.ndarray, "nx ny"]
    points: Int64[np.ndarray, " agents"]
    detections: Detections
    added_m: Float[np.ndarray, "points 3"]
    added_object: Int64[np.ndarray, " points"]
    added_source: Int64[np.ndarray, " points"]


DetectorOf = Callable[[Frame, UInt8[np.ndarray, "nx ny"], Callable[[], Float[np.ndarray, "points 3"]]], Detect]
"""Takes an ego's frame, its matrix after fusion and what returns the points that arrived."""


def fused(ego: Frame, arrived: list[Arrived], scheme: FusionScheme, detector_of: DetectorOf) -> Fused:
    """Return the ego's frame with what arrived.

    Args:
        ego: The ego's own frame.
        arrived: Answers to the ego, at most one per helper, in rising order of the helper.
        scheme: The fusion scheme.
        detector_of: Returns the detector as the ego runs it once more, with the frame's own chance.

    Raises:
        PartError: If a user's scheme raises an exception or returns something else than it must.
    """
    code = ego.matrix.code.copy()
    for item in arrived:
        if item.parts[0]:
            told = (code == UNOBSERVED) & (item.answer.code != UNOBSERVED) & item.parts[item.answer.code_part]
            code[told] = item.answer.code[told]
    received = tuple(_received(ego, item) for item in arrived)

    def points() -> Float[np.ndarray, "points 3"]:
        return np.concatenate([np.zeros((0, 3)), *(item.points_m for item in received)])

    apparent = moved_boxes(ego.snapshot.boxes, ego.believed_from_true)
    view = FusionView(
        ego.agent, ego.believed, _own_size_m(ego), apparent, ego.snapshot.agent, ego.points, ego.detections, code,
        ego.matrix.lower, ego.matrix.cell_m, received, detector_of(ego, code, points), lambda: own_points_world(ego),
    )  # fmt: skip
    found = fused_of(scheme, view)
    return Fused(code, found.points, found.detections, found.added_m, found.added_object, found.added_source)


def _received(ego: Frame, item: Arrived) -> Received:
    """Return what arrived of an answer."""
    reply, parts = item.answer, item.parts
    points, boxes = parts[reply.point_part], parts[reply.box_part]
    theirs = reply.frame

    def locate() -> tuple[Float[np.ndarray, "objects 3"], Bool[np.ndarray, " objects"]]:
        wanted, there = ego.snapshot.agent, theirs.snapshot.agent
        place = np.minimum(np.searchsorted(there, wanted), len(there) - 1)
        located = moved_boxes(theirs.snapshot.boxes[place], theirs.believed_from_true)
        return located.center_m, there[place] == wanted

    return Received(
        theirs.agent, (ego.stamp_us - theirs.stamp_us) * 1e-6, reply.points_m[points], reply.object_id[points],
        reply.detections[np.flatnonzero(boxes)], locate,
    )  # fmt: skip


def _own_size_m(ego: Frame) -> Float[np.ndarray, " 3"]:
    """Return the size of the ego's own body; zeros for a roadside unit."""
    agent = ego.snapshot.agent
    row = int(np.searchsorted(agent, ego.agent))
    if row >= len(agent) or agent[row] != ego.agent:
        return np.zeros(3)
    size_m: Float[np.ndarray, " 3"] = ego.snapshot.boxes.size_m[row]
    return size_m


def own_points_world(ego: Frame) -> Float[np.ndarray, "points 3"]:
    """Return the ego's own cloud in the world as it believes it."""
    return transform(np.ascontiguousarray(ego.cloud.points_m, np.float64), pose_matrix(*ego.believed))
