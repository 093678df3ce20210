"""The interface of fusion schemes.

A fusion scheme defines what helpers send to an ego, and how the ego fuses the data that arrived by its deadline.
"""

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
from v2xsim.records import BY_PLACE, Boxes, Detections


class Share(Enum):
    """Kind of data that helpers send under a fusion scheme."""

    NOTHING = "none"
    POINTS = "lidar points"
    """Thinned lidar points in the cells that the ego requests."""
    FRAMES = "whole lidar frames"
    """All lidar points as captured, even if they exceed the byte budget."""
    BOXES = "boxes"
    """Detected boxes with velocities, in the cells that the ego requests."""
    REPORTS = "collective perception messages"
    """Detected boxes, broadcast without requests."""
    MATRICES = "announced matrices"
    """Nothing besides the announcements, whose matrices egos fuse as they are."""

    @property
    def sends_nothing(self) -> bool:
        """Whether stations send nothing besides announcements."""
        return self in (Share.NOTHING, Share.MATRICES)

    @property
    def asked_for(self) -> bool:
        """Whether helpers send this kind of data only on request of an ego."""
        return self in (Share.POINTS, Share.FRAMES, Share.BOXES)

    @property
    def fills_matrix(self) -> bool:
        """Whether this data tells the ego which cells others observed: answers and announced matrices do, reports do not."""
        return self.asked_for or self is Share.MATRICES

    @property
    def is_boxes(self) -> bool:
        """Whether this kind of data consists of boxes with velocities."""
        return self in (Share.BOXES, Share.REPORTS)


@dataclass(frozen=True)
class Received:
    """Data that arrived from one helper; parts lost on the way are missing.

    Attributes:
        station: Identity of the helper.
        age_s: Age of the data at the ego's capture: capture time by the ego's clock minus capture time by the helper's
            clock, so the clock errors of both stations are included.
        points_m: Lidar points in world coordinates, computed with the helper's own estimate of its pose; empty if boxes
            are sent.
        object_id: Identity of the road user that each point lies on; -1 for ground, -2 for a building. Fusion schemes
            must leave these identities to the visibility model and metrics.
        detections: Boxes with velocities in world coordinates, computed with the helper's own estimate of its pose;
            empty if points are sent.
        locate: Function that returns the position of each road user of the view at the capture time, by the helper's
            own estimate of its pose, and whether the road user was present then.
    """

    station: int
    age_s: float
    points_m: Float[np.ndarray, "points 3"]
    object_id: Int64[np.ndarray, " points"]
    detections: Detections
    locate: Callable[[], tuple[Float[np.ndarray, "objects 3"], Bool[np.ndarray, " objects"]]]

    @cached_property
    def located(self) -> tuple[Float[np.ndarray, "objects 3"], Bool[np.ndarray, " objects"]]:
        """Position at which the helper would place each road user, and whether the road user was present at the capture time."""
        return self.locate()


class Detect(Protocol):
    """Function that runs the detector of the scenario again on an ego's frame."""

    def __call__(
        self,
        objects: Boxes,
        points: Int64[np.ndarray, " objects"],
        added_m: Float[np.ndarray, "points 3"] | None = None,
    ) -> Detections:
        """Return the detections for given positions of the road users and numbers of points.

        Args:
            objects: Bounding boxes of the road users, at the positions where their points appear.
            points: Number of lidar points on each road user.
            added_m: Received points to use, in world coordinates (None for all that arrived).
        """


def _nowhere(place_m: Float[np.ndarray, "places 2"]) -> Float[np.ndarray, " places"]:
    return np.full(len(place_m), np.nan)


@dataclass(frozen=True)
class Told:
    """What announcements tell an ego of cells that it did not observe itself; only for schemes with `Share.MATRICES`.

    Attributes:
        code: Code of each cell of the ego's matrix in the announced matrices; UNOBSERVED where the ego observed it, or none of them did.
        is_open: Whether each cell is away from the buildings of the map. In the others, an occupied cell may be a wall.
        announced: Vehicles that the ego knows from their announcements, extrapolated to its capture.
        road_yaw_rad: Function that returns the direction of the road of the map at some positions; NaN away from roads.
    """

    code: UInt8[np.ndarray, "nx ny"]
    is_open: Bool[np.ndarray, "nx ny"]
    announced: Detections
    road_yaw_rad: Callable[[Float[np.ndarray, "places 2"]], Float[np.ndarray, " places"]]

    @staticmethod
    def nothing() -> "Told":
        """Return what an ego is told under a scheme that fuses no announced matrices."""
        return Told(np.zeros((0, 0), np.uint8), np.zeros((0, 0), bool), Detections.none(), _nowhere)


@dataclass(frozen=True)
class FusionView:
    """Input of a fusion scheme: one frame of an ego, and the data that arrived for it.

    Positions are in world coordinates by the ego's own estimate of its pose.

    Attributes:
        ego: Identity of the ego.
        pose: The ego's x, y, z and yaw, by its own estimate.
        size_m: Length, width and height of the ego's own body; zeros for a roadside unit.
        objects: Bounding boxes of all road users where the ego would place them: shifted by its own pose error, as its
            lidar points are.
        agent: Identity of the road user of each box, in rising order; for the visibility model and metrics.
        own_points: Number of the ego's own lidar points on each road user.
        own_detections: Detections of the ego alone.
        code: The ego's perception matrix, with the helpers' observations added: 0 unobserved, 1 free, 2 occupied.
        lower: Index in the world grid of cell (0, 0) of the matrix.
        cell_m: Side length of a cell of the matrix.
        received: The data that arrived, with one entry per helper, in rising order of their identities.
        detect: Function that runs the detector of the scenario on boxes and the number of points on each, with the
            random numbers of this frame. A detector that reads the point cloud gets the ego's points and `added_m`; if
            `added_m` is None, it gets all points that arrived.
        own_cloud: Function that returns the ego's own lidar points.
        told: What announcements tell the ego of cells that it did not observe.
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
    told: Told = field(default_factory=Told.nothing)

    @cached_property
    def own_cloud_m(self) -> Float[np.ndarray, "points 3"]:
        """The ego's own lidar points, those on ground and buildings included."""
        return self.own_cloud()


