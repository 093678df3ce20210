"""What a detector is: it reports the bodies that lidar points lie on."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int64

from v2xsim.part_answers import array_from
from v2xsim.parts import Kind, Part
from v2xsim.plugins import ask, wrong_answer
from v2xsim.records import Boxes, Detections


@dataclass(frozen=True)
class DetectorView:
    """One frame of one station, alone or after received points were added.

    Positions are in the world as the station believes it: its own error of position and heading is in all of them.

    Attributes:
        objects: Bodies of all road users where the points on them put them.
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
    return checked_detections(detector, "detect", ask(detector, "detect", view), view.agent)


def checked_detections(part: Part, method: str, found: object, agent: Int64[np.ndarray, " objects"]) -> Detections:
    """Return detections from a part if their arrays fit each other and name only road users that are there.

    Raises:
        PartError: If they are a user's part's and do not.
    """
    if part.file is not None:
        if not isinstance(found, Detections) or not isinstance(found.boxes, Boxes):
            raise wrong_answer(part, method, f"must return v2xsim.records.Detections, got {type(found).__name__}")
        rows = len(found.score) if isinstance(found.score, np.ndarray) else 0
        for name, array, columns in (
            ("score", found.score, 0), ("velocity_mps", found.velocity_mps, 2), ("boxes.center_m", found.boxes.center_m, 3),
            ("boxes.size_m", found.boxes.size_m, 3), ("boxes.yaw_rad", found.boxes.yaw_rad, 0),
        ):  # fmt: skip
            axes = {"detections": rows} | ({"columns": columns} if columns else {})
            array_from(part, f"{method}: {name}", array, axes)
        array_from(part, f"{method}: truth", found.truth, {"detections": rows}, "int64")
        if rows and not (0.0 <= found.score.min() <= found.score.max() <= 1.0):
            raise wrong_answer(
                part, method, f"must return scores from 0 to 1, got {found.score.min():g} to {found.score.max():g}"
            )
        if not np.isin(found.truth, np.append(agent, -1)).all():
            raise wrong_answer(
                part, method, "must return as truth identities of the view's road users, or -1 for a false positive"
            )
    assert isinstance(found, Detections)
    return found
