"""The heap of events of compiled loops."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from v2xsim.comms.access.events import Agenda, agenda_with_room, longer_rows, no_events, pop, push, with_other_stations

TIMES = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 2)), max_size=40)


def filled(events, room=64):
    """Return a heap of events given as time and kind, and how many there are; their place in the list is `what`."""
    heap, size = np.zeros((room, 4), np.int64), 0
    for what, (time, kind) in enumerate(events):
        size = push(heap, size, time, kind, 100 + what, what)
    return heap, size


def emptied(heap, size):
    taken = []
    while size:
        taken.append(tuple(heap[0].tolist()))
        size = pop(heap, size)
    return taken


@given(TIMES)
def test_events_come_by_time_and_those_of_one_instant_by_kind(events):
    assert [event[:2] for event in emptied(*filled(events))] == sorted(events)


@given(TIMES)
def test_each_event_comes_once_with_all_that_it_carries(events):
    taken = emptied(*filled(events))
    assert sorted(event[3] for event in taken) == list(range(len(events)))
    assert all((*events[what], 100 + what) == (time, kind, who) for time, kind, who, what in taken)


@given(TIMES, st.lists(st.tuples(st.booleans(), st.integers(0, 6), st.integers(0, 2)), max_size=40))
def test_whenever_one_is_taken_it_is_the_first_of_those_that_are_there(events, steps):
    heap, size = filled(events, 128)
    there = sorted(events)
    for take, time, kind in steps:
        if take and size:
            assert tuple(heap[0, :2].tolist()) == there.pop(0)
            size = pop(heap, size)
        else:
            size = push(heap, size, time, kind, 0, 0)
            there = sorted([*there, (time, kind)])
    assert [event[:2] for event in emptied(heap, size)] == there


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 2)), min_size=1, max_size=8))
def test_a_full_agenda_becomes_longer_and_keeps_its_events(events):
    heap, size = filled(events, len(events))
    longer = agenda_with_room(Agenda(heap, np.array([size])), 2)
    assert len(longer.rows) >= size + 2
    assert emptied(longer.rows, size) == emptied(heap.copy(), size)


def test_an_agenda_with_room_is_kept_as_it_is():
    heap, size = filled([(1, 0)], 3)
    assert len(agenda_with_room(Agenda(heap, np.array([size])), 2).rows) == 3


@given(TIMES)
def test_events_of_a_station_that_left_go_and_the_others_follow_theirs(events):
    heap, size = filled(events)
    new_row = np.full(200, -1)
    # Every second station stays, in the opposite order.
    new_row[100:200:2] = np.arange(50)[::-1]
    moved = with_other_stations(Agenda(heap, np.array([size])), new_row)
    stay = [(*event, int(new_row[100 + n])) for n, event in enumerate(events) if n % 2 == 0]
    taken = emptied(moved.rows, int(moved.size[0]))
    assert [event[:2] for event in taken] == sorted(event[:2] for event in stay)
    assert sorted(event[:3] for event in taken) == sorted(stay)


def test_rows_with_enough_room_are_kept_and_others_become_at_least_twice_as_long():
    rows = np.arange(4)
    assert len(longer_rows(rows, 3, 1)) == 4
    longer = longer_rows(rows, 3, 2)
    assert len(longer) >= 8
    assert longer[:3].tolist() == [0, 1, 2]
    assert longer.dtype == rows.dtype


def test_a_list_of_more_than_a_thousand_events_is_carried_over_with_room_for_as_many_more():
    heap, size = filled([(n % 7, n % 3) for n in range(1500)], 1600)
    moved = with_other_stations(Agenda(heap, np.array([size])), np.arange(1600))
    assert moved.size.tolist() == [1500]
    assert len(moved.rows) == 3000
    assert [event[:2] for event in emptied(moved.rows, 1500)] == sorted((n % 7, n % 3) for n in range(1500))


def test_a_short_list_of_events_is_carried_over_with_the_room_of_an_empty_agenda():
    heap, size = filled([(1, 0)])
    moved = with_other_stations(Agenda(heap, np.array([size])), np.arange(200))
    assert moved.rows.shape == no_events().rows.shape
    assert no_events().size.tolist() == [0]


def test_an_agenda_that_lacks_room_becomes_at_least_twice_as_long_as_needed():
    heap, size = filled([(1, 0), (2, 0)], 3)
    assert len(agenda_with_room(Agenda(heap, np.array([size])), 2).rows) >= 8
