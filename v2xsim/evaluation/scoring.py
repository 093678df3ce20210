"""The scores of all ego frames of one tick, as a compiled function that holds no lock.

`v2xsim.evaluation.frame` describes the scores. Detections and tracks of all egos lie in flat arrays: those of ego e in
mode m are the rows begin[g] to end[g] with g = e * modes + m.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int64
from numba import njit

from v2xsim.perception.matching.relevance import meeting_s
from v2xsim.perception.metrics.average_precision import hits
from v2xsim.perception.metrics.awareness import HORIZON_S, MISS_M, WITHIN_M, on_collision_course, track_of_each
from v2xsim.spatial.boxes import ordered_by_content, overlaps


class Users(NamedTuple):
    """The true road users of the tick.

    Attributes:
        agent: Agent id of each.
        by_agent: Rows of the road users in rising order of their agent ids.
        center_m: Centre of the bottom face of each.
        size_m: Size of each.
        velocity_mps: Velocity of each over ground.
        announces: Whether each has a radio, so that it announces itself, received or not.
        top_speed_mps: Highest speed that each may soon have, for its relevance.
    """

    agent: Int64[np.ndarray, " agents"]
    by_agent: Int64[np.ndarray, " agents"]
    center_m: Float[np.ndarray, "agents 3"]
    size_m: Float[np.ndarray, "agents 3"]
    velocity_mps: Float[np.ndarray, "agents 2"]
    announces: Bool[np.ndarray, " agents"]
    top_speed_mps: Float[np.ndarray, " agents"]


class Egos(NamedTuple):
    """The egos of the tick, and the road users where each would place them.

    Attributes:
        agent: Agent id of each ego.
        position_m: Its true position.
        believed_m: Position at which it believes it is.
        velocity_mps: Its true velocity over ground.
        center_m: Centre of each road user where the ego would place it.
        yaw_rad: Heading of each road user as the ego would see it.
    """

    agent: Int64[np.ndarray, " egos"]
    position_m: Float[np.ndarray, "egos 2"]
    believed_m: Float[np.ndarray, "egos 2"]
    velocity_mps: Float[np.ndarray, "egos 2"]
    center_m: Float[np.ndarray, "egos agents 3"]
    yaw_rad: Float[np.ndarray, "egos agents"]


class Found(NamedTuple):
    """Detections of all egos in all modes."""

    begin: Int64[np.ndarray, " groups"]
    end: Int64[np.ndarray, " groups"]
    center_m: Float[np.ndarray, "detections 3"]
    size_m: Float[np.ndarray, "detections 3"]
    yaw_rad: Float[np.ndarray, " detections"]
    score: Float[np.ndarray, " detections"]
    truth: Int64[np.ndarray, " detections"]


class Tracked(NamedTuple):
    """Tracks of all egos in all modes; only confirmed ones count as knowledge. `number` is the track id."""

    begin: Int64[np.ndarray, " groups"]
    end: Int64[np.ndarray, " groups"]
    mean: Float[np.ndarray, "tracks 4"]
    confirmed: Bool[np.ndarray, " tracks"]
    number: Int64[np.ndarray, " tracks"]


class Scores(NamedTuple):
    """The scores of all egos of a tick.

    Attributes:
        near: Whether each road user is in range and not the ego itself.
        distance_m: Distance of each road user from the ego.
        conflict: Whether each road user is on a collision course with the ego.
        seen: Whether each road user is in range and was detected.
        relevant: Whether each road user is on a collision course with the ego, or could meet it within `HORIZON_S` if the ego
            keeps its velocity and the road user goes anywhere at up to its top speed. Only the truth decides.
        known: Whether there is a confirmed track for each road user, at any distance.
        false_group: Group of each false track: a confirmed track in range of where the ego believes it is, to which no road
            user is assigned. A second track of one road user is false, too.
        false_number: Track id of each false track.
        counts: Whether each detection counts.
        first: First row of the detections of each group in `score` and `hit`.
        score: Scores of the detections that count, in falling order within each group.
        hit: Whether each of them hit a body, for each threshold.
        objects: Number of road users in range of each ego.
        of_announced: Whether each detection that counts is of a road user that announces itself, in the order of `score`.
        unannounced: Number of road users in range of each ego that do not announce themselves.
    """

    near: Bool[np.ndarray, "egos agents"]
    distance_m: Float[np.ndarray, "egos agents"]
    conflict: Bool[np.ndarray, "egos agents"]
    relevant: Bool[np.ndarray, "egos agents"]
    seen: Bool[np.ndarray, "egos modes agents"]
    known: Bool[np.ndarray, "egos modes agents"]
    false_group: Int64[np.ndarray, " false_tracks"]
    false_number: Int64[np.ndarray, " false_tracks"]
    counts: Bool[np.ndarray, " detections"]
    first: Int64[np.ndarray, " groups_plus_1"]
    score: Float[np.ndarray, " counted"]
    hit: Bool[np.ndarray, "thresholds counted"]
    objects: Int64[np.ndarray, " egos"]
    of_announced: Bool[np.ndarray, " counted"]
    unannounced: Int64[np.ndarray, " egos"]


@njit(cache=True, nogil=True)
def scores_of(  # type: ignore[no-untyped-def]
    users: Users,
    egos: Egos,
    found: Found,
    tracked: Tracked,
    range_m: float,
    thresholds: Float[np.ndarray, " thresholds"],
):
    """Return the scores of all egos of one tick."""
    count, agents, groups = len(egos.agent), len(users.agent), len(found.begin)
    modes, most = groups // max(1, count), len(found.score)
    near, distance_m = np.empty((count, agents), np.bool_), np.empty((count, agents))
    conflict, relevant = np.empty((count, agents), np.bool_), np.empty((count, agents), np.bool_)
    false_group, false_number, false_tracks = (
        np.empty(len(tracked.number), np.int64),
        np.empty(len(tracked.number), np.int64),
        0,
    )
    seen, known = np.zeros((count, modes, agents), np.bool_), np.empty((count, modes, agents), np.bool_)
    counts, first = np.empty(most, np.bool_), np.zeros(groups + 1, np.int64)
    score, hit, objects = np.empty(most), np.empty((len(thresholds), most), np.bool_), np.empty(count, np.int64)
    of_announced, unannounced = np.empty(most, np.bool_), np.empty(count, np.int64)
    for e in range(count):
        _look(users, egos, e, range_m, near[e], distance_m[e], conflict[e], relevant[e])
        bodies = _bodies(users, egos, e, near[e])
        objects[e], unannounced[e] = len(bodies), np.sum(near[e] & ~users.announces)
        for m in range(modes):
            g = e * modes + m
            a, b, c = found.begin[g], found.end[g], first[g]
            _count(users, egos, e, found, a, b, near[e], range_m, counts, seen[e, m])
            rows = a + np.flatnonzero(counts[a:b])
            c_end = c + len(rows)
            boxes, order = _boxes(found.center_m, found.size_m, found.yaw_rad, rows, found.score[rows])
            for k in range(len(rows)):
                row = _row_of(users, found.truth[rows[order[k]]])
                of_announced[c + k] = row >= 0 and users.announces[row]
            score[c:c_end] = np.sort(found.score[rows])[::-1]
            hit[:, c:c_end] = hits(overlaps(boxes, bodies), thresholds)
            first[g + 1] = c_end
            known[e, m], false = _known(users, egos, e, tracked, g, range_m)
            for row in false:
                false_group[false_tracks], false_number[false_tracks] = g, tracked.number[row]
                false_tracks += 1
    counted = first[groups]
    return Scores(
        near, distance_m, conflict, relevant, seen, known, false_group[:false_tracks], false_number[:false_tracks], counts, first,
        score[:counted], hit[:, :counted], objects, of_announced[:counted], unannounced,
    )  # fmt: skip


@njit(cache=True, nogil=True)
def _look(users, egos, e, range_m, near, distance_m, conflict, relevant):  # type: ignore[no-untyped-def]
    """Write who is in range of an ego, how far away, on a collision course, and relevant."""
    vx, vy = egos.velocity_mps[e]
    course = on_collision_course(
        egos.position_m[e], egos.velocity_mps[e], users.center_m, users.velocity_mps, HORIZON_S, MISS_M
    )
    for k in range(len(users.agent)):
        x, y = users.center_m[k, 0] - egos.position_m[e, 0], users.center_m[k, 1] - egos.position_m[e, 1]
        is_other = users.agent[k] != egos.agent[e]
        distance_m[k] = np.hypot(x, y)
        near[k] = is_other and distance_m[k] <= range_m
        conflict[k] = is_other and course[k]
        excess = vx * vx + vy * vy - users.top_speed_mps[k] * users.top_speed_mps[k]
        # Two that pass closely are on a collision course, and need not be able to meet exactly.
        relevant[k] = conflict[k] or (is_other and meeting_s(x, y, vx, vy, excess) <= HORIZON_S)


@njit(cache=True, nogil=True)
def _boxes(center_m, size_m, yaw_rad, rows, score):  # type: ignore[no-untyped-def]
    """Return x, y, length, width and heading of some boxes, ordered by score and content, and this order."""
    content = np.empty((len(rows), 7))
    content[:, :3], content[:, 3], content[:, 4:] = center_m[rows], yaw_rad[rows], size_m[rows]
    boxes, order = np.empty((len(rows), 5)), ordered_by_content(content, score)
    for k in range(len(rows)):
        row = content[order[k]]
        boxes[k, 0], boxes[k, 1], boxes[k, 2], boxes[k, 3], boxes[k, 4] = row[0], row[1], row[4], row[5], row[3]
    return boxes, order


@njit(cache=True, nogil=True)
def _bodies(users, egos, e, near):  # type: ignore[no-untyped-def]
    """Return the bodies of the road users in range of an ego, where it would place them."""
    rows = np.flatnonzero(near)
    boxes, _ = _boxes(egos.center_m[e], users.size_m, egos.yaw_rad[e], rows, np.zeros(len(rows)))
    return boxes


@njit(cache=True, nogil=True)
def _count(users, egos, e, found, first, last, near, range_m, counts, seen):  # type: ignore[no-untyped-def]
    """Write which detections of an ego count, and which road users in range it has seen."""
    for d in range(first, last):
        truth = found.truth[d]
        row = _row_of(users, truth)
        if row >= 0 and near[row]:
            seen[row] = True
        if truth >= 0:
            # The true distance of the road user decides, wherever its box is. Otherwise, a box that an error moves out of
            # range would be neither a hit nor a false positive.
            counts[d] = row >= 0 and near[row]
        else:
            x, y = found.center_m[d, 0] - egos.believed_m[e, 0], found.center_m[d, 1] - egos.believed_m[e, 1]
            counts[d] = np.hypot(x, y) <= range_m


@njit(cache=True, nogil=True)
def _row_of(users, agent):  # type: ignore[no-untyped-def]
    """Return the row of a road user, -1 if there is none with this id."""
    low, high = 0, len(users.by_agent)
    while low < high:
        middle = (low + high) // 2
        if users.agent[users.by_agent[middle]] < agent:
            low = middle + 1
        else:
            high = middle
    if low < len(users.by_agent) and users.agent[users.by_agent[low]] == agent:
        return users.by_agent[low]
    return -1


@njit(cache=True, nogil=True)
def _known(users, egos, e, tracked, g, range_m):  # type: ignore[no-untyped-def]
    """Return which other road users an ego knows of, at any distance, and the rows of its false tracks.

    It knows of those to which a confirmed track is assigned. Confirmed tracks in range that are assigned to nobody are false.
    """
    first, last = tracked.begin[g], tracked.end[g]
    rows = first + np.flatnonzero(tracked.confirmed[first:last])
    tracks_m = np.empty((len(rows), 2))
    for k in range(len(rows)):
        tracks_m[k, 0], tracks_m[k, 1] = tracked.mean[rows[k], 0], tracked.mean[rows[k], 1]
    # The ego's own body takes part in the assignment, so that a track of the ego itself is not assigned to another road
    # user.
    track_of = track_of_each(egos.center_m[e], tracks_m, WITHIN_M)
    known, is_false = np.empty(len(users.agent), np.bool_), np.empty(len(rows), np.bool_)
    for k in range(len(rows)):
        x, y = tracks_m[k, 0] - egos.believed_m[e, 0], tracks_m[k, 1] - egos.believed_m[e, 1]
        is_false[k] = np.hypot(x, y) <= range_m
    for k in range(len(users.agent)):
        known[k] = track_of[k] >= 0 and users.agent[k] != egos.agent[e]
        if track_of[k] >= 0:
            is_false[track_of[k]] = False
    return known, rows[is_false]
