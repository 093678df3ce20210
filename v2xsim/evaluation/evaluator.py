"""The evaluation of all ego frames of a run, one tick after the other.

A run calls it while it goes on, and `v2xsim.open(folder).evaluate()` calls it with the frames that the run recorded.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from v2xsim.evaluation.ego_frames import EgoFrames
from v2xsim.evaluation.episodes import Episode, HiddenConflicts
from v2xsim.evaluation.false_tracks import FalseTracks
from v2xsim.evaluation.frame import TickScores, score_all
from v2xsim.evaluation.known_users import FusedTracks
from v2xsim.evaluation.precision import AveragePrecision
from v2xsim.evaluation.scene import MODES
from v2xsim.evaluation.scoring import Users
from v2xsim.perception.metrics.average_precision import THRESHOLDS
from v2xsim.perception.metrics.awareness import GAP_US
from v2xsim.perception.tracking.station_tracks import Tracker


class Evaluator:
    """Scores ego frames, and follows what does not end with a frame: tracks after fusion, false tracks, and hidden conflicts.

    Args:
        range_m: Road users within this distance of the ego are scored.
        tracker: The tracker of detections after fusion.
        thresholds: Least overlaps (intersection over union, 0 to 1) at which a detection counts as a hit.
        gap_us: Longest pause of a conflict within one episode (`v2xsim.evaluation.episodes.gap_at`), and of a false track.
    """

    def __init__(
        self, range_m: float, tracker: Tracker, thresholds: Sequence[float] = THRESHOLDS, gap_us: int = GAP_US
    ) -> None:
        self._range_m, self._thresholds = range_m, thresholds
        self._precision = {mode: (AveragePrecision(thresholds), AveragePrecision(thresholds)) for mode in MODES}
        # Whether each road user has had a radio so far, by agent id.
        self._announces = np.zeros(0, bool)
        self._fused_tracks = FusedTracks(tracker)
        self._hidden_conflicts = HiddenConflicts(gap_us=gap_us)
        self._false_tracks = FalseTracks(gap_us)

    def add(self, frames: EgoFrames) -> TickScores:
        """Return the scores of the ego frames of one tick; ticks must come in order of time."""
        # An ego knows of a road user that it detected or that announced itself, so both feed the tracks.
        after_fusion = self._fused_tracks.step(
            frames.egos.agent.tolist(), frames.found[1::2], frames.announced, frames.time_us
        )
        hidden = frames.own_points == 0
        tracks = dict(zip(MODES, (frames.own_tracks, after_fusion), strict=True))
        scores = score_all(frames.users, frames.egos, hidden, frames.found, tracks, self._range_m, self._thresholds)
        for mode, precision in self._precision.items():
            for one, matched in zip(precision, scores.matched(mode), strict=True):
                one.add(matched)
        self._note(frames.users)
        near, conflict, known = scores.flat.near, scores.flat.conflict, scores.flat.known
        self._hidden_conflicts.follow(
            frames.time_us, frames.egos.agent, frames.users.agent, near & conflict, hidden,
            {mode: known[:, m] for m, mode in enumerate(MODES)},
        )  # fmt: skip
        new_false = self._false_tracks.add(
            frames.time_us, frames.egos.agent, len(MODES), scores.flat.false_group, scores.flat.false_number
        )
        return replace(scores, new_false_tracks=new_false)

    def episodes(self) -> list[Episode]:
        """Return the episodes so far in which a road user was hidden and on a collision course."""
        return self._hidden_conflicts.episodes(self._announces)

    def average_precision(self) -> dict[str, list[tuple[float, float]]]:
        """Return pairs of overlap threshold and average precision, for each mode (`ego` alone and `fused`).

        `ego_unannounced` and `fused_unannounced` are without the road users that announce themselves.
        """
        names = {mode: (mode, f"{mode}_unannounced") for mode in self._precision}
        return {
            name: one.areas() for mode, precision in self._precision.items() for name, one in zip(names[mode], precision, strict=True)
        }  # fmt: skip

    def _note(self, users: Users) -> None:
        """Note the road users with a radio."""
        agent = users.agent[users.announces]
        if len(agent) and int(agent.max()) >= len(self._announces):
            self._announces = np.concatenate([self._announces, np.zeros(int(agent.max()) + 1, bool)])
        self._announces[agent] = True
