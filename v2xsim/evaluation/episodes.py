"""Hidden conflicts of a run: road users on a collision course that an ego could not see, and when it knew of each.

The rules for start and end of an episode are in `v2xsim.perception.metrics.awareness.step`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from v2xsim.evaluation.scene import MODES, Scene
from v2xsim.perception.metrics.awareness import GAP_US, Episodes, step


@dataclass(frozen=True)
class Episode:
    """One hidden conflict between an ego and a road user.

    Attributes:
        ego: Agent id of the ego that should know of the road user.
        agent: Agent id of the hidden road user.
        start_us: Time of the first frame in which the road user was hidden and on a collision course.
        aware_us: By mode, time of the first frame since the start in which the ego knew of the road user; -1 if it never
            did.
        end_us: Time of the last frame in which the road user was on a collision course.
    """

    ego: int
    agent: int
    start_us: int
    aware_us: dict[str, int]
    end_us: int


def gap_at(step_us: int) -> int:
    """Return the longest pause of a conflict within one episode, given the time between two frames.

    At long steps, one frame without the conflict still does not end an episode.
    """
    return max(GAP_US, 2 * step_us)


class HiddenConflicts:
    """Follows the hidden conflicts of every ego over a run, in each mode (`ego` alone and `fused`).

    Args:
        modes: The modes.
        gap_us: Longest pause of a conflict within one episode.
    """

    def __init__(self, modes: Sequence[str] = MODES, gap_us: int = GAP_US) -> None:
        self._modes, self._gap_us = tuple(modes), gap_us
        self._going: dict[tuple[int, str], Episodes] = {}
        self._over: list[tuple[int, str, Episodes]] = []

    def follow(self, scene: Scene, known: Mapping[str, Bool[np.ndarray, " agents"]], range_m: float) -> None:
        """Process one frame of an ego; frames of one ego must come in order of time.

        Args:
            scene: The truth around the ego.
            known: By mode, whether the ego knows of each road user.
            range_m: Conflicts with road users farther from the ego than this do not count.
        """
        conflict = scene.near(range_m) & scene.conflict
        for mode in self._modes:
            before = self._going.get((scene.ego, mode), Episodes.none())
            going, over = step(before, conflict, scene.hidden, known[mode], scene.agent, scene.time_us, self._gap_us)
            self._going[scene.ego, mode] = going
            if len(over):
                self._over.append((scene.ego, mode, over))

    def episodes(self) -> list[Episode]:
        """Return all episodes so far, sorted by ego, road user and start.

        The end of an episode that is still going on is the latest frame with the conflict.
        """
        parts = self._over + [(ego, mode, going) for (ego, mode), going in self._going.items()]
        # Only the truth decides where an episode starts and ends, so all modes have the same episodes.
        aware_us: dict[tuple[int, int, int, int], dict[str, int]] = {}
        for ego, mode, part in parts:
            for agent, start_us, end_us, first_us in zip(
                part.agent.tolist(),
                part.start_us.tolist(),
                part.conflict_us.tolist(),
                part.aware_us.tolist(),
                strict=True,
            ):
                aware_us.setdefault((ego, agent, start_us, end_us), dict.fromkeys(self._modes, -1))[mode] = first_us
        return [
            Episode(ego, agent, start_us, by_mode, end_us)
            for (ego, agent, start_us, end_us), by_mode in sorted(aware_us.items())
        ]
