"""The table of the stations that each ego knows from their announcements, with the compiled loops over it.

Each ego has a row of its own, with what reached this ego lately. The rows lie in one array, each with room to grow. Whom an ego ever
heard is one bit for each agent id.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int32, Int64, UInt8
from numba import njit

from v2xsim.engine.stations.agent_set import grown

FORGOTTEN = -1
"""Used instead of the row of an announcement that is forgotten, while a copy of it may still arrive."""

# Room of a new row. A row without room moves to the end of the array, with twice as much.
_LEAST_ROOM = 16
# Agent id of the station that made an announcement, the time at which it made it, the time at which it arrived at the ego, and
# the row of its content among all that are kept; and the same three of the newest one of this station that contains its matrix.
_ENTRY = np.dtype(
    [
        (name, np.int64)
        for name in ("origin", "sent_us", "arrived_us", "said", "matrix_sent_us", "matrix_arrived_us", "matrix_said")
    ]
)
_NEVER_US = -(2**62)


class NeighbourTable(NamedTuple):
    """The newest announcement of each station that each ego heard lately, in rising order of agent ids, and whom it ever heard.

    Attributes:
        slot_by_agent: Number of each ego's row, by agent id; -1 for an agent that has none.
        begin: First entry of each row.
        room: Number of entries that each row may have; 0 for a row of nobody.
        filled: Number of entries that each row has.
        used: Number of entries up to the end of the last row, in an array of one.
        entry: Entries of all rows, with the fields `origin`, `sent_us`, `arrived_us` and `said`, and with `matrix_sent_us`,
            `matrix_arrived_us` and `matrix_said` of the newest announcement with a matrix.
        ever: Whether the ego of each row ever heard each agent, as bits, that of the lowest agent id first.
        ever_count: Number of agents that the ego of each row ever heard.
    """

    slot_by_agent: Int32[np.ndarray, " agents"]
    begin: Int64[np.ndarray, " slots"]
    room: Int64[np.ndarray, " slots"]
    filled: Int64[np.ndarray, " slots"]
    used: Int64[np.ndarray, " 1"]
    entry: np.ndarray
    ever: UInt8[np.ndarray, "slots eighths"]
    ever_count: Int64[np.ndarray, " slots"]

    def row_of(self, agent: int) -> np.ndarray:
        """Return the entries of an ego; none if the agent has no row."""
        slot = int(self.slot_by_agent[agent]) if agent < len(self.slot_by_agent) else -1
        begin = int(self.begin[slot]) if slot >= 0 else 0
        return self.entry[begin : begin + int(self.filled[slot])] if slot >= 0 else self.entry[:0]

    def ever_heard_by(self, agent: int) -> Int64[np.ndarray, " heard"]:
        """Return the agent ids of the stations that an ego ever heard, in rising order."""
        slot = int(self.slot_by_agent[agent]) if agent < len(self.slot_by_agent) else -1
        bits = self.ever[slot] if slot >= 0 else self.ever[:0].ravel()
        return np.flatnonzero(np.unpackbits(bits, bitorder="little"))

    def count_ever_heard_by(self, agent: int) -> int:
        """Return the number of stations that an ego ever heard."""
        slot = int(self.slot_by_agent[agent]) if agent < len(self.slot_by_agent) else -1
        return int(self.ever_count[slot]) if slot >= 0 else 0


class Arrivals(NamedTuple):
    """Announcements that arrived at stations, in the order of their arrival.

    Attributes:
        receiver: Agent id of the station at which one arrived; a station without a row keeps nothing.
        announcement: Row of the announcement in the other arrays.
        origin: Agent id of the station that made each announcement.
        sent_us: Time at which it was made.
        arrived_us: Time at which it arrived.
        said: Row of its content among all that are kept.
        has_matrix: Whether each announcement contains a perception matrix.
    """

    receiver: Int64[np.ndarray, " arrivals"]
    announcement: Int64[np.ndarray, " arrivals"]
    origin: Int64[np.ndarray, " announcements"]
    sent_us: Int64[np.ndarray, " announcements"]
    arrived_us: Int64[np.ndarray, " announcements"]
    said: Int64[np.ndarray, " announcements"]
    has_matrix: Bool[np.ndarray, " announcements"]


def no_neighbours() -> NeighbourTable:
    """Return a table without rows."""
    none = np.zeros(0, np.int64)
    return NeighbourTable(
        np.zeros(0, np.int32), none, none, none, np.zeros(1, np.int64), np.zeros(0, _ENTRY), np.zeros((0, 0), np.uint8), none
    )  # fmt: skip


def with_row(
    table: NeighbourTable, agent: int, ever: Int64[np.ndarray, " heard"], origin: Int64[np.ndarray, " copied"],
    sent_us: Int64[np.ndarray, " copied"],
) -> NeighbourTable:  # fmt: skip
    """Return the table with a row for another ego, which has heard some stations before, and forgotten what they announced.

    Args:
        table: The table; its arrays may be changed.
        agent: Agent id of the ego, which has no row.
        ever: Agent ids of the stations that it has heard.
        origin: Those of them of whose newest announcement a copy may still arrive, in rising order.
        sent_us: Time at which each of these made its newest announcement.
    """
    agents, slots = len(table.slot_by_agent), len(table.room)
    if agent >= agents:
        more = agent + 1 - agents + agents // 4
        table = table._replace(slot_by_agent=np.pad(table.slot_by_agent, (0, more), constant_values=-1))
    free = np.flatnonzero(table.room == 0)
    if len(free) == 0:
        free, more = np.array([slots]), max(_LEAST_ROOM, slots)
        begin, count, filled, heard = (np.pad(array, (0, more)) for array in (*table[1:4], table.ever_count))
        ever_bits = np.pad(table.ever, ((0, more), (0, 0)))
        table = table._replace(begin=begin, room=count, filled=filled, ever=ever_bits, ever_count=heard)
    slot, room = int(free[0]), max(_LEAST_ROOM, 2 * len(origin))
    if table.used[0] + room > len(table.entry):
        table = with_entries(table, room)
    table.slot_by_agent[agent] = slot
    table.begin[slot], table.room[slot], table.filled[slot] = table.used[0], room, len(origin)
    table.used[0] += room
    own = table.row_of(agent)
    own["origin"], own["sent_us"], own["arrived_us"], own["said"] = origin, sent_us, sent_us, FORGOTTEN
    own["matrix_sent_us"], own["matrix_arrived_us"], own["matrix_said"] = _NEVER_US, _NEVER_US, FORGOTTEN
    table = with_agents(table, int(ever.max(initial=-1)) + 1)
    bits = np.zeros(8 * table.ever.shape[1], np.uint8)
    bits[ever] = 1
    table.ever[slot], table.ever_count[slot] = np.packbits(bits, bitorder="little"), int(bits.sum())
    return table


def with_agents(table: NeighbourTable, agents: int) -> NeighbourTable:
    """Return the table with a bit for each agent id below a number, or more."""
    if agents <= 8 * table.ever.shape[1]:
        return table
    return table._replace(ever=np.ascontiguousarray(grown(table.ever.T, -(-agents // 8)).T))


def without_row(table: NeighbourTable, agent: int) -> None:
    """Remove the row of an ego, in place."""
    slot = table.slot_by_agent[agent]
    table.slot_by_agent[agent], table.room[slot], table.filled[slot] = -1, 0, 0


def with_entries(table: NeighbourTable, more: int) -> NeighbourTable:
    """Return the table with more unused entries after the last row: at least `more`, and as many as the rows have room for."""
    room = int(table.room.sum())
    begin, entry = np.cumsum(table.room) - table.room, np.zeros(2 * room + more, _ENTRY)
    _move(table.begin, begin, table.filled, table.entry, entry)
    return table._replace(begin=begin, used=np.array([room]), entry=entry)


def with_arrivals(table: NeighbourTable, arrivals: Arrivals, forget_us: int) -> NeighbourTable:
    """Return the table with the announcements that arrived: of each sender, an ego keeps the newest one, and the newest with a matrix.

    Args:
        table: The table; its arrays may be changed.
        arrivals: The announcements.
        forget_us: An ego that has known nothing newer of a sender for longer than this has forgotten it, with its matrix.
    """
    table, done = with_agents(table, int(arrivals.origin.max(initial=-1)) + 1), 0
    while (done := _take(*table, *arrivals, int(forget_us), _NEVER_US, done)) < len(arrivals.receiver):
        table = with_entries(table, 2 * int(table.room.max()))
    return table


def forget(table: NeighbourTable, before_us: int, oldest_us: int, matrix_before_us: int = _NEVER_US) -> None:
    """Forget the announcements that arrived before a time, in place.

    Args:
        table: The table.
        before_us: The time.
        matrix_before_us: Matrices that arrived before this time are forgotten although their sender is not.
        oldest_us: Copies of announcements that were made before this time cannot arrive any more.
    """
    _forget(table.begin, table.filled, table.entry, int(before_us), int(oldest_us), int(matrix_before_us))


def is_known(table: NeighbourTable, announcements: int) -> Bool[np.ndarray, " announcements"]:
    """Return whether an ego has each of the announcements that are kept, as the newest of its sender or for its matrix."""
    known: Bool[np.ndarray, " announcements"] = _known(table.begin, table.filled, table.entry, announcements)
    return known


def known_to(
    table: NeighbourTable, egos: Int64[np.ndarray, " egos"], is_wanted: Bool[np.ndarray, " announcements"], since_us: int
) -> tuple[Int64[np.ndarray, " egos_plus_1"], np.ndarray]:  # fmt: skip
    """Return the announcements that each ego has, in rising order of their senders' agent ids.

    Args:
        table: The table.
        egos: Agent ids of the egos; one without a row has none.
        is_wanted: Whether each announcement that is kept counts.
        since_us: Announcements that arrived earlier do not count.

    Returns:
        Index of each ego's first entry, one more than egos, and the entries.
    """
    offset, index = _known_to(*table[:4], table.entry, egos, is_wanted, int(since_us))
    return offset, table.entry[index]


@njit(cache=True, nogil=True)
def _move(old_begin, begin, filled, old_entry, entry):  # type: ignore[no-untyped-def]
    """Copy all rows into another array."""
    for s in range(len(begin)):
        for n in range(filled[s]):
            entry[begin[s] + n] = old_entry[old_begin[s] + n]


@njit(cache=True, nogil=True)
def _place(entry, first, last, origin):  # type: ignore[no-untyped-def]
    """Return the index of a sender's entry in a row, or the one where it belongs."""
    while first < last:
        middle = (first + last) // 2
        if entry[middle].origin < origin:
            first = middle + 1
        else:
            last = middle
    return first


