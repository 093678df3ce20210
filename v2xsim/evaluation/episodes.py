"""Hidden conflicts of a run: road users on a collision course that an ego could not see, and when it knew of each.

The rules for start and end of an episode are in `v2xsim.perception.metrics.awareness.step`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int64

from v2xsim.evaluation.scene import MODES
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
        announces: Whether the road user had a radio at any frame of the run.
    """

    ego: int
    agent: int
    start_us: int
    aware_us: dict[str, int]
    end_us: int
    announces: bool = False


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
        # The episodes of the egos with a frame at the last tick; each has the number of its ego and road user in place of an agent id.
        # Only the truth decides where an episode starts and ends, so all modes have the same episodes in the same order.
        self._going = {mode: Episodes.none() for mode in self._modes}
        self._egos = np.zeros(0, np.int64)
        # Those of the egos without one: they wait for the next frame of their ego, which may never come.
        self._waiting = {mode: _Put() for mode in self._modes}
        self._waiting_egos: set[int] = set()
        self._over = {mode: _Put() for mode in self._modes}

    def follow(
        self, time_us: int, egos: Int64[np.ndarray, " egos"], agents: Int64[np.ndarray, " agents"],
        conflict: Bool[np.ndarray, "egos agents"], hidden: Bool[np.ndarray, "egos agents"],
        known: Mapping[str, Bool[np.ndarray, "egos agents"]],
    ) -> None:  # fmt: skip
        """Process the ego frames of one tick; ticks must come in order of time.

        Args:
            time_us: Time of the frames.
            egos: Agent id of each ego.
            agents: Agent id of each road user.
            conflict: Whether each ego is in conflict with each road user. Road users out of range are in no conflict.
            hidden: Whether none of the own lidars of each ego hit each road user.
            known: By mode, whether each ego knows of each road user.
        """
        self._change_egos(egos)
        going = self._going[self._modes[0]]
        ego_row, _ = _rows_of(_ego_of(going.agent), egos)
        agent_row, is_listed = _rows_of(_agent_of(going.agent), agents)
        # Pairs without a conflict matter only if their episode is going on.
        open_pairs = (ego_row * len(agents) + agent_row)[is_listed]
        pairs = np.union1d(np.flatnonzero(conflict), open_pairs)
        if len(pairs) == 0 and len(going) == 0:
            return
        e, n = np.divmod(pairs, len(agents))
        for mode in self._modes:
            self._going[mode], over = step(
                self._going[mode], conflict[e, n], hidden[e, n], known[mode][e, n], _number(egos[e], agents[n]),
                time_us, self._gap_us,
            )  # fmt: skip
            self._over[mode].put(over)

    def _change_egos(self, egos: Int64[np.ndarray, " egos"]) -> None:
        """Let the episodes of egos without a frame at this tick wait, and take up those of egos that have one again."""
        if np.array_equal(egos, self._egos):
            return
        self._egos = egos.copy()
        ego = _ego_of(self._going[self._modes[0]].agent)
        is_away, back = ~np.isin(ego, egos), self._waiting_egos.intersection(egos.tolist())
        self._waiting_egos |= set(ego[is_away].tolist())
        for mode, waiting in self._waiting.items():
            going = self._going[mode]
            waiting.put(going[is_away])
            self._going[mode] = going = going[~is_away] if is_away.any() else going
            if back:
                items = waiting.all()
                is_back = np.isin(_ego_of(items.agent), list(back))
                self._waiting[mode] = _Put([items[~is_back]])
                self._going[mode] = Episodes.joined([going, items[is_back]])
        self._waiting_egos -= back

    def episodes(self, announces: Bool[np.ndarray, " agents"] | None = None) -> list[Episode]:
        """Return all episodes so far, sorted by ego, road user and start.

        The end of an episode that is still going on is the latest frame with the conflict.

        Args:
            announces: Whether each road user has had a radio, by agent id; those beyond its end had none.
        """
        with_radio = set() if announces is None else set(np.flatnonzero(announces).tolist())
        aware_us: dict[tuple[int, int, int, int], dict[str, int]] = {}
        parts = [
            (mode, part)
            for mode in self._modes
            for part in (self._over[mode].all(), self._waiting[mode].all(), self._going[mode])
        ]
        for mode, part in parts:
            for ego, agent, start_us, end_us, first_us in zip(
                _ego_of(part.agent).tolist(),
                _agent_of(part.agent).tolist(),
                part.start_us.tolist(),
                part.conflict_us.tolist(),
                part.aware_us.tolist(),
                strict=True,
            ):
                aware_us.setdefault((ego, agent, start_us, end_us), dict.fromkeys(self._modes, -1))[mode] = first_us
        return [
            Episode(ego, agent, start_us, by_mode, end_us, agent in with_radio)
            for (ego, agent, start_us, end_us), by_mode in sorted(aware_us.items())
        ]


class _Put:
    """Episodes that are put away, of many ticks."""

    def __init__(self, parts: Sequence[Episodes] = ()) -> None:
        self._parts, self._new = list(parts), list[Episodes]()

    def put(self, episodes: Episodes) -> None:
        """Put away the episodes of a tick."""
        if len(episodes):
            self._new.append(episodes)
        # Arrays of one episode take much more memory than their numbers.
        if len(self._new) >= _PARTS:
            self._parts, self._new = [*self._parts, Episodes.joined(self._new)], []

    def all(self) -> Episodes:
        """Return all episodes."""
        return Episodes.joined([Episodes.none(), *self._parts, *self._new])


# Number of ticks whose episodes are joined.
_PARTS = 256
# Room for the agent id in the number of a pair.
_AGENT_BITS = 32


def _number(ego: Int64[np.ndarray, " pairs"], agent: Int64[np.ndarray, " pairs"]) -> Int64[np.ndarray, " pairs"]:
    """Return the number of each pair of an ego and a road user; pairs are numbered in order of ego and road user."""
    return ego << _AGENT_BITS | agent


def _ego_of(number: Int64[np.ndarray, " pairs"]) -> Int64[np.ndarray, " pairs"]:
    return number >> _AGENT_BITS


def _agent_of(number: Int64[np.ndarray, " pairs"]) -> Int64[np.ndarray, " pairs"]:
    return number & ((1 << _AGENT_BITS) - 1)


def _rows_of(
    wanted: Int64[np.ndarray, " wanted"], known: Int64[np.ndarray, " known"]
) -> tuple[Int64[np.ndarray, " wanted"], Bool[np.ndarray, " wanted"]]:
    """Return the row of each wanted number among the known ones, and whether it is there."""
    if len(known) == 0:
        return np.zeros(len(wanted), np.int64), np.zeros(len(wanted), bool)
    order = np.argsort(known, kind="stable")
    row = order[np.minimum(np.searchsorted(known[order], wanted), len(known) - 1)]
    return row, known[row] == wanted
