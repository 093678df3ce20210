"""The interface of detectors: a detector reports road users from lidar points.

The built-in detector, with its probability of detection, is `visibility_model`.
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

    Positions are in the world as the station believes it: all of them have its error of position and heading.

    Attributes:
        objects: Bodies of all road users, at the positions where the points on them appear; also of those without a
            point, which no real lidar would show.
        agent: Identity of each body. A detector copies it to `truth`, for metrics, and must not use it otherwise.
        points: Number of lidar points on each body.
        cloud: Returns all lidar points of the frame.
        places: Returns the centres of the cells that the station observed; false positives may appear there.
        object_draws: Returns n uniform numbers in (0, 1) for each body; always the same ones for the same frame.
        frame_draws: Returns rows x n uniform numbers in (0, 1); always the same ones for the same frame.
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
        """Return the detections in the frame of the view's positions, with velocities of zero and scores from 0 to 1."""
        raise NotImplementedError


def detections_of(detector: Detector, view: DetectorView) -> Detections:
    """Return the detections of a detector; the result of a user's detector is checked.

    Raises:
        PartError: If a user's detector raises an exception or returns anything but valid detections.
    """
    return detections_from(detector, "detect", ask(detector, "detect", view), view.agent)
