"""The evaluation of all ego frames of a run, one tick after the other.

A run calls it while it goes on, and `v2xsim.open(folder).evaluate()` calls it with the frames that the run recorded.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from jaxtyping import Int64

from v2xsim.evaluation.episodes import Episode, HiddenConflicts
from v2xsim.evaluation.frame import FrameScore, score
from v2xsim.evaluation.known_users import FusedTracks
from v2xsim.evaluation.precision import AveragePrecision
from v2xsim.evaluation.scene import MODES, Scene
from v2xsim.perception.metrics.average_precision import THRESHOLDS
from v2xsim.perception.metrics.awareness import GAP_US
from v2xsim.perception.tracking.station_tracks import Tracker
from v2xsim.perception.tracking.tracker import Tracks
from v2xsim.records import Detections


@dataclass(frozen=True)
class EgoFrame:
    """One ego frame with all that its evaluation needs; detections and tracks are placed by the pose that the ego believes.

    Attributes:
        scene: The truth around the ego.
        own: Detections of the ego alone.
        own_tracks: Tracks of the ego alone, after these detections.
        fused: Detections of the ego after fusion.
        announced: Vehicles that the ego knew from their announcements, extrapolated to the capture.
        fused_points: Number of lidar returns on each road user, received returns included.
    """

    scene: Scene
    own: Detections
    own_tracks: Tracks
    fused: Detections
    announced: Detections
    fused_points: Int64[np.ndarray, " agents"]


class Evaluator:
    """Scores ego frames, and follows what does not end with a frame: tracks after fusion, and hidden conflicts.

    Args:
        range_m: Road users within this distance of the ego are scored.
        tracker: The tracker of detections after fusion.
        thresholds: Least overlaps (intersection over union, 0 to 1) at which a detection counts as a hit.
        gap_us: Longest pause of a conflict within one episode (`v2xsim.evaluation.episodes.gap_at`).
    """

    def __init__(
        self, range_m: float, tracker: Tracker, thresholds: Sequence[float] = THRESHOLDS, gap_us: int = GAP_US
    ) -> None:
        self._range_m, self._thresholds = range_m, thresholds
        self._precision = {mode: AveragePrecision(thresholds) for mode in MODES}
        self._fused_tracks = FusedTracks(tracker)
        self._hidden_conflicts = HiddenConflicts(gap_us=gap_us)

    def add(self, frames: Sequence[EgoFrame]) -> list[FrameScore]:
        """Return the scores of the ego frames of one tick; ticks must come in order of time."""
        if not frames:
            return []
        # An ego knows of a road user that it detected or that announced itself, so both feed the tracks.
        after_fusion = self._fused_tracks.step(
            [frame.scene.ego for frame in frames],
            [frame.fused for frame in frames],
            [frame.announced for frame in frames],
            frames[0].scene.time_us,
        )
        scores: list[FrameScore] = []
        # The road users are the same around all egos of a tick, so there is one part.
        for _, part in groupby(zip(frames, after_fusion, strict=True), lambda pair: pair[0].scene.users):
            scores += self._scored(*zip(*part, strict=True))
        return scores

    def _scored(self, frames: Sequence[EgoFrame], fused_tracks: Sequence[Tracks]) -> list[FrameScore]:
        """Return the scores of ego frames with the same road users around them."""
        scenes = [frame.scene for frame in frames]
        perceived = [
            {"ego": (frame.own, frame.own_tracks), "fused": (frame.fused, tracks)}
            for frame, tracks in zip(frames, fused_tracks, strict=True)
        ]
        scores = score(scenes, perceived, self._range_m, self._thresholds)
        for scored in scores:
            for mode, part in scored.modes.items():
                self._precision[mode].add(part.matched)
        self._hidden_conflicts.follow(
            scenes,
            np.array([scored.near & scored.conflict for scored in scores]),
            {mode: np.array([scored.modes[mode].known for scored in scores]) for mode in MODES},
        )
        return scores

    def episodes(self) -> list[Episode]:
        """Return the episodes so far in which a road user was hidden and on a collision course."""
        return self._hidden_conflicts.episodes()

    def average_precision(self) -> dict[str, list[tuple[float, float]]]:
        """Return pairs of overlap threshold and average precision, for each mode (`ego` alone and `fused`)."""
        return {mode: precision.areas() for mode, precision in self._precision.items()}
