"""What a detector is: it reports the bodies that lidar points lie on.

The built-in one, with the probability that a body is detected, is `visibility_model`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int64

from v2xsim.part_answers import detections_from
from v2xsim.parts import Kind, Part
from v2xsim.plugins import ask
from v2xsim.records import Boxes, Detections


@dataclass(frozen=True)
class DetectorView:
    """One frame of one station, alone or after received points were added.

    Positions are in the world as the station believes it: its own error of position and heading is in all of them.

    Attributes:
        objects: Bodies of all road users where the points on them put them; also of those without a point, which no lidar would know of.
        agent: Identity behind each body; a detector hands it on as `truth`, for metrics, and decides nothing by it.
        points: Lidar points on each body.
        cloud: Returns all lidar points of the frame.
        places: Returns the centres of the cells that the station observed: where a false positive may stand.
        object_draws: Returns so many uniform numbers in (0, 1) for each body; for one frame always the same.
        frame_draws: Returns so many rows and columns of uniform numbers in (0, 1); for one frame always the same.
    """

    objects: Boxes
    agent: Int64[np.ndarray, " objects"]
    points: Int64[np.ndarray, " objects"]
    cloud: Callable[[], Float[np.ndarray, "points 3"]]
    places: Callable[[], Float[np.ndarray, "places 2"]]
    object_draws: Callable[[int], Float[np.ndarray, "objects draws"]]
    frame_draws: Callable[[int, int], Float[np.ndarray, "rows draws"]]

    @cached_property
    def cloud_m(self) -> Float[np.ndarray, "points 3"]:
        """All lidar points of the frame, ground and buildings included."""
        return self.cloud()

    @cached_property
    def observed_m(self) -> Float[np.ndarray, "places 2"]:
        """Centres of the cells that the station observed."""
        return self.places()


class Detector(Part):
    """Base of detectors."""

    kind = Kind("detector", "model", ("detect",), "v2xsim.perception.detection")

    def detect(self, view: DetectorView) -> Detections:
        """Return what is detected, in the frame of the view's positions; velocities are zero, scores from 0 to 1."""
        raise NotImplementedError


def detections_of(detector: Detector, view: DetectorView) -> Detections:
    """Return what a detector reports, checked where it is a user's.

    Raises:
        PartError: If a user's detector raises an exception or returns something else.
    """
    return detections_from(detector, "detect", ask(detector, "detect", view), view.agent)
