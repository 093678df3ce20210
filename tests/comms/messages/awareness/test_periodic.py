"""When awareness messages of a fixed rate are sent."""

import numpy as np
import pytest

from v2xsim.comms.messages.awareness.periodic import Periodic
from v2xsim.comms.messages.awareness.rule import Announcer, AwarenessView

CHECK_US = 100_000


def view(now_us, wait_us=0.0, agent=0):
    """Return what a rule reads of one station."""
    return AwarenessView(np.array([agent]), np.zeros((1, 2)), np.zeros(1), np.zeros(1), now_us, np.array([wait_us]))


def sent_at(rule, states, check_us=CHECK_US):
    """Return at which looks a station sends that is in these states, one every 100 ms."""
    announcer = Announcer(rule)
    return [k for k, state in enumerate(states) if announcer.due(view(check_us * k, **state))[0]]


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


def sent_by(wait_us):
    """Return at which looks, one every 100 ms, each station sends; `wait_us` has a row for each look."""
    announcer = Announcer(Periodic(10.0))
    views = [
        AwarenessView(
            np.arange(len(row)), np.zeros((len(row), 2)), np.zeros(len(row)), np.zeros(len(row)), CHECK_US * k,
            np.array(row, float),
        )
        for k, row in enumerate(wait_us)
    ]  # fmt: skip
    sends = np.array([announcer.due(view) for view in views])
    return [np.flatnonzero(column).tolist() for column in sends.T]


def test_a_station_that_must_wait_does_so_beside_one_that_need_not():
    assert sent_by([[0.0, 250_000.0]] * 7) == [[0, 1, 2, 3, 4, 5, 6], [0, 3, 6]]


def test_messages_sent_before_congestion_control_set_in_hold_nothing_back():
    # Nothing is stored before: the first message under control is sent at once, and the next one waits.
    assert sent_by([[0.0]] * 3 + [[250_000.0]] * 5) == [[0, 1, 2, 3, 6]]


@pytest.mark.parametrize(("back_us", "sends"), [(100_000, False), (300_000, True)])
def test_a_station_that_comes_back_still_waits(back_us, sends):
    announcer = Announcer(Periodic(10.0))
    announcer.due(view(0, 250_000.0, agent=5))
    announcer.due(view(50_000, 250_000.0, agent=2))
    assert announcer.due(view(back_us, 250_000.0, agent=5)).tolist() == [sends]


def test_a_station_that_left_is_forgotten_when_it_need_not_wait_any_more():
    announcer = Announcer(Periodic(10.0))
    for now_us in (0, 999_999, 1_000_000):
        announcer.due(view(now_us, 250_000.0, agent=int(now_us > 0)))
        assert (0 in announcer._generator._agent) == (now_us < 1_000_000)
