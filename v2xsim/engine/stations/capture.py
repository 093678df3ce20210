"""The truth behind each frame. Sensor models and metrics read it; no decision of a station does."""

from collections.abc import Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
from jaxtyping import Float, Int32, Int64, UInt64

from v2xsim.engine.stations.frame import Frame
from v2xsim.records import Boxes
from v2xsim.spatial.poses import all_believed_from_true, believed_from_true, moved_boxes
from v2xsim.streams import Streams, uniforms_from
from v2xsim.world.snapshot import Snapshot


class DetectorDraws:
    """Uniform random numbers in (0, 1) of the detector for one frame.

    The numbers are keyed by station, time and road user, so that the draws of a road user do not depend on which others
    exist.
    """

    def __init__(self, streams: Streams, station: int, time_us: int, agent: Int64[np.ndarray, " agents"]) -> None:
        self.streams, self.time_us, self._agent = streams, time_us, agent
        self.station_key = streams.agent_key(station)
        # A detector runs twice on a frame, alone and after fusion, and must get the same random numbers both times.
        self._drawn: dict[tuple[str, int, int], Float[np.ndarray, "rows draws"]] = {}

    def of_objects(self, count: int) -> Float[np.ndarray, "agents draws"]:
        """Return `count` random numbers for each road user."""
        key = ("detector", 0, count)
        if key not in self._drawn:
            self._drawn[key] = self._of_agents(self._agent, count)
        return self._drawn[key]

    def of_rows(self, rows: Int64[np.ndarray, " rows"], count: int) -> Float[np.ndarray, "rows draws"]:
        """Return the rows of `of_objects(count)` of some road users; the numbers of the others are not computed."""
        return self._of_agents(self._agent[rows], count)

    def _of_agents(self, agent: Int64[np.ndarray, " rows"], count: int) -> Float[np.ndarray, "rows draws"]:
        return self.streams.uniforms(
            "detector", self.station_key, self.time_us, self.streams.agent_keys(agent), count=count
        )

    def of_frame(self, rows: int, count: int) -> Float[np.ndarray, "rows draws"]:
        """Return `rows` rows of `count` random numbers that belong to no road user, such as for false positives."""
        key = ("clutter", rows, count)
        if key not in self._drawn:
            self._drawn[key] = self.streams.uniforms(
                "clutter", self.station_key, self.time_us, np.arange(rows), count=count
            )
        return self._drawn[key]


def _keys(draws: Sequence[DetectorDraws], name: str) -> UInt64[np.ndarray, " frames"]:
    """Return the random key of each frame for the draws of road users (`detector`) or those of the frame (`clutter`)."""
    return draws[0].streams.keys(name, [(one.station_key, one.time_us) for one in draws])


def draws_of_rows(
    draws: Sequence[DetectorDraws], frame: Int64[np.ndarray, " rows"], agent: Int64[np.ndarray, " rows"], count: int
) -> Float[np.ndarray, "rows draws"]:
    """Return `count` random numbers for a road user of a frame in each row, as `DetectorDraws.of_rows` does for one frame.

    Args:
        draws: Random numbers of each frame.
        frame: Number of the frame in each row.
        agent: Agent id of the road user.
        count: Random numbers per row.
    """
    return uniforms_from(_keys(draws, "detector")[frame], draws[0].streams.agent_keys(agent), count=count)


def draws_of_frames(draws: Sequence[DetectorDraws], rows: int, count: int) -> Float[np.ndarray, "frames rows draws"]:
    """Return what `DetectorDraws.of_frame(rows, count)` returns, for several frames."""
    numbers = uniforms_from(np.repeat(_keys(draws, "clutter"), rows), np.tile(np.arange(rows), len(draws)), count=count)
    return numbers.reshape(len(draws), rows, count)


@dataclass(frozen=True)
class Capture:
    """The true state of the world when a frame was captured.

    Attributes:
        pose: True x, y, z (metres) and yaw (radians) of the station.
        believed: x, y, z and yaw of the station as the station itself believes them.
        snapshot: True state of all road users at the capture.
        object_id: Object that each lidar return hit: the agent id of a road user, GROUND or BUILDING.
        points: Number of lidar returns on each road user of the snapshot.
        draws: Random numbers of the detector.
    """

    pose: Float[np.ndarray, " 4"]
    believed: Float[np.ndarray, " 4"]
    snapshot: Snapshot
    object_id: Int32[np.ndarray, " points"]
    points: Int64[np.ndarray, " agents"]
    draws: DetectorDraws

    @property
    def believed_from_true(self) -> Float[np.ndarray, "4 4"]:
        """Transform that moves a true position to the position that the station would measure, given its pose error."""
        return believed_from_true(self.believed, self.pose)

    @property
    def apparent(self) -> Boxes:
        """Bodies of all road users where the station would place them: moved by the error of its own pose."""
        return moved_boxes(self.snapshot.boxes, self.believed_from_true)


def believed_from_true_of(captures: Sequence[Capture]) -> Float[np.ndarray, "captures 4 4"]:
    """Return `Capture.believed_from_true` of each of several captures."""
    if not captures:
        return np.zeros((0, 4, 4))
    return all_believed_from_true(
        np.array([one.believed for one in captures]), np.array([one.pose for one in captures])
    )


class Captures:
    """The capture behind each frame; it is kept as long as any station, message or record holds the frame."""

    def __init__(self) -> None:
        self._behind: WeakKeyDictionary[Frame, Capture] = WeakKeyDictionary()

    def put(self, frame: Frame, capture: Capture) -> None:
        """Store the truth behind a frame."""
        self._behind[frame] = capture

    def __getitem__(self, frame: Frame) -> Capture:
        return self._behind[frame]
