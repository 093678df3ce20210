"""When awareness messages are sent, and how congestion control holds them back."""

import numpy as np
import pytest

from v2xsim.comms.access.dcc import LEAST_SHARE, MOST_SHARE, Dcc
from v2xsim.comms.messages.awareness.cam import Cam
from v2xsim.comms.messages.awareness.rule import Announcer, AwarenessView

AGENT = np.array([7])
CHECK_US = 100_000


def times(place_of, heading_of=lambda t: 0.0, speed_of=lambda t: 0.0, wait_us=0.0, until_s=10.0):
    """Return when a station sends that looks every 100 ms."""
    rules, sent = Cam().generator(), []
    for k in range(round(until_s * 10)):
        t = 0.1 * k
        due = rules.due(AwarenessView(
            AGENT, np.array([[place_of(t), 0.0]]), np.array([heading_of(t)]), np.array([speed_of(t)]), 100_000 * k,
            np.array([wait_us]),
        ))  # fmt: skip
        if due[0]:
            sent.append(round(t, 1))
    return sent


def test_who_stands_still_sends_once_a_second():
    assert times(lambda t: 0.0) == [float(k) for k in range(10)]


@pytest.mark.parametrize(("speed_mps", "gap_s"), [(50.0, 0.1), (30.0, 0.2), (15.0, 0.3), (9.0, 0.5), (4.5, 0.9)])
def test_who_drives_sends_as_soon_as_it_has_moved_four_metres(speed_mps, gap_s):
    sent = times(lambda t: speed_mps * t)
    assert np.diff(sent) == pytest.approx(gap_s)


def test_turning_and_braking_cause_messages_too():
    assert np.diff(times(lambda t: 0.0, heading_of=lambda t: np.deg2rad(13.0 * t))) == pytest.approx(0.4)
    assert np.diff(times(lambda t: 0.0, speed_of=lambda t: 1.3 * t)) == pytest.approx(0.4)
    # Through north, a small turn is small.
    assert len(times(lambda t: 0.0, heading_of=lambda t: np.pi - 0.01 if int(t * 10) % 2 else -np.pi + 0.01)) == 10


def test_after_a_halt_the_pace_holds_three_times_and_then_slows():
    sent = times(lambda t: 25.0 * min(t, 2.0))
    still = [t for t in sent if t > 2.0]
    assert np.diff([2.0, *still[:3]]) == pytest.approx(0.2)
    assert np.diff(still[2:]) == pytest.approx(1.0)


def test_congestion_control_holds_back_whatever_moved():
    assert np.diff(times(lambda t: 30.0 * t, wait_us=450_000.0)) == pytest.approx(0.5)


def test_the_reactive_table_goes_one_state_at_a_time_slower_up_than_down():
    control = Dcc("reactive")
    control.reindexed(np.array([-1]))
    waits = []
    for k in range(300):
        control.measured(np.array([0.7 if k < 100 else 0.1]))
        waits.append(float(control.wait_us(500.0)[0]) / 1e3)
    assert waits[8] == 100.0
    assert [waits[9], waits[19], waits[29], waits[39]] == [200.0, 400.0, 500.0, 1000.0]
    assert waits[148] == 1000.0
    assert waits[149] == 500.0


def test_the_adaptive_control_settles_where_it_should_with_many_stations():
    # Each of 200 stations loads the channel by its share; the balance of the two terms is the fixed point.
    control, count, share = Dcc("adaptive"), 200, MOST_SHARE
    control.reindexed(np.full(count, -1))
    for _ in range(4000):
        wait_us = control.wait_us(500.0)
        share = 500.0 / float(wait_us[0])
        control.measured(np.full(count, min(1.0, count * share)))
    # alpha d = beta (0.68 - n d)
    assert share == pytest.approx(0.0012 * 0.68 / (0.016 + 0.0012 * count), rel=0.02)
    assert LEAST_SHARE <= share <= MOST_SHARE
    assert count * share < 0.68


def test_without_control_nobody_waits():
    control = Dcc("none")
    control.reindexed(np.full(3, -1))
    control.measured(np.ones(3))
    assert control.wait_us(500.0).tolist() == [0.0, 0.0, 0.0]


# The limits of each rule, look by look.


def view(now_us, place=(0.0, 0.0), heading=0.0, speed=0.0, wait_us=0.0, agent=0):
    """Return what a rule reads of one station."""
    return AwarenessView(
        np.array([agent]), np.array([place], float), np.array([heading]), np.array([speed]), now_us, np.array([wait_us])
    )


