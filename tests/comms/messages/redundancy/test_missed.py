"""The rule that leaves out what no neighbour misses: who misses an object, who was told, and for how long it is left out."""

import numpy as np
import pytest

from v2xsim.comms.messages.redundancy.missed import Missed
from v2xsim.comms.messages.redundancy.rule import Copies, Nearby, RedundancyView, omitted_by

NOW_US = 5_000_000
NEIGHBOUR, ANOTHER = 20, 21


def near(
    sees=(), relevance=(1.0,), *, is_itself=None, hears=None, has_matrix=True, age_us=80_000, agents=(NEIGHBOUR, ANOTHER),
):  # fmt: skip
    """Return what neighbours know of one object; each is blind to it and may meet it at once by default."""
    relevance = np.array([relevance], float)
    count = relevance.shape[1]

    def row(values, kind):
        return np.zeros((1, count), kind) if values is None or len(values) == 0 else np.array([values], kind)

    return Nearby(
        np.array(agents[:count]), np.zeros((count, 2)), np.full(count, has_matrix), np.full(count, age_us), row(sees, bool),
        row(is_itself, bool), row(hears, float), relevance,
    )  # fmt: skip


def told(senders, *, age_us=0, is_valid=True, apart_m=0.0):
    """Return a report of the object from each of some stations."""
    count = len(senders)
    return Copies(
        np.tile([apart_m, 0.0], (count, 1)), np.full(count, 10.0), np.full(count, NOW_US - age_us), np.full((count, 2), 50.0),
        np.array(senders, np.int64), np.full(count, is_valid),
    )  # fmt: skip


def left_out(nearby, copies=None, *, unsent_us=0, **parameters):
    """Return whether a station leaves out the one object that it perceives."""
    view = RedundancyView(
        np.zeros((1, 2)), np.array([10.0]), np.full(2, 90.0), Copies.nothing() if copies is None else copies, np.zeros((0, 2)), NOW_US,
        np.array([unsent_us]), nearby,
    )  # fmt: skip
    return bool(omitted_by(Missed(**parameters), view)[0])


def test_an_object_that_a_neighbour_is_blind_to_and_may_meet_is_sent():
    assert not left_out(near())


def test_an_object_that_every_neighbour_sees_is_left_out():
    assert left_out(near([True, True], [1.0, 1.0]))


def test_one_blind_neighbour_of_two_is_enough():
    assert not left_out(near([True, False], [1.0, 1.0]))


@pytest.mark.parametrize(("relevance", "is_left_out"), [(0.29, True), (0.3, False)])
def test_an_object_that_matters_too_little_to_every_neighbour_is_left_out(relevance, is_left_out):
    assert left_out(near([False, False], [0.0, relevance]), least_relevance=0.3) == is_left_out


def test_blindness_and_relevance_count_for_the_same_neighbour():
    # One sees it and may meet it, the other one is blind to it and never meets it.
    assert left_out(near([True, False], [1.0, 0.0]))


def test_a_station_that_knows_nobody_leaves_everything_out():
    assert left_out(Nearby.nobody(1))


@pytest.mark.parametrize(("has_matrix", "age_us", "is_left_out"), [
    (True, 1_000_000, True), (True, 1_000_001, False), (False, 0, False),
])  # fmt: skip
def test_a_neighbour_without_a_matrix_or_with_an_old_one_may_be_blind_to_everything(has_matrix, age_us, is_left_out):
    assert left_out(near([True], has_matrix=has_matrix, age_us=age_us)) == is_left_out


def test_an_object_need_not_be_sent_to_itself():
    assert left_out(near(is_itself=[True]))
    assert not left_out(near([False, False], [1.0, 1.0], is_itself=[True, False]))


@pytest.mark.parametrize(("share", "is_left_out"), [(0.49, False), (0.5, True)])
def test_a_neighbour_knows_a_station_of_which_at_least_half_of_the_announcements_arrive(share, is_left_out):
    assert left_out(near(hears=[share])) == is_left_out


def test_a_neighbour_that_reported_the_object_itself_knows_it():
    assert left_out(near(), told([NEIGHBOUR]), senders=2)
    assert not left_out(near(), told([ANOTHER]), senders=2)


@pytest.mark.parametrize(
    ("senders", "is_left_out"), [([7], False), ([7, 7, 7], False), ([7, 8], True), ([8, 7, 8, 9], True)]
)
def test_an_object_that_enough_others_reported_is_left_out(senders, is_left_out):
    """Reports of one sender count once."""
    assert left_out(near(), told(senders), senders=2) == is_left_out


@pytest.mark.parametrize(("apart_m", "is_left_out"), [(2.99, True), (3.0, False)])
def test_a_report_of_something_3_m_away_is_about_something_else(apart_m, is_left_out):
    assert left_out(near(), told([7], apart_m=apart_m), senders=1) == is_left_out


def test_a_report_that_its_sender_must_have_sent_again_does_not_count():
    assert left_out(near(), told([7, 8]))
    assert not left_out(near(), told([7, 8], is_valid=False))
    assert not left_out(near(), told([NEIGHBOUR], is_valid=False))


@pytest.mark.parametrize(("age_us", "is_left_out"), [(1_000_000, True), (1_000_001, False)])
def test_a_valid_report_counts_for_a_second(age_us, is_left_out):
    assert left_out(near(), told([7], age_us=age_us), senders=1) == is_left_out


@pytest.mark.parametrize(("unsent_us", "is_left_out"), [(699_999, True), (700_000, False)])
@pytest.mark.parametrize("nearby", [near([True]), Nearby.nobody(1)])
def test_no_object_is_left_out_for_longer_than_the_repetition_time(nearby, unsent_us, is_left_out):
    assert left_out(nearby, told([7]), unsent_us=unsent_us, repeat_ms=700.0, senders=1) == is_left_out


def test_each_object_is_left_out_for_itself():
    """Three objects: the first is seen, the second is missed, and the third is missed but was reported."""
    shape = (3, 1)
    nearby = Nearby(
        np.array([NEIGHBOUR]), np.zeros((1, 2)), np.ones(1, bool), np.zeros(1, np.int64), np.array([[True], [False], [False]]),
        np.zeros(shape, bool), np.zeros(shape), np.ones(shape),
    )  # fmt: skip
    place_m = np.array([[0.0, 0.0], [20.0, 0.0], [40.0, 0.0]])
    view = RedundancyView(
        place_m, np.full(3, 10.0), np.zeros(2), told([7], apart_m=40.0), np.zeros((0, 2)), NOW_US, np.zeros(3, np.int64), nearby
    )  # fmt: skip
    assert omitted_by(Missed(senders=1), view).tolist() == [True, False, True]
