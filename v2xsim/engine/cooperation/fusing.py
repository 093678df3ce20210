"""Fusion at the deadline: the ego's own frame is combined with the parts of answers that have arrived."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from jaxtyping import Bool, Float, Int64, UInt8

from v2xsim.engine.cooperation.collecting import Arrived
from v2xsim.engine.stations.capture import Capture, believed_from_true_of
from v2xsim.engine.stations.frame import Frame
from v2xsim.engine.stations.located import located_each
from v2xsim.engine.stations.own_state import row_of
from v2xsim.gpu.bev.fusion.scheme import (
    Detect,
    DetectEach,
    FusedObjects,
    FusionScheme,
    FusionView,
    FusionViews,
    Received,
    Told,
    fused_of,
    fused_of_each,
)
from v2xsim.gpu.lidar.points import transform
from v2xsim.perception.metrics.awareness import WITHIN_M
from v2xsim.records import BY_PLACE, UNOBSERVED, Detections, PerceptionMatrix
from v2xsim.spatial.poses import moved_by_each, pose_matrix

# Types of inner functions. A type that is written there would be built again for each frame.
_Points = Float[np.ndarray, "points 3"]
_Located = tuple[Float[np.ndarray, "objects 3"], Bool[np.ndarray, " objects"]]


@dataclass(frozen=True)
class Fused:
    """An ego's frame after fusion; positions are placed by the pose that the ego believes.

    Attributes:
        code: Matrix codes of the ego after fusion.
        points: Number of lidar returns on each road user of the ego's snapshot, received returns included.
        detections: Detections of the ego after fusion.
        added_m: Positions of the received points.
        added_object: Truth for each received point: agent id of the road user that it hit, GROUND or BUILDING.
        added_source: Agent id of the station whose lidar captured each received point.
    """

    code: UInt8[np.ndarray, "nx ny"]
    points: Int64[np.ndarray, " agents"]
    detections: Detections
    added_m: Float[np.ndarray, "points 3"]
    added_object: Int64[np.ndarray, " points"]
    added_source: Int64[np.ndarray, " points"]


@dataclass(frozen=True)
class Due:
    """An ego's frame at its deadline, with the data that has arrived for it, and the truth behind both.

    Attributes:
        ego: The ego's own frame.
        capture: The truth behind it. The visibility model needs it to know what each point hit.
        arrived: Data from helpers, at most one item per helper, in rising order of their agent ids.
        behind: The truth behind the helper's frame of each item.
    """

    ego: Frame
    capture: Capture
    arrived: list[Arrived]
    behind: list[Capture]


class Detecting(Protocol):
    """The detector of a run, as fusion uses it, with the same random draws as before fusion."""

    @property
    def detects_many(self) -> bool:
        """Whether `detector_of_each` can be called."""

    def detector_of(
        self, ego: Frame, capture: Capture, code: UInt8[np.ndarray, "nx ny"],
        received: Callable[[], Float[np.ndarray, "points 3"]],
    ) -> Detect:  # fmt: skip
        """Return the detector for one ego's fused data, as `Sensing.detector_of`."""

    def detector_of_each(self, captures: Sequence[Capture], matrices: Sequence[PerceptionMatrix]) -> DetectEach:
        """Return the detector for the fused data of several egos, as `Sensing.detector_of_each`."""


def fused_each(
    dues: Sequence[Due], scheme: FusionScheme, detecting: Detecting, told: Sequence[Told] = ()
) -> list[Fused]:
    """Return the frames of egos of one tick after fusion with the data that arrived.

    Args:
        dues: The frames.
        scheme: The fusion scheme.
        detecting: The detector that the egos run on the fused data.
        told: What announcements tell each ego; empty for nothing.

    Raises:
        PartError: If a user's scheme raises an exception or returns something else than it must.
    """
    told = told or [Told.nothing()] * len(dues)
    codes = [_code_of(due, one) for due, one in zip(dues, told, strict=True)]
    if scheme.does_many("fuse", "fuse_each") and detecting.detects_many:
        known = [FusedObjects(due.ego.detections, due.capture.points) for due in dues]
        rows = [row for row, due in enumerate(dues) if due.arrived]
        if rows:
            views = _views([dues[row] for row in rows], [codes[row] for row in rows], detecting)
            for row, one in zip(rows, fused_of_each(scheme, views), strict=True):
                known[row] = one
    else:
        known = [
            fused_of(scheme, _view(due, code, detecting, one)) for due, code, one in zip(dues, codes, told, strict=True)
        ]
    return [
        Fused(code, one.points, _labelled(one.detections, due), one.added_m, one.added_object, one.added_source)
        for code, one, due in zip(codes, known, dues, strict=True)
    ]


