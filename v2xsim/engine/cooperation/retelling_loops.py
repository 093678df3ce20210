"""Compiled loops of retelling: which reported objects a station may tell on, and what the stations around it know of them."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int64
from numba import njit

from v2xsim.comms.messages.cpm import CHECK_US, MOVE_M, SLOWEST_US
from v2xsim.engine.cooperation.matrix_sight import Bodies, Matrices, covers, is_occupied
from v2xsim.engine.stations.knowledge import GRACE_US
from v2xsim.engine.stations.reports_heard import Held, ReportedRows
from v2xsim.perception.matching.relevance import meeting_s


class Around(NamedTuple):
    """What each of some stations, the tellers, knows of the stations around it at one instant, teller after teller.

    Attributes:
        own: Agent id of each teller.
        own_m: Its position at the last tick, by its own estimate.
        offset: First known station of each teller; one entry more than tellers.
        agent: Agent id of each known station, in rising order for one teller.
        place_m: Announced position of each, extrapolated with the announced velocity.
        velocity_mps: Announced velocity of each.
        is_vehicle: Whether each is a vehicle, not a roadside unit.
        wants: Whether each wants data of others.
        matrix: Row of the matrix of each, -1 for none.
        matrix_age_s: Time since the state that each announced with its matrix.
        said: Row of the announcement of each in `listed`.
        listed: First entry of each announcement's list of heard stations; one entry more than announcements.
        heard_agent: Agent ids of the listed stations, in rising order for one list.
        heard_share: Share of the announcements of each that arrive.
        own_offset: First station that each teller hears itself, in `own_heard`; one entry more than tellers.
        own_heard: Agent ids of the stations that each teller hears itself, in rising order for one teller.
        own_share: Share of the announcements of each that arrive at the teller.
    """

    own: Int64[np.ndarray, " tellers"]
    own_m: Float[np.ndarray, "tellers 2"]
    offset: Int64[np.ndarray, " tellers_plus_1"]
    agent: Int64[np.ndarray, " known"]
    place_m: Float[np.ndarray, "known 2"]
    velocity_mps: Float[np.ndarray, "known 2"]
    is_vehicle: Bool[np.ndarray, " known"]
    wants: Bool[np.ndarray, " known"]
    matrix: Int64[np.ndarray, " known"]
    matrix_age_s: Float[np.ndarray, " known"]
    said: Int64[np.ndarray, " known"]
    listed: Int64[np.ndarray, " announcements_plus_1"]
    heard_agent: Int64[np.ndarray, " listed"]
    heard_share: Float[np.ndarray, " listed"]
    own_offset: Int64[np.ndarray, " tellers_plus_1"]
    own_heard: Int64[np.ndarray, " heard"]
    own_share: Float[np.ndarray, " heard"]


class Usable(NamedTuple):
    """The reported objects that some stations hold and that are still valid, station after station.

    Attributes:
        current_offset: First entry of each station in `current`; one entry more than stations.
        current: Rows of the objects that their reporter need not have reported again yet; none of a station that has nothing to tell on.
        current_m: Position of each of them, extrapolated to the present.
        offset: First entry of each station in `offered`; one entry more than stations.
        offered: Rows of the objects that the station may tell on: the newest report of each.
        offered_m: Position of each of them, extrapolated to the present.
    """

    current_offset: Int64[np.ndarray, " stations_plus_1"]
    current: Int64[np.ndarray, " current"]
    current_m: Float[np.ndarray, "current 2"]
    offset: Int64[np.ndarray, " stations_plus_1"]
    offered: Int64[np.ndarray, " offered"]
    offered_m: Float[np.ndarray, "offered 2"]


def usable(
    rows: ReportedRows, held: Held, agents: Int64[np.ndarray, " stations"], own_us: Int64[np.ndarray, " stations"], interval_us: int,
    same_m: float,
) -> Usable:  # fmt: skip
    """Return what each of some stations may tell on of the messages that it holds.

    An object may be told on for as long as it is valid for fusion and a message may take until the next report, if it came from the station
    that detected it, by the clocks of that station and of this one. Of several reports of one object, less than `same_m` apart or with the
    same number of the same station, only the newest one may; of equally new ones that which was told on least often, then that from the sender
    with the lowest agent id. What the station reports itself need not be told on.

    Args:
        rows: Objects of all messages.
        held: The messages that each station holds.
        agents: Agent id of each station.
        own_us: The present on the clock of each.
        interval_us: Least time between two reports of a station.
        same_m: Reports closer than this are of one object.
    """
    return Usable(*_usable(rows, held, agents, own_us, float(interval_us - CHECK_US), same_m))


@njit(cache=True, nogil=True)
def _usable(rows, held, agents, own_us, extra_us, same_m):  # type: ignore[no-untyped-def]
    most = 0
    for m in held.message:
        most += rows.end[m] - rows.begin[m]
    current_offset, offset = np.zeros(len(agents) + 1, np.int64), np.zeros(len(agents) + 1, np.int64)
    current, current_m, n = np.empty(most, np.int64), np.empty((most, 2)), 0
    offered, offered_m, count = np.empty(most, np.int64), np.empty((most, 2)), 0
    # Of one station: objects of others that arrived and are valid, and places of those that it reported itself.
    arrived, arrived_m, order = np.empty(most, np.int64), np.empty((most, 2)), np.empty(most, np.int64)
    own_m = np.empty((most, 2))
    for a in range(len(agents)):
        own, f, mine = agents[a], 0, 0
        for at in range(held.offset[a], held.offset[a + 1]):
            for k in range(rows.begin[held.message[at]], rows.end[held.message[at]]):
                age_us = own_us[a] - rows.stamp_us[k]
                vx, vy = rows.velocity_mps[k, 0], rows.velocity_mps[k, 1]
                renewed_us = min(SLOWEST_US, 1e6 * MOVE_M / max(np.hypot(vx, vy), 1e-3) + extra_us)
                x, y = rows.place_m[k, 0] + vx * age_us * 1e-6, rows.place_m[k, 1] + vy * age_us * 1e-6
                if age_us <= renewed_us:
                    current[n], current_m[n, 0], current_m[n, 1] = k, x, y
                    n += 1
                    if rows.origin[k] == own:
                        own_m[mine, 0], own_m[mine, 1] = x, y
                        mine += 1
                if rows.origin[k] != own and rows.sender[k] != own and age_us <= renewed_us + GRACE_US - CHECK_US:
                    arrived[f], arrived_m[f, 0], arrived_m[f, 1] = k, x, y
                    # Newest first; of the same instant, what was told on least often; then by sender, since frames of one tick are equally old.
                    order[f] = (age_us * 16 + rows.hops[k]) * 2**31 + rows.sender[k]
                    f += 1
        newest = np.argsort(order[:f], kind="mergesort")
        first = count
        for rank in range(f):
            k, x, y = arrived[newest[rank]], arrived_m[newest[rank], 0], arrived_m[newest[rank], 1]
            if (
                not _is_older(rows, arrived, newest, rank)
                and not _is_near(x, y, own_m, 0, mine, same_m)
                and not _is_near(x, y, offered_m, first, count, same_m)
            ):
                offered[count], offered_m[count, 0], offered_m[count, 1] = k, x, y
                count += 1
        # Nobody asks what a station knows of that has nothing to offer.
        n = n if count > first else current_offset[a]
        current_offset[a + 1], offset[a + 1] = n, count
    return current_offset, current[:n], current_m[:n], offset, offered[:count], offered_m[:count]


@njit(cache=True, nogil=True)
def _is_older(rows, arrived, newest, rank):  # type: ignore[no-untyped-def]
    """Return whether a newer report of the same object arrived, one with the same number of the same station."""
    k = arrived[newest[rank]]
    for newer in range(rank):
        other = arrived[newest[newer]]
        if rows.number[k] == rows.number[other] and rows.origin[k] == rows.origin[other]:
            return True
    return False


@njit(cache=True, nogil=True)
def _is_near(x, y, places_m, begin, end, same_m):  # type: ignore[no-untyped-def]
    """Return whether one of some places is near enough to be that of the same object."""
    at = begin
    while at < end and not _are_same(x, y, places_m[at, 0], places_m[at, 1], same_m):
        at += 1
    return at < end


@njit(cache=True, nogil=True)
def _are_same(x, y, other_x, other_y, same_m):  # type: ignore[no-untyped-def]
    return (x - other_x) ** 2 + (y - other_y) ** 2 < same_m * same_m


class Compared(NamedTuple):
    """Columns of `RetellingView` of all tellers, teller after teller.

    Attributes:
        pairs: First pair of each teller; one entry more than tellers. A pair is an object that it may tell on and a station that wants data.
        told, sees, is_itself, hears, relevance, better: Of each pair, object after object.
        wanting: First entry of each teller in `reached`; one entry more than tellers.
        reached: Of each known station that wants data.
    """

    pairs: Int64[np.ndarray, " tellers_plus_1"]
    told: Float[np.ndarray, " pairs"]
    sees: Bool[np.ndarray, " pairs"]
    is_itself: Bool[np.ndarray, " pairs"]
    hears: Float[np.ndarray, " pairs"]
    relevance: Float[np.ndarray, " pairs"]
    better: Int64[np.ndarray, " pairs"]
    wanting: Int64[np.ndarray, " tellers_plus_1"]
    reached: Float[np.ndarray, " wanting"]


def compared(
    rows: ReportedRows, usable: Usable, bodies: Bodies, top_mps: Float[np.ndarray, " offered"], around: Around, matrices: Matrices,
    same_m: float, attention_s: float,
) -> Compared:  # fmt: skip
    """Return what tellers know of the stations around them and of the objects that they may tell on.

    Args:
        rows: Objects of all messages.
        usable: What each teller may use.
        bodies: The objects that tellers may tell on, at the present.
        top_mps: Highest speed that each of these objects may soon have.
        around: What each teller knows of the stations around it.
        matrices: Announced matrices.
        same_m: Reports closer than this are of one object.
        attention_s: Time over which relevance falls to 1/e.
    """
    before = np.concatenate([[0], np.cumsum(around.wants)])[around.offset]
    pairs = np.concatenate([[0], np.cumsum(np.diff(usable.offset) * np.diff(before))])
    return Compared(
        pairs, *_compared(rows, usable, bodies, top_mps, around, matrices, pairs, before, same_m, attention_s)
    )


@njit(cache=True, nogil=True)
def _compared(rows, usable, bodies, top_mps, around, matrices, pairs, before, same_m, attention_s):  # type: ignore[no-untyped-def]
    count = pairs[-1]
    told, sees, is_itself = np.zeros(count), np.zeros(count, np.bool_), np.zeros(count, np.bool_)
    hears, relevance, better = np.zeros(count), np.zeros(count), np.zeros(count, np.int64)
    reached, pair = np.empty(before[-1]), 0
    for o in range(len(around.own)):
        first, known = around.offset[o], around.offset[o + 1] - around.offset[o]
        wanting = first + np.flatnonzero(around.wants[first : first + known])
        at = before[o]
        for w in range(len(wanting)):
            reached[at + w] = _share(around, around.said[wanting[w]], around.own[o])
        if len(wanting) == 0 or usable.offset[o] == usable.offset[o + 1]:
            continue
        between = _between(around, first, known, wanting)
        apart2, own_apart2 = _apart2(around, first, known, wanting, around.own_m[o])
        to_third = np.empty(known)
        for t in range(usable.offset[o], usable.offset[o + 1]):
            k, x, y = usable.offered[t], usable.offered_m[t, 0], usable.offered_m[t, 1]
            body, source = _announcer(around, first, known, x, y, same_m), rows.sender[k]
            from_source = _in_list(
                around.own_heard, around.own_share, around.own_offset[o], around.own_offset[o + 1], source
            )
            for third in range(known):
                # A station that detected the object or told this one of it is none between the two.
                is_between = around.agent[first + third] not in (source, rows.origin[k])
                to_third[third] = _share(around, around.said[first + third], source) if is_between else -1.0
            # The current reports of the same object are few.
            same = np.empty(usable.current_offset[o + 1] - usable.current_offset[o], np.int64)
            reports = 0
            for c in range(usable.current_offset[o], usable.current_offset[o + 1]):
                if _are_same(x, y, usable.current_m[c, 0], usable.current_m[c, 1], same_m):
                    same[reports] = usable.current[c]
                    reports += 1
            for w in range(len(wanting)):
                other = wanting[w]
                agent, other_x, other_y = around.agent[other], around.place_m[other, 0], around.place_m[other, 1]
                is_itself[pair] = other - first == body or (
                    around.is_vehicle[other] and covers(bodies, t, other_x, other_y, 0.0)
                )
                hears[pair] = between[w, body] if body >= 0 else 0.0
                sees[pair] = around.matrix[other] >= 0 and is_occupied(
                    bodies, t, around.matrix_age_s[other], matrices, around.matrix[other]
                )
                vx, vy = around.velocity_mps[other, 0], around.velocity_mps[other, 1]
                time_s = meeting_s(x - other_x, y - other_y, vx, vy, vx * vx + vy * vy - top_mps[t] ** 2)
                relevance[pair] = np.exp(-time_s / attention_s)
                missed = 1.0
                for c in range(reports):
                    sender = rows.sender[same[c]]
                    if agent in (sender, rows.origin[same[c]]):
                        missed = 0.0
                    if missed > 0.0:
                        missed *= 1.0 - _share(around, around.said[other], sender)
                told[pair] = 1.0 - missed
                mine = min(from_source, reached[at + w])
                for third in range(known):
                    over = min(to_third[third], between[w, third])
                    # Of equals, the nearer one.
                    if first + third != other and (over > mine or (over == mine and apart2[w, third] < own_apart2[w])):
                        better[pair] += 1
                pair += 1
    return told, sees, is_itself, hears, relevance, better, before, reached


@njit(cache=True, nogil=True)
def _between(around, first, known, wanting):  # type: ignore[no-untyped-def]
    """Return the share of the announcements of each known station that arrive at each one that wants data."""
    share = np.empty((len(wanting), known))
    for w in range(len(wanting)):
        for third in range(known):
            share[w, third] = _share(around, around.said[wanting[w]], around.agent[first + third])
    return share


@njit(cache=True, nogil=True)
def _apart2(around, first, known, wanting, own_m):  # type: ignore[no-untyped-def]
    """Return the squares of the distances of known stations, and of this one, from those that want data."""
    apart2, own_apart2 = np.empty((len(wanting), known)), np.empty(len(wanting))
    for w in range(len(wanting)):
        x, y = around.place_m[wanting[w], 0], around.place_m[wanting[w], 1]
        own_apart2[w] = (x - own_m[0]) ** 2 + (y - own_m[1]) ** 2
        for third in range(known):
            dx, dy = x - around.place_m[first + third, 0], y - around.place_m[first + third, 1]
            apart2[w, third] = dx * dx + dy * dy
    return apart2, own_apart2


@njit(cache=True, nogil=True)
def told_before(rows, usable, agents, same_m):  # type: ignore[no-untyped-def]
    """Return for each object that a station may tell on whether it told it on itself, and how many messages of others did.

    Only messages count that arrived at the station, or that it sent, and whose object need not have been followed by a newer report yet.
    """
    is_mine, tellings = np.zeros(len(usable.offered), np.bool_), np.zeros(len(usable.offered), np.int64)
    for a in range(len(agents)):
        for t in range(usable.offset[a], usable.offset[a + 1]):
            for c in range(usable.current_offset[a], usable.current_offset[a + 1]):
                row, x, y = usable.current[c], usable.offered_m[t, 0], usable.offered_m[t, 1]
                if rows.hops[row] == 0 or not _are_same(x, y, usable.current_m[c, 0], usable.current_m[c, 1], same_m):
                    continue
                if rows.sender[row] == agents[a]:
                    is_mine[t] = True
                else:
                    tellings[t] += 1
    return is_mine, tellings


@njit(cache=True, nogil=True)
def _announcer(around, first, known, x, y, same_m):  # type: ignore[no-untyped-def]
    """Return which known station is the announced vehicle nearest to a place, less than `same_m` away; -1 for none."""
    nearest, best = same_m * same_m, -1
    for other in range(known):
        dx, dy = around.place_m[first + other, 0] - x, around.place_m[first + other, 1] - y
        if around.is_vehicle[first + other] and dx * dx + dy * dy < nearest:
            nearest, best = dx * dx + dy * dy, other
    return best


@njit(cache=True, nogil=True)
def _share(around, said, agent):  # type: ignore[no-untyped-def]
    """Return the share of a station's announcements that an announcement's list has; 0 if it is not in the list."""
    return _in_list(around.heard_agent, around.heard_share, around.listed[said], around.listed[said + 1], agent)


@njit(cache=True, nogil=True)
def _in_list(agents, share, begin, end, agent):  # type: ignore[no-untyped-def]
    at = begin + np.searchsorted(agents[begin:end], agent)
    return share[at] if at < end and agents[at] == agent else 0.0
