"""The interface of fusion schemes: what helpers send to an ego, and how the ego fuses the data that arrived by its deadline."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import Annotated, ClassVar, Protocol

import numpy as np
from jaxtyping import Bool, Float, Int64, UInt8

from v2xsim.part_answers import array_from, detections_from
from v2xsim.parts import Above, Kind, Part
from v2xsim.plugins import ask, wrong_answer
from v2xsim.records import Boxes, Detections


class Share(Enum):
    """What helpers send."""

    NOTHING = "none"
    POINTS = "lidar points"
    """The points in the cells that the ego requests, thinned."""
    FRAMES = "whole lidar frames"
    """All points as captured, whatever the byte budget."""
    BOXES = "boxes"
    """Detected boxes with velocities in the cells that the ego requests."""
    REPORTS = "collective perception messages"
    """Detected boxes, broadcast without requests."""

    @property
    def asked_for(self) -> bool:
        """Whether an ego must request it from helpers."""
        return self in (Share.POINTS, Share.FRAMES, Share.BOXES)

    @property
    def is_boxes(self) -> bool:
        """Whether boxes with velocities are sent."""
        return self in (Share.BOXES, Share.REPORTS)


@dataclass(frozen=True)
class Received:
    """Data that arrived from one helper; lost parts are missing.

    Attributes:
        station: Identity of the helper.
        age_s: Time between the capture of the data and that of the ego's frame, by both stations' clocks; larger is
            older.
        points_m: Lidar points in the world as the helper believes it; empty if boxes are sent.
        object_id: Identity of the road user that each point hit, -1 for ground, -2 for a building; for the visibility
            model and metrics.
        detections: Boxes in the world as the helper believes it, velocities included; empty if points are sent.
        locate: Returns the position at which the helper, as it believes, saw each road user of the view at its
            capture, and whether it knew each.
    """

    station: int
    age_s: float
    points_m: Float[np.ndarray, "points 3"]
    object_id: Int64[np.ndarray, " points"]
    detections: Detections
    locate: Callable[[], tuple[Float[np.ndarray, "objects 3"], Bool[np.ndarray, " objects"]]]

    @cached_property
    def located(self) -> tuple[Float[np.ndarray, "objects 3"], Bool[np.ndarray, " objects"]]:
        """Position at which the helper saw each road user, and whether each was there at its capture."""
        return self.locate()


class Detect(Protocol):
    """The scenario's detector, for the ego to run again."""

    def __call__(
        self,
        objects: Boxes,
        points: Int64[np.ndarray, " objects"],
        added_m: Float[np.ndarray, "points 3"] | None = None,
    ) -> Detections:
        """Return the detections.

        Args:
            objects: Bodies at the positions where the points put them.
            points: Number of lidar points on each body.
            added_m: Received points that count, in the world as the ego believes it; None for all that arrived.
        """


@dataclass(frozen=True)
class FusionView:
    """Input of a fusion scheme: one frame of an ego, and the data that arrived for it.

    Positions are in the world as the ego believes it.

    Attributes:
        ego: Identity of the ego.
        pose: The ego's own x, y, z and yaw, as it believes.
        size_m: Length, width and height of the ego's own body; zeros for a roadside unit.
        objects: Bodies of all road users at the positions where the ego's own points put them.
        agent: Identity of each body, in rising order; for the visibility model and metrics.
        own_points: Number of the ego's own lidar points on each body.
        own_detections: Detections of the ego alone.
        code: The ego's perception matrix, with the helpers' observations added: 0 unobserved, 1 free, 2 occupied.
        lower: World cell index of cell (0, 0) of the matrix.
        cell_m: Side of a cell.
        received: The data that arrived, one entry for each helper, in rising order of the helpers.
        detect: Runs the scenario's detector on bodies and the number of points on each, with the random draws of this
            frame. A detector that reads the cloud gets the ego's points and `added_m`, or all points that arrived if
            that is None.
        own_cloud: Returns the ego's own lidar points.
    """

    ego: int
    pose: Float[np.ndarray, " 4"]
    size_m: Float[np.ndarray, " 3"]
    objects: Boxes
    agent: Int64[np.ndarray, " objects"]
    own_points: Int64[np.ndarray, " objects"]
    own_detections: Detections
    code: UInt8[np.ndarray, "nx ny"]
    lower: Int64[np.ndarray, " 2"]
    cell_m: float
    received: tuple[Received, ...]
    detect: Detect
    own_cloud: Callable[[], Float[np.ndarray, "points 3"]]

    @cached_property
    def own_cloud_m(self) -> Float[np.ndarray, "points 3"]:
        """The ego's own lidar points, ground and buildings included."""
        return self.own_cloud()


def _no_points() -> Float[np.ndarray, "points 3"]:
    return np.zeros((0, 3))


def _no_rows() -> Int64[np.ndarray, " points"]:
    return np.zeros(0, np.int64)


@dataclass(frozen=True)
class FusedObjects:
    """What an ego detects after fusion, in the world as it believes it.

    Attributes:
        detections: Detections after fusion.
        points: Number of lidar points on each body, received ones included; for metrics.
        added_m: Received points, for pictures.
        added_object: Object that each of them hit.
        added_source: Identity of the station whose lidar saw each of them.
    """

    detections: Detections
    points: Int64[np.ndarray, " objects"]
    added_m: Float[np.ndarray, "points 3"] = field(default_factory=_no_points)
    added_object: Int64[np.ndarray, " points"] = field(default_factory=_no_rows)
    added_source: Int64[np.ndarray, " points"] = field(default_factory=_no_rows)


class FusionScheme(Part):
    """Base of fusion schemes.

    Attributes:
        shares: What helpers send.
    """

    kind = Kind("fusion scheme", "scheme", ("fuse",), "v2xsim.gpu.bev.fusion")
    shares: ClassVar[Share] = Share.BOXES

    @property
    def thinned_to_m(self) -> Annotated[float, Above(0)]:
        """Side of the cubes in which shared points are thinned to one point."""
        return 0.3

    def fuse(self, view: FusionView) -> FusedObjects:
        """Return what the ego detects with the data that arrived."""
        raise NotImplementedError


def fused_of(scheme: FusionScheme, view: FusionView) -> FusedObjects:
    """Return what an ego detects after fusion under a scheme; the result of a user's scheme is checked.

    Raises:
        PartError: If a user's scheme raises an exception or returns anything but valid fused objects.
    """
    fused: FusedObjects = ask(scheme, "fuse", view)
    if scheme.file is None:
        return fused
    if not isinstance(fused, FusedObjects):
        raise wrong_answer(
            scheme, "fuse", f"must return v2xsim.gpu.bev.fusion.FusedObjects, got {type(fused).__name__}"
        )
    detections_from(scheme, "fuse", fused.detections, view.agent, "detections.")
    array_from(scheme, "fuse", fused.points, {"objects": len(view.agent)}, "int64", name="points")
    added = len(fused.added_object) if isinstance(fused.added_object, np.ndarray) else 0
    array_from(scheme, "fuse", fused.added_m, {"points": added, "columns": 3}, name="added_m")
    array_from(scheme, "fuse", fused.added_object, {"points": added}, "int64", name="added_object")
    array_from(scheme, "fuse", fused.added_source, {"points": added}, "int64", name="added_source")
    return fused
