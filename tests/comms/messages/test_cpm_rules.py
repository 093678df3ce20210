"""What goes into collective perception messages at the limits of each rule, and what redundancy leaves out."""

import numpy as np
import pytest

from v2xsim.comms.messages.cpm import CpmRules
from v2xsim.comms.messages.redundancy.distance import Distance
from v2xsim.comms.messages.redundancy.dynamics import Dynamics
from v2xsim.comms.messages.redundancy.frequency import Frequency
from v2xsim.comms.messages.redundancy.none import NoRedundancyRule
from v2xsim.comms.messages.redundancy.rule import Copies, RedundancyRule, RedundancyView, distances_m, omitted_by
from v2xsim.comms.messages.redundancy.self_announcing import SelfAnnouncing
from v2xsim.parts import parts_of

TICK_US = 100_000


class Station:
    """A station that looks at one object every 100 ms."""

    def __init__(self):
        self.rules, self.tick = CpmRules(), 0

    def look(self, place=(0.0, 0.0), velocity=(0.0, 0.0), heading=0.0, omitted=False, wait_us=0.0):
        """Return whether the object is in the message of this look, None where there is no message."""
        found = self.rules.included(
            np.array([place], float), np.array([velocity], float), np.array([heading]), np.array([omitted]),
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
    rules.included(one, none, np.zeros(1), np.zeros(1, bool), 0, 0.0)
    rules.included(one, none, np.zeros(1), np.zeros(1, bool), TICK_US, 0.0)
    two = np.array([[2.0, 0.0], [0.5, 0.0]])
    told = rules.included(two, np.zeros((2, 2)), np.zeros(2), np.zeros(2, bool), 2 * TICK_US, 0.0)
    assert told is not None
    assert (told[0].tolist(), told[1].tolist()) == ([1], [0])


@pytest.mark.parametrize(("gap_us", "number"), [(2_000_000, 0), (2_000_001, 1)])
def test_an_object_that_was_not_seen_for_more_than_two_seconds_is_a_new_one(gap_us, number):
    rules, still, numbers = CpmRules(), np.zeros((1, 2)), []
    for now_us in (0, 100_000, 200_000, 200_000 + gap_us, 300_000 + gap_us, 400_000 + gap_us, 1_500_000 + gap_us):
        told = rules.included(still, still, np.zeros(1), np.zeros(1, bool), now_us, 0.0)
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
        told = rules.included(none, none, np.zeros(0), np.zeros(0, bool), TICK_US * tick, 0.0)
        described += [tick] if told is not None and told[2] else []
    assert described == [0, 10, 20]


def test_a_message_that_is_due_for_an_object_alone_describes_no_sensors():
    station = Station().told()
    told = station.rules.included(
        np.zeros((1, 2)), np.full((1, 2), 9.0), np.zeros(1), np.zeros(1, bool), TICK_US * 4, 0.0
    )
    assert told is not None
    assert told[2] is False


def test_objects_are_numbered_from_0_as_they_are_first_seen():
    rules, numbers = CpmRules(), []
    for tick in range(6):
        # A second object appears in the fourth look.
        places = np.array([[0.0, 0.0], [50.0, 0.0]])[: 1 + (tick >= 3)]
        count = len(places)
        told = rules.included(places, np.zeros((count, 2)), np.zeros(count), np.zeros(count, bool), TICK_US * tick, 0.0)
        numbers += [] if told is None else told[1].tolist()
    assert numbers == [0, 1]


# What others tell of: one object at the origin at 10 m/s, seen by a station there.


def copies(count=1, apart_m=0.0, speed=10.0, age_us=0, sender_m=50.0):
    place = np.tile([0.0, apart_m], (count, 1))
    return Copies(
        place, np.full(count, speed), np.full(count, 5_000_000 - age_us), np.tile([sender_m, 0.0], (count, 1))
    )


def left_out(rule, heard, announced=()):
    view = RedundancyView(
        np.zeros((1, 2)), np.array([10.0]), np.zeros(2), heard, np.array(announced, float).reshape(-1, 2), 5_000_000
    )
    return bool(omitted_by(rule, view)[0])


@pytest.mark.parametrize(
    ("rule", "more"), [(Dynamics(), {}), (Frequency(), {"count": 6}), (Distance(), {"sender_m": 5.0})]
)
class TestRulesThatReadCopies:
    @pytest.mark.parametrize(("apart_m", "omitted"), [(2.99, True), (3.0, False)])
    def test_a_copy_is_of_the_same_object_less_than_3_m_away(self, rule, more, apart_m, omitted):
        assert left_out(rule, copies(apart_m=apart_m, **more)) == omitted

    @pytest.mark.parametrize(("age_us", "omitted"), [(1_000_000, True), (1_000_001, False)])
    def test_a_copy_counts_for_a_second(self, rule, more, age_us, omitted):
        assert left_out(rule, copies(age_us=age_us, **more)) == omitted


@pytest.mark.parametrize(("speed", "omitted"), [(10.49, True), (10.5, False), (9.51, True), (9.5, False)])
def test_dynamics_leaves_out_what_a_copy_moves_like(speed, omitted):
    assert left_out(Dynamics(), copies(speed=speed)) == omitted


@pytest.mark.parametrize(("count", "omitted"), [(5, False), (6, True)])
def test_frequency_leaves_out_what_more_than_five_copies_tell_of(count, omitted):
    assert left_out(Frequency(), copies(count)) == omitted


@pytest.mark.parametrize(("sender_m", "omitted"), [(9.99, True), (10.0, False)])
def test_distance_leaves_out_what_a_sender_less_than_10_m_away_tells_of(sender_m, omitted):
    assert left_out(Distance(), copies(sender_m=sender_m)) == omitted


def test_distance_wants_one_copy_that_is_both_near_the_object_and_from_near_by():
    near, far = copies(sender_m=5.0, apart_m=9.0), copies(sender_m=50.0)
    both = Copies(*(np.concatenate([getattr(c, n) for c in (near, far)]) for n in Copies.__dataclass_fields__))
    assert not left_out(Distance(), both)


@pytest.mark.parametrize(("away_m", "omitted"), [(2.99, True), (3.0, False)])
def test_self_announcing_leaves_out_stations_less_than_3_m_from_an_object(away_m, omitted):
    assert left_out(SelfAnnouncing(), copies(), [(0.0, away_m), (90.0, 0.0)]) == omitted


def test_without_a_rule_nothing_is_left_out():
    assert not left_out(NoRedundancyRule(), copies(20, sender_m=1.0), [(0.0, 0.0)])


def test_only_rules_that_compare_with_what_others_told_need_it_kept():
    keeping = {name for name, rule in parts_of(RedundancyRule).items() if rule.reads_copies}
    assert keeping == {"distance", "dynamics", "frequency"}


def test_distances_are_between_every_row_and_every_column():
    found = distances_m(np.array([[0.0, 0.0], [3.0, 0.0]]), np.array([[0.0, 4.0], [3.0, 0.0], [0.0, 0.0]]))
    assert found.tolist() == [[4.0, 3.0, 0.0], [5.0, 0.0, 3.0]]
