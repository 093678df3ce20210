"""The interface of detectors: a detector reports road users from lidar points.

The built-in detector is `visibility_model`: it detects a road user with a probability that depends on its points.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int64

from v2xsim.part_answers import detections_from
from v2xsim.parts import Kind, Part
from v2xsim.plugins import ask
from v2xsim.records import Boxes, Detections, PerceptionMatrix


@dataclass(frozen=True)
class DetectorView:
    """Input of a detector: one frame of one station, alone or after points received from others were added.

    Positions are in world coordinates by the station's own estimate of its pose, so they all contain its error of
    position and heading.

    Attributes:
        objects: Bounding boxes of all road users where this station would place them: shifted by its own pose error, as
            its lidar points are. Road users without any point are included too, although a real detector could not know
            of them.
        agent: Identity of the road user of each box. A detector must only copy it to `truth`, which metrics read.
        points: Number of lidar points on each road user.
        cloud: Function that returns all lidar points of the frame.
        places: Function that returns the centres of the cells that the station observed; false positives may appear
            there.
        object_draws: Function that returns n uniform random numbers in (0, 1) for each road user; for the same frame
            they are always the same.
        frame_draws: Function that returns rows x n uniform random numbers in (0, 1); for the same frame they are always
            the same.
        row_draws: Function that returns the rows of `object_draws(n)` of the road users in given rows.
    """

    objects: Boxes
    agent: Int64[np.ndarray, " objects"]
    points: Int64[np.ndarray, " objects"]
    cloud: Callable[[], Float[np.ndarray, "points 3"]]
    places: Callable[[], Float[np.ndarray, "places 2"]]
    object_draws: Callable[[int], Float[np.ndarray, "objects draws"]]
    frame_draws: Callable[[int, int], Float[np.ndarray, "rows draws"]]
    row_draws: Callable[[Int64[np.ndarray, " rows"], int], Float[np.ndarray, "rows draws"]]

    @cached_property
    def cloud_m(self) -> Float[np.ndarray, "points 3"]:
        """All lidar points of the frame, ground and buildings included."""
        return self.cloud()

    @cached_property
    def observed_m(self) -> Float[np.ndarray, "places 2"]:
        """Centres of the cells that the station observed."""
        return self.places()


@dataclass(frozen=True)
class DetectorViews:
    """Input of a detector for several frames at once, with only those road users that have lidar points.

    Attributes:
        frame: Number of the frame of each object, in rising order. A road user is one object in each frame that has points
            on it.
        objects: As in `DetectorView`, for the objects of all frames.
        agent: As in `DetectorView`.
        points: As in `DetectorView`.
        matrices: Perception matrix of each frame; false positives may appear in its observed cells.
        object_draws: Function that returns n uniform random numbers in (0, 1) for each object: those of `DetectorView`.
        frame_draws: Function that returns rows x n uniform random numbers in (0, 1) for each frame: those of
            `DetectorView`.
    """

    frame: Int64[np.ndarray, " objects"]
    objects: Boxes
    agent: Int64[np.ndarray, " objects"]
    points: Int64[np.ndarray, " objects"]
    matrices: Sequence[PerceptionMatrix]
    object_draws: Callable[[int], Float[np.ndarray, "objects draws"]]
    frame_draws: Callable[[int, int], Float[np.ndarray, "frames rows draws"]]


class Detector(Part):
    """Base of detectors.

    A built-in detector that needs no cloud may also define `detect_each(views: DetectorViews) -> list[Detections]`: what
    `detect` returns for each of several frames, to the last bit, in one computation for all (`Part.does_many`).
    """

    kind = Kind("detector", "model", ("detect",), "v2xsim.perception.detection")

    def detect(self, view: DetectorView) -> Detections:
        """Return the detections, in the same coordinates as the view, with velocities of zero and scores from 0 to 1."""
        raise NotImplementedError


def detections_of(detector: Detector, view: DetectorView) -> Detections:
    """Return the detections of a detector; the result of a user's detector is checked.

    Raises:
        PartError: If a user's detector raises an exception or returns anything but valid detections.
    """
    return detections_from(detector, "detect", ask(detector, "detect", view), view.agent)


def detections_of_each(detector: Detector, views: DetectorViews) -> list[Detections]:
    """Return the detections of a built-in detector in several frames; for a detector that has the method `detect_each`."""
    each: list[Detections] = ask(detector, "detect_each", views)
    return each
