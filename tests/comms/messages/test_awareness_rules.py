"""When awareness messages are sent: the triggers of EN 302 637-2 and a fixed rate, station by station."""

import numpy as np
import pytest

from v2xsim.comms.messages.awareness.cam import Cam
from v2xsim.comms.messages.awareness.periodic import Periodic
from v2xsim.comms.messages.awareness.rule import Announcer, AwarenessRule, AwarenessView

CHECK_US = 100_000


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


@pytest.mark.parametrize(("rate_hz", "period_us"), [(10.0, 100_000), (3.0, 333_333), (0.5, 2_000_000)])
def test_the_period_of_a_fixed_rate_is_its_inverse(rate_hz, period_us):
    assert Periodic(rate_hz).check_us == period_us
    assert Periodic(rate_hz).longest_us == pytest.approx(1e6 / rate_hz)


def test_without_congestion_every_station_sends_at_every_look():
    assert sent_at(Periodic(10.0), [{}] * 5) == [0, 1, 2, 3, 4]


def test_congestion_control_spaces_messages_of_a_fixed_rate():
    assert sent_at(Periodic(10.0), [{"wait_us": 250_000.0}] * 10) == [0, 3, 6, 9]


def test_a_wait_of_exactly_the_period_holds_nothing_back():
    assert sent_at(Periodic(10.0), [{"wait_us": 100_000.0}] * 4) == [0, 1, 2, 3]


def test_a_station_that_has_never_sent_waits_for_nobody():
    assert sent_at(Periodic(10.0), [{"wait_us": 1_000_000.0}] * 3) == [0]


def test_a_fixed_rate_is_10_hz_unless_another_is_given():
    assert Periodic().rate_hz == 10.0


def test_a_rule_of_ones_own_looks_every_100_ms_and_counts_as_silent_after_five_seconds():
    # Five times its longest pace.
    assert (AwarenessRule().check_us, AwarenessRule().longest_us) == (100_000, 1_000_000.0)