@njit(cache=True, nogil=True)
def _take(  # type: ignore[no-untyped-def]
    slot_by_agent,
    begin,
    room,
    filled,
    used,
    entry,
    ever,
    ever_count,
    receiver,
    announcement,
    origin,
    sent_us,
    arrived_us,
    said,
    has_matrix,
    forget_us,
    never_us,
    done,
):
    """Enter arrivals from `done` on, and return the number of those that are entered; smaller if entries are missing."""
    for k in range(done, len(receiver)):
        a = announcement[k]
        slot = slot_by_agent[receiver[k]] if receiver[k] < len(slot_by_agent) else -1
        # A station learns nothing from its own announcement.
        if slot < 0 or origin[a] == receiver[k]:
            continue
        end = begin[slot] + filled[slot]
        n = _place(entry, begin[slot], end, origin[a])
        if n < end and entry[n].origin == origin[a]:
            # A relayed copy may arrive after the next announcement was heard directly. The times of sending are compared, not
            # those of the announced states: between two ticks, a station announces the same state again, and is still there. They
            # are kept while a copy is under way: it may have waited in a relay's queue until the announcement was forgotten.
            is_newer = entry[n].sent_us < sent_us[a]
            # Forgotten in between, even if nobody looked meanwhile.
            if is_newer and arrived_us[a] - entry[n].arrived_us > forget_us:
                entry[n].matrix_said = FORGOTTEN
        else:
            is_newer = True
            if filled[slot] == room[slot]:
                if used[0] + 2 * room[slot] > len(entry):
                    return k
                for m in range(filled[slot]):
                    entry[used[0] + m] = entry[begin[slot] + m]
                n, end = used[0] + n - begin[slot], used[0] + filled[slot]
                begin[slot], room[slot] = used[0], 2 * room[slot]
                used[0] += room[slot]
            for m in range(end, n, -1):
                entry[m] = entry[m - 1]
            filled[slot] += 1
            bit = np.uint8(1 << (origin[a] % 8))
            if not ever[slot, origin[a] // 8] & bit:
                ever[slot, origin[a] // 8] |= bit
                ever_count[slot] += 1
            entry[n].origin, entry[n].matrix_said, entry[n].matrix_sent_us = origin[a], FORGOTTEN, never_us
        if is_newer:
            entry[n].sent_us, entry[n].arrived_us, entry[n].said = sent_us[a], arrived_us[a], said[a]
        # A late copy may bring a newer matrix than the one that is held, although the state beside it is old.
        if has_matrix[a] and entry[n].matrix_sent_us < sent_us[a]:
            entry[n].matrix_sent_us, entry[n].matrix_arrived_us, entry[n].matrix_said = (
                sent_us[a],
                arrived_us[a],
                said[a],
            )
    return len(receiver)


@njit(cache=True, nogil=True)
def _forget(begin, filled, entry, before_us, oldest_us, matrix_before_us):  # type: ignore[no-untyped-def]
    for s in range(len(begin)):
        kept = begin[s]
        for n in range(begin[s], begin[s] + filled[s]):
            if entry[n].arrived_us < before_us:
                entry[n].said = FORGOTTEN
            if entry[n].said == FORGOTTEN or entry[n].matrix_arrived_us < matrix_before_us:
                entry[n].matrix_said = FORGOTTEN
            if entry[n].said != FORGOTTEN or entry[n].sent_us >= oldest_us:
                entry[kept] = entry[n]
                kept += 1
        filled[s] = kept - begin[s]


@njit(cache=True, nogil=True)
def _known(begin, filled, entry, announcements):  # type: ignore[no-untyped-def]
    known = np.zeros(announcements, np.bool_)
    for s in range(len(begin)):
        for n in range(begin[s], begin[s] + filled[s]):
            if entry[n].said != FORGOTTEN:
                known[entry[n].said] = True
            if entry[n].matrix_said != FORGOTTEN:
                known[entry[n].matrix_said] = True
    return known


@njit(cache=True, nogil=True)
def _known_to(slot_by_agent, begin, room, filled, entry, egos, is_wanted, since_us):  # type: ignore[no-untyped-def]
    offset, most = np.zeros(len(egos) + 1, np.int64), 0
    for e in range(len(egos)):
        slot = slot_by_agent[egos[e]] if egos[e] < len(slot_by_agent) else -1
        most += filled[slot] if slot >= 0 else 0
    index, count = np.empty(most, np.int64), 0
    for e in range(len(egos)):
        slot = slot_by_agent[egos[e]] if egos[e] < len(slot_by_agent) else -1
        if slot >= 0:
            for n in range(begin[slot], begin[slot] + filled[slot]):
                if entry[n].said != FORGOTTEN and entry[n].arrived_us >= since_us and is_wanted[entry[n].said]:
                    index[count] = n
                    count += 1
        offset[e + 1] = count
    return offset, index[:count]
