"""Matching: the weights' geometry, and the laws of the greedy choice."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests.perception.matching.single import asked_by, shared_by
from v2xsim.parts import PartError
from v2xsim.perception.matching.choice import order_of
from v2xsim.perception.matching.gain import gains
from v2xsim.perception.matching.relevance import relevance
from v2xsim.perception.matching.rule import MatchingView
from v2xsim.perception.matching.rules.blind_cells import BlindCells
from v2xsim.perception.matching.rules.nearest import Nearest

SHAPE = (4, 5)


def view_of(weight, observed, distance, delivery, cost, budget, most):
    helpers = len(observed)
    return MatchingView(
        weight, observed.astype(np.uint8), np.arange(helpers), distance, delivery, np.zeros(helpers, bool), cost, budget, most,
        lambda: np.zeros(helpers), lambda: np.full(helpers, np.nan),
    )  # fmt: skip


def choose_helpers(weight, observed, delivery, cost, budget, most):
    """Return whom the rule `blind_cells` asks."""
    return asked_by(BlindCells(), view_of(weight, observed, np.zeros(len(observed)), delivery, cost, budget, most))


def choose_nearest(weight, observed, distance, cost, budget, most):
    """Return whom the rule `nearest` asks."""
    return asked_by(Nearest(), view_of(weight, observed, distance, np.ones(len(observed)), cost, budget, most))


weights = arrays(np.float64, SHAPE, elements=st.integers(0, 4).map(float))
matrices = st.integers(0, 6).flatmap(lambda n: arrays(np.bool_, (n, *SHAPE)))


@st.composite
def requests(draw):
    observed = draw(matrices)
    n = len(observed)
    delivery = draw(arrays(np.float64, n, elements=st.sampled_from([0.0, 0.3, 0.7, 1.0])))
    cost = draw(arrays(np.float64, n, elements=st.sampled_from([100.0, 700.0, 1500.0])))
    return draw(weights), observed, delivery, cost, draw(st.sampled_from([0, 800, 3000])), draw(st.integers(0, 4))


def covered_weight(weight, observed, helpers) -> float:
    return float(weight[np.any(observed[list(helpers)], axis=0)].sum()) if helpers else 0.0


def around(position=(0.0, 0.0), velocity=(0.0, 0.0), **more):
    lower, every = np.array([[-25, -25]]), np.ones((1, 50, 50), bool)
    return relevance(lower, every, 2.0, np.array([position]), np.array([velocity]), **more)[0]


def test_around_a_vehicle_at_rest_relevance_falls_with_the_time_another_needs_to_come():
    # The centre of cell (25 + 14, 25) lies 29 m east and 1 m north.
    expected = np.exp(-np.hypot(29.0, 1.0) / 14.0 / 4.0)
    assert around()[39, 25] == pytest.approx(expected)


def test_the_weight_is_that_of_the_earliest_time_at_which_both_can_meet():
    # Ego at 10 m/s east, other at 14 m/s; they meet head-on after 41 / 24 s, and from behind after 41 / 4 s.
    weight = around(position=(1.0, 1.0), velocity=(10.0, 0.0))
    ahead, behind = weight[25 + 20, 25], weight[25 - 20, 25]  # centres 40 m east and 40 m west of the ego
    np.testing.assert_allclose([ahead, behind], np.exp(-np.array([40 / 24, 40 / 4]) / 4.0))


def test_nothing_behind_matters_to_a_vehicle_that_outruns_all_others():
    weight = around(velocity=(30.0, 0.0))
    assert (weight[:25] == 0.0).all()
    assert (weight[26:, 25] > 0.0).all()


def test_a_vehicle_that_outruns_all_others_is_met_within_a_cone_ahead_only():
    # From bearings within asin(14 / 30) = 27.8 degrees of the heading.
    weight = around(position=(1.0, 1.0), velocity=(30.0, 0.0))
    assert weight[35, 29] > 0.0  # 20 m ahead, 8 m aside: 21.8 degrees
    assert weight[35, 31] == 0.0  # 20 m ahead, 12 m aside: 31.0 degrees


def test_equal_speeds_meet_ahead_only():
    weight = around(position=(1.0, 1.0), velocity=(14.0, 0.0))
    assert weight[24, 25] == 0.0
    assert weight[35, 25] == pytest.approx(np.exp(-20.0 / 28.0 / 4.0))


def test_the_vehicles_own_cell_matters_fully():
    assert around(position=(1.0, 1.0), velocity=(20.0, 0.0))[25, 25] == 1.0


@given(st.floats(-40, 40), st.floats(-40, 40), st.floats(-2e3, 2e3), st.floats(1, 40))
@settings(max_examples=80, deadline=None)
def test_relevance_lies_between_zero_and_one(vx, vy, x, other):
    weight = around(position=(x, 3.0), velocity=(vx, vy), other_speed_mps=other)
    assert ((weight >= 0.0) & (weight <= 1.0)).all()


@given(st.floats(0.1, 40), st.floats(0, 2 * np.pi))
@settings(max_examples=40, deadline=None)
def test_a_faster_approach_never_matters_less(speed, heading):
    # Whatever the ego's velocity, another that may go faster is met no later.
    velocity = (speed * np.cos(heading), speed * np.sin(heading))
    slow, fast = around(velocity=velocity, other_speed_mps=8.0), around(velocity=velocity, other_speed_mps=14.0)
    assert (fast >= slow - 1e-9).all()


def test_of_two_helpers_the_one_that_sees_more_of_the_blind_weight_is_asked():
    blind = np.array([[3.0, 1.0, 1.0, 0.0]])
    observed = np.array([[[False, True, True, True]], [[True, False, False, False]]])
    (choice,) = choose_helpers(blind, observed, np.ones(2), np.full(2, 100.0), 1000, 1)
    assert (choice.helper, choice.gain, choice.cells.tolist()) == (1, 0.6, [[True, False, False, False]])


def test_a_helper_that_is_hardly_heard_is_passed_over():
    blind, observed = np.ones((1, 4)), np.array([[[True] * 4], [[True, True, True, False]]])
    (choice, *_) = choose_helpers(blind, observed, np.array([0.3, 0.9]), np.full(2, 100.0), 1000, 1)
    assert choice.helper == 1


def test_equal_helpers_are_decided_for_the_first():
    blind, observed = np.ones((1, 4)), np.ones((3, 1, 4), bool)
    assert [c.helper for c in choose_helpers(blind, observed, np.ones(3), np.full(3, 9.0), 100, 3)] == [0]


def test_a_cheap_crumb_does_not_keep_the_budget_from_the_loaf():
    # By rate alone the crumb (1 cell for 1 byte) comes first and the loaf (100 cells for 1000) no longer fits.
    blind = np.ones((1, 101))
    observed = np.zeros((2, 1, 101), bool)
    observed[0, 0, 0], observed[1, 0, 1:] = True, True
    (choice,) = choose_helpers(blind, observed, np.ones(2), np.array([1.0, 1000.0]), 1000, 3)
    assert choice.helper == 1


def test_who_is_blind_nowhere_asks_nobody():
    assert choose_helpers(np.zeros((2, 2)), np.ones((3, 2, 2), bool), np.ones(3), np.ones(3), 10, 3) == []


@given(requests())
@settings(max_examples=200, deadline=None)
def test_a_choice_keeps_the_budget_and_the_number_of_helpers(request_):
    _weight, _observed, _delivery, cost, budget, most = request_
    chosen = [choice.helper for choice in choose_helpers(*request_)]
    assert cost[chosen].sum() <= budget
    assert len(chosen) <= most
    assert len(set(chosen)) == len(chosen)


@given(requests())
@settings(max_examples=150, deadline=None)
def test_each_cell_asked_for_is_blind_seen_by_its_helper_and_asked_of_nobody_else(request_):
    weight, observed, *_ = request_
    choices = choose_helpers(*request_)
    asked = sum((choice.cells.astype(int) for choice in choices), np.zeros(SHAPE, int))
    assert asked.max() <= 1
    assert all(
        (choice.cells <= observed[choice.helper]).all() and (weight[choice.cells] > 0).all() for choice in choices
    )


@given(requests())
@settings(max_examples=100, deadline=None)
def test_every_helper_asked_adds_something_and_gains_add_up_to_the_coverage(request_):
    weight, observed, *_ = request_
    choices = choose_helpers(*request_)
    assert all(choice.gain > 0 for choice in choices)
    total = covered_weight(weight, observed, [c.helper for c in choices]) / max(weight.sum(), 1.0)
    assert sum(choice.gain for choice in choices) == pytest.approx(total)


@given(weights, matrices, st.lists(st.booleans(), min_size=6, max_size=6), arrays(np.bool_, SHAPE))
@settings(max_examples=150, deadline=None)
def test_a_helper_adds_no_more_to_a_larger_set(weight, observed, chosen, more):
    rows = [row for row in range(len(observed)) if chosen[row]]
    small = np.any(observed[rows], axis=0) if rows else np.zeros(SHAPE, bool)
    assert (gains(weight, observed, small | more) <= gains(weight, observed, small) + 1e-12).all()


@given(weights, matrices, st.integers(1, 3))
@settings(max_examples=150, deadline=None)
def test_the_greedy_choice_covers_at_least_1_minus_1_over_e_of_the_best(weight, observed, most):
    n = len(observed)
    choices = choose_helpers(weight, observed, np.ones(n), np.ones(n), most, most)
    best = max(covered_weight(weight, observed, s) for k in range(most + 1) for s in combinations(range(n), k))
    reached = covered_weight(weight, observed, [c.helper for c in choices])
    assert reached >= (1 - 1 / np.e) * best - 1e-9


@given(requests())
@settings(max_examples=150, deadline=None)
def test_under_a_byte_budget_it_covers_at_least_half_of_that(request_):
    weight, observed, _, cost, budget, _ = request_
    n = len(observed)
    choices = choose_helpers(weight, observed, np.ones(n), cost, budget, n)
    affordable = [s for k in range(n + 1) for s in combinations(range(n), k) if cost[list(s)].sum() <= budget]
    best = max(covered_weight(weight, observed, s) for s in affordable)
    reached = covered_weight(weight, observed, [c.helper for c in choices])
    assert reached >= 0.5 * (1 - 1 / np.e) * best - 1e-9


@given(requests())
@settings(max_examples=100, deadline=None)
def test_without_a_look_into_matrices_the_budget_and_the_number_of_helpers_are_kept(request_):
    weight, observed, distance, cost, budget, most = request_
    choices = choose_nearest(weight, observed, distance, cost, budget, most)
    assert cost[[c.helper for c in choices]].sum() <= budget
    assert len(choices) <= most
    # Nobody with a blind zone who may ask a helper that he can afford asks nobody.
    assert bool(choices) == bool(most and weight.any() and (cost <= budget).any())


class Own(Nearest):
    """Stands in for a rule of a user's file: gives an answer that a test states."""

    file = Path(__file__)
    answer = None

    def choose(self, view):
        """Return the answer."""
        return self.answer


