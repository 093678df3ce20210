"""What goes into collective perception messages, and what others spare it."""

import numpy as np
import pytest

from v2xsim.comms.messages.cpm import CpmRules
from v2xsim.comms.messages.redundancy.frequency import COPIES
from v2xsim.comms.messages.redundancy.rule import Copies, Nearby, RedundancyRule, RedundancyView, omitted_by
from v2xsim.comms.messages.sizes import cpm_bytes
from v2xsim.parts import parts_of

TICK_US = 100_000


def included(rules, place_m, velocity_mps, heading_rad, omitted, now_us, wait_us):
    """Return what a message of these objects contains, which the rules recognise first."""
    row = rules.recognised(place_m, velocity_mps, now_us)
    return rules.included(row, place_m, velocity_mps, heading_rad, omitted, now_us, wait_us)


def told(velocity=(0.0, 0.0), heading_of=lambda t: 0.0, start=(0.0, 0.0), until_s=6.0, wait_us=0.0, omit=False):
    """Return when one object is told of by a station that looks every 100 ms, and under which numbers."""
    rules, when, numbers = CpmRules(), [], set()
    velocity = np.array([velocity], float)
    for k in range(round(until_s * 10)):
        place = np.array([start], float) + velocity * 0.1 * k
        found = included(
            rules, place, velocity, np.array([heading_of(0.1 * k)]), np.array([omit]), 100_000 * k, wait_us
        )
        if found is not None and len(found[0]):
            when.append(round(0.1 * k, 1))
            numbers |= set(found[1].tolist())
    return when, numbers


def test_an_object_is_told_of_once_it_was_recognised_three_times():
    assert told()[0][0] == 0.2


@pytest.mark.parametrize(
    ("step_us", "told_us"), [(10_000, 200_000), (50_000, 200_000), (100_000, 200_000), (500_000, 1_000_000)]
)
def test_frames_faster_than_checks_do_not_make_an_object_known_sooner(step_us, told_us):
    rules, place = CpmRules(), np.zeros((1, 2))
    times_us = range(0, 2_000_000, step_us)
    answers = [included(rules, place, place, np.zeros(1), np.zeros(1, bool), time_us, 0.0) for time_us in times_us]
    assert next(t for t, answer in zip(times_us, answers, strict=True) if answer and len(answer[0])) == told_us


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
        included(rules, nothing, nothing, np.zeros(0), np.zeros(0, bool), 100_000 * k, 0.0) is not None
        for k in range(30)
    ]
    assert np.flatnonzero(found).tolist() == [0, 10, 20]


def test_flickering_false_alarms_are_never_told_of():
    rng, rules, count = np.random.default_rng(3), CpmRules(), 0
    for k in range(100):
        place = rng.uniform(-200, 200, (2, 2))
        found = included(rules, place, np.zeros((2, 2)), np.zeros(2), np.zeros(2, bool), 100_000 * k, 0.0)
        count += 0 if found is None else len(found[0])
    assert count == 0


def test_two_cars_in_a_queue_keep_their_numbers():
    rules, seen = CpmRules(), []
    for k in range(20):
        place = np.array([[0.0, 0.0], [6.5, 0.0]]) + np.array([8.0 * 0.1 * k, 0.0])
        order = [0, 1] if k % 2 else [1, 0]
        found = included(
            rules, place[order], np.full((2, 2), [8.0, 0.0]), np.zeros(2), np.zeros(2, bool), 100_000 * k, 0.0
        )
        if found is not None:
            for row, number in zip(found[0], found[1], strict=True):
                seen.append((order[row], int(number)))
    assert len(set(seen)) == 2


def copies(count, apart_m=0.0, speed=10.0, told_us=900_000, sender=(50.0, 0.0)):
    return Copies(
        np.tile([apart_m, 0.0], (count, 1)), np.full(count, speed), np.full(count, told_us), np.tile(sender, (count, 1)), np.arange(count), np.ones(count, bool)
    )  # fmt: skip


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
    view = RedundancyView(
        np.zeros((1, 2)), np.array([10.0]), np.zeros(2), heard, nobody, 1_000_000, np.zeros(1, np.int64), Nearby.nobody(1)
    )  # fmt: skip
    found = omitted_by(parts_of(RedundancyRule)[rule](), view)
    assert found.tolist() == [expected]


def test_who_announces_itself_needs_not_be_told_of():
    place = np.array([[0.0, 0.0], [20.0, 0.0]])
    view = RedundancyView(
        place, np.zeros(2), np.zeros(2), Copies.nothing(), np.array([[21.0, 0.5]]), 1_000_000, np.zeros(2, np.int64), Nearby.nobody(2)
    )  # fmt: skip
    found = omitted_by(parts_of(RedundancyRule)["self_announcing"](), view)
    assert found.tolist() == [False, True]


def test_sizes_are_those_of_the_real_encoding():
    assert cpm_bytes(0, 0) == 37
    assert cpm_bytes(10, 0) == 316
    assert cpm_bytes(40, 0) == 1153
    assert cpm_bytes(0, 3) == 63


# The limits of each rule, look by look.


class Station:
    """A station that looks at one object every 100 ms."""

    def __init__(self):
        self.rules, self.tick = CpmRules(), 0

    def look(self, place=(0.0, 0.0), velocity=(0.0, 0.0), heading=0.0, omitted=False, wait_us=0.0):
        """Return whether the object is in the message of this look, None where there is no message."""
        found = included(self.rules, np.array([place], float), np.array([velocity], float), np.array([heading]), np.array([omitted]),
            TICK_US * self.tick, wait_us,
        )  # fmt: skip
        self.tick += 1
        return None if found is None else len(found[0]) > 0

    def told(self, **first):
        """Return the station after it has told of the object, in the third look."""
        assert [self.look(**first) for _ in range(3)] == [False, None, True]
        return self


