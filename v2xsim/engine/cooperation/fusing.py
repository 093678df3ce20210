"""Fusion at the deadline: the ego's own frame with the parts of the answers that arrived."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int64, UInt8

from v2xsim.engine.cooperation.sharing import Answer
from v2xsim.engine.stations.sensing import Frame, moved_boxes, observed_places
from v2xsim.gpu.lidar.points import transform
from v2xsim.gpu.lidar.sweep import hits_per_agent
from v2xsim.perception.detection.visibility import Clutter, DetectorParams, detect
from v2xsim.records import UNOBSERVED, Boxes, Detections, PerceptionMatrix
from v2xsim.spatial.boxes import suppressed
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


def fused(ego: Frame, arrived: list[Arrived], fusion: str, params: DetectorParams) -> Fused:
    """Return the ego's frame with what arrived.

    Early: received points add to the ego's own, and the detector runs once more, with the ego's own draws. An object
    then appears where its points put it: at the mean of its places as each contributor captured and located it,
    weighted by points, so that late or badly located data pulls the box away. Late: received boxes are moved on by
    their velocity for their age, and boxes that overlap are suppressed by score.

    Args:
        ego: The ego's own frame.
        arrived: Answers to the ego, at most one per helper, in rising order of the helper.
        fusion: "early", "raw", "late" or "cpm".
        params: Numbers of the visibility detection model.
    """
    code = ego.matrix.code.copy()
    for item in arrived:
        if item.parts[0]:
            told = (code == UNOBSERVED) & (item.answer.code != UNOBSERVED) & item.parts[item.answer.code_part]
            code[told] = item.answer.code[told]
    if fusion in ("late", "cpm"):
        return _late(ego, arrived, code)
    return _early(ego, arrived, code, params)


def _early(ego: Frame, arrived: list[Arrived], code: UInt8[np.ndarray, "nx ny"], params: DetectorParams) -> Fused:
    agent = ego.snapshot.agent
    apparent = moved_boxes(ego.snapshot.boxes, ego.believed_from_true)
    count = ego.points.copy()
    weighted = apparent.center_m * count[:, None]
    clouds, objects, sources = [], [], []
    for item in arrived:
        here = item.parts[item.answer.point_part]
        object_id = item.answer.object_id[here]
        # The ego knows its own body and cuts it out of what others saw.
        kept = object_id != ego.agent
        clouds.append(item.answer.points_m[here][kept])
        objects.append(object_id[kept])
        sources.append(np.full(int(kept.sum()), item.answer.frame.agent, np.int64))
        added = hits_per_agent(object_id[kept], agent)
        theirs = item.answer.frame
        place = np.minimum(np.searchsorted(theirs.snapshot.agent, agent), len(theirs.snapshot.agent) - 1)
        added[theirs.snapshot.agent[place] != agent] = 0
        located = moved_boxes(theirs.snapshot.boxes[place], theirs.believed_from_true)
        weighted += located.center_m * added[:, None]
        count += added
    touched = (count > ego.points)[:, None]
    center = np.where(touched, weighted / np.maximum(count, 1)[:, None], apparent.center_m)
    matrix = PerceptionMatrix(ego.matrix.lower, ego.matrix.cell_m, code)
    detections = detect(
        Boxes(center, apparent.size_m, apparent.yaw_rad), agent, count, ego.draws,
        Clutter(observed_places(matrix), ego.clutter), params,
    )  # fmt: skip
    return Fused(
        code,
        count,
        detections,
        np.concatenate([np.zeros((0, 3)), *clouds]),
        np.concatenate([np.zeros(0, np.int64), *objects]),
        np.concatenate([np.zeros(0, np.int64), *sources]),
    )


def _late(ego: Frame, arrived: list[Arrived], code: UInt8[np.ndarray, "nx ny"]) -> Fused:
    parts = [ego.detections]
    for item in arrived:
        received = item.answer.detections[np.flatnonzero(item.parts[item.answer.box_part])]
        age_s = (ego.stamp_us - item.answer.frame.stamp_us) * 1e-6
        center = received.boxes.center_m.copy()
        center[:, :2] += received.velocity_mps * age_s
        outside = ~_covers_own_body(ego, center)
        moved = Boxes(center, received.boxes.size_m, received.boxes.yaw_rad)
        parts.append(Detections(moved, received.velocity_mps, received.score, received.truth)[np.flatnonzero(outside)])
    joined = Detections.joined(parts)
    nothing = np.zeros(0, np.int64)
    return Fused(code, ego.points, joined[suppressed(joined)], np.zeros((0, 3)), nothing, nothing)


def _covers_own_body(ego: Frame, center_m: Float[np.ndarray, "boxes 3"]) -> Bool[np.ndarray, " boxes"]:
    """Return which boxes stand where the ego itself is, by its own belief."""
    row = int(np.searchsorted(ego.snapshot.agent, ego.agent))
    if row >= len(ego.snapshot.agent) or ego.snapshot.agent[row] != ego.agent:
        return np.zeros(len(center_m), bool)
    length, width = ego.snapshot.boxes.size_m[row, :2]
    offset = center_m[:, :2] - ego.believed[:2]
    cos, sin = np.cos(ego.believed[3]), np.sin(ego.believed[3])
    ahead = offset[:, 0] * cos + offset[:, 1] * sin
    left = offset[:, 1] * cos - offset[:, 0] * sin
    return (np.abs(ahead) < 0.5 * length) & (np.abs(left) < 0.5 * width)


def own_points_world(ego: Frame) -> Float[np.ndarray, "points 3"]:
    """Return the ego's own cloud in the world as it believes it."""
    return transform(np.ascontiguousarray(ego.cloud.points_m, np.float64), pose_matrix(*ego.believed))
