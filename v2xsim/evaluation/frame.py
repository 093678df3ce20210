"""The score of one ego frame: what the ego detected and knew, alone and after fusion, against the truth.

`v2xsim.engine.recording` writes it into the tables of a run.
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
    """What an ego perceived in one mode.

    Attributes:
        detections: The detections that count: those of road users in range, and false ones in range.
        matched: Which of them hit a body, for average precision.
        seen: Road users in range that were detected.
        known: Road users, at any distance, for which there is a confirmed track.
    """

    detections: Detections
    matched: Matched
    seen: Bool[np.ndarray, " agents"]
    known: Bool[np.ndarray, " agents"]


@dataclass(frozen=True)
class FrameScore:
    """The score of one ego frame.

    Attributes:
        near: Other road users in range.
        distance_m: Distance of each road user from the ego.
        conflict: Other road users on a collision course with the ego.
        hidden: Road users that no lidar of the ego hit.
        modes: Score of the ego's perception, by mode.
    """

    near: Bool[np.ndarray, " agents"]
    distance_m: Float[np.ndarray, " agents"]
    conflict: Bool[np.ndarray, " agents"]
    hidden: Bool[np.ndarray, " agents"]
    modes: dict[str, ModeScore]


def score(
    scene: Scene, perceived: Mapping[str, tuple[Detections, Tracks]], range_m: float,
    thresholds: Sequence[float] = THRESHOLDS,
) -> FrameScore:  # fmt: skip
    """Return the score of one ego frame.

    Args:
        scene: The truth.
        perceived: Detections and tracks of the ego by mode, in the world as the ego believes it.
        range_m: Road users farther away are not scored.
        thresholds: Least overlaps at which a detection counts as a hit, each from 0 to 1.
    """
    modes = {}
    for mode, (detections, tracks) in perceived.items():
        in_range = counted(detections, scene, range_m)
        modes[mode] = ModeScore(
            in_range,
            matched_bodies(in_range, scene, range_m, thresholds),
            seen(detections, scene, range_m),
            known(tracks, scene),
        )
    return FrameScore(scene.near(range_m), scene.distance_m, scene.conflict, scene.hidden, modes)
