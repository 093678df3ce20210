"""Read-only views of what a station knows: its frames, neighbours and messages, and the fused frames of an ego."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int64

from v2xsim.engine.cooperation.cooperation import Contribution
from v2xsim.engine.recording.fused_frame import FusedFrame
from v2xsim.engine.simulation import Simulation
from v2xsim.engine.stations.contents import NOBODY, Awareness
from v2xsim.engine.stations.frame import Frame
from v2xsim.engine.stations.neighbours import Announced
from v2xsim.gpu.lidar.points import transform
from v2xsim.mobility.base import Names
from v2xsim.perception.tracking.tracker import Tracks
from v2xsim.records import Detections, PerceptionMatrix
from v2xsim.results.listed import Listed
from v2xsim.spatial.poses import pose_matrix
from v2xsim.views.kept import kept, place_text
from v2xsim.views.messages import ReceivedMessage
from v2xsim.views.truth import RoadUsers


class BoxesView:
    """Boxes that a station knows, placed by the pose that it believes, one per row of each array."""

    def __init__(self, boxes: Detections | Tracks) -> None:
        self._source = boxes

    @cached_property
    def center_m(self) -> Float[np.ndarray, "boxes 3"]:
        """Centre of the bottom face of each box."""
        return kept(self._source.boxes.center_m)

    @cached_property
    def size_m(self) -> Float[np.ndarray, "boxes 3"]:
        """Length, width and height."""
        return kept(self._source.boxes.size_m)

    @cached_property
    def yaw_rad(self) -> Float[np.ndarray, " boxes"]:
        """Heading, counter-clockwise from east."""
        return kept(self._source.boxes.yaw_rad)

    @cached_property
    def velocity_mps(self) -> Float[np.ndarray, "boxes 2"]:
        """Velocity over ground; zero if the station has not estimated it."""
        return kept(self._source.velocity_mps)

    @cached_property
    def score(self) -> Float[np.ndarray, " boxes"]:
        """Confidence, 0 to 1."""
        return kept(self._source.score)

    def __len__(self) -> int:
        return len(self._source)

    def __repr__(self) -> str:
        return f"<{len(self)} boxes>"


class DetectionsView(BoxesView):
    """Road users that a station detected in one frame."""

    def __repr__(self) -> str:
        return f"<{len(self)} detections>"


class TracksView(BoxesView):
    """Road users that a station follows over time."""

    def __init__(self, tracks: Tracks) -> None:
        super().__init__(tracks)
        self._tracks = tracks

    @cached_property
    def number(self) -> Int64[np.ndarray, " tracks"]:
        """Number that the station gave each track; not related to names."""
        return kept(self._tracks.track_id)

    @cached_property
    def confirmed(self) -> Bool[np.ndarray, " tracks"]:
        """Whether each track had detections often enough to count as a road user."""
        return kept(self._tracks.confirmed)

    def __repr__(self) -> str:
        return repr(self._tracks)


def _matrix(matrix: PerceptionMatrix) -> PerceptionMatrix:
    return PerceptionMatrix(kept(matrix.lower), matrix.cell_m, kept(matrix.code))


class HeardStation(NamedTuple):
    """What a station measured on the packets of another one.

    Attributes:
        snr_db: Mean SNR of the last packets.
        share: Share of the last announcements that arrived, 0 to 1.
    """

    snr_db: float
    share: float


@dataclass(frozen=True, eq=False)
class Neighbour:
    """A station as another one knows it from its latest announcement.

    Attributes:
        name: Name of the station that announced itself.
        age_s: Age of the announced state by the clock of the station that knows it, clock errors included.
        pose: Announced x, y, z in metres and yaw in radians.
        velocity_mps: Announced velocity over ground.
        size_m: Announced length, width and height; zeros for a roadside unit.
        matrix: The newest of its perception matrices that arrived, which may have come with an earlier announcement
            (`cooperation.matrix.interval_ms`); None if it has no lidar, if none arrived, or if it is too old.
        matrix_age_s: Age of the state that it announced with this matrix, by the same clock; None without a matrix.
        wants_data: Whether the station asks others for data.
        heard: What the station announced of the stations that it heard itself, by name.
    """

    name: str
    age_s: float
    pose: Float[np.ndarray, " 4"]
    velocity_mps: Float[np.ndarray, " 2"]
    size_m: Float[np.ndarray, " 3"]
    matrix: PerceptionMatrix | None
    matrix_age_s: float | None
    wants_data: bool
    heard: Mapping[str, HeardStation]

    def __repr__(self) -> str:
        matrix = "no matrix" if self.matrix is None else "with a matrix"
        return f"<{self.name}, {self.age_s:.3f} s ago at {place_text(self.pose)}, {matrix}>"

    @staticmethod
    def of(announced: Announced, seen: Awareness | None, names: Names, own_clock_us: int) -> "Neighbour":
        """Return a station as its announcement describes it; `seen` is the one that brought its matrix, None for no matrix."""
        said = announced.awareness
        heard = zip(said.heard.agent.tolist(), said.heard.snr_db.tolist(), said.heard.share.tolist(), strict=True)
        return Neighbour(
            names.name_of(said.origin), (own_clock_us - said.stamp_us) / 1e6, kept(said.pose), kept(said.velocity_mps),
            kept(said.size_m), None if seen is None or seen.matrix is None else _matrix(seen.matrix),
            None if seen is None else (own_clock_us - seen.stamp_us) / 1e6, said.wants_data,
            MappingProxyType(Listed({names.name_of(agent): HeardStation(*measured) for agent, *measured in heard})),
        )  # fmt: skip


class OwnFrame:
    """The newest frame of a station's own lidars whose detection is finished.

    Attributes:
        time_s: Time of the capture.
        pose: x, y, z in metres and yaw in radians that the station believed at the capture.
        detections: Road users that the station detected in it.
        tracks: Road users that the station follows by its own detections; None if it follows none: only egos do, and, where
            boxes are shared (fusion `late` and `cpm`), all stations with a lidar.
        matrix: The station's perception matrix.
    """

    def __init__(self, frame: Frame, tracks: Tracks | None) -> None:
        self.time_s = frame.time_us / 1e6
        self.pose = kept(frame.pose)
        self.detections = DetectionsView(frame.detections)
        self.tracks = None if tracks is None else TracksView(tracks)
        self.matrix = _matrix(frame.matrix)
        self._frame = frame

    @cached_property
    def points_m(self) -> Float[np.ndarray, "points 3"]:
        """Lidar returns in the world frame, placed by the pose that the station believes."""
        return kept(transform(self._frame.points_m, pose_matrix(*self._frame.pose)))

    def __repr__(self) -> str:
        return f"<own frame of {self.time_s:.12g} s: {len(self.detections)} detections>"


@dataclass(frozen=True)
class Helper:
    """A station whose data an ego fused.

    Attributes:
        name: Name of the station.
        relay: Name of the station that forwarded some of its data; None if all of it came directly, or was overheard.
        age_s: Age of its data at the capture of the ego's frame.
        size_bytes: Size of the payload that arrived.
    """

    name: str
    relay: str | None
    age_s: float
    size_bytes: int

    @staticmethod
    def of(item: Contribution, frame: Frame, names: Names) -> "Helper":
        """Return a helper as a station knows it."""
        relay = None if item.came_by == NOBODY else names.name_of(item.came_by)
        return Helper(names.name_of(item.helper), relay, (frame.time_us - item.capture_us) / 1e6, item.received_bytes)


class FusedView:
    """An ego's frame after fusion, as the ego knows it.

    Attributes:
        ego: Name of the ego.
        time_s: Time of the capture.
        fused_s: Time of the fusion.
        believed: x, y, z in metres and yaw in radians that the ego believed at the capture.
        own: The ego's own frame, before fusion.
        detections: Road users detected after fusion.
        helpers: Stations whose data was fused.
        matrix: Perception matrix after fusion.
    """

    def __init__(self, frame: FusedFrame, names: Names) -> None:
        ego, result = frame.ego, frame.result
        self.ego, self.time_s, self.fused_s = names.name_of(ego.agent), ego.time_us / 1e6, frame.fuse_us / 1e6
        self.own = OwnFrame(ego, frame.own_tracks)
        self.believed = self.own.pose
        self.detections = DetectionsView(result.detections)
        self.helpers = tuple(Helper.of(item, ego, names) for item in frame.contributions)
        self.matrix = _matrix(PerceptionMatrix(ego.matrix.lower, ego.matrix.cell_m, result.code))
        self._fused, self._names = result, names

    @cached_property
    def received_m(self) -> Float[np.ndarray, "points 3"]:
        """Received lidar points in the world frame."""
        return kept(self._fused.added_m)

    @cached_property
    def received_from(self) -> tuple[str, ...]:
        """Name of the station whose lidar captured each received point."""
        return tuple(self._names.name_of(agent) for agent in self._fused.added_source.tolist())

    def __repr__(self) -> str:
        return f"<fused frame of {self.ego} at {self.time_s:.12g} s: {len(self.detections)} detections, {len(self.helpers)} helpers>"


class FrameView(FusedView):
    """A fused frame with the truth behind it, for a program that evaluates frames.

    Attributes:
        road_users: All road users at the capture, as they truly were.
        pose: True x, y, z in metres and yaw in radians of the ego at the capture.
    """

    def __init__(self, frame: FusedFrame, names: Names) -> None:
        super().__init__(frame, names)
        self.road_users = RoadUsers(frame.capture.snapshot, names)
        self.pose = kept(frame.capture.pose)


@dataclass(frozen=True, eq=False)
class KnowledgeView:
    """What one station knows at an instant. Nothing in it comes from the truth.

    Attributes:
        name: Name of the station.
        time_s: Time of the instant.
        clock_s: The same time on the station's own clock.
        pose: x, y, z in metres and yaw in radians that the station believes at the last tick.
        velocity_mps: Its velocity over ground.
        is_ego: Whether it is an ego. Only egos fuse data; without relays, only they keep announcements.
        own_frame: Its newest frame whose detection is finished; None without a lidar, and before the first detection.
        neighbours: Stations that announced themselves and are not forgotten yet, by name; always empty if it keeps no announcements.
        heard_snr_db: Mean SNR of the stations of which it heard a packet lately, by name.
        heard_share: Share of the last announcements of these stations that arrived, by name, 0 to 1; silence counts as loss.
        fused: Its latest fused frame; None before the first one, for stations that are no egos, and after a long absence until the next one.
        inbox: Messages that arrived since the step before, in the order of arrival. With `cooperation.transport`
            synchronous, only messages of your own program.
    """

    name: str
    time_s: float
    clock_s: float
    pose: Float[np.ndarray, " 4"]
    velocity_mps: Float[np.ndarray, " 2"]
    is_ego: bool
    own_frame: OwnFrame | None
    neighbours: Mapping[str, Neighbour]
    heard_snr_db: Mapping[str, float]
    heard_share: Mapping[str, float]
    fused: FusedView | None
    inbox: tuple[ReceivedMessage, ...]

    @property
    def detections(self) -> DetectionsView:
        """Road users that the station detected in its own frame; none without a frame."""
        return DetectionsView(Detections.none()) if self.own_frame is None else self.own_frame.detections

    @property
    def tracks(self) -> TracksView | None:
        """Road users that the station follows by its own detections; None if it follows none."""
        return None if self.own_frame is None else self.own_frame.tracks

    @property
    def matrix(self) -> PerceptionMatrix | None:
        """The station's own perception matrix; None without a frame."""
        return None if self.own_frame is None else self.own_frame.matrix

    def __repr__(self) -> str:
        return (
            f"<{self.name} at {self.time_s:.12g} s knows {len(self.detections)} detections, {len(self.neighbours)} neighbours, "
            f"{len(self.inbox)} messages>"
        )


