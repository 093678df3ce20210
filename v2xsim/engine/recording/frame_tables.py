"""Ego frames as rows of tables: what was detected and received (uncut), and the scores in range.

Uncut are `detections`, `hits`, `announced` and `contributions`; `awareness`, `fusion` and `episodes` have the scores.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int64

from v2xsim.engine.recording.fused_frame import FusedFrame
from v2xsim.engine.stations.contents import NOBODY
from v2xsim.evaluation.coverage import covered
from v2xsim.evaluation.episodes import gap_at
from v2xsim.evaluation.evaluator import Evaluator
from v2xsim.evaluation.frame import FrameScore
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

    def add(self, frames: Sequence[FusedFrame]) -> list[FrameScore]:
        """Score the ego frames of one tick, write them and their scores into the tables, and return the scores."""
        if not frames:
            return []
        ego_frames = [frame.ego_frame for frame in frames]
        scores = self._evaluator.add(ego_frames)
        self._add_detections(frames)
        self._add_hits(frames)
        self._add_announced(frames)
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

    def _add_detections(self, frames: Sequence[FusedFrame]) -> None:
        parts = [part for frame in frames for part in (frame.ego.detections, frame.result.detections)]
        detections, rows = Detections.joined(parts), [len(part) for part in parts]
        if len(detections):
            boxes = detections.boxes
            mode = np.repeat(np.tile(np.arange(2), len(frames)), rows)
            self._tables["detections"].add(
                **_keys([frame for frame in frames for _ in MODES], rows), mode=Coded(mode, MODES), x_m=boxes.center_m[:, 0],
                y_m=boxes.center_m[:, 1], z_m=boxes.center_m[:, 2], length_m=boxes.size_m[:, 0],
                width_m=boxes.size_m[:, 1], height_m=boxes.size_m[:, 2], yaw_rad=boxes.yaw_rad,
                vx_mps=detections.velocity_mps[:, 0], vy_mps=detections.velocity_mps[:, 1], score=detections.score,
                truth=detections.truth,
            )  # fmt: skip

    def _add_hits(self, frames: Sequence[FusedFrame]) -> None:
        own = np.concatenate([frame.scene.own_points for frame in frames])
        fused = np.concatenate([frame.result.points for frame in frames])
        rows = np.flatnonzero((own != 0) | (fused != 0))
        if len(rows):
            agents = [frame.scene.agent for frame in frames]
            keys = _keys(frames, [len(agent) for agent in agents])
            self._tables["hits"].add(
                **{name: column[rows] for name, column in keys.items()}, agent=np.concatenate(agents)[rows],
                own_points=own[rows], fused_points=fused[rows],
            )  # fmt: skip

    def _add_announced(self, frames: Sequence[FusedFrame]) -> None:
        announced = Detections.joined([frame.announced for frame in frames])
        if len(announced):
            boxes, velocity_mps = announced.boxes, announced.velocity_mps
            self._tables["announced"].add(
                **_keys(frames, [len(frame.announced) for frame in frames]), agent=announced.truth,
                x_m=boxes.center_m[:, 0], y_m=boxes.center_m[:, 1], z_m=boxes.center_m[:, 2],
                length_m=boxes.size_m[:, 0], width_m=boxes.size_m[:, 1], height_m=boxes.size_m[:, 2],
                yaw_rad=boxes.yaw_rad, vx_mps=velocity_mps[:, 0], vy_mps=velocity_mps[:, 1],
            )  # fmt: skip

    def _add_contributions(self, frames: Sequence[FusedFrame]) -> None:
        items = [item for frame in frames for item in frame.contributions]
        if items:
            self._tables["contributions"].add(
                **_keys(frames, [len(frame.contributions) for frame in frames]),
                helper=[item.helper for item in items], relay=[item.relay for item in items],
                capture_us=[item.capture_us for item in items],
                for_this_frame=[item.is_for_this_frame for item in items],
                received_bytes=[item.received_bytes for item in items],
                boxes=[len(item.arrived.detections) for item in items],
                points=[item.arrived.point_row.astype(np.int32) for item in items],
            )  # fmt: skip

    def _add_fusion(self, frames: Sequence[FusedFrame], scores: Sequence[FrameScore]) -> None:
        rows = [{**self._fusion_row(frame), **counts_of(scored)} for frame, scored in zip(frames, scores, strict=True)]
        zones = [frame.blind_zone for frame in frames]
        share = covered(
            np.stack([frame.ego.matrix.code for frame in frames]), np.stack([frame.result.code for frame in frames]),
            np.stack([zone.open_ground for zone in zones]), np.stack([zone.weight for zone in zones]),
        )  # fmt: skip
        self._tables["fusion"].add(
            **{name: [row[name] for row in rows] for name in rows[0]}, coverage_before=share.before,
            coverage_after=share.after, blind_covered=share.blind_covered,
        )  # fmt: skip

    def _fusion_row(self, frame: FusedFrame) -> dict[str, int]:
        """Return the row of a frame in the table `fusion`, without its score and its coverage."""
        ego, result, used = frame.ego, frame.result, frame.contributions
        requests = [transfer for transfer in frame.transfers if transfer.is_request]
        ages_us = [ego.time_us - item.capture_us for item in used]
        return {
            "frame_us": ego.time_us, "ego": ego.agent, "detect_us": ego.time_us + self._detect_us, "fuse_us": frame.fuse_us,
            "known": frame.known, "asked": len(requests), "asked_by_relay": sum(request.relay != NOBODY for request in requests),
            "used": len(used), "used_by_relay": sum(item.relay != NOBODY for item in used),
            "age_us": round(sum(ages_us) / len(ages_us)) if ages_us else -1,
            "requested_bytes": sum(request.allowance_bytes for request in requests),
            "received_bytes": sum(item.received_bytes for item in used if item.is_for_this_frame),
            "own_points": len(ego.returns), "added_points": len(result.added_m),
        }  # fmt: skip


def _keys(frames: Sequence[FusedFrame], rows: Sequence[int]) -> dict[str, Int64[np.ndarray, " rows"]]:
    """Return the columns that name the frame of each row, given the number of rows of each frame."""
    return {
        "frame_us": np.repeat(np.array([frame.ego.time_us for frame in frames], np.int64), rows),
        "ego": np.repeat(np.array([frame.ego.agent for frame in frames], np.int64), rows),
    }