def sent_at(rule, states, check_us=CHECK_US):
    """Return at which looks a station sends that is in these states, one every 100 ms."""
    announcer = Announcer(rule)
    return [k for k, state in enumerate(states) if announcer.due(view(check_us * k, **state))[0]]


def sends_on(changed, **before):
    """Return whether a station sends 100 ms after its first message because something has changed."""
    return sent_at(Cam(), [before, {**before, **changed}]) == [0, 1]


def test_the_first_message_is_sent_at_once():
    assert sent_at(Cam(), [{}]) == [0]


def test_a_station_that_stands_still_sends_once_a_second():
    assert sent_at(Cam(), [{}] * 31) == [0, 10, 20, 30]


@pytest.mark.parametrize(("moved_m", "sends"), [(4.0, False), (4.01, True)])
def test_moving_by_more_than_4_m_causes_a_message(moved_m, sends):
    assert sends_on({"place": (0.0, moved_m)}, place=(0.0, 0.0)) == sends


@pytest.mark.parametrize(("degrees", "sends"), [(3.99, False), (4.01, True), (-4.01, True), (-3.99, False)])
def test_turning_by_more_than_4_degrees_causes_a_message(degrees, sends):
    assert sends_on({"heading": np.deg2rad(degrees)}) == sends


@pytest.mark.parametrize(("degrees", "sends"), [(3.0, False), (5.0, True)])
def test_a_turn_past_south_is_measured_the_short_way(degrees, sends):
    half = np.deg2rad(degrees / 2)
    assert sends_on({"heading": -np.pi + half}, heading=np.pi - half) == sends


@pytest.mark.parametrize(("speed", "sends"), [(10.5, False), (10.51, True), (9.49, True), (9.5, False)])
def test_a_change_of_speed_by_more_than_half_a_metre_per_second_causes_a_message(speed, sends):
    assert sends_on({"speed": speed}, speed=10.0) == sends


@pytest.mark.parametrize(("speed", "gap"), [(50.0, 1), (30.0, 2), (15.0, 3), (11.0, 4), (4.9, 9)])
def test_a_vehicle_at_steady_speed_sends_whenever_it_has_moved_by_more_than_4_m(speed, gap):
    states = [{"place": (speed * 0.1 * k, 0.0), "speed": speed} for k in range(60)]
    assert set(np.diff(sent_at(Cam(), states)[1:]).tolist()) == {gap}


def test_after_a_cause_messages_keep_its_pace_three_times_and_then_slow_to_one_a_second():
    # Moves by 5 m once, 300 ms after the message before.
    states = [{"place": (0.0, 0.0)}] * 13 + [{"place": (5.0, 0.0)}] * 40
    looks = sent_at(Cam(), states)
    caused = looks.index(13)
    assert looks[caused - 1] == 10
    assert looks[caused:] == [13, 16, 19, 22, 32, 42, 52]


def test_congestion_control_holds_even_a_caused_message_back():
    states = [{"place": (10.0 * k, 0.0), "wait_us": 350_000.0} for k in range(13)]
    assert sent_at(Cam(), states) == [0, 4, 8, 12]


def test_messages_are_at_least_100_ms_apart():
    states = [{"place": (10.0 * k, 0.0)} for k in range(9)]
    assert sent_at(Cam(), states, check_us=50_000) == [0, 2, 4, 6, 8]


def test_a_station_is_held_against_its_last_message_and_not_its_last_look():
    # 3 m a look: at the second look it has moved by 6 m since the message.
    states = [{"place": (3.0 * k, 0.0)} for k in range(7)]
    assert sent_at(Cam(), states) == [0, 2, 4, 6]


def test_stations_are_told_apart_by_identity_and_not_by_row():
    announcer = Announcer(Cam())

    def due(agents, places, now_us):
        count = len(agents)
        return announcer.due(
            AwarenessView(
                np.array(agents), np.array(places, float), np.zeros(count), np.zeros(count), now_us, np.zeros(count)
            )
        ).tolist()

    assert due([3, 8], [(0, 0), (50, 0)], 0) == [True, True]
    # In another order, with one that is new: 8 stays where it was, 3 has moved.
    assert due([8, 5, 3], [(50, 0), (0, 0), (9, 0)], 100_000) == [False, True, True]


def test_a_rule_looks_every_100_ms_and_its_slowest_pace_is_a_second():
    assert (Cam().check_us, Cam().longest_us) == (100_000, 1_000_000.0)


def test_after_a_cause_at_the_fastest_pace_three_more_messages_follow_and_no_fourth():
    states = [{"place": (0.0, 0.0)}] * 11 + [{"place": (5.0, 0.0)}] * 20
    assert sent_at(Cam(), states) == [0, 10, 11, 12, 13, 14, 24]
