"""When awareness messages are sent, and how congestion control holds them back."""

import numpy as np
import pytest

from v2xsim.comms.access.dcc import LEAST_SHARE, MOST_SHARE, Dcc
from v2xsim.comms.messages.awareness.cam import Cam
from v2xsim.comms.messages.awareness.rule import AwarenessView

AGENT = np.array([7])


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
