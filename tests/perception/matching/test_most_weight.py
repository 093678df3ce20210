"""The rule that compares whole sets of helpers, by cases worked by hand and by laws over random cases."""

from dataclasses import replace

import numpy as np
import pytest

from tests.perception.matching.single import asked_by
from tests.perception.matching.test_blind_cells import rows_of, view
from v2xsim.claims.matching_greedy import SHAPES, Case, optimum, random_case, worth
from v2xsim.perception.matching.choice import chosen_helpers
from v2xsim.perception.matching.rule import MatchingViews
from v2xsim.perception.matching.rules.blind_cells import BlindCells
from v2xsim.perception.matching.rules.most_weight import MostWeight

KINDS = [(shape, equal) for shape in SHAPES for equal in (True, False)]
WAYS = [pytest.param(MostWeight(), id="all sets"), pytest.param(MostWeight(tried=0), id="greedy")]


def asked(rule, *given, **more):
    return [choice.helper for choice in asked_by(rule, view(*given, **more))]


def cases(count, seed=7):
    """Return random cases with eight helpers each."""
    chance = np.random.default_rng(seed)
    return [random_case(chance, shape, equal) for shape, equal in KINDS for _ in range(count)]


def crowd(count, seed=7):
    """Return random cases with 24 helpers each: those of three cases, for the requester of the first."""
    each = cases(3 * count, seed)
    return [
        replace(
            one, observed=np.concatenate([one.observed, *(case.observed for case in more)]),
            delivery=np.concatenate([one.delivery, *(case.delivery for case in more)]),
            cost_bytes=np.concatenate([one.cost_bytes, *(case.cost_bytes for case in more)]),
        )
        for one, *more in zip(each[::3], each[1::3], each[2::3], strict=True)
    ]  # fmt: skip


def stepwise(case, by_bytes):
    """Return the worth of a plain greedy choice in which each cell counts with the best delivery among the chosen."""
    reached, left, chosen = np.zeros_like(case.weight), case.budget_bytes, []
    while len(chosen) < case.max_helpers:
        gain = (np.maximum(case.delivery[:, None, None] * case.observed - reached, 0.0) * case.weight).sum(axis=(1, 2))
        gain[chosen], gain[case.cost_bytes > left] = 0.0, 0.0
        best = int(np.argmax(gain / case.cost_bytes if by_bytes else gain))
        if gain[best] <= 0.0:
            break
        chosen.append(best)
        left -= case.cost_bytes[best]
        reached = np.maximum(reached, case.delivery[best] * case.observed[best])
    return float((reached * case.weight).sum())


@pytest.mark.parametrize("rule", WAYS)
def test_each_cell_is_asked_of_the_helper_with_the_best_delivery_that_saw_it(rule):
    first, second = asked_by(rule, view(rows_of("xxxx ", "  xxx"), delivery=[0.5, 0.9]))
    assert (first.helper, first.cells[0].tolist()) == (1, [False, False, True, True, True])
    assert (second.helper, second.cells[0].tolist()) == (0, [True, True, False, False, False])


def test_two_halves_are_asked_where_the_largest_part_overlaps_both():
    observed = rows_of("xxx   ", "   xxx", " xxxx ")
    assert asked(MostWeight(), observed, most=2) == [0, 1]
    assert 2 in asked(MostWeight(tried=0), observed, most=2)


@pytest.mark.parametrize("rule", WAYS)
def test_a_helper_that_only_raises_the_delivery_of_a_cell_is_asked_for_it(rule):
    assert asked(rule, rows_of("xxxx", "x   "), delivery=[0.5, 0.9], most=2) == [1, 0]
    # The other way round, it adds nothing.
    assert asked(rule, rows_of("xxxx", "x   "), delivery=[0.9, 0.5], most=2) == [0]


def test_of_equally_good_sets_the_one_with_the_smallest_answers_is_asked():
    assert asked(MostWeight(), rows_of("xxxx", "xxxx"), cost=[300.0, 200.0]) == [1]
    assert asked(MostWeight(), rows_of("xxxx", "xx  ", "  xx"), cost=[300.0, 100.0, 100.0]) == [1, 2]


@pytest.mark.parametrize("rule", WAYS)
def test_who_is_never_received_is_not_asked_and_who_hardly_is_may_be(rule):
    assert asked(rule, rows_of("xxxx", "x   "), delivery=[0.0, 0.5]) == [1]
    assert asked(rule, rows_of("xxxx", "x   "), delivery=[1e-9, 0.5]) == [1, 0]


@pytest.mark.parametrize("rule", WAYS)
def test_a_budget_may_be_spent_to_the_last_byte_and_no_further(rule):
    thirds = [1000.0 / 3.0] * 3
    assert len(asked(rule, rows_of("x  ", " x ", "  x"), cost=thirds, budget=1000.0, delivery=[0.3, 0.9, 0.6])) == 3
    assert asked(rule, rows_of("xxx"), cost=[1000.1], budget=1000.0) == []


@pytest.mark.parametrize("rule", WAYS)
def test_who_may_ask_nobody_or_is_blind_nowhere_chooses_nobody(rule):
    assert asked(rule, rows_of("xxx"), most=0) == []
    assert asked(rule, rows_of("xxx"), weight=[0.0, 0.0, 0.0]) == []
    assert rule.choose(view(np.zeros((0, 1, 4), bool))).tolist() == []


