"""Which objects each redundancy rule leaves out of a message, at its limits."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from v2xsim.comms.messages.redundancy.distance import Distance
from v2xsim.comms.messages.redundancy.dynamics import Dynamics
from v2xsim.comms.messages.redundancy.frequency import Frequency
from v2xsim.comms.messages.redundancy.none import NoRedundancyRule
from v2xsim.comms.messages.redundancy.rule import (
    Copies,
    Nearby,
    RedundancyRule,
    RedundancyView,
    distances_m,
    omitted_by,
)
from v2xsim.comms.messages.redundancy.self_announcing import SelfAnnouncing
from v2xsim.parts import PartError, parts_of

# What others tell of: one object at the origin at 10 m/s, seen by a station there.


def copies(count=1, apart_m=0.0, speed=10.0, age_us=0, sender_m=50.0):
    place = np.tile([0.0, apart_m], (count, 1))
    return Copies(
        place, np.full(count, speed), np.full(count, 5_000_000 - age_us), np.tile([sender_m, 0.0], (count, 1)), np.arange(count), np.ones(count, bool)
    )  # fmt: skip


def left_out(rule, heard, announced=()):
    view = RedundancyView(
        np.zeros((1, 2)), np.array([10.0]), np.zeros(2), heard, np.array(announced, float).reshape(-1, 2), 5_000_000,
        np.zeros(1, np.int64), Nearby.nobody(1),
    )  # fmt: skip
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
    assert keeping == {"distance", "dynamics", "frequency", "missed"}


def test_only_the_rule_about_what_others_miss_needs_their_matrices():
    assert {name for name, rule in parts_of(RedundancyRule).items() if rule.reads_matrices} == {"missed"}


def test_distances_are_between_every_row_and_every_column():
    found = distances_m(np.array([[0.0, 0.0], [3.0, 0.0]]), np.array([[0.0, 4.0], [3.0, 0.0], [0.0, 0.0]]))
    assert found.tolist() == [[4.0, 3.0, 0.0], [5.0, 0.0, 3.0]]


def test_copies_of_nothing_are_no_rows_in_the_plane():
    nothing = Copies.nothing()
    assert (nothing.place_m.shape, nothing.sender_m.shape) == ((0, 2), (0, 2))
    assert (nothing.speed_mps.shape, nothing.told_us.shape) == ((0,), (0,))


def view_of(objects):
    return RedundancyView(
        np.zeros((objects, 2)), np.zeros(objects), np.zeros(2), Copies.nothing(), np.zeros((0, 2)), 5_000_000,
        np.zeros(objects, np.int64), Nearby.nobody(objects),
    )  # fmt: skip


@pytest.mark.parametrize(("within_us", "near"), [(200_000, [False]), (200_001, [True])])
def test_a_rule_may_read_copies_of_a_shorter_time_than_a_second(within_us, near):
    view = replace(view_of(1), copies=copies(age_us=200_001))
    assert np.isfinite(view.apart_m(within_us)).ravel().tolist() == near


def rule_of(answer):
    """Return a user's rule that gives the same answer every time."""

    class Mine(RedundancyRule):
        def omitted(self, view):
            if len(view.place_m) == 0:
                raise ValueError("nothing to look at")
            return answer

    Mine.name, Mine.file = "mine", Path("/home/me/mine.py")
    return Mine()


def test_a_rule_of_ones_own_reads_copies_and_must_say_itself_what_it_leaves_out():
    assert RedundancyRule.reads_copies
    with pytest.raises(NotImplementedError):
        RedundancyRule().omitted(view_of(1))


def test_a_station_that_perceives_nothing_asks_no_rule():
    found = omitted_by(rule_of(None), view_of(0))
    assert (found.shape, found.dtype) == ((0,), bool)


def test_a_station_that_perceives_one_object_asks_its_rule():
    assert omitted_by(rule_of(np.array([True])), view_of(1)).tolist() == [True]


@pytest.mark.passes_wrong_types
@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (np.ones(3, bool), r"omitted must return an array of 2 objects, got shape \(3,\)"),
        (np.ones(2, int), r"omitted must return truth values \(bool\), got int64"),
    ],
)
def test_a_users_rule_gives_one_truth_value_for_each_object(answer, why):
    with pytest.raises(PartError, match=why):
        omitted_by(rule_of(answer), view_of(2))
