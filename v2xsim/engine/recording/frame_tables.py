"""Ego frames as rows of tables: what was detected and received (uncut), and the scores in range.

Uncut are `detections`, `hits`, `announced` and `contributions`; `awareness`, `fusion` and `episodes` have the scores.
"""

from collections.abc import Sequence

import numpy as np

from v2xsim.engine.recording.fused_frame import FusedFrame
from v2xsim.engine.stations.contents import NOBODY
from v2xsim.evaluation.coverage import covered
from v2xsim.evaluation.episodes import gap_at
from v2xsim.evaluation.evaluator import Evaluator
from v2xsim.evaluation.frame import FrameScore
from v2xsim.perception.tracking.station_tracks import tracker_at
from v2xsim.records import Detections
from v2xsim.results.scored_tables import add_awareness, add_episodes, counts_of
from v2xsim.results.tables import Columns


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
        scores = self._evaluator.add([frame.ego_frame for frame in frames])
        for frame, scored in zip(frames, scores, strict=True):
            self._add_detections(frame, "ego", frame.ego.detections)
            self._add_detections(frame, "fused", frame.result.detections)
            self._add_hits(frame)
            self._add_announced(frame)
            self._add_contributions(frame)
            add_awareness(self._tables["awareness"], frame.ego_frame, scored)
            self._add_fusion(frame, scored)
        return scores

    def close(self) -> None:
        """Write the episodes in which a road user was hidden and on a collision course."""
        add_episodes(self._tables["episodes"], self._evaluator.episodes())

    def average_precision(self) -> dict[str, list[tuple[float, float]]]:
        """Return pairs of overlap threshold and average precision, for each mode (`ego` alone and `fused`)."""
        return self._evaluator.average_precision()

    def _add_detections(self, frame: FusedFrame, mode: str, detections: Detections) -> None:
        if len(detections):
            boxes = detections.boxes
            self._tables["detections"].add(
                frame_us=frame.ego.time_us, ego=frame.ego.agent, mode=mode, x_m=boxes.center_m[:, 0],
                y_m=boxes.center_m[:, 1], z_m=boxes.center_m[:, 2], length_m=boxes.size_m[:, 0],
                width_m=boxes.size_m[:, 1], height_m=boxes.size_m[:, 2], yaw_rad=boxes.yaw_rad,
                vx_mps=detections.velocity_mps[:, 0], vy_mps=detections.velocity_mps[:, 1], score=detections.score,
                truth=detections.truth,
            )  # fmt: skip

    def _add_hits(self, frame: FusedFrame) -> None:
        own, fused = frame.scene.own_points, frame.result.points
        rows = np.flatnonzero((own != 0) | (fused != 0))
        if len(rows):
            self._tables["hits"].add(
                frame_us=frame.ego.time_us, ego=frame.ego.agent, agent=frame.scene.agent[rows], own_points=own[rows],
                fused_points=fused[rows],
            )  # fmt: skip

    def _add_announced(self, frame: FusedFrame) -> None:
        announced = frame.announced
        if len(announced):
            boxes, velocity_mps = announced.boxes, announced.velocity_mps
            self._tables["announced"].add(
                frame_us=frame.ego.time_us, ego=frame.ego.agent, agent=announced.truth, x_m=boxes.center_m[:, 0],
                y_m=boxes.center_m[:, 1], z_m=boxes.center_m[:, 2], length_m=boxes.size_m[:, 0],
                width_m=boxes.size_m[:, 1], height_m=boxes.size_m[:, 2], yaw_rad=boxes.yaw_rad,
                vx_mps=velocity_mps[:, 0], vy_mps=velocity_mps[:, 1],
            )  # fmt: skip

    def _add_contributions(self, frame: FusedFrame) -> None:
        for item in frame.contributions:
            self._tables["contributions"].add(
                frame_us=frame.ego.time_us, ego=frame.ego.agent, helper=item.helper, relay=item.relay,
                capture_us=item.capture_us, for_this_frame=item.is_for_this_frame, received_bytes=item.received_bytes,
                boxes=len(item.arrived.detections), points=[item.arrived.point_row.astype(np.int32)],
            )  # fmt: skip

    def _add_fusion(self, frame: FusedFrame, scored: FrameScore) -> None:
        ego, result, zone, used = frame.ego, frame.result, frame.blind_zone, frame.contributions
        requests = [transfer for transfer in frame.transfers if transfer.is_request]
        ages_us = [ego.time_us - item.capture_us for item in used]
        share = covered(ego.matrix.code, result.code, zone.open_ground, zone.weight)
        self._tables["fusion"].add(
            frame_us=ego.time_us, ego=ego.agent, detect_us=ego.time_us + self._detect_us, fuse_us=frame.fuse_us,
            known=frame.known, asked=len(requests), asked_by_relay=sum(request.relay != NOBODY for request in requests),
            used=len(used), used_by_relay=sum(item.relay != NOBODY for item in used),
            age_us=round(sum(ages_us) / len(ages_us)) if ages_us else -1,
            requested_bytes=sum(request.allowance_bytes for request in requests),
            received_bytes=sum(item.received_bytes for item in used if item.is_for_this_frame),
            own_points=len(ego.returns), added_points=len(result.added_m), **counts_of(scored),
            coverage_before=share.before, coverage_after=share.after, blind_covered=share.blind_covered,
        )  # fmt: skip