class DetectEach(Protocol):
    """Function that runs the detector of the scenario again on the frames of several egos."""

    def __call__(
        self,
        view: Int64[np.ndarray, " seen"],
        row: Int64[np.ndarray, " seen"],
        objects: Boxes,
        points: Int64[np.ndarray, " seen"],
    ) -> list[Detections]:
        """Return the detections in each frame, for given positions of the road users and numbers of points.

        Args:
            view: Number of the frame of each road user with points, in rising order.
            row: Row of the road user in the views' arrays.
            objects: Its bounding box, at the position where its points appear.
            points: Number of lidar points on it.
        """


@dataclass(frozen=True)
class FusionViews:
    """Input of a fusion scheme that fuses points: the frames of all egos of one tick for which something has arrived.

    Attributes are as in `FusionView` and `Received`, with an element for each frame, or an item for each helper of each frame.

    Attributes:
        ego: Identity of the ego of each frame.
        agent: Identity of each road user, in rising order; the same ones in all frames.
        center_m: Centre of the bounding box of each road user where the ego of each frame would place it.
        size_m: Size of the bounding box of each road user.
        yaw_rad: Heading of the bounding box of each road user where the ego of each frame would place it.
        own_points: Number of the ego's own lidar points on each road user.
        view: Number of the frame of each item, in rising order. Each frame has at least one item.
        station: Identity of the helper of each item.
        end: Number of lidar points of all items up to and including this one.
        points_m: Lidar points of all items, one after the other.
        object_id: Identity of the road user that each point lies on.
        located_m: Position at which the helper would place each road user at its capture time.
        present: Whether the road user was present then.
        detect_each: Function that runs the detector on all frames.
    """

    ego: Int64[np.ndarray, " views"]
    agent: Int64[np.ndarray, " objects"]
    center_m: Float[np.ndarray, "views objects 3"]
    size_m: Float[np.ndarray, "objects 3"]
    yaw_rad: Float[np.ndarray, "views objects"]
    own_points: Int64[np.ndarray, "views objects"]
    view: Int64[np.ndarray, " items"]
    station: Int64[np.ndarray, " items"]
    end: Int64[np.ndarray, " items"]
    points_m: Float[np.ndarray, "points 3"]
    object_id: Int64[np.ndarray, " points"]
    located_m: Float[np.ndarray, "items objects 3"]
    present: Bool[np.ndarray, "items objects"]
    detect_each: DetectEach


def _no_points() -> Float[np.ndarray, "points 3"]:
    return np.zeros((0, 3))


def _no_rows() -> Int64[np.ndarray, " points"]:
    return np.zeros(0, np.int64)


@dataclass(frozen=True)
class FusedObjects:
    """What an ego detects after fusion, in world coordinates by the ego's own estimate of its pose.

    Attributes:
        detections: Detections after fusion.
        points: Number of lidar points on each road user, received points included; for metrics.
        added_m: Received points, used only for pictures.
        added_object: Identity of the object that each received point lies on.
        added_source: Identity of the station whose lidar measured each received point.
    """

    detections: Detections
    points: Int64[np.ndarray, " objects"]
    added_m: Float[np.ndarray, "points 3"] = field(default_factory=_no_points)
    added_object: Int64[np.ndarray, " points"] = field(default_factory=_no_rows)
    added_source: Int64[np.ndarray, " points"] = field(default_factory=_no_rows)


class FusionScheme(Part):
    """Base of fusion schemes.

    A built-in scheme that fuses points may also define `fuse_each(views: FusionViews) -> list[FusedObjects]`: what `fuse`
    returns for each of several frames, to the last bit, in one computation for all (`Part.does_many`). With such a scheme, a
    frame for which nothing has arrived stays as it was.

    Attributes:
        shares: Kind of data that helpers send.
    """

    kind = Kind("fusion scheme", "scheme", ("fuse",), "v2xsim.gpu.bev.fusion")
    shares: ClassVar[Share] = Share.BOXES

    @property
    def thinned_to_m(self) -> Annotated[float, Above(0)]:
        """Side length in metres of the cubes in which shared points are thinned to one point."""
        return 0.3

    def fuse(self, view: FusionView) -> FusedObjects:
        """Return what the ego detects with the data that arrived."""
        raise NotImplementedError


def fused_of_each(scheme: FusionScheme, views: FusionViews) -> list[FusedObjects]:
    """Return what several egos detect after fusion under a built-in scheme that has the method `fuse_each`."""
    fused: list[FusedObjects] = ask(scheme, "fuse_each", views)
    return fused


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
    detections_from(scheme, "fuse", fused.detections, view.agent, "detections.", (-1, BY_PLACE))
    array_from(scheme, "fuse", fused.points, {"objects": len(view.agent)}, "int64", name="points")
    added = len(fused.added_object) if isinstance(fused.added_object, np.ndarray) else 0
    array_from(scheme, "fuse", fused.added_m, {"points": added, "columns": 3}, name="added_m")
    array_from(scheme, "fuse", fused.added_object, {"points": added}, "int64", name="added_object")
    array_from(scheme, "fuse", fused.added_source, {"points": added}, "int64", name="added_source")
    return fused
