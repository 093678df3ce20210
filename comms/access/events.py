"""A heap of events for compiled loops: the earliest event comes first; at equal times, the one with the lower kind."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Int64
from numba import njit

from v2xsim.comms.phases import PHASE

# Columns of an event.
TIME, KIND, STATION, DETAIL, EVENT_COLUMNS = range(5)
_ROOM = 1024


class Agenda(NamedTuple):
    """The future events of a compiled loop.

    Attributes:
        rows: Time, kind, station and a detail of each event, as a binary heap.
        size: Number of rows that hold an event.
    """

    rows: Int64[np.ndarray, "room 4"]
    size: Int64[np.ndarray, " 1"]


def no_events() -> Agenda:
    """Return an agenda without events."""
    return Agenda(np.zeros((_ROOM, EVENT_COLUMNS), np.int64), np.zeros(1, np.int64))


def with_other_stations(agenda: Agenda, new_row: Int64[np.ndarray, " old"]) -> Agenda:
    """Return the agenda for another list of stations, without the events of stations that left.

    Args:
        agenda: Events of the old list of stations.
        new_row: New row of each old station; -1 for one that left.
    """
    rows = agenda.rows[: agenda.size[0]]
    rows = np.column_stack([rows[:, :STATION], new_row[rows[:, STATION]], rows[:, DETAIL]])
    rows = rows[rows[:, STATION] >= 0]
    # A sorted list is a valid heap.
    rows = rows[np.lexsort((rows[:, STATION], rows[:, KIND], rows[:, TIME]))]
    room = np.zeros((max(_ROOM, 2 * len(rows)), EVENT_COLUMNS), np.int64)
    room[: len(rows)] = rows
    return Agenda(room, np.array([len(rows)], np.int64))


@njit(cache=True, nogil=True)
def agenda_with_room(agenda, events):  # type: ignore[no-untyped-def]
    """Return the agenda if it has room for `events` more events, else a copy at least twice as long."""
    size = agenda.size[0]
    if size + events <= len(agenda.rows):
        return agenda
    longer = np.empty((2 * (size + events), EVENT_COLUMNS), np.int64)
    for i in range(size):
        for c in range(EVENT_COLUMNS):
            longer[i, c] = agenda.rows[i, c]
    return Agenda(longer, agenda.size)


@njit(**PHASE)
def add_event(agenda, time, kind, station, detail):  # type: ignore[no-untyped-def]
    """Add an event to an agenda that has room for it."""
    agenda.size[0] = push(agenda.rows, agenda.size[0], time, kind, station, detail)


@njit(**PHASE)
def take_event(agenda):  # type: ignore[no-untyped-def]
    """Remove the first event of an agenda and return its kind, station and detail."""
    rows = agenda.rows
    kind, station, detail = rows[0, KIND], rows[0, STATION], rows[0, DETAIL]
    agenda.size[0] = pop(rows, agenda.size[0])
    return kind, station, detail


@njit(**PHASE)
def push(heap, size, time, kind, station, detail):  # type: ignore[no-untyped-def]
    """Add an event to a heap of `size` events and return the new size."""
    i = size
    while i > 0:
        up = (i - 1) // 2
        if heap[up, TIME] < time or (heap[up, TIME] == time and heap[up, KIND] <= kind):
            break
        for c in range(EVENT_COLUMNS):
            heap[i, c] = heap[up, c]
        i = up
    heap[i, TIME], heap[i, KIND], heap[i, STATION], heap[i, DETAIL] = time, kind, station, detail
    return size + 1


@njit(**PHASE)
def pop(heap, size):  # type: ignore[no-untyped-def]
    """Remove the first event of a heap and return the new size."""
    size -= 1
    time, kind = heap[size, TIME], heap[size, KIND]
    station, detail = heap[size, STATION], heap[size, DETAIL]
    i = 0
    while True:
        down = 2 * i + 1
        if down >= size:
            break
        if down + 1 < size and (
            heap[down + 1, TIME] < heap[down, TIME]
            or (heap[down + 1, TIME] == heap[down, TIME] and heap[down + 1, KIND] < heap[down, KIND])
        ):
            down += 1
        if time < heap[down, TIME] or (time == heap[down, TIME] and kind <= heap[down, KIND]):
            break
        for c in range(EVENT_COLUMNS):
            heap[i, c] = heap[down, c]
        i = down
    heap[i, TIME], heap[i, KIND], heap[i, STATION], heap[i, DETAIL] = time, kind, station, detail
    return size


@njit(cache=True, nogil=True)
def longer_rows(array, used, wanted):  # type: ignore[no-untyped-def]
    """Return the array if it has room for `wanted` entries beyond `used`, else a copy at least twice as long."""
    if used + wanted <= len(array):
        return array
    longer = np.empty(2 * (used + wanted), array.dtype)
    for i in range(used):
        longer[i] = array[i]
    return longer
