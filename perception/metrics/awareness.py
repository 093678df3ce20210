"""Awareness metrics: which road users an ego knows of, and how soon it learns of hidden ones on a collision course.

Only positions decide whether a road user is known. The true identities are used only to follow an episode over time.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int64
from numba import njit

from v2xsim.spatial.assignment import assigned_columns

WITHIN_M = 2.0
"""Largest distance between a track and a road user's centre at which the ego knows of the road user.

The data set nuScenes uses the same distance for its true-positive errors (Caesar et al., CVPR 2020, 3.2).
"""

HORIZON_S = 5.0
"""Horizon of conflicts; our choice, about the time to stop from 50 km/h at 3 m/s^2."""

MISS_M = 3.0
"""Road users whose centres pass closer than this are in conflict.

The distance is our choice: less than a usual lane width (3.25 to 3.5 m), so that neighbours in parallel lanes are not
in conflict.
"""

GAP_US = 1_000_000
"""Longest pause of a conflict that does not end an episode, so that a slightly varying course counts once; our choice."""


def aware(
    objects_m: Float[np.ndarray, "objects 2"], tracks_m: Float[np.ndarray, "tracks 2"], within_m: float = WITHIN_M
) -> Bool[np.ndarray, " objects"]:
    """Return whether each road user has a track; each track counts for at most one road user.

    Tracks are assigned so that as many road users as possible have one.

    Args:
        objects_m: True positions of all road users. Road users beyond the range must be included, so that their tracks
            are not assigned to others.
        tracks_m: Positions of confirmed tracks, in the same coordinates and at the same instant.
        within_m: Largest distance between a track and its road user.
    """
    track: np.ndarray = track_of_each(
        np.ascontiguousarray(objects_m, np.float64), np.ascontiguousarray(tracks_m, np.float64), float(within_m)
    )
    return track >= 0


@njit(cache=True, nogil=True)
def track_of_each(
    objects_m: Float[np.ndarray, "objects any"], tracks_m: Float[np.ndarray, "tracks 2"], within_m: float
) -> Int64[np.ndarray, " objects"]:
    """Return the row of the track that is assigned to each road user, -1 if none is.

    Arguments and assignment are those of `aware`; compiled functions call it. Only the first two coordinates count.
    """
    track_of = np.full(len(objects_m), -1, np.int64)
    if len(objects_m) == 0 or len(tracks_m) == 0:
        return track_of
    # Keep only rows that have a partner within reach: most road users have no track nearby, and many tracks no road
    # user.
    low_x, high_x = tracks_m[:, 0].min() - within_m, tracks_m[:, 0].max() + within_m
    low_y, high_y = tracks_m[:, 1].min() - within_m, tracks_m[:, 1].max() + within_m
    has_object = np.zeros(len(tracks_m), np.bool_)
    rows, count = np.empty(len(objects_m), np.int64), 0
    for i in range(len(objects_m)):
        x, y = objects_m[i, 0], objects_m[i, 1]
        if x < low_x or x > high_x or y < low_y or y > high_y:
            continue
        is_near = False
        for k in range(len(tracks_m)):
            dx, dy = x - tracks_m[k, 0], y - tracks_m[k, 1]
            if dx * dx + dy * dy <= within_m * within_m:
                is_near = True
                has_object[k] = True
        if is_near:
            rows[count] = i
            count += 1
    tracks = np.flatnonzero(has_object)
    # A pair beyond reach costs more than all near pairs together, so that the number of near pairs counts first, and
    # their distance second.
    far = within_m * (min(count, len(tracks)) + 1)
    cost, is_pair = np.empty((count, len(tracks))), np.empty((count, len(tracks)), np.bool_)
    for i in range(count):
        for k in range(len(tracks)):
            dx, dy = objects_m[rows[i], 0] - tracks_m[tracks[k], 0], objects_m[rows[i], 1] - tracks_m[tracks[k], 1]
            squared_m2 = dx * dx + dy * dy
            is_pair[i, k] = squared_m2 <= within_m * within_m
            cost[i, k] = np.sqrt(squared_m2) if is_pair[i, k] else far
    column = assigned_columns(cost)
    for i in range(count):
        if column[i] >= 0 and is_pair[i, column[i]]:
            track_of[rows[i]] = tracks[column[i]]
    return track_of


def awareness_ratio(
    known: Bool[np.ndarray, " objects"],
    objects_m: Float[np.ndarray, "objects 2"],
    ego_m: Float[np.ndarray, " 2"],
    range_m: float,
) -> float:
    """Return the object awareness ratio: the known share of the road users within range, 0 to 1 (NaN if there are none).

    Args:
        known: Whether each road user is known; the ego itself must not be listed.
        objects_m: Position of each road user.
        ego_m: Position of the ego.
        range_m: Road users farther away do not count.
    """
    counted = np.hypot(objects_m[:, 0] - ego_m[0], objects_m[:, 1] - ego_m[1]) <= range_m
    return float(known[counted].mean()) if counted.any() else float("nan")


def conflicts(
    ego_m: Float[np.ndarray, " 2"],
    ego_velocity_mps: Float[np.ndarray, " 2"],
    objects_m: Float[np.ndarray, "objects 2"],
    velocity_mps: Float[np.ndarray, "objects 2"],
    horizon_s: float = HORIZON_S,
    miss_m: float = MISS_M,
) -> Bool[np.ndarray, " objects"]:
    """Return which road users come closer than `miss_m` to the ego within the horizon, if no velocity changes.

    For offset r and relative velocity w, the closest approach is at the time t = -(r w) / (w w), clipped to [0,
    horizon].
    """
    ego, ego_velocity, objects, velocity = (
        np.ascontiguousarray(part, np.float64) for part in (ego_m, ego_velocity_mps, objects_m, velocity_mps)
    )
    close: np.ndarray = on_collision_course(ego, ego_velocity, objects, velocity, float(horizon_s), float(miss_m))
    return close


@njit(cache=True, nogil=True)
def on_collision_course(
    ego_m: Float[np.ndarray, " 2"],
    ego_velocity_mps: Float[np.ndarray, " 2"],
    objects_m: Float[np.ndarray, "objects any"],
    velocity_mps: Float[np.ndarray, "objects 2"],
    horizon_s: float,
    miss_m: float,
) -> Bool[np.ndarray, " objects"]:
    """Return the result of `conflicts`; compiled functions call it. Only the first two coordinates count."""
    close = np.empty(len(objects_m), np.bool_)
    for i in range(len(objects_m)):
        x, y = objects_m[i, 0] - ego_m[0], objects_m[i, 1] - ego_m[1]
        vx, vy = velocity_mps[i, 0] - ego_velocity_mps[0], velocity_mps[i, 1] - ego_velocity_mps[1]
        squared = vx * vx + vy * vy
        closest_s = 0.0 if squared == 0.0 else -(x * vx + y * vy) / squared
        closest_s = min(max(closest_s, 0.0), horizon_s)
        close[i] = np.hypot(x + closest_s * vx, y + closest_s * vy) < miss_m
    return close


@dataclass(frozen=True)
class Episodes:
    """Episodes of one ego, one per row: a road user that was hidden and on a collision course with the ego.

    Attributes:
        agent: Identity of the road user of each episode, in rising order.
        start_us: First instant at which the road user was hidden and in conflict with the ego.
        aware_us: First instant since the start at which the ego knew of the road user, by any means; -1 if there is
            none yet.
        conflict_us: Last instant at which the road user was in conflict with the ego.
    """

    agent: Int64[np.ndarray, " episodes"]
    start_us: Int64[np.ndarray, " episodes"]
    aware_us: Int64[np.ndarray, " episodes"]
    conflict_us: Int64[np.ndarray, " episodes"]

    def __len__(self) -> int:
        return len(self.agent)

    def __getitem__(self, rows: np.ndarray | slice) -> "Episodes":
        return Episodes(self.agent[rows], self.start_us[rows], self.aware_us[rows], self.conflict_us[rows])

    @staticmethod
    def none() -> "Episodes":
        """Return an empty set of episodes."""
        return Episodes(*(np.zeros(0, np.int64) for _ in range(4)))

    @staticmethod
    def joined(parts: "list[Episodes]") -> "Episodes":
        """Return the episodes of several sets, in rising order of their identities."""
        agent = np.concatenate([part.agent for part in parts])
        order = np.argsort(agent, kind="stable")
        return Episodes(
            agent[order],
            np.concatenate([part.start_us for part in parts])[order],
            np.concatenate([part.aware_us for part in parts])[order],
            np.concatenate([part.conflict_us for part in parts])[order],
        )


def step(
    episodes: Episodes,
    conflicted: Bool[np.ndarray, " objects"],
    hidden: Bool[np.ndarray, " objects"],
    known: Bool[np.ndarray, " objects"],
    agent: Int64[np.ndarray, " objects"],
    time_us: int,
    gap_us: int = GAP_US,
) -> tuple[Episodes, Episodes]:
    """Return the episodes that continue after this instant, and those that ended.

    An episode starts when a road user is hidden and in conflict with the ego. The ego may learn of the road user at the
    same instant, for example from others. An episode ends when the conflict has paused for longer than `gap_us`; the
    end of a run ends all episodes.

    Args:
        episodes: Episodes that continue from the instant before.
        conflicted: Whether each road user is on a collision course with the ego, by true motion.
        hidden: Whether the ego's own lidar scan has too few points on each road user.
        known: Whether the ego knows of each road user (see `aware`).
        agent: Identity of each road user, without repetitions; road users that are not listed are not in conflict.
        time_us: Present simulation time; later than in the call before.
        gap_us: Longest pause of the conflict within an episode.
    """
    # A road user with an open episode does not start a second one.
    row, has_one = _rows_in(episodes.agent, agent)
    fresh = np.flatnonzero(conflicted & hidden & ~has_one)
    if len(fresh):
        start = np.full(len(fresh), time_us, np.int64)
        new = Episodes(agent[fresh], start, np.full(len(fresh), -1, np.int64), start)
        episodes = Episodes.joined([episodes, new])
        row, has_one = _rows_in(episodes.agent, agent)
    if len(episodes) == 0:
        return episodes, episodes
    now_known, now_conflicted = np.zeros((2, len(episodes)), bool)
    now_known[row[has_one & known]] = now_conflicted[row[has_one & conflicted]] = True
    episodes = Episodes(
        episodes.agent,
        episodes.start_us,
        np.where((episodes.aware_us < 0) & now_known, time_us, episodes.aware_us),
        np.where(now_conflicted, time_us, episodes.conflict_us),
    )
    # Checked after the update, so that a conflict at this instant keeps the episode open.
    over = time_us - episodes.conflict_us > gap_us
    return episodes[~over], episodes[over]


def _rows_in(
    rising: Int64[np.ndarray, " episodes"], agent: Int64[np.ndarray, " objects"]
) -> tuple[Int64[np.ndarray, " objects"], Bool[np.ndarray, " objects"]]:
    """Return the row of each identity among rising ones, and whether it is there."""
    if len(rising) == 0:
        return np.zeros(len(agent), np.int64), np.zeros(len(agent), bool)
    row = np.minimum(np.searchsorted(rising, agent), len(rising) - 1)
    return row, rising[row] == agent