def knowledge_of(simulation: Simulation, agent: int, names: Names) -> KnowledgeView:
    """Return what a station knows now.

    Args:
        simulation: The simulation.
        agent: Agent id of a station at the last tick.
        names: Names of all road users and roadside units.
    """
    stations, states, now_us = simulation.stations, simulation.instant.states, simulation.clock.now_us
    row = states.index(agent)
    own_clock_us = now_us + int(states.stamp_us[row]) - states.time_us
    frame = stations.detected_frame(agent, now_us) if states.lidars[row] else None
    announced = [item for item in stations.neighbours.known_by(agent) if now_us - item.arrived_us <= stations.forget_us]
    neighbours = [
        Neighbour.of(item, stations.neighbours.seen_by(item, now_us), names, own_clock_us) for item in announced
    ]
    heard = {names.name_of(sender): measured for sender, measured in stations.heard_by(agent, now_us).items()}
    fused = simulation.latest_fused.get(agent)
    return KnowledgeView(
        name=names.name_of(agent), time_s=now_us / 1e6, clock_s=own_clock_us / 1e6, pose=kept(states.pose[row]),
        velocity_mps=kept(states.velocity_mps[row]), is_ego=bool(states.ego[row]),
        own_frame=None if frame is None else OwnFrame(frame, simulation.tracks.known_of(frame)),
        neighbours=MappingProxyType(Listed({item.name: item for item in neighbours})),
        heard_snr_db=MappingProxyType(Listed({name: snr_db for name, (snr_db, _) in heard.items()})),
        heard_share=MappingProxyType(Listed({name: share for name, (_, share) in heard.items()})),
        fused=None if fused is None else FusedView(fused, names),
        inbox=tuple(ReceivedMessage.of(arrival, names) for arrival in simulation.inboxes.of(agent)),
    )  # fmt: skip
