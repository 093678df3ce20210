"""The ego frames of one tick with all that their evaluation needs, as arrays with one row for each ego."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int64

from v2xsim.evaluation.scene import Scene
from v2xsim.evaluation.scoring import Egos, Users
from v2xsim.perception.matching.relevance import OTHER_SPEED_MPS
from v2xsim.perception.tracking.tracker import Tracks
from v2xsim.records import Boxes, DetectionGroups, Detections


@dataclass(frozen=True, eq=False)
class EgoFrames:
    """The ego frames of one tick; detections and tracks are placed by the pose that the ego believes.

    Attributes:
        time_us: True time of the capture.
        users: The true road users, which are the same around all egos.
        egos: The egos, and the road users where each would place them.
        own_points: Number of returns of each ego's own lidars on each road user.
        fused_points: Number of lidar returns on each road user, received returns included.
        found: Detections of each ego alone, and after fusion: groups 2 e and 2 e + 1.
        announced: Vehicles that each ego knew from their announcements, extrapolated to the capture.
        own_tracks: Tracks of each ego alone, after these detections.
    """

    time_us: int
    users: Users
    egos: Egos
    own_points: Int64[np.ndarray, "egos agents"]
    fused_points: Int64[np.ndarray, "egos agents"]
    found: DetectionGroups
    announced: DetectionGroups
    own_tracks: Sequence[Tracks]

    def __len__(self) -> int:
        """Return the number of ego frames."""
        return len(self.egos.agent)

    @staticmethod
    def of(
        scenes: Sequence[Scene], own: Sequence[Detections], fused: Sequence[Detections], announced: Sequence[Detections],
        own_tracks: Sequence[Tracks], fused_points: Sequence[Int64[np.ndarray, " agents"]],
        announces: Bool[np.ndarray, " agents"] | None = None, top_speed_mps: Float[np.ndarray, " agents"] | None = None,
    ) -> "EgoFrames":  # fmt: skip
        """Return the frames of one or several egos, given the truth around each and what each perceives.

        Args:
            scenes: The truth around each ego, all with the same road users.
            own: Detections of each ego alone.
            fused: Detections of each ego after fusion.
            announced: As the attribute, for each ego.
            own_tracks: As the attribute, for each ego.
            fused_points: As the attribute, for each ego.
            announces: Whether each road user has a radio; None for nobody.
            top_speed_mps: Highest speed that each road user may soon have; None for 14 m/s, or its present speed if that is higher.
        """
        users, egos = around(scenes, announces, top_speed_mps)
        return EgoFrames(
            scenes[0].time_us, users, egos, np.array([scene.own_points for scene in scenes]), np.array(fused_points),
            in_both_modes(own, fused), DetectionGroups.of(announced), own_tracks,
        )  # fmt: skip


def around(
    scenes: Sequence[Scene], announces: Bool[np.ndarray, " agents"] | None = None,
    top_speed_mps: Float[np.ndarray, " agents"] | None = None,
) -> tuple[Users, Egos]:  # fmt: skip
    """Return the road users and the egos of scenes with the same road users; the other arguments are those of `EgoFrames.of`."""
    scene = scenes[0]
    egos = Egos(
        np.array([scene.ego for scene in scenes], np.int64),
        *(
            _plain(np.array(parts))
            for parts in (
                [scene.ego_m for scene in scenes],
                [scene.believed_ego_m for scene in scenes],
                [scene.ego_velocity_mps for scene in scenes],
                [scene.apparent.center_m for scene in scenes],
                [scene.apparent.yaw_rad for scene in scenes],
            )
        ),
    )
    announces = np.zeros(len(scene.agent), bool) if announces is None else announces
    if top_speed_mps is None:
        top_speed_mps = np.maximum(np.hypot(*scene.velocity_mps.T), OTHER_SPEED_MPS)
    return users_of(scene.agent, scene.boxes, scene.velocity_mps, announces, top_speed_mps), egos


def users_of(
    agent: Int64[np.ndarray, " agents"], boxes: Boxes, velocity_mps: Float[np.ndarray, "agents 2"],
    announces: Bool[np.ndarray, " agents"], top_speed_mps: Float[np.ndarray, " agents"],
) -> Users:  # fmt: skip
    """Return true road users, given agent id, body, velocity over ground, whether it has a radio, and highest speed of each."""
    return Users(
        np.ascontiguousarray(agent, np.int64), np.argsort(agent, kind="stable"), _plain(boxes.center_m), _plain(boxes.size_m),
        _plain(velocity_mps), announces, _plain(top_speed_mps),
    )  # fmt: skip


def in_both_modes(own: Sequence[Detections], fused: Sequence[Detections]) -> DetectionGroups:
    """Return the detections of each ego alone and after fusion: groups 2 e and 2 e + 1."""
    return DetectionGroups.of([part for pair in zip(own, fused, strict=True) for part in pair])


def _plain(array: np.ndarray) -> np.ndarray:
    """Return an array in the layout for which the compiled functions are built."""
    return np.ascontiguousarray(array, np.float64)
