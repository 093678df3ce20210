"""The scores of ego frames: what the ego detected and knew, alone and after fusion, compared with the truth.

`v2xsim.engine.recording` writes the score into the tables of a run.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
from jaxtyping import Bool, Float, Int64

from v2xsim.evaluation.ego_frames import around
from v2xsim.evaluation.false_tracks import per_group
from v2xsim.evaluation.scene import Scene
from v2xsim.evaluation.scoring import Egos, Found, Scores, Tracked, Users, scores_of
from v2xsim.perception.metrics.average_precision import THRESHOLDS, Matched
from v2xsim.perception.tracking.tracker import TrackGroups, Tracks
from v2xsim.records import DetectionGroups, Detections


@dataclass(frozen=True)
class ModeScore:
    """The score of an ego's perception in one mode: alone or after fusion.

    Attributes:
        found: All detections of the ego, at any distance.
        counts: Whether each of them counts, as those of road users in range and false positives in range do. For a true
            detection, the true distance of its road user decides, wherever its box is. Otherwise, a box that an error moves
            out of range would be neither a hit nor a false positive. For a false positive, the distance from the ego's
            believed position decides.
        matched: Whether each detection that counts hit a body at each overlap threshold, for average precision.
        seen: Whether each road user is in range and was detected.
        known: Whether there is a confirmed track for each road user, at any distance.
        tracks: The tracks of the ego after the frame.
    """

    found: Detections
    counts: Bool[np.ndarray, " detections"]
    matched: Matched
    seen: Bool[np.ndarray, " agents"]
    known: Bool[np.ndarray, " agents"]
    tracks: Tracks

    @property
    def detections(self) -> Detections:
        """The detections that count."""
        return self.found[np.flatnonzero(self.counts)]

    def __repr__(self) -> str:
        return (
            f"<{int(self.seen.sum())} road users in range detected, {int(self.known.sum())} known at any distance; "
            f"{int(self.counts.sum())} detections count, {self.tracks}>"
        )


@dataclass(frozen=True)
class FrameScore:
    """The score of one ego frame.

    Attributes:
        near: Whether each road user is in range and not the ego itself.
        distance_m: Distance of each road user from the ego.
        conflict: Whether each road user is on a collision course with the ego.
        hidden: Whether each road user was hit by none of the ego's own lidars.
        modes: Score of the ego's perception in each mode: `ego` alone and `fused`.
    """

    near: Bool[np.ndarray, " agents"]
    distance_m: Float[np.ndarray, " agents"]
    conflict: Bool[np.ndarray, " agents"]
    hidden: Bool[np.ndarray, " agents"]
    modes: dict[str, ModeScore]

    def __repr__(self) -> str:
        parts = [
            f"{mode}: {int(part.seen.sum())} detected, {int((part.known & self.near).sum())} known"
            for mode, part in self.modes.items()
        ]
        return f"<score of {int(self.near.sum())} road users in range; {'; '.join(parts)}>"


@dataclass(frozen=True, eq=False)
class TickScores(Sequence[FrameScore]):
    """The scores of all ego frames of one tick, as arrays; item e is the score of ego e.

    Attributes:
        flat: The scores.
        hidden: Whether each road user was hit by none of each ego's own lidars.
        false_tracks: Number of false tracks of each ego in each mode (see `Scores.false_group`).
        new_false_tracks: Number of these that were not false in the frames before (`v2xsim.evaluation.false_tracks`); of a tick on
            its own, all of them.
        found: Detections of each ego in each mode: group e * modes + m.
        tracks: Tracks of each ego after the frame, by mode.
        thresholds: Least overlaps at which a detection counts as a hit.
    """

    flat: Scores
    hidden: Bool[np.ndarray, "egos agents"]
    false_tracks: Int64[np.ndarray, "egos modes"]
    new_false_tracks: Int64[np.ndarray, "egos modes"]
    found: DetectionGroups
    tracks: Mapping[str, Sequence[Tracks]]
    thresholds: Float[np.ndarray, " thresholds"]

    def __len__(self) -> int:
        """Return the number of ego frames."""
        return len(self.flat.objects)

    @overload
    def __getitem__(self, ego: int) -> FrameScore: ...
    @overload
    def __getitem__(self, ego: slice) -> list[FrameScore]: ...
    def __getitem__(self, ego: int | slice) -> FrameScore | list[FrameScore]:
        """Return the score of one ego frame, or those of some as a list."""
        if isinstance(ego, slice):
            return [self[e] for e in range(*ego.indices(len(self)))]
        flat, e = self.flat, range(len(self))[ego]
        modes = {}
        for m, (mode, tracks) in enumerate(self.tracks.items()):
            g = e * len(self.tracks) + m
            matched = self._matched(slice(flat.first[g], flat.first[g + 1]), int(flat.objects[e]))
            counts = flat.counts[self.found.begin[g] : self.found.end[g]]
            modes[mode] = ModeScore(self.found[g], counts, matched, flat.seen[e, m], flat.known[e, m], tracks[e])
        return FrameScore(flat.near[e], flat.distance_m[e], flat.conflict[e], self.hidden[e], modes)

    def matched(self, mode: str) -> tuple[Matched, Matched]:
        """Return the detections of all egos in one mode, with whether each hit a body, for average precision.

        The second ones are without the road users that announce themselves: neither they nor detections of them count.
        """
        flat, modes = self.flat, list(self.tracks)
        of_mode = np.repeat(np.arange(len(flat.first) - 1) % len(modes), np.diff(flat.first)) == modes.index(mode)
        return (
            self._matched(np.flatnonzero(of_mode), int(flat.objects.sum())),
            self._matched(np.flatnonzero(of_mode & ~flat.of_announced), int(flat.unannounced.sum())),
        )

    def _matched(self, rows: slice | np.ndarray, objects: int) -> Matched:
        return Matched(self.thresholds, self.flat.score[rows], self.flat.hit[:, rows], objects)


def score(
    scenes: Sequence[Scene], perceived: Sequence[Mapping[str, tuple[Detections, Tracks]]], range_m: float,
    thresholds: Sequence[float] = THRESHOLDS,
) -> Sequence[FrameScore]:  # fmt: skip
    """Return the scores of the ego frames of one tick.

    Args:
        scenes: The truth around each ego, all with the same road users.
        perceived: For each ego, its detections and tracks by mode, placed by the pose that it believes.
        range_m: Road users farther from the ego than this are not scored.
        thresholds: Least overlaps (intersection over union, 0 to 1) at which a detection counts as a hit.
    """
    if not scenes:
        return []
    modes = tuple(perceived[0])
    found = DetectionGroups.of([by_mode[mode][0] for by_mode in perceived for mode in modes])
    tracks = {mode: [by_mode[mode][1] for by_mode in perceived] for mode in modes}
    hidden = np.array([scene.hidden for scene in scenes])
    return score_all(*around(scenes), hidden, found, tracks, range_m, thresholds)


def score_all(
    users: Users, egos: Egos, hidden: Bool[np.ndarray, "egos agents"], found: DetectionGroups,
    tracks: Mapping[str, Sequence[Tracks]], range_m: float, thresholds: Sequence[float],
) -> TickScores:  # fmt: skip
    """Return the scores of the ego frames of one tick.

    Args:
        users: The true road users.
        egos: The egos, and the road users where each would place them.
        hidden: As the attribute of the result.
        found: As the attribute of the result.
        tracks: As the attribute of the result.
        range_m: Road users farther from the ego than this are not scored.
        thresholds: Least overlaps at which a detection counts as a hit.
    """
    threshold, flat = np.asarray(thresholds, np.float64), found.flat
    detections = Found(
        found.begin, found.end, flat.boxes.center_m, flat.boxes.size_m, flat.boxes.yaw_rad, flat.score, flat.truth
    )
    scores = scores_of(users, egos, detections, _tracked(list(tracks.values())), float(range_m), threshold)
    false_tracks = per_group(scores.false_group, len(hidden), len(tracks))
    return TickScores(scores, hidden, false_tracks, false_tracks, found, tracks, threshold)


def _tracked(by_mode: Sequence[Sequence[Tracks]]) -> Tracked:
    """Return the tracks of all egos in all modes, given those of each ego by mode."""
    begin = np.empty((len(by_mode[0]), len(by_mode)), np.int64)
    end, means, confirmed, numbers = np.empty_like(begin), [], [], []
    rows = 0
    for m, tracks in enumerate(by_mode):
        if isinstance(tracks, TrackGroups):
            first, last, states = tracks.begin, tracks.end, tracks.states
            mean, is_confirmed, number = states.mean, states.confirmed, states.track_id
        else:
            last = np.cumsum([len(part.mean) for part in tracks])
            first = np.append(0, last[:-1])
            mean = np.concatenate([part.mean for part in tracks])
            is_confirmed = np.concatenate([part.confirmed for part in tracks])
            number = np.concatenate([part.track_id for part in tracks])
        begin[:, m], end[:, m] = rows + first, rows + last
        rows += len(mean)
        means.append(mean)
        confirmed.append(is_confirmed)
        numbers.append(number)
    return Tracked(
        begin.ravel(), end.ravel(), np.ascontiguousarray(np.concatenate(means), np.float64),
        np.concatenate(confirmed).astype(np.bool_), np.concatenate(numbers).astype(np.int64),
    )  # fmt: skip
