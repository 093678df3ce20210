"""Road users so far from all others that their positions are probably in another unit or frame."""

import numpy as np
from jaxtyping import Bool, Float, Int64

from v2xsim.engine.stations.number_set import NumberSet
from v2xsim.mobility.base import Names, counted
from v2xsim.notices import Notice
from v2xsim.world.snapshot import Snapshot

# Places are noted in squares of this size: road users in one square, or in neighbouring ones, are together.
_CELL_M = 1000.0
# Road users are far from the others beyond so many diagonals of the area of these.
_DIAGONALS = 3.0
# Fewer road users are no crowd from which one could stand apart, and a larger share of them is another place, not an error.
_LEAST_OTHERS = 3
_LARGEST_SHARE = 0.2
# Longitudes and latitudes of a road user change by less than this: about 10 km.
_MOST_DEGREES = 0.1


class FarUsers:
    """Notes where each road user is, tick by tick.

    Args:
        source: Name of the traffic, for the text of the notice.
    """

    def __init__(self, source: str) -> None:
        self._source = source
        # Of each road user: the rectangle of all its places, the square where it was last, and when and where it was first.
        self._lower_m, self._upper_m, self._first_m = (np.zeros((0, 2)) for _ in range(3))
        self._cell, self._first_us = np.zeros((0, 2)), np.zeros(0, np.int64)
        # The squares in which somebody was, in the order in which they were entered, and who was in each: the number of the square, and
        # the agent id in 32 bits.
        self._squares: dict[tuple[int, int], int] = {}
        self._users_in = NumberSet()

    def note(self, snapshot: Snapshot) -> None:
        """Note the road users of a tick."""
        agent, place_m = snapshot.agent, snapshot.boxes.center_m[:, :2]
        if len(agent) == 0:
            return
        missing = int(agent.max()) + 1 - len(self._lower_m)
        if missing > 0:
            nowhere = np.full((max(missing, len(self._lower_m)), 2), np.nan)
            self._lower_m, self._upper_m, self._first_m, self._cell = (
                np.append(rows, nowhere, axis=0) for rows in (self._lower_m, self._upper_m, self._first_m, self._cell)
            )
            self._first_us = np.append(self._first_us, np.zeros(len(nowhere), np.int64))
        new = agent[np.isnan(self._first_m[agent, 0])]
        self._first_us[new] = snapshot.time_us
        self._first_m[agent] = np.where(np.isnan(self._first_m[agent]), place_m, self._first_m[agent])
        self._lower_m[agent] = np.fmin(self._lower_m[agent], place_m)
        self._upper_m[agent] = np.fmax(self._upper_m[agent], place_m)
        cell = np.floor(place_m / _CELL_M)
        changed = np.flatnonzero((cell != self._cell[agent]).any(axis=1))
        if len(changed):
            squares = [
                self._squares.setdefault((x, y), len(self._squares)) for x, y in cell[changed].astype(np.int64).tolist()
            ]
            self._users_in.add(np.array(squares, np.int64) << 32 | agent[changed])
        self._cell[agent] = cell

    def notice(self, names: Names) -> Notice | None:
        """Return the notice about road users far from all others, if there are any."""
        far = self._far()
        if not far:
            return None
        first = min(far, key=lambda agent: (self._first_us[agent], agent))
        x_m, y_m = self._first_m[first].tolist()
        others = np.setdiff1d(np.flatnonzero(~np.isnan(self._first_m[:, 0])), far)
        gap_m = float(
            _gap_m(self._lower_m[first], self._upper_m[first], self._lower_m[others], self._upper_m[others]).min()
        )
        degrees = self._looks_like_degrees(np.array([first]))[0]
        cause = "it looks like longitude and latitude, or kilometres; " if degrees else ""
        text = (
            f"{self._source}: {counted(len(far), 'road user')} far from the {len(others):,} others, first {names.name_of(first)!r} with its centre at ({x_m:.7g}, "
            f"{y_m:.7g}) at {self._first_us[first] / 1e6:.12g} s, {gap_m / 1000:.1f} km from the nearest other one; {cause}correct its position, "
            "which must be in metres in the frame of the others, or leave it out"
        )
        return Notice("traffic.far_away", len(far), text)

    def _far(self) -> list[int]:
        """Return the road users that are always far from most others."""
        square, user = np.divmod(self._users_in.numbers, 1 << 32)
        ends = np.searchsorted(square, np.arange(len(self._squares) + 1))
        users_of = {key: set(user[ends[n] : ends[n + 1]].tolist()) for key, n in self._squares.items()}
        everybody = set(user.tolist())
        groups = _together(users_of)
        if len(groups) < 2:
            return []
        crowd = max(groups, key=len)
        others = sorted(crowd)
        apart = sorted(everybody - crowd)
        if not apart or len(others) < _LEAST_OTHERS or len(apart) > max(1.0, _LARGEST_SHARE * len(everybody)):
            return []
        lower_m, upper_m = self._lower_m[others], self._upper_m[others]
        diagonal_m = float(np.hypot(*(upper_m.max(axis=0) - lower_m.min(axis=0))))
        degrees = self._looks_like_degrees(np.array(apart))
        far = []
        for agent, in_degrees in zip(apart, degrees.tolist(), strict=True):
            gap_m = float(_gap_m(self._lower_m[agent], self._upper_m[agent], lower_m, upper_m).min())
            if gap_m > (_CELL_M if in_degrees else max(_CELL_M, _DIAGONALS * diagonal_m)):
                far.append(agent)
        return far

    def _looks_like_degrees(self, agent: Int64[np.ndarray, " users"]) -> Bool[np.ndarray, " users"]:
        """Return which road users are always at places that can be longitude and latitude."""
        lower, upper = self._lower_m[agent], self._upper_m[agent]
        inside = (np.abs([lower, upper]) <= np.array([180.0, 90.0])).all(axis=(0, 2))
        return np.asarray(inside & ((upper - lower).max(axis=1) < _MOST_DEGREES))


def _gap_m(
    lower_m: Float[np.ndarray, " 2"],
    upper_m: Float[np.ndarray, " 2"],
    others_lower_m: Float[np.ndarray, "others 2"],
    others_upper_m: Float[np.ndarray, "others 2"],
) -> Float[np.ndarray, " others"]:
    """Return the distance between one rectangle and each of others."""
    gap_m = np.maximum(np.maximum(others_lower_m - upper_m, lower_m - others_upper_m), 0.0)
    return np.hypot(gap_m[:, 0], gap_m[:, 1])


def _together(users_of: dict[tuple[int, int], set[int]]) -> list[set[int]]:
    """Return the groups of road users that were in one square or in neighbouring ones."""
    groups, unseen = [], set(users_of)
    while unseen:
        reached, group = [unseen.pop()], set()
        while reached:
            x, y = reached.pop()
            group |= users_of[x, y]
            near = {(x + i, y + j) for i in (-1, 0, 1) for j in (-1, 0, 1)} & unseen
            unseen -= near
            reached += near
        groups.append(group)
    return groups
