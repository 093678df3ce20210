"""Ego frames as rows of tables: what was detected and received (uncut), and the scores in range.

Uncut are `detections`, `hits`, `announced` and `contributions`; `awareness`, `fusion` and `episodes` have the scores.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int64

from v2xsim.engine.cooperation.cooperation import Contribution
from v2xsim.engine.cooperation.transfers import Transfer
from v2xsim.engine.recording.fused_frame import FusedFrame, ego_frames_of, held_by
from v2xsim.engine.stations.contents import NOBODY
from v2xsim.evaluation.coverage import covered
from v2xsim.evaluation.ego_frames import EgoFrames
from v2xsim.evaluation.episodes import gap_at
from v2xsim.evaluation.evaluator import Evaluator
from v2xsim.evaluation.frame import FrameScore, TickScores
from v2xsim.evaluation.scene import MODES
from v2xsim.perception.tracking.station_tracks import tracker_at
from v2xsim.records import Detections
from v2xsim.results.scored_tables import add_awareness, add_episodes, counts_of
from v2xsim.results.tables import Coded, Columns


class FrameTables:
    """Scores each ego frame alone and after fusion, and writes the scores.

    Args:
        tables: Tables of the run.
        range_m: Road users within this distance of the ego are scored.
        detect_us: Time from a capture to the end of its detection.
        step_us: Time between two frames of an ego.
    """

    def __init__(self, tables: dict[str, Columns], range_m: float, detect_us: int, step_us: int) -> None:
        self._tables, self._detect_us = tables, detect_us
        self._evaluator = Evaluator(range_m, tracker_at(step_us), gap_us=gap_at(step_us))

    def add(
        self, frames: Sequence[FusedFrame], stations: Mapping[int, Int64[np.ndarray, " stations"]]
    ) -> Sequence[FrameScore]:
        """Score the ego frames of one tick, write them and their scores into the tables, and return the scores.

        Args:
            frames: The frames.
            stations: Agent id of each station, by the time of the capture.
        """
        if not frames:
            return []
        ego_frames = ego_frames_of(frames, stations[frames[0].ego.time_us])
        scores = self._evaluator.add(ego_frames)
        self._add_detections(ego_frames)
        self._add_hits(ego_frames)
        self._add_announced(ego_frames)
        self._add_contributions(frames)
        add_awareness(self._tables["awareness"], ego_frames, scores)
        self._add_fusion(frames, scores)
        return scores

    def close(self) -> None:
        """Write the episodes in which a road user was hidden and on a collision course."""
        add_episodes(self._tables["episodes"], self._evaluator.episodes())

    def average_precision(self) -> dict[str, list[tuple[float, float]]]:
        """Return pairs of overlap threshold and average precision, for each mode (`ego` alone and `fused`)."""
        return self._evaluator.average_precision()

    def _add_detections(self, frames: EgoFrames) -> None:
        detections = frames.found.flat
        if len(detections):
            mode = np.tile(np.arange(len(MODES)), len(frames)).repeat(frames.found.lengths)
            self._tables["detections"].add(
                frame_us=frames.time_us, ego=frames.egos.agent.repeat(len(MODES)).repeat(frames.found.lengths),
                mode=Coded(mode, MODES), **_box_columns(detections), score=detections.score, truth=detections.truth,
            )  # fmt: skip

    def _add_hits(self, frames: EgoFrames) -> None:
        ego, user = np.nonzero((frames.own_points != 0) | (frames.fused_points != 0))
        if len(ego):
            self._tables["hits"].add(
                frame_us=frames.time_us, ego=frames.egos.agent[ego], agent=frames.users.agent[user],
                own_points=frames.own_points[ego, user], fused_points=frames.fused_points[ego, user],
            )  # fmt: skip

    def _add_announced(self, frames: EgoFrames) -> None:
        announced = frames.announced.flat
        if len(announced):
            self._tables["announced"].add(
                frame_us=frames.time_us, ego=frames.egos.agent.repeat(frames.announced.lengths), agent=announced.truth,
                **_box_columns(announced),
            )  # fmt: skip

    def _add_contributions(self, frames: Sequence[FusedFrame]) -> None:
        items = [item for frame in frames for item in frame.contributions]
        if items:
            egos = np.array([frame.ego.agent for frame in frames], np.int64)
            self._tables["contributions"].add(
                frame_us=frames[0].ego.time_us, ego=egos.repeat([len(frame.contributions) for frame in frames]),
                helper=[item.helper for item in items], relay=[item.came_by for item in items],
                capture_us=[item.capture_us for item in items],
                for_this_frame=[item.is_for_this_frame for item in items],
                received_bytes=[item.received_bytes for item in items],
                boxes=[len(item.arrived.detections) for item in items],
                points=[item.arrived.point_row.astype(np.int32) for item in items],
            )  # fmt: skip

    def _add_fusion(self, frames: Sequence[FusedFrame], scores: TickScores) -> None:
        zones = [frame.blind_zone for frame in frames]
        share = covered(
            [frame.ego.matrix.code for frame in frames], [frame.result.code for frame in frames],
            [zone.open_ground for zone in zones], [zone.weight for zone in zones], held_by(frames),
        )  # fmt: skip
        time_us = frames[0].ego.time_us
        used = zip(*(_use_of(frame.contributions, time_us) for frame in frames), strict=True)
        asked = zip(*(_requests_of(frame.transfers) for frame in frames), strict=True)
        self._tables["fusion"].add(
            frame_us=time_us, ego=[frame.ego.agent for frame in frames], detect_us=time_us + self._detect_us,
            fuse_us=[frame.fuse_us for frame in frames], known=[frame.known for frame in frames],
            own_points=[len(frame.ego.returns) for frame in frames], added_points=[len(frame.result.added_m) for frame in frames],
            coverage_before=share.before, coverage_after=share.after, blind_covered=share.blind_covered,
            blind_told=share.blind_told, blind_beyond=share.blind_beyond,
            **dict(zip(_USE, map(list, used), strict=True)), **dict(zip(_REQUESTS, map(list, asked), strict=True)),
            **counts_of(scores),
        )  # fmt: skip


# Columns of the table `fusion` about the data that a frame was fused with, and about the requests for it.
_USE = "used", "used_by_relay", "age_us", "received_bytes"
_REQUESTS = "asked", "asked_by_relay", "requested_bytes"


def _use_of(contributions: Sequence[Contribution], time_us: int) -> tuple[int, int, int, int]:
    """Return the columns `_USE` of a frame that was captured at `time_us`."""
    by_relay = ages_us = received_bytes = 0
    for item in contributions:
        by_relay += item.came_by != NOBODY
        ages_us += time_us - item.capture_us
        received_bytes += item.received_bytes if item.is_for_this_frame else 0
    count = len(contributions)
    return count, by_relay, round(ages_us / count) if count else -1, received_bytes


def _requests_of(transfers: Sequence[Transfer]) -> tuple[int, int, int]:
    """Return the columns `_REQUESTS` of a frame with these requests and answers."""
    requests = [transfer for transfer in transfers if transfer.is_request]
    by_relay = requested_bytes = 0
    for request in requests:
        by_relay += request.relay != NOBODY
        requested_bytes += request.allowance_bytes
    return len(requests), by_relay, requested_bytes


def _box_columns(detections: Detections) -> dict[str, Float[np.ndarray, " rows"]]:
    """Return the columns with box and velocity of each detection."""
    center_m, size_m, velocity_mps = detections.boxes.center_m, detections.boxes.size_m, detections.velocity_mps
    return {
        "x_m": center_m[:, 0], "y_m": center_m[:, 1], "z_m": center_m[:, 2], "length_m": size_m[:, 0], "width_m": size_m[:, 1],
        "height_m": size_m[:, 2], "yaw_rad": detections.boxes.yaw_rad, "vx_mps": velocity_mps[:, 0], "vy_mps": velocity_mps[:, 1],
    }  # fmt: skip
