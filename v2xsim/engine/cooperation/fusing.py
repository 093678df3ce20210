"""Fusion at the deadline: the ego's own frame is combined with the parts of answers that have arrived."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int64, UInt8

from v2xsim.engine.cooperation.collecting import Arrived
from v2xsim.engine.stations.capture import Capture, Captures
from v2xsim.engine.stations.frame import Frame
from v2xsim.engine.stations.own_state import row_of
from v2xsim.gpu.bev.fusion.scheme import Detect, FusionScheme, FusionView, Received, fused_of
from v2xsim.gpu.lidar.points import transform
from v2xsim.records import UNOBSERVED, Detections
from v2xsim.spatial.poses import moved_boxes, pose_matrix

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


DetectorOf = Callable[[Frame, Capture, UInt8[np.ndarray, "nx ny"], Callable[[], Float[np.ndarray, "points 3"]]], Detect]
"""Function that returns the detector for fused data.

Its arguments are an ego's frame, the truth behind it, the codes of its matrix after fusion, and a function that returns the
received points.
"""


def fused(
    ego: Frame, arrived: list[Arrived], scheme: FusionScheme, captures: Captures, detector_of: DetectorOf
) -> Fused:
    """Return the ego's frame after fusion with the data that arrived.

    Args:
        ego: The ego's own frame.
        arrived: Data from helpers, at most one item per helper, in rising order of their agent ids.
        scheme: The fusion scheme.
        captures: The truth behind frames; the visibility model needs it to know what each point hit.
        detector_of: Returns the detector that the ego runs on the fused data, with the same random draws as before fusion.

    Raises:
        PartError: If a user's scheme raises an exception or returns something else than it must.
    """
    capture, code = captures[ego], ego.matrix.code.copy()
    for item in arrived:
        # If several helpers answer for a cell, the answer of the helper with the lowest agent id counts.
        is_new = (code == UNOBSERVED) & (item.code != UNOBSERVED)
        code[is_new] = item.code[is_new]
    received = tuple(_received(ego, item, capture, captures[item.frame]) for item in arrived)

    def points() -> _Points:
        return np.concatenate([np.zeros((0, 3)), *(item.points_m for item in received)])

    view = FusionView(
        ego.agent, ego.pose, _own_size_m(ego, capture), capture.apparent, capture.snapshot.agent, capture.points,
        ego.detections, code, ego.matrix.lower, ego.matrix.cell_m, received, detector_of(ego, capture, code, points),
        lambda: own_points_world(ego),
    )  # fmt: skip
    known = fused_of(scheme, view)
    return Fused(code, known.points, known.detections, known.added_m, known.added_object, known.added_source)


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
        wanted, there = own.snapshot.agent, theirs.snapshot.agent
        # The helper may have captured at another tick, when some road users had not appeared yet or had already left.
        row = np.minimum(np.searchsorted(there, wanted), len(there) - 1)
        located = moved_boxes(theirs.snapshot.boxes[row], theirs.believed_from_true)
        return located.center_m, there[row] == wanted

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
