"""The score of one ego frame: what the ego detected and knew, alone and after fusion, compared with the truth.

`v2xsim.engine.recording` writes the score into the tables of a run.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from v2xsim.evaluation.detections import counted, matched_bodies, seen
from v2xsim.evaluation.known_users import known
from v2xsim.evaluation.scene import Scene
from v2xsim.perception.metrics.average_precision import THRESHOLDS, Matched
from v2xsim.perception.tracking.tracker import Tracks
from v2xsim.records import Detections


@dataclass(frozen=True)
class ModeScore:
    """The score of an ego's perception in one mode: alone or after fusion.

    Attributes:
        detections: The detections that count: those of road users in range, and false positives in range.
        matched: Whether each detection that counts hit a body at each overlap threshold, for average precision.
        seen: Whether each road user is in range and was detected.
        known: Whether there is a confirmed track for each road user, at any distance.
        tracks: The tracks of the ego after the frame.
    """

    detections: Detections
    matched: Matched
    seen: Bool[np.ndarray, " agents"]
    known: Bool[np.ndarray, " agents"]
    tracks: Tracks

    def __repr__(self) -> str:
        return (
            f"<{int(self.seen.sum())} road users in range detected, {int(self.known.sum())} known at any distance; "
            f"{len(self.detections)} detections count, {self.tracks}>"
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
    scene: Scene, perceived: Mapping[str, tuple[Detections, Tracks]], range_m: float,
    thresholds: Sequence[float] = THRESHOLDS,
) -> FrameScore:  # fmt: skip
    """Return the score of one ego frame.

    Args:
        scene: The truth around the ego.
        perceived: Detections and tracks of the ego by mode, placed by the pose that the ego believes.
        range_m: Road users farther from the ego than this are not scored.
        thresholds: Least overlaps (intersection over union, 0 to 1) at which a detection counts as a hit.
    """
    modes = {}
    for mode, (detections, tracks) in perceived.items():
        in_range = counted(detections, scene, range_m)
        modes[mode] = ModeScore(
            in_range,
            matched_bodies(in_range, scene, range_m, thresholds),
            seen(detections, scene, range_m),
            known(tracks, scene),
            tracks,
        )
    return FrameScore(scene.near(range_m), scene.distance_m, scene.conflict, scene.hidden, modes)
