"""Random slots of one station."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from v2xsim.comms.access.random_slot_choice import choose_slots

# No deadline per example: the first one compiles the kernel.
NONE = np.zeros(0, np.int64)


@st.composite
def cases(draw):
    count = draw(st.integers(0, 8))
    airtime_us = np.array(draw(st.lists(st.integers(1, 3000), min_size=count, max_size=count)), np.int64)
    uniform = np.array(draw(st.lists(st.floats(0, 1, exclude_max=True), min_size=count, max_size=count)), float)
    now_us, own = draw(st.integers(0, 10_000)), []
    at = max(0, now_us - 2000)
    for _ in range(draw(st.integers(0, 4))):
        at += draw(st.integers(0, 6000))
        own.append((at, at + draw(st.integers(1, 3000))))
        at = own[-1][1]
    begin, end = np.array(own, np.int64).reshape(-1, 2).T
    return now_us, draw(st.integers(1, 20_000)), draw(st.integers(50, 2000)), airtime_us, begin, end, uniform


@settings(deadline=None)
@given(cases())
def test_packets_start_on_slot_boundaries_and_not_before_now(case):
    start_us = choose_slots(*case)
    assert np.all((start_us >= case[0]) & (start_us % case[2] == 0))


@settings(deadline=None)
@given(cases())
def test_a_station_never_sends_two_packets_at_once(case):
    _, _, _, airtime_us, own_start_us, own_end_us, _ = case
    start_us = choose_slots(*case)
    begin = np.concatenate([start_us, own_start_us])
    order = np.argsort(begin)
    end = np.concatenate([start_us + airtime_us, own_end_us])[order]
    assert np.all(begin[order][1:] >= end[:-1])


@settings(deadline=None)
@given(cases())
def test_a_packet_leaves_the_window_only_when_no_slot_of_it_is_free(case):
    now_us, window_us, slot_us, airtime_us, busy_start, busy_end, _ = case
    start_us = choose_slots(*case)
    for start, airtime in zip(start_us, airtime_us, strict=True):
        slots = np.arange(-(-now_us // slot_us) * slot_us, now_us + window_us, slot_us)
        clash = (slots[:, None] < busy_end) & (slots[:, None] + airtime > busy_start)
        assert start in slots or clash.any(axis=1).all()
        busy_start, busy_end = np.append(busy_start, start), np.append(busy_end, start + airtime)


@settings(deadline=None)
@given(cases())
def test_a_packet_behind_the_window_takes_the_first_room_there(case):
    now_us, window_us, slot_us, airtime_us, busy_start, busy_end, _ = case
    for start, airtime in zip(choose_slots(*case), airtime_us, strict=True):
        first = max(-(-now_us // slot_us), -(-(now_us + window_us) // slot_us)) * slot_us
        for s in range(first, start, slot_us):
            assert np.any((s < busy_end) & (s + airtime > busy_start))
        busy_start, busy_end = np.append(busy_start, start), np.append(busy_end, start + airtime)


def test_every_slot_of_a_free_window_is_drawn_alike():
    uniforms = (np.arange(40) + 0.5) / 40
    starts = [choose_slots(0, 20_000, 500, np.array([500]), NONE, NONE, np.array([u]))[0] for u in uniforms]
    assert starts == list(range(0, 20_000, 500))


def test_a_message_ready_on_a_boundary_may_start_at_once():
    assert choose_slots(1500, 1000, 500, np.array([400]), NONE, NONE, np.array([0.0]))[0] == 1500
