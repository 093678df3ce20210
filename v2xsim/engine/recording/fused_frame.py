"""One ego frame after fusion, with all data that the recording of the run needs."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from v2xsim.engine.cooperation.blind_zone import BlindZone
from v2xsim.engine.cooperation.cooperation import Contribution
from v2xsim.engine.cooperation.fusing import Fused
from v2xsim.engine.cooperation.transfers import Transfer
from v2xsim.engine.stations.capture import Capture
from v2xsim.engine.stations.frame import Frame
from v2xsim.engine.stations.neighbours import AnnouncedMatrices
from v2xsim.engine.stations.own_tracks import TracksAt
from v2xsim.evaluation.coverage import HeldMatrices
from v2xsim.evaluation.ego_frames import EgoFrames, in_both_modes, users_of
from v2xsim.evaluation.scoring import Egos
from v2xsim.perception.tracking.station_tracks import together
from v2xsim.perception.tracking.tracker import Tracks
from v2xsim.records import Boxes, DetectionGroups, Detections
from v2xsim.spatial.poses import all_believed_from_true, moved_by_each
from v2xsim.world.hidden_speeds import top_speeds_mps


@dataclass(frozen=True)
class FusedFrame:
    """An ego's frame before and after fusion, and the truth behind it.

    Attributes:
        ego: The ego's own frame, before fusion.
        capture: The truth behind that frame.
        fuse_us: Time of the fusion.
        result: The frame after fusion.
        contributions: Data of helpers that was fused.
        transfers: Requests for this frame and the answers to them.
        known: Number of stations that the ego knows from announcements.
        announced: Vehicles that the ego knows from announcements.
        tracks_at: Tracks of stations from their own detections alone, and the row of the ego among them.
        blind_zone: Cells that the ego's own lidars did not see.
        held_at: Announced matrices that egos hold at the fusion, and the row of the ego among these egos.
    """

    ego: Frame
    capture: Capture
    fuse_us: int
    result: Fused
    contributions: list[Contribution]
    transfers: list[Transfer]
    known: int
    announced: Detections
    tracks_at: TracksAt
    blind_zone: BlindZone
    held_at: tuple[AnnouncedMatrices, int]

    @property
    def own_tracks(self) -> Tracks:
        """The ego's tracks from its own detections alone."""
        tracks, row = self.tracks_at
        return tracks[row]

    @property
    def apparent(self) -> Boxes:
        """True bodies of road users, shifted by the error of the ego's pose: the places where the ego would see them."""
        return self.capture.apparent


def ego_frames_of(frames: Sequence[FusedFrame], stations: Int64[np.ndarray, " stations"]) -> EgoFrames:
    """Return the part of some egos' frames of one tick that the evaluation takes.

    Args:
        frames: The frames.
        stations: Agent id of each station at their capture.
    """
    captures, results = [frame.capture for frame in frames], [frame.result for frame in frames]
    own = [frame.ego for frame in frames]
    snapshot = captures[0].snapshot
    position = np.array([capture.pose for capture in captures])
    believed_from_true = all_believed_from_true(np.array([capture.believed for capture in captures]), position)
    center_m, yaw_rad = moved_by_each(snapshot.boxes, believed_from_true)
    egos = Egos(
        np.array([one.agent for one in own], np.int64), position[:, :2].copy(), np.array([one.pose[:2] for one in own]),
        np.array([one.velocity_mps for one in own], np.float64), center_m, yaw_rad,
    )  # fmt: skip
    return EgoFrames(
        own[0].time_us,
        users_of(
            snapshot.agent, snapshot.boxes, snapshot.velocity_mps, np.isin(snapshot.agent, stations),
            top_speeds_mps(snapshot.kind, snapshot.velocity_mps),
        ),
        egos,
        np.array([capture.points for capture in captures]), np.array([result.points for result in results]),
        in_both_modes([one.detections for one in own], [result.detections for result in results]),
        DetectionGroups.of([frame.announced for frame in frames]), together([frame.tracks_at for frame in frames]),
    )  # fmt: skip


def held_by(frames: Sequence[FusedFrame]) -> HeldMatrices:
    """Return the announced matrices that the egos of some frames, all of one tick, hold at their fusion."""
    held = frames[0].held_at[0]
    lower = np.array([frame.ego.matrix.lower for frame in frames])
    row = np.array([frame.held_at[1] for frame in frames], np.int64)
    if any(frame.held_at[0] is not held for frame in frames):
        raise AssertionError("frames of one tick are collected together")
    codes, lowers = held.stacked
    return HeldMatrices(lower, held.offset[row], held.offset[row + 1], held.matrix, codes, lowers)
