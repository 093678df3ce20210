"""The truth behind each frame: what sensor models and metrics read, and no decision of a station."""

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
from jaxtyping import Float, Int64

from v2xsim.engine.stations.frame import Frame
from v2xsim.records import Boxes
from v2xsim.spatial.poses import inverse, pose_matrix
from v2xsim.streams import Streams
from v2xsim.world.snapshot import Snapshot


class DetectorDraws:
    """Uniform random numbers of the detector for one frame, keyed by station, time and road user: the draws of a road user do not depend on who else is there."""

    def __init__(self, streams: Streams, station: int, time_us: int, agent: Int64[np.ndarray, " agents"]) -> None:
        self._streams, self._station, self._time_us, self._agent = streams, station, time_us, agent
        # A detector runs twice on a frame, alone and after fusion, and must meet the same chance both times.
        self._drawn: dict[tuple[str, int, int], Float[np.ndarray, "rows draws"]] = {}

    def of_objects(self, count: int) -> Float[np.ndarray, "agents draws"]:
        """Return `count` numbers for each road user."""
        key = ("detector", 0, count)
        if key not in self._drawn:
            self._drawn[key] = self._streams.uniforms(
                "detector", self._station, self._time_us, self._agent, count=count
            )
        return self._drawn[key]

    def of_frame(self, rows: int, count: int) -> Float[np.ndarray, "rows draws"]:
        """Return `rows` rows of `count` numbers."""
        key = ("clutter", rows, count)
        if key not in self._drawn:
            self._drawn[key] = self._streams.uniforms(
                "clutter", self._station, self._time_us, np.arange(rows), count=count
            )
        return self._drawn[key]


@dataclass(frozen=True)
class Capture:
    """The true world around one frame.

    Attributes:
        pose: True x, y, z, yaw of the station.
        believed: The same as the station believes it.
        snapshot: All road users at the capture.
        object_id: What each lidar return hit: an agent, GROUND or BUILDING.
        points: Lidar returns on each road user of the snapshot.
        draws: Random numbers of the detector.
    """

    pose: Float[np.ndarray, " 4"]
    believed: Float[np.ndarray, " 4"]
    snapshot: Snapshot
    object_id: Int64[np.ndarray, " points"]
    points: Int64[np.ndarray, " agents"]
    draws: DetectorDraws

    @property
    def believed_from_true(self) -> Float[np.ndarray, "4 4"]:
        """Transform from the true world to the world as this station believes it."""
        return pose_matrix(*self.believed) @ inverse(pose_matrix(*self.pose))

    @property
    def apparent(self) -> Boxes:
        """Bodies of all road users where the station would place them: moved by its own error of pose."""
        return moved_boxes(self.snapshot.boxes, self.believed_from_true)


class Captures:
    """The capture behind each frame, for as long as some station, message or record holds the frame."""

    def __init__(self) -> None:
        self._behind: WeakKeyDictionary[Frame, Capture] = WeakKeyDictionary()

    def put(self, frame: Frame, capture: Capture) -> None:
        """Remember the truth behind a frame."""
        self._behind[frame] = capture

    def __getitem__(self, frame: Frame) -> Capture:
        return self._behind[frame]


def moved_boxes(boxes: Boxes, target_from_source: Float[np.ndarray, "4 4"]) -> Boxes:
    """Return upright boxes under a transform that only turns about z and shifts."""
    turn = np.arctan2(target_from_source[1, 0], target_from_source[0, 0])
    center = boxes.center_m @ target_from_source[:3, :3].T + target_from_source[:3, 3]
    return Boxes(center, boxes.size_m, boxes.yaw_rad + turn)