def _labelled(detections: Detections, due: Due) -> Detections:
    """Return detections with the road user behind each that has none yet: the nearest one within the distance of awareness metrics."""
    rows = np.flatnonzero(detections.truth == BY_PLACE)
    if len(rows) == 0:
        return detections
    bodies_m = due.capture.apparent.center_m[:, :2]
    gap_m = np.hypot(*(detections.boxes.center_m[rows, None, :2] - bodies_m).T).T
    nearest, truth = gap_m.argmin(axis=1), detections.truth.copy()
    is_near = gap_m[np.arange(len(rows)), nearest] <= WITHIN_M
    truth[rows] = np.where(is_near, due.capture.snapshot.agent[nearest], -1)
    return replace(detections, truth=truth)


def _code_of(due: Due, told: Told) -> UInt8[np.ndarray, "nx ny"]:
    """Return the codes of an ego's matrix after fusion."""
    code = due.ego.matrix.code
    if due.arrived:
        code = code.copy()
    if told.code.size:
        return np.where(code == UNOBSERVED, told.code, code)
    for item in due.arrived:
        # If several helpers answer for a cell, the answer of the helper with the lowest agent id counts.
        is_new = (code == UNOBSERVED) & (item.code != UNOBSERVED)
        code[is_new] = item.code[is_new]
    return code


def _view(due: Due, code: UInt8[np.ndarray, "nx ny"], detecting: Detecting, told: Told) -> FusionView:
    """Return what a fusion scheme gets of one ego's frame."""
    ego, capture = due.ego, due.capture
    received = tuple(
        _received(ego, item, capture, theirs) for item, theirs in zip(due.arrived, due.behind, strict=True)
    )

    def points() -> _Points:
        return np.concatenate([np.zeros((0, 3)), *(item.points_m for item in received)])

    return FusionView(
        ego.agent, ego.pose, _own_size_m(ego, capture), capture.apparent, capture.snapshot.agent, capture.points, ego.detections,
        code, ego.matrix.lower, ego.matrix.cell_m, received, detecting.detector_of(ego, capture, code, points),
        lambda: own_points_world(ego), told,
    )  # fmt: skip


def _views(dues: Sequence[Due], codes: Sequence[UInt8[np.ndarray, "nx ny"]], detecting: Detecting) -> FusionViews:
    """Return what a fusion scheme gets of the frames of all egos at once for which something has arrived."""
    matrices = [
        PerceptionMatrix(due.ego.matrix.lower, due.ego.matrix.cell_m, code)
        for due, code in zip(dues, codes, strict=True)
    ]
    captures, snapshot = [due.capture for due in dues], dues[0].capture.snapshot
    items = [(item, theirs) for due in dues for item, theirs in zip(due.arrived, due.behind, strict=True)]
    located_m, present = located_each(snapshot.agent, [theirs for _, theirs in items])
    objects_m, yaw_rad = moved_by_each(snapshot.boxes, believed_from_true_of(captures))
    return FusionViews(
        np.array([due.ego.agent for due in dues], np.int64), snapshot.agent, objects_m, snapshot.boxes.size_m, yaw_rad,
        np.array([capture.points for capture in captures]),
        np.repeat(np.arange(len(dues)), [len(due.arrived) for due in dues]),
        np.array([item.frame.agent for item, _ in items], np.int64),
        np.cumsum([len(item.point_row) for item, _ in items], dtype=np.int64),
        np.concatenate([item.points_m for item, _ in items]),
        np.concatenate([theirs.object_id[item.point_row] for item, theirs in items], dtype=np.int64), located_m, present,
        detecting.detector_of_each(captures, matrices),
    )  # fmt: skip


def _received(ego: Frame, item: Arrived, own: Capture, theirs: Capture) -> Received:
    """Return the arrived data of one helper in the form that a fusion scheme takes.

    Args:
        ego: The ego's frame.
        item: The data that arrived.
        own: The truth behind the ego's frame.
        theirs: The truth behind the helper's frame.
    """
    frame = item.frame

    def locate() -> _Located:
        # The helper may have captured at another tick, when some road users had not appeared yet or had already left.
        located_m, present = located_each(own.snapshot.agent, [theirs])
        return located_m[0], present[0]

    return Received(
        frame.agent, (ego.stamp_us - frame.stamp_us) * 1e-6, item.points_m, theirs.object_id[item.point_row].astype(np.int64),
        item.detections, locate,
    )  # fmt: skip


def _own_size_m(ego: Frame, capture: Capture) -> Float[np.ndarray, " 3"]:
    """Return the size of the ego's own body; zeros for a roadside unit."""
    row = row_of(capture.snapshot.agent, ego.agent)
    return capture.snapshot.boxes.size_m[row] if row >= 0 else np.zeros(3)


def own_points_world(ego: Frame) -> Float[np.ndarray, "points 3"]:
    """Return the ego's own lidar points in the world frame, placed by the pose that the ego believes."""
    return transform(np.ascontiguousarray(ego.points_m, np.float64), pose_matrix(*ego.pose))
