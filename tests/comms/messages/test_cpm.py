"""What goes into collective perception messages, and what others spare it."""

import numpy as np
import pytest

from v2xsim.comms.messages.cpm import CpmRules
from v2xsim.comms.messages.redundancy.frequency import COPIES
from v2xsim.comms.messages.redundancy.rule import Copies, RedundancyRule, RedundancyView, omitted_by
from v2xsim.comms.messages.sizes import cpm_bytes
from v2xsim.parts import parts_of


def told(velocity=(0.0, 0.0), heading_of=lambda t: 0.0, start=(0.0, 0.0), until_s=6.0, wait_us=0.0, omit=False):
    """Return when one object is told of by a station that looks every 100 ms, and under which numbers."""
    rules, when, numbers = CpmRules(), [], set()
    velocity = np.array([velocity], float)
    for k in range(round(until_s * 10)):
        place = np.array([start], float) + velocity * 0.1 * k
        found = rules.included(place, velocity, np.array([heading_of(0.1 * k)]), np.array([omit]), 100_000 * k, wait_us)
        if found is not None and len(found[0]):
            when.append(round(0.1 * k, 1))
            numbers |= set(found[1].tolist())
    return when, numbers


def test_an_object_is_told_of_once_it_was_recognised_three_times():
    assert told()[0][0] == 0.2


def test_what_stands_still_is_told_of_once_a_second_under_one_number():
    when, numbers = told()
    assert np.diff(when) == pytest.approx(1.0)
    assert numbers == {0}


@pytest.mark.parametrize(("speed", "gap_s"), [(50.0, 0.1), (30.0, 0.2), (15.0, 0.3), (9.0, 0.5)])
def test_what_drives_is_told_of_whenever_it_has_moved_four_metres(speed, gap_s):
    when, numbers = told(velocity=(speed, 0.0))
    assert np.diff(when) == pytest.approx(gap_s)
    assert numbers == {0}


def test_what_turns_is_told_of():
    assert np.diff(told(heading_of=lambda t: np.deg2rad(13.0 * t))[0]) == pytest.approx(0.4)


def test_congestion_control_spaces_messages():
    assert np.diff(told(velocity=(50.0, 0.0), wait_us=400_000.0)[0]) == pytest.approx(0.4)


def test_nothing_to_tell_means_no_message_but_the_sensors_once_a_second():
    rules, nothing = CpmRules(), np.zeros((0, 2))
    found = [
        rules.included(nothing, nothing, np.zeros(0), np.zeros(0, bool), 100_000 * k, 0.0) is not None
        for k in range(30)
    ]
    assert np.flatnonzero(found).tolist() == [0, 10, 20]


def test_flickering_false_alarms_are_never_told_of():
    rng, rules, count = np.random.default_rng(3), CpmRules(), 0
    for k in range(100):
        place = rng.uniform(-200, 200, (2, 2))
        found = rules.included(place, np.zeros((2, 2)), np.zeros(2), np.zeros(2, bool), 100_000 * k, 0.0)
        count += 0 if found is None else len(found[0])
    assert count == 0


def test_two_cars_in_a_queue_keep_their_numbers():
    rules, seen = CpmRules(), []
    for k in range(20):
        place = np.array([[0.0, 0.0], [6.5, 0.0]]) + np.array([8.0 * 0.1 * k, 0.0])
        order = [0, 1] if k % 2 else [1, 0]
        found = rules.included(
            place[order], np.full((2, 2), [8.0, 0.0]), np.zeros(2), np.zeros(2, bool), 100_000 * k, 0.0
        )
        if found is not None:
            for row, number in zip(found[0], found[1], strict=True):
                seen.append((order[row], int(number)))
    assert len(set(seen)) == 2


def copies(count, apart_m=0.0, speed=10.0, told_us=900_000, sender=(50.0, 0.0)):
    return Copies(
        np.tile([apart_m, 0.0], (count, 1)), np.full(count, speed), np.full(count, told_us), np.tile(sender, (count, 1))
    )


@pytest.mark.parametrize(
    ("rule", "heard", "expected"),
    [
        ("none", copies(20), False),
        ("dynamics", copies(1), True),
        ("dynamics", copies(1, speed=11.0), False),
        ("dynamics", copies(1, apart_m=5.0), False),
        ("dynamics", copies(1, told_us=-200_000), False),
        ("frequency", copies(COPIES), False),
        ("frequency", copies(COPIES + 1), True),
        ("distance", copies(1), False),
        ("distance", copies(1, sender=(9.0, 0.0)), True),
        ("self_announcing", copies(9), False),
    ],
)
def test_what_others_tell_of_may_be_left_out(rule, heard, expected):
    nobody = np.zeros((0, 2))
    view = RedundancyView(np.zeros((1, 2)), np.array([10.0]), np.zeros(2), heard, nobody, 1_000_000)
    found = omitted_by(parts_of(RedundancyRule)[rule](), view)
    assert found.tolist() == [expected]


def test_who_announces_itself_needs_not_be_told_of():
    place = np.array([[0.0, 0.0], [20.0, 0.0]])
    view = RedundancyView(place, np.zeros(2), np.zeros(2), Copies.nothing(), np.array([[21.0, 0.5]]), 1_000_000)
    found = omitted_by(parts_of(RedundancyRule)["self_announcing"](), view)
    assert found.tolist() == [False, True]


def test_sizes_are_those_of_the_real_encoding():
    assert cpm_bytes(0, 0) == 37
    assert cpm_bytes(10, 0) == 316
    assert cpm_bytes(40, 0) == 1153
    assert cpm_bytes(0, 3) == 63
