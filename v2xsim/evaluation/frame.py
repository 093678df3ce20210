"""The scores of ego frames: what the ego detected and knew, alone and after fusion, compared with the truth.

`v2xsim.engine.recording` writes the score into the tables of a run.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from v2xsim.evaluation.scene import Scene
from v2xsim.evaluation.scoring import Egos, Found, Tracked, Users, scores_of
from v2xsim.perception.metrics.average_precision import THRESHOLDS, Matched
from v2xsim.perception.tracking.tracker import Tracks
from v2xsim.records import Detections


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


def score(
    scenes: Sequence[Scene], perceived: Sequence[Mapping[str, tuple[Detections, Tracks]]], range_m: float,
    thresholds: Sequence[float] = THRESHOLDS,
) -> list[FrameScore]:  # fmt: skip
    """Return the scores of the ego frames of one tick.

    Args:
        scenes: The truth around each ego, all with the same road users.
        perceived: For each ego, its detections and tracks by mode, placed by the pose that it believes.
        range_m: Road users farther from the ego than this are not scored.
        thresholds: Least overlaps (intersection over union, 0 to 1) at which a detection counts as a hit.
    """
    if not scenes:
        return []
    modes, threshold = tuple(perceived[0]), np.asarray(thresholds, np.float64)
    groups = [by_mode[mode] for by_mode in perceived for mode in modes]
    scored = scores_of(
        _users(scenes[0]), _egos(scenes), _found([detections for detections, _ in groups]),
        _tracked([tracks for _, tracks in groups]), float(range_m), threshold,
    )  # fmt: skip
    first, last = scored.first.tolist(), np.cumsum([len(detections) for detections, _ in groups]).tolist()
    scores = []
    for e, scene in enumerate(scenes):
        parts = {}
        for m, mode in enumerate(modes):
            g = e * len(modes) + m
            detections, tracks = groups[g]
            a, b = first[g], first[g + 1]
            matched = Matched(threshold, scored.score[a:b], scored.hit[:, a:b], int(scored.objects[e]))
            counts = scored.counts[last[g] - len(detections) : last[g]]
            parts[mode] = ModeScore(detections, counts, matched, scored.seen[e, m], scored.known[e, m], tracks)
        scores.append(FrameScore(scored.near[e], scored.distance_m[e], scored.conflict[e], scene.hidden, parts))
    return scores


def _users(scene: Scene) -> Users:
    return Users(
        np.ascontiguousarray(scene.agent, np.int64), np.argsort(scene.agent, kind="stable"),
        _contiguous(scene.boxes.center_m), _contiguous(scene.velocity_mps),
    )  # fmt: skip


def _egos(scenes: Sequence[Scene]) -> Egos:
    return Egos(
        np.array([scene.ego for scene in scenes], np.int64),
        *(
            _contiguous(np.stack(parts))
            for parts in (
                [scene.ego_m for scene in scenes],
                [scene.believed_ego_m for scene in scenes],
                [scene.ego_velocity_mps for scene in scenes],
                [scene.apparent.center_m for scene in scenes],
                [scene.apparent.size_m for scene in scenes],
                [scene.apparent.yaw_rad for scene in scenes],
            )
        ),
    )


def _found(parts: Sequence[Detections]) -> Found:
    return Found(
        np.cumsum([0, *(len(part) for part in parts)], dtype=np.int64),
        _contiguous(np.concatenate([part.boxes.center_m for part in parts])),
        _contiguous(np.concatenate([part.boxes.size_m for part in parts])),
        _contiguous(np.concatenate([part.boxes.yaw_rad for part in parts])),
        _contiguous(np.concatenate([part.score for part in parts])),
        np.concatenate([part.truth for part in parts]).astype(np.int64),
    )


def _tracked(parts: Sequence[Tracks]) -> Tracked:
    return Tracked(
        np.cumsum([0, *(len(part) for part in parts)], dtype=np.int64),
        _contiguous(np.concatenate([part.mean for part in parts])),
        np.concatenate([part.confirmed for part in parts]).astype(np.bool_),
    )


def _contiguous(array: np.ndarray) -> np.ndarray:
    """Return an array in the layout for which the compiled function is built."""
    return np.ascontiguousarray(array, np.float64)
