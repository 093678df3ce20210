"""Compiled loops of retelling: which reported objects a station may tell on, and what the stations around it know of them."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int64
from numba import njit

from v2xsim.comms.messages.cpm import CHECK_US, MOVE_M, SLOWEST_US
from v2xsim.engine.cooperation.matrix_sight import covers
from v2xsim.engine.stations.knowledge import GRACE_US
from v2xsim.engine.stations.reports_heard import ReportedRows
from v2xsim.perception.matching.relevance import meeting_s


class Around(NamedTuple):
    """What one station knows of the stations around it at one instant, in rising order of their agent ids.

    Attributes:
        own: Agent id of the station itself.
        stamp_us: The present on its own clock.
        own_m: Its position at the last tick, by its own estimate.
        agent: Agent id of each known station.
        place_m: Announced position of each, extrapolated with the announced velocity.
        velocity_mps: Announced velocity of each.
        is_vehicle: Whether each is a vehicle, not a roadside unit.
        wants: Whether each wants data of others.
        said: Row of the announcement of each in `listed`.
        listed: First entry of each announcement's list of heard stations; one entry more than announcements.
        heard_agent: Agent ids of the listed stations, in rising order for one list.
        heard_share: Share of the announcements of each that arrive.
        own_heard: Agent ids of the stations that this one hears itself, in rising order.
        own_share: Share of the announcements of each that arrive at it.
    """

    own: int
    stamp_us: int
    own_m: Float[np.ndarray, " 2"]
    agent: Int64[np.ndarray, " known"]
    place_m: Float[np.ndarray, "known 2"]
    velocity_mps: Float[np.ndarray, "known 2"]
    is_vehicle: Bool[np.ndarray, " known"]
    wants: Bool[np.ndarray, " known"]
    said: Int64[np.ndarray, " known"]
    listed: Int64[np.ndarray, " announcements_plus_1"]
    heard_agent: Int64[np.ndarray, " listed"]
    heard_share: Float[np.ndarray, " listed"]
    own_heard: Int64[np.ndarray, " heard"]
    own_share: Float[np.ndarray, " heard"]


class Usable(NamedTuple):
    """The reported objects that a station holds and that are still valid.

    Attributes:
        current: Rows of the objects that their reporter need not have reported again yet.
        current_m: Position of each of them, extrapolated to the present.
        offered: Rows of the objects that the station may tell on: the newest report of each.
        offered_m: Position of each of them, extrapolated to the present.
    """

    current: Int64[np.ndarray, " current"]
    current_m: Float[np.ndarray, "current 2"]
    offered: Int64[np.ndarray, " offered"]
    offered_m: Float[np.ndarray, "offered 2"]


def usable(
    rows: ReportedRows, messages: Int64[np.ndarray, " messages"], own: int, own_us: int, interval_us: int, same_m: float
) -> Usable:
    """Return what a station may tell on of the messages that it holds.

    An object may be told on for as long as it is valid for fusion and a message may take until the next report, if it came from the station
    that detected it, by the clocks of that station and of this one. Of several reports of one object, less than `same_m` apart or with the
    same number of the same station, only the newest one may; of equally new ones that which was told on least often, then that from the sender
    with the lowest agent id. What the station reports itself need not be told on.

    Args:
        rows: Objects of all messages.
        messages: The messages that this station holds.
        own: Agent id of the station.
        own_us: The present on its own clock.
        interval_us: Least time between two reports of a station.
        same_m: Reports closer than this are of one object.
    """
    return Usable(*_usable(rows, messages, own, own_us, float(interval_us - CHECK_US), same_m))


@njit(cache=True, nogil=True)
def _usable(rows, messages, own, own_us, extra_us, same_m):  # type: ignore[no-untyped-def]
    most = 0
    for m in messages:
        most += rows.end[m] - rows.begin[m]
    current, current_m, is_own, n = np.empty(most, np.int64), np.empty((most, 2)), np.zeros(most, np.bool_), 0
    arrived, arrived_m, order, f = np.empty(most, np.int64), np.empty((most, 2)), np.empty(most, np.int64), 0
    for m in messages:
        for k in range(rows.begin[m], rows.end[m]):
            age_us = own_us - rows.stamp_us[k]
            vx, vy = rows.velocity_mps[k, 0], rows.velocity_mps[k, 1]
            renewed_us = min(SLOWEST_US, 1e6 * MOVE_M / max(np.hypot(vx, vy), 1e-3) + extra_us)
            x, y = rows.place_m[k, 0] + vx * age_us * 1e-6, rows.place_m[k, 1] + vy * age_us * 1e-6
            if age_us <= renewed_us:
                current[n], current_m[n, 0], current_m[n, 1] = k, x, y
                is_own[n] = rows.origin[k] == own
                n += 1
            if rows.origin[k] != own and rows.sender[k] != own and age_us <= renewed_us + GRACE_US - CHECK_US:
                arrived[f], arrived_m[f, 0], arrived_m[f, 1] = k, x, y
                # Newest first; of the same instant, what was told on least often; then by sender, since frames of one tick are equally old.
                order[f] = (age_us * 16 + rows.hops[k]) * 2**31 + rows.sender[k]
                f += 1
    newest = np.argsort(order[:f], kind="mergesort")
    offered, offered_m, count = np.empty(f, np.int64), np.empty((f, 2)), 0
    for rank in range(f):
        at = newest[rank]
        k, x, y = arrived[at], arrived_m[at, 0], arrived_m[at, 1]
        is_known = False
        for newer in range(rank):
            other = arrived[newest[newer]]
            if rows.origin[k] == rows.origin[other] and rows.number[k] == rows.number[other]:
                is_known = True
                break
        for other in range(n):
            if is_own[other] and _are_same(x, y, current_m[other, 0], current_m[other, 1], same_m):
                is_known = True
                break
        for other in range(count):
            if is_known:
                break
            is_known = _are_same(x, y, offered_m[other, 0], offered_m[other, 1], same_m)
        if not is_known:
            offered[count], offered_m[count, 0], offered_m[count, 1] = k, x, y
            count += 1
    return current[:n], current_m[:n], offered[:count], offered_m[:count]


@njit(cache=True, nogil=True)
def _are_same(x, y, other_x, other_y, same_m):  # type: ignore[no-untyped-def]
    return (x - other_x) ** 2 + (y - other_y) ** 2 < same_m * same_m


@njit(cache=True, nogil=True)
def compared(rows, one, bodies, top_mps, around, same_m, attention_s):  # type: ignore[no-untyped-def]
    """Return, for each object that a station may tell on and each station that wants data, columns of `RetellingView`.

    Args:
        rows: Objects of all messages.
        one: What the station may use.
        bodies: The objects that it may tell on, at the present.
        top_mps: Highest speed that each object that it may tell on may soon have.
        around: What the station knows of the stations around it.
        same_m: Reports closer than this are of one object.
        attention_s: Time over which relevance falls to 1/e.

    Returns:
        Told, whether each object is the station itself, hears, relevance, better, by object and station; and reached, by station.
    """
    things, known = len(one.offered), len(around.agent)
    wanting = np.flatnonzero(around.wants)
    shape = things, len(wanting)
    told, is_itself, hears = np.zeros(shape), np.zeros(shape, np.bool_), np.zeros(shape)
    relevance, better = np.zeros(shape), np.zeros(shape, np.int64)
    reached = np.empty(len(wanting))
    for w in range(len(wanting)):
        reached[w] = _share(around, around.said[wanting[w]], around.own)
    for t in range(things):
        k, x, y = one.offered[t], one.offered_m[t, 0], one.offered_m[t, 1]
        body = _announcer(around, x, y, same_m)
        source = rows.sender[k]
        from_source = _own_share(around, source)
        for w in range(len(wanting)):
            other = wanting[w]
            agent, said = around.agent[other], around.said[other]
            is_itself[t, w] = other == body or (
                around.is_vehicle[other] and covers(bodies, t, around.place_m[other, 0], around.place_m[other, 1], 0.0)
            )
            hears[t, w] = _share(around, said, around.agent[body]) if body >= 0 else 0.0
            vx, vy = around.velocity_mps[other, 0], around.velocity_mps[other, 1]
            excess = vx * vx + vy * vy - top_mps[t] ** 2
            time_s = meeting_s(x - around.place_m[other, 0], y - around.place_m[other, 1], vx, vy, excess)
            relevance[t, w] = np.exp(-time_s / attention_s)
            missed = 1.0
            for c in range(len(one.current)):
                row = one.current[c]
                if missed > 0.0 and _are_same(x, y, one.current_m[c, 0], one.current_m[c, 1], same_m):
                    sender = rows.sender[row]
                    missed *= 0.0 if agent in (sender, rows.origin[row]) else 1.0 - _share(around, said, sender)
            told[t, w] = 1.0 - missed
            mine = min(from_source, reached[w])
            own_apart2 = (around.place_m[other, 0] - around.own_m[0]) ** 2 + (
                around.place_m[other, 1] - around.own_m[1]
            ) ** 2
            for third in range(known):
                if third == other or around.agent[third] in (source, rows.origin[k]):
                    continue
                over = min(_share(around, around.said[third], source), _share(around, said, around.agent[third]))
                # Of equals, the nearer one.
                better[t, w] += over > mine or (over == mine and _apart2(around, other, third) < own_apart2)
    return told, is_itself, hears, relevance, better, reached


@njit(cache=True, nogil=True)
def _apart2(around, one, other):  # type: ignore[no-untyped-def]
    """Return the square of the distance of two known stations."""
    dx, dy = around.place_m[one, 0] - around.place_m[other, 0], around.place_m[one, 1] - around.place_m[other, 1]
    return dx * dx + dy * dy


@njit(cache=True, nogil=True)
def _announcer(around, x, y, same_m):  # type: ignore[no-untyped-def]
    """Return the row of the announced vehicle nearest to a place, less than `same_m` away; -1 for none."""
    nearest, best = same_m * same_m, -1
    for other in range(len(around.agent)):
        apart = (around.place_m[other, 0] - x) ** 2 + (around.place_m[other, 1] - y) ** 2
        if around.is_vehicle[other] and apart < nearest:
            nearest, best = apart, other
    return best


@njit(cache=True, nogil=True)
def _share(around, said, agent):  # type: ignore[no-untyped-def]
    """Return the share of a station's announcements that an announcement's list has; 0 if it is not in the list."""
    return _in_list(around.heard_agent, around.heard_share, around.listed[said], around.listed[said + 1], agent)


@njit(cache=True, nogil=True)
def _own_share(around, agent):  # type: ignore[no-untyped-def]
    """Return the share of a station's announcements that arrive at this one."""
    return _in_list(around.own_heard, around.own_share, 0, len(around.own_heard), agent)


@njit(cache=True, nogil=True)
def _in_list(agents, share, begin, end, agent):  # type: ignore[no-untyped-def]
    at = begin + np.searchsorted(agents[begin:end], agent)
    return share[at] if at < end and agents[at] == agent else 0.0
