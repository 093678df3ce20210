"""How near the greedy choice of helpers comes to the best one, on random cases."""

from itertools import combinations

import numpy as np
import pytest

from v2xsim.claims.matching_greedy import (
    CELLS,
    HELPERS,
    SHAPES,
    Case,
    greedy_rows,
    optimum,
    random_case,
    rectangle,
    sight,
    worth,
)
from v2xsim.claims.matching_time import made_views, time_rows
from v2xsim.perception.matching.choice import chosen_helpers
from v2xsim.perception.matching.rules.blind_cells import BlindCells
from v2xsim.perception.matching.rules.most_weight import MostWeight
from v2xsim.perception.matching.rules.none import NoMatching

KINDS = [(shape, equal) for shape in SHAPES for equal in (True, False)]


def case_of(*observed, delivery=None, cost=None, budget=1e9, most=9):
    """Return a case with one row of cells, all of weight 1; x for a cell that a helper observed."""
    seen = np.array([[[letter == "x" for letter in row]] for row in observed])
    ones = np.ones(len(observed))
    return Case(
        np.ones(seen.shape[1:]), seen, ones if delivery is None else np.array(delivery), 100 * ones if cost is None else np.array(cost),
        budget, most,
    )  # fmt: skip


def cases(count):
    chance = np.random.default_rng(3)
    return [random_case(chance, shape, equal) for shape, equal in KINDS for _ in range(count)]


def test_the_optimum_takes_two_halves_where_greed_takes_the_largest_part_first():
    # The third covers most, but the first two cover all.
    case = case_of("xxx   ", "   xxx", " xxxx ", most=2)
    assert optimum(case) == 6.0
    assert worth(case, BlindCells()) == 5.0


def test_the_optimum_keeps_the_byte_budget():
    assert optimum(case_of("xxx   ", "   xxx", cost=[60.0, 50.0], budget=100.0)) == 3.0
    assert optimum(case_of("xxx   ", "   xxx", cost=[60.0, 40.0], budget=100.0)) == 6.0


def test_the_optimum_asks_each_cell_of_the_helper_with_the_better_delivery():
    assert optimum(case_of("xx ", " xx", delivery=[0.5, 0.9])) == pytest.approx(0.5 + 0.9 + 0.9)


def test_a_choice_is_worth_the_weight_that_is_expected_to_arrive():
    assert worth(case_of("xx ", " xx", delivery=[0.5, 0.9]), BlindCells()) == pytest.approx(0.9 + 0.9 + 0.5)
    assert worth(case_of("xx ", " xx"), NoMatching()) == 0.0


def test_no_rule_is_worth_more_than_the_optimum():
    for case in cases(20):
        assert worth(case, BlindCells()) <= optimum(case) + 1e-9


def test_the_optimum_is_the_best_of_all_sets_tried_one_by_one():
    for case in cases(3):
        best = 0.0
        for count in range(case.max_helpers + 1):
            for some in map(list, combinations(range(HELPERS), count)):
                if case.cost_bytes[some].sum() <= case.budget_bytes:
                    delivered = (case.delivery[some, None, None] * case.observed[some]).max(axis=0, initial=0.0)
                    best = max(best, float((delivered * case.weight).sum()))
        assert optimum(case) == pytest.approx(best)


def test_cases_are_blind_in_part_and_differ():
    made = cases(5)
    assert all(0.2 < (case.weight > 0.0).mean() < 1.0 for case in made)
    assert len({case.weight.tobytes() for case in made}) == len(made)
    assert {np.ptp(case.cost_bytes) == 0.0 for case in made} == {True, False}


def test_a_rectangle_is_one_and_a_sight_is_seen_from_its_place():
    chance = np.random.default_rng(1)
    for _ in range(20):
        inside = rectangle(chance, CELLS)
        assert inside.sum() == inside.any(axis=0).sum() * inside.any(axis=1).sum()
        assert sight(chance, CELLS, 4.0, 7.0)[4, 7]


@pytest.fixture(scope="module")
def rows():
    return list(greedy_rows(40))


def test_rules_are_compared_in_each_kind_of_cases_and_with_more_helpers_in_all(rows):
    assert [(row.helpers, row.shapes, row.answers, row.cases) for row in rows[::3]] == [
        (8, "rectangles", "equal", 10), (8, "rectangles", "unequal", 10), (8, "sight", "equal", 10), (8, "sight", "unequal", 10),
        (8, "all", "all", 40), (14, "all", "all", 40),
    ]  # fmt: skip
    assert [row.rule for row in rows] == ["blind_cells", "most_weight, tried 0", "most_weight"] * 6
    assert all(0.5 < row.worst <= row.mean <= 1.0 + 1e-9 for row in rows)
    assert all(row.met == (row.mean >= 0.99 and row.worst >= 0.80) for row in rows)


def test_the_row_of_all_cases_has_the_mean_and_the_worst_of_the_kinds(rows):
    for kinds, together in [(rows[number:12:3], rows[12 + number]) for number in range(3)]:
        assert together.worst == min(row.worst for row in kinds)
        assert together.mean == pytest.approx(np.mean([row.mean for row in kinds]))


def test_the_rule_that_tries_sets_meets_both_aims_also_where_it_cannot_try_all(rows):
    by_size = {row.helpers: row for row in rows if row.rule == "most_weight" and row.shapes == "all"}
    # With 8 helpers all sets are tried, and only deliveries are rounded.
    assert (by_size[8].met, by_size[8].optimal) == (True, 1.0)
    assert (by_size[14].met, by_size[14].optimal > 0.8) == (True, True)


@pytest.mark.parametrize(("helpers", "count"), [(8, 1000), (14, 100)])
def test_the_aims_hold_in_many_random_cases_for_the_rule_that_tries_sets(helpers, count):
    chance, reached = np.random.default_rng(helpers), []
    while len(reached) < count:
        case = random_case(chance, *KINDS[len(reached) % len(KINDS)], helpers)
        best = optimum(case)
        reached += [worth(case, MostWeight()) / best] if best > 0.0 else []
    assert np.mean(reached) >= 0.999
    assert min(reached) >= 0.90


def test_the_choices_that_are_timed_ask_helpers_within_reach():
    views = made_views(60, 10)
    assert (len(views), len(views.agent)) == (60, 600)
    assert (views.distance_m > 0.0).mean() > 0.9
    asked = chosen_helpers(BlindCells(), views)
    assert len(np.unique(asked.requester)) > 50
    assert asked.cells.sum(axis=(1, 2)).mean() > 20
    assert not (asked.cells & (views.blind_weight[asked.requester] == 0.0)).any()


def test_times_are_medians_of_one_thread(monkeypatch):
    monkeypatch.setattr("v2xsim.claims.matching_time.SIZES", ((1, 20, 5.0), (6, 3, 0.0)))
    rows = list(time_rows(3))
    assert [row.rule for row in rows] == ["blind_cells", "most_weight, tried 0", "most_weight"] * 2
    one, many = rows[0], rows[3]
    assert (one.requesters, one.neighbours, one.cells, one.repeats, one.threads) == (1, 20, 50, 3, 1)
    assert (many.requesters, many.neighbours, many.met) == (6, 3, False)
    assert one.choice_ms > 0.0
