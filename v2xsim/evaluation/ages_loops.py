"""The age of information of each pair of stations in range, as compiled functions that hold no lock."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int8, Int32, Int64
from numba import njit

from v2xsim.comms.phases import PHASE

# An encounter shorter than this does not count: two awareness messages may be this far apart (ETSI EN 302 637-2, T_GenCamMax).
LEAST_ENCOUNTER_US = 1_000_000
_FEWEST_PLACES = 1024
# An odd number near 2^64 / 1.618, so that the highest bits of its product with a pair are spread evenly (Knuth, TAOCP 3, 6.4).
_SPREAD = np.uint64(0x9E3779B97F4A7C15)
_NEVER = -1


class Pairs(NamedTuple):
    """The ordered pairs of sender and receiver with a link at the latest tick, and a hash table of their rows.

    Attributes:
        pair: Sender and receiver as one number; -1 for a row that is free again.
        queued_us: Time at which the newest message was made that the receiver has; -1 if it has none.
        since_us: Time up to which the age has been added up.
        near_us: Time since which the two have been in range; -1 if they are not.
        heard: 1 if the receiver heard anything since then.
        tick_us: Last tick at which the pair had a link.
        place: Row of a pair at the place of its hash or at one of the next ones; -1 for none. There are more places than rows: a power of two.
        used: Number of rows in use, and how many of them are free again.
        listed: 1 for each station of which a message was received, by agent id.
    """

    pair: Int64[np.ndarray, " rows"]
    queued_us: Int64[np.ndarray, " rows"]
    since_us: Int64[np.ndarray, " rows"]
    near_us: Int64[np.ndarray, " rows"]
    heard: Int64[np.ndarray, " rows"]
    tick_us: Int64[np.ndarray, " rows"]
    place: Int32[np.ndarray, " places"]
    used: Int64[np.ndarray, " 2"]
    listed: Int8[np.ndarray, " agents"]

    @staticmethod
    def none() -> "Pairs":
        """Return no pairs."""
        none = np.zeros(0, np.int64)
        return Pairs(
            none, none, none, none, none, none, np.full(_FEWEST_PLACES, -1, np.int32), np.zeros(2, np.int64), np.zeros(0, np.int8)
        )  # fmt: skip


class Totals(NamedTuple):
    """What was added up over all pairs so far.

    Attributes:
        area_us2: Sum of age times time: of pairs that know of each other, and of those in range.
        time_us: Sum of the time, likewise.
        counts: Number of pairs that came to know of each other, of encounters, of those long enough to be judged, and of the silent ones among these.
    """

    area_us2: Float[np.ndarray, " 2"]
    time_us: Int64[np.ndarray, " 2"]
    counts: Int64[np.ndarray, " 4"]


def no_totals() -> Totals:
    """Return what is added up before the first tick."""
    return Totals(np.zeros(2), np.zeros(2, np.int64), np.zeros(4, np.int64))


@njit(cache=True, nogil=True)
def follow(pairs, totals, links, heard, range_m, all_are_listed, end_us):  # type: ignore[no-untyped-def]
    """Return the pairs after some ticks, and add to the totals.

    Args:
        pairs: The pairs before the first of these ticks; not used any more.
        totals: The totals; changed in place.
        links: Rows of the table `links`, in order of time, all of each tick.
        heard: Messages that were received before `end_us` and are not yet in the pairs, in order of the ends of their packets.
        range_m: Pairs nearer than this are in range.
        all_are_listed: Whether all stations count; otherwise, those of which a message was received.
        end_us: Time up to which messages are given: the tick after the last one.
    """
    message, row, count = 0, 0, len(links.time_us)
    pairs = _with_agents(pairs, heard.origin)
    while row < count:
        tick_us, first = links.time_us[row], row
        message = _hear(pairs, totals, heard, message, tick_us)
        while row < count and links.time_us[row] == tick_us:
            row += 1
        pairs = _with_room(pairs, 2 * (row - first))
        for n in range(first, row):
            is_near = links.distance_m[n] < range_m
            for sender, receiver in ((links.a[n], links.b[n]), (links.b[n], links.a[n])):
                if all_are_listed or (sender < len(pairs.listed) and pairs.listed[sender] == 1):
                    _meet(pairs, totals, (sender << 32) | receiver, is_near, tick_us)
        _part(pairs, totals, tick_us)
    _hear(pairs, totals, heard, message, end_us)
    return pairs


@njit(cache=True, nogil=True)
def end_all(pairs, totals, end_us):  # type: ignore[no-untyped-def]
    """Add the time up to the end of the run to the totals."""
    for row in range(pairs.used[0]):
        if pairs.pair[row] >= 0:
            _advance(pairs, totals, row, end_us)
            _leave(pairs, totals, row, end_us)


@njit(**PHASE)
def _hear(pairs, totals, heard, message, until_us):  # type: ignore[no-untyped-def]
    """Let receivers have the messages of which the packets ended before a time; return the number of the next message."""
    while message < len(heard.end_us) and heard.end_us[message] < until_us:
        pairs.listed[heard.origin[message]] = 1
        row = _row_of(pairs, (heard.origin[message] << 32) | heard.rx[message])
        if row >= 0:
            _advance(pairs, totals, row, heard.end_us[message])
            if pairs.queued_us[row] == _NEVER:
                totals.counts[0] += 1
            pairs.queued_us[row] = max(pairs.queued_us[row], heard.queued_us[message])
            pairs.heard[row] = 1
        message += 1
    return message


@njit(**PHASE)
def _advance(pairs, totals, row, time_us):  # type: ignore[no-untyped-def]
    """Add the age of a pair up to a time."""
    since_us = pairs.since_us[row]
    span_us = time_us - since_us
    if span_us <= 0:
        return
    queued_us, near_us = pairs.queued_us[row], pairs.near_us[row]
    if queued_us != _NEVER:
        totals.area_us2[0] += 0.5 * span_us * (time_us + since_us - 2 * queued_us)
        totals.time_us[0] += span_us
    if near_us != _NEVER:
        # Before the first message, the receiver is as old as the encounter.
        from_us = near_us if queued_us == _NEVER else queued_us
        totals.area_us2[1] += 0.5 * span_us * (time_us + since_us - 2 * from_us)
        totals.time_us[1] += span_us
    pairs.since_us[row] = time_us


@njit(**PHASE)
def _meet(pairs, totals, pair, is_near, tick_us):  # type: ignore[no-untyped-def]
    """Note that a pair has a link at a tick."""
    row = _row_of(pairs, pair)
    if row < 0:
        row = pairs.used[0]
        pairs.used[0] += 1
        pairs.pair[row], pairs.queued_us[row], pairs.since_us[row] = pair, _NEVER, tick_us
        pairs.near_us[row], pairs.heard[row] = _NEVER, 0
        _put(pairs, row)
    pairs.tick_us[row] = tick_us
    if is_near != (pairs.near_us[row] != _NEVER):
        _advance(pairs, totals, row, tick_us)
        if is_near:
            pairs.near_us[row], pairs.heard[row] = tick_us, 0
            totals.counts[1] += 1
        else:
            _leave(pairs, totals, row, tick_us)


@njit(**PHASE)
def _leave(pairs, totals, row, time_us):  # type: ignore[no-untyped-def]
    """End the encounter of a pair, if it is in range."""
    if pairs.near_us[row] == _NEVER:
        return
    if time_us - pairs.near_us[row] >= LEAST_ENCOUNTER_US:
        totals.counts[2] += 1
        totals.counts[3] += 1 - pairs.heard[row]
    pairs.near_us[row] = _NEVER


@njit(**PHASE)
def _part(pairs, totals, tick_us):  # type: ignore[no-untyped-def]
    """Forget the pairs that have no link at the present tick."""
    for row in range(pairs.used[0]):
        if pairs.pair[row] >= 0 and pairs.tick_us[row] != tick_us:
            _advance(pairs, totals, row, tick_us)
            _leave(pairs, totals, row, tick_us)
            pairs.pair[row] = -1
            pairs.used[1] += 1


@njit(cache=True, nogil=True)
def _with_room(pairs, count):  # type: ignore[no-untyped-def]
    """Return the pairs with room for some more; the pairs given are not used any more."""
    used, free = pairs.used[0], pairs.used[1]
    if used + count <= len(pairs.pair) and free <= used // 2:
        return pairs
    rows = used - free + count
    rows += rows // 2
    places = _FEWEST_PLACES
    while places < 2 * rows:
        places *= 2
    moved = Pairs(
        np.full(rows, -1, np.int64), np.zeros(rows, np.int64), np.zeros(rows, np.int64), np.zeros(rows, np.int64), np.zeros(rows, np.int64),
        np.zeros(rows, np.int64), np.full(places, -1, np.int32), np.zeros(2, np.int64), pairs.listed,
    )  # fmt: skip
    for row in range(used):
        if pairs.pair[row] >= 0:
            new = moved.used[0]
            moved.used[0] += 1
            moved.pair[new], moved.queued_us[new], moved.since_us[new] = (
                pairs.pair[row],
                pairs.queued_us[row],
                pairs.since_us[row],
            )
            moved.near_us[new], moved.heard[new], moved.tick_us[new] = (
                pairs.near_us[row],
                pairs.heard[row],
                pairs.tick_us[row],
            )
            _put(moved, new)
    return moved


@njit(cache=True, nogil=True)
def _with_agents(pairs, origin):  # type: ignore[no-untyped-def]
    """Return the pairs with room for all senders in `listed`; the pairs given are not used any more."""
    agents = 0 if len(origin) == 0 else origin.max() + 1
    if agents <= len(pairs.listed):
        return pairs
    listed = np.zeros(agents + agents // 2, np.int8)
    listed[: len(pairs.listed)] = pairs.listed
    return Pairs(
        pairs.pair, pairs.queued_us, pairs.since_us, pairs.near_us, pairs.heard, pairs.tick_us, pairs.place, pairs.used, listed
    )  # fmt: skip


@njit(**PHASE)
def _row_of(pairs, pair):  # type: ignore[no-untyped-def]
    """Return the row of a pair; -1 if it has none."""
    place = _first_place(pairs, pair)
    while pairs.place[place] >= 0:
        if pairs.pair[pairs.place[place]] == pair:
            return np.int64(pairs.place[place])
        place = (place + 1) & (len(pairs.place) - 1)
    return np.int64(-1)


@njit(**PHASE)
def _put(pairs, row):  # type: ignore[no-untyped-def]
    place = _first_place(pairs, pairs.pair[row])
    while pairs.place[place] >= 0:
        place = (place + 1) & (len(pairs.place) - 1)
    pairs.place[place] = row


@njit(**PHASE)
def _first_place(pairs, pair):  # type: ignore[no-untyped-def]
    # The number of places is a power of two, and a division would take longer than all the rest.
    return np.int64((np.uint64(pair) * _SPREAD) >> np.uint64(32)) & (len(pairs.place) - 1)