@pytest.mark.parametrize("factor", [1e-12, 1e6])
@pytest.mark.parametrize("rule", WAYS)
def test_only_the_proportions_of_weights_matter(rule, factor):
    for case in cases(5) + crowd(2):
        other = replace(case, weight=case.weight * factor)
        assert chosen_helpers(rule, other.views).helper.tolist() == chosen_helpers(rule, case.views).helper.tolist()


def test_a_cell_counts_beside_one_that_weighs_a_million_times_as_much():
    assert asked(MostWeight(), rows_of("x ", " x"), weight=[1.0, 1e-7]) == [0, 1]


def test_the_choice_is_the_best_of_all_sets_if_all_are_tried():
    # Deliveries are compared in steps of 1/32,768.
    assert all(worth(case, MostWeight()) == pytest.approx(optimum(case), rel=2e-4) for case in cases(40))


@pytest.mark.parametrize("rule", [MostWeight(), MostWeight(tried=4), MostWeight(tried=0)])
def test_the_best_single_helper_is_found_however_many_there_are(rule):
    for case in crowd(5):
        alone = (case.observed * case.weight).sum(axis=(1, 2)) * case.delivery * (case.cost_bytes <= case.budget_bytes)
        assert worth(replace(case, max_helpers=1), rule) == pytest.approx(alone.max(), rel=2e-4)


def test_the_greedy_choice_is_the_better_of_two_that_compute_all_gains_again_in_each_step():
    for case in cases(20) + crowd(5):
        best = max(stepwise(case, True), stepwise(case, False))
        assert worth(case, MostWeight(tried=0)) == pytest.approx(best, rel=2e-4)


def test_trying_sets_never_makes_a_choice_worse():
    more_than_greedy = 0
    for case in cases(10) + crowd(10):
        few, greedy = worth(case, MostWeight(tried=6)), worth(case, MostWeight(tried=0))
        assert few >= greedy * (1.0 - 2e-4)
        more_than_greedy += few > greedy * (1.0 + 2e-4)
    assert more_than_greedy > 5


def test_the_greedy_choice_alone_is_the_better_one_where_it_asks_more_helpers_than_are_tried():
    case = Case(np.ones((1, 6)), np.eye(6, dtype=bool)[:, None], np.full(6, 0.5), np.full(6, 100.0), 1e9, 6)
    assert len(chosen_helpers(MostWeight(tried=4), case.views).helper) == 6


def test_no_less_is_expected_than_from_the_choice_of_one_after_the_other():
    pairs = [(worth(case, MostWeight()), worth(case, BlindCells())) for case in cases(30)]
    assert all(whole >= single * (1.0 - 2e-4) for whole, single in pairs)
    assert sum(whole > 1.01 * single for whole, single in pairs) > 10


@pytest.mark.parametrize("rule", [MostWeight(), MostWeight(tried=6), MostWeight(tried=0)])
def test_the_budget_is_kept_and_no_cell_is_asked_twice(rule):
    for case in cases(10) + crowd(5):
        choices = chosen_helpers(rule, case.views)
        # Every chosen helper fits in the order in which cells are shared out, and has cells to give.
        assert len(choices.helper) == len(rule.choose_all(case.views).helper) <= case.max_helpers
        assert case.cost_bytes[choices.helper].sum() <= case.budget_bytes * (1.0 + 1e-9)
        assert choices.cells.sum(axis=0).max(initial=0) <= 1
        assert (choices.cells <= case.observed[choices.helper] & (case.weight > 0.0)).all()
        assert (np.diff(case.delivery[choices.helper]) <= 0.0).all()


@pytest.mark.parametrize("rule", [MostWeight(), MostWeight(tried=6), MostWeight(tried=0)])
def test_the_order_of_helpers_has_no_meaning_where_none_are_equal(rule):
    chance = np.random.default_rng(2)
    for case in [case for case in cases(10) + crowd(5) if np.ptp(case.delivery) > 0.0]:
        order = chance.permutation(len(case.delivery))
        other = Case(
            case.weight, case.observed[order], case.delivery[order], case.cost_bytes[order], case.budget_bytes, case.max_helpers
        )  # fmt: skip
        here, there = (chosen_helpers(rule, one.views).helper for one in (case, other))
        assert order[there].tolist() == here.tolist()


def test_an_ego_chooses_the_same_whoever_else_chooses():
    # Egos with more and with fewer helpers than are tried, in one call, which uses its memory again.
    every = [crowd(1)[0], cases(1)[0], crowd(1, seed=8)[0], cases(1)[0]]
    counts = [len(case.delivery) for case in every]
    parts = [case.views for case in every]
    joined = replace(
        parts[0], blind_weight=np.concatenate([one.blind_weight for one in parts]), lower=np.zeros((4, 2), np.int64),
        offset=np.concatenate([[0], np.cumsum(counts)]), matrix=np.arange(sum(counts)), lowers=np.zeros((sum(counts), 2), np.int64),
        **{name: np.concatenate([getattr(one, name) for one in parts]) for name in ("agent", "distance_m", "delivery", "relayed", "cost_bytes", "codes")},
    )  # fmt: skip
    assert isinstance(joined, MatchingViews)
    orders = MostWeight(tried=6).choose_all(joined)
    for row, part in enumerate(parts):
        alone = MostWeight(tried=6).choose_all(
            replace(part, budget_bytes=joined.budget_bytes, max_helpers=joined.max_helpers)
        )
        assert orders.helper[orders.offset[row] : orders.offset[row + 1]].tolist() == alone.helper.tolist()