def answered(monkeypatch, answer, file=Own.file):
    """Return the order of a rule that gives an answer about three helpers."""
    monkeypatch.setattr(Own, "answer", answer)
    monkeypatch.setattr(Own, "file", file)
    three = np.ones(3)
    return order_of(Own(), view_of(np.ones((1, 2)), np.ones((3, 1, 2), bool), three, three, three, 9.0, 3))


@pytest.mark.passes_wrong_types
@pytest.mark.parametrize("rows", [[], [0], [2, 0, 1]])
def test_a_users_rule_may_choose_any_rows_once(monkeypatch, rows):
    assert answered(monkeypatch, np.array(rows, np.int64)).tolist() == rows


@pytest.mark.passes_wrong_types
@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ([0], "must return one array with rows of helpers, got list"),
        (np.array([[0]]), r"must return one array with rows of helpers, got shape \(1, 1\)"),
        (np.array(0), r"must return one array with rows of helpers, got shape \(\)"),
        (np.array([0.0]), "got float64"),
        (np.array([1, 1]), r"must return rows of helpers \(0 to 2\), each at most once, got \[1, 1\]"),
        (np.array([0, 3]), r"must return rows of helpers \(0 to 2\), each at most once, got \[0, 3\]"),
        (np.array([-1, 0]), r"must return rows of helpers \(0 to 2\), each at most once, got \[-1, 0\]"),
    ],
)
def test_a_users_rule_that_chooses_anything_else_is_an_error_in_words(monkeypatch, answer, words):
    with pytest.raises(PartError, match=words):
        answered(monkeypatch, answer)


@pytest.mark.passes_wrong_types
def test_the_answer_of_a_built_in_rule_is_not_checked_in_every_tick(monkeypatch):
    assert answered(monkeypatch, np.array([1, 1]), file=None).tolist() == [1, 1]


def test_a_helper_that_sees_no_blind_cell_is_not_asked():
    one = np.ones(1)
    view = view_of(np.array([[0.0, 0.5]]), np.array([[[True, False]]]), one, one, one, 9.0, 1)
    assert shared_by([0], view) == []
