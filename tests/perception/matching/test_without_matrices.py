"""Rules that look into no announced matrix: whom they choose, and what they ask for."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests.perception.matching.single import asked_by
from v2xsim.perception.matching.choice import chosen_helpers, order_of
from v2xsim.perception.matching.rule import MatchingRule, MatchingView, MatchingViews, Orders
from v2xsim.perception.matching.rules.history import History
from v2xsim.perception.matching.rules.nearest import Nearest
from v2xsim.perception.matching.rules.random_helpers import RandomHelpers

UNTRIED = np.nan
RULES = [Nearest(), RandomHelpers(), History()]


def view_of(helpers, *, weight=(1.0, 1.0, 0.0), code=None, distance_m=None, uniform=None, gained=None, cost=100.0, budget=1e9, most=9):  # fmt: skip
    """Return what a rule is shown of some helpers, which observed nothing if no codes are given."""
    weight = np.array([weight])
    drawn = np.linspace(0.1, 0.9, helpers) if uniform is None else np.array(uniform)
    learned = np.full(helpers, UNTRIED) if gained is None else np.array(gained)
    return MatchingView(
        weight, np.zeros((helpers, *weight.shape), np.uint8) if code is None else code, 10 + np.arange(helpers),
        np.arange(helpers, dtype=float) if distance_m is None else np.array(distance_m, float), np.ones(helpers),
        np.zeros(helpers, bool), np.full(helpers, cost), budget, most, lambda: drawn, lambda: learned,
    )  # fmt: skip


def helpers_of(rule, view):
    return [choice.helper for choice in asked_by(rule, view)]


def test_a_near_helper_with_nothing_to_give_is_asked_before_a_far_one_that_sees_all():
    code = np.array([[[0, 0, 0]], [[1, 1, 1]]], np.uint8)
    view = view_of(2, code=code, distance_m=[5.0, 50.0], most=1)
    assert helpers_of(Nearest(), view) == [0]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_each_helper_is_asked_for_all_cells_in_which_the_ego_is_blind_and_no_others(rule):
    choices = asked_by(rule, view_of(3, weight=(0.2, 0.0, 1.0)))
    assert [choice.cells.tolist() for choice in choices] == [[[True, False, True]]] * 3


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_an_ego_that_is_blind_nowhere_asks_nobody(rule):
    assert asked_by(rule, view_of(3, weight=(0.0, 0.0, 0.0))) == []


@given(arrays(np.uint8, (4, 1, 3), elements=st.integers(0, 2)))
@settings(max_examples=100, deadline=None)
def test_what_helpers_announce_changes_neither_the_choice_nor_the_cells(code):
    for rule in RULES:
        view = view_of(4, gained=[0.5, UNTRIED, 0.1, 0.5], distance_m=[4, 2, 9, 1], most=3)
        blank, told = (chosen_helpers(rule, MatchingViews.only(one)) for one in (view, replace(view, code=code)))
        assert blank.helper.tolist() == told.helper.tolist()
        assert (blank.cells == told.cells).all()


@pytest.mark.parametrize("share", [1000 / 3, 500 / 7, 0.1])
def test_as_many_helpers_are_asked_as_equal_shares_fit_into_the_budget(share):
    # Ten times 0.1 is more than 1 by a rounding error.
    most = round({1000 / 3: 1000, 500 / 7: 500, 0.1: 1}[share] / share)
    view = view_of(12, cost=share, budget={1000 / 3: 1000.0, 500 / 7: 500.0, 0.1: 1.0}[share], most=12)
    assert len(helpers_of(Nearest(), view)) == most


def test_an_ego_asks_no_more_helpers_than_it_may():
    assert helpers_of(Nearest(), view_of(5, most=2)) == [0, 1]


def test_a_random_choice_follows_the_numbers_drawn():
    assert helpers_of(RandomHelpers(), view_of(4, uniform=[0.7, 0.2, 0.9, 0.4], most=3)) == [1, 3, 0]


def test_over_many_frames_a_random_choice_takes_every_helper_equally_often():
    chance, count, frames = np.random.default_rng(7), np.zeros(5), 4000
    for _ in range(frames):
        count[helpers_of(RandomHelpers(), view_of(5, uniform=chance.random(5), most=1))] += 1
    # Chi-square with 4 degrees of freedom: above 18.5 once in a thousand times.
    assert ((count - frames / 5) ** 2 / (frames / 5)).sum() < 18.5


def test_the_helper_whose_answers_filled_more_is_asked_first():
    assert helpers_of(History(), view_of(3, gained=[0.1, 0.3, 0.2])) == [1, 2, 0]


def test_a_helper_never_asked_comes_before_one_that_filled_much():
    assert helpers_of(History(), view_of(3, gained=[0.9, UNTRIED, 0.95])) == [1, 2, 0]


def test_helpers_never_asked_come_in_random_order():
    gained = [UNTRIED, 0.4, UNTRIED, UNTRIED]
    assert helpers_of(History(), view_of(4, gained=gained, uniform=[0.5, 0.1, 0.3, 0.7])) == [2, 0, 3, 1]


def test_equally_useful_helpers_come_in_random_order():
    assert helpers_of(History(), view_of(3, gained=[0.2, 0.2, 0.2], uniform=[0.5, 0.1, 0.3])) == [1, 2, 0]


def test_helpers_are_sorted_for_each_requester_apart():
    views = MatchingViews.only(view_of(3, uniform=[0.9, 0.1, 0.5]))
    two = replace(
        views, offset=np.array([0, 2, 2, 3]), lower=np.zeros((3, 2), np.int64), blind_weight=np.ones((3, 1, 3)),
        draw=lambda row: np.array([[0.9, 0.1], [], [0.5]][row], float),
    )  # fmt: skip
    orders = RandomHelpers().choose_all(two)
    assert (orders.offset.tolist(), orders.helper.tolist()) == ([0, 2, 2, 3], [1, 0, 0])
    assert orders.requester.tolist() == [0, 0, 2]
    assert Orders.sorted(two, np.zeros(3), np.array([2.0, 1.0, 0.0])).helper.tolist() == [1, 0, 0]


class LastFirst(MatchingRule):
    """Stands in for a rule of a user's file that looks into no matrix."""

    file, compares = Path(__file__), False

    def choose(self, view):
        """Return the rows of all helpers, the last one first."""
        return np.arange(len(view.agent))[::-1]


def test_a_rule_of_ones_own_may_look_into_no_matrix():
    choices = asked_by(LastFirst(), view_of(3, most=2))
    assert [choice.helper for choice in choices] == [2, 1]
    assert [choice.cells.tolist() for choice in choices] == [[[True, True, False]]] * 2


READS = {
    "code": lambda view: view.code > 0,
    "its sum": lambda view: view.code.sum(axis=(1, 2)),
    "one matrix": lambda view: view.code[0],
    "all matrices": lambda view: list(view.code),
    "a mean": lambda view: np.mean(view.code),
    "observed": lambda view: view.observed,
    "occupied": lambda view: view.occupied,
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_a_rule_that_says_that_it_compares_nothing_cannot_read_a_matrix(read):
    class Peeks(Nearest):
        """A rule that says that it compares nothing, and does."""

        def choose(self, view):
            """Read the matrices, and return nobody."""
            read(view)
            return np.zeros(0, np.int64)

    view = view_of(3, code=np.ones((3, 1, 3), np.uint8))
    with pytest.raises(AttributeError, match="compares = False cannot read code, observed and occupied"):
        order_of(Peeks(), view)
    Peeks.compares = True
    assert len(order_of(Peeks(), view)) == 0