@pytest.mark.parametrize(("moved_m", "again"), [(4.0, None), (4.01, True)])
def test_an_object_that_has_moved_by_more_than_4_m_is_told_of_again(moved_m, again):
    # In steps of less than 3 m, so that it is recognised.
    station = Station().told()
    station.look(place=(0.0, moved_m / 2))
    assert station.look(place=(0.0, moved_m)) == again


@pytest.mark.parametrize(("speed", "again"), [(0.5, None), (0.51, True)])
def test_an_object_whose_speed_has_changed_by_more_than_half_a_metre_per_second_is_told_of_again(speed, again):
    assert Station().told().look(velocity=(0.0, speed)) == again


@pytest.mark.parametrize(("degrees", "again"), [(3.99, None), (4.01, True), (-4.01, True)])
def test_an_object_that_has_turned_by_more_than_4_degrees_is_told_of_again(degrees, again):
    assert Station().told().look(heading=np.deg2rad(degrees)) == again


def test_a_turn_past_south_is_measured_the_short_way():
    assert Station().told(heading=np.pi - 0.01).look(heading=-np.pi + 0.01) is None


def test_an_object_that_does_not_move_is_told_of_again_after_a_second():
    station = Station().told()
    looks = [station.look() for _ in range(10)]
    # The sensors' turn is a second after the first look, two looks before.
    assert looks == [None] * 7 + [False, None, True]


def test_an_omitted_object_is_not_told_of_and_is_due_once_it_is_no_longer_omitted():
    station = Station()
    station.look()
    station.look()
    assert station.look(omitted=True) is None
    assert station.look() is True


def test_an_object_is_recognised_less_than_3_m_from_where_it_is_expected():
    # At 20 m/s it is expected 2 m on; a jump of 3 m more makes it a new object, which nobody has seen three times.
    for jump_m, again in ((2.9, True), (3.0, None)):
        station = Station()
        for k in range(3):
            station.look(place=(2.0 * k, 0.0), velocity=(20.0, 0.0))
        assert station.look(place=(6.0 + jump_m, 0.0), velocity=(20.0, 0.0)) == again


def test_of_two_objects_near_one_memory_the_nearer_has_it():
    rules, none = CpmRules(), np.zeros((1, 2))
    one = np.zeros((1, 2))
    included(rules, one, none, np.zeros(1), np.zeros(1, bool), 0, 0.0)
    included(rules, one, none, np.zeros(1), np.zeros(1, bool), TICK_US, 0.0)
    two = np.array([[2.0, 0.0], [0.5, 0.0]])
    told = included(rules, two, np.zeros((2, 2)), np.zeros(2), np.zeros(2, bool), 2 * TICK_US, 0.0)
    assert told is not None
    assert (told[0].tolist(), told[1].tolist()) == ([1], [0])


@pytest.mark.parametrize(("gap_us", "number"), [(2_000_000, 0), (2_000_001, 1)])
def test_an_object_that_was_not_seen_for_more_than_two_seconds_is_a_new_one(gap_us, number):
    rules, still, numbers = CpmRules(), np.zeros((1, 2)), []
    for now_us in (0, 100_000, 200_000, 200_000 + gap_us, 300_000 + gap_us, 400_000 + gap_us, 1_500_000 + gap_us):
        told = included(rules, still, still, np.zeros(1), np.zeros(1, bool), now_us, 0.0)
        numbers += [] if told is None else told[1].tolist()
    assert numbers[-1] == number


@pytest.mark.parametrize(("wait_us", "look"), [(0.0, 1), (100_000.0, 1), (100_001.0, 2), (300_000.0, 3)])
def test_messages_keep_the_wait_of_congestion_control_and_100_ms_at_least(wait_us, look):
    station = Station().told()
    looks = [station.look(velocity=(5.0 * k, 0.0), wait_us=wait_us) for k in range(1, 5)]
    assert looks.index(True) + 1 == look


def test_sensors_are_described_in_the_first_message_and_once_a_second():
    rules, none = CpmRules(), np.zeros((0, 2))
    described = []
    for tick in range(25):
        told = included(rules, none, none, np.zeros(0), np.zeros(0, bool), TICK_US * tick, 0.0)
        described += [tick] if told is not None and told[2] else []
    assert described == [0, 10, 20]


def test_a_message_that_is_due_for_an_object_alone_describes_no_sensors():
    station = Station().told()
    told = included(
        station.rules, np.zeros((1, 2)), np.full((1, 2), 9.0), np.zeros(1), np.zeros(1, bool), TICK_US * 4, 0.0
    )
    assert told is not None
    assert told[2] is False


def test_objects_are_numbered_from_0_as_they_are_first_seen():
    rules, numbers = CpmRules(), []
    for tick in range(6):
        # A second object appears in the fourth look.
        places = np.array([[0.0, 0.0], [50.0, 0.0]])[: 1 + (tick >= 3)]
        count = len(places)
        told = included(
            rules, places, np.zeros((count, 2)), np.zeros(count), np.zeros(count, bool), TICK_US * tick, 0.0
        )
        numbers += [] if told is None else told[1].tolist()
    assert numbers == [0, 1]


def test_an_object_near_two_memories_keeps_the_number_of_the_nearer():
    rules, numbers = CpmRules(), []
    for tick, places in enumerate(([[0.0, 0.0], [2.9, 0.0]], [[0.5, 0.0]], [[0.5, 0.0]])):
        count = len(places)
        told = included(
            rules, np.array(places), np.zeros((count, 2)), np.zeros(count), np.zeros(count, bool), TICK_US * tick, 0.0
        )
        numbers += [] if told is None else told[1].tolist()
    assert numbers == [0]
