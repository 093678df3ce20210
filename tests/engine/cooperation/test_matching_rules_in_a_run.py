"""Matching rules in whole short runs: whom egos ask, for how many cells, and what it costs."""

from functools import cache

import pytest

import v2xsim
from v2xsim.parts import parts_of
from v2xsim.perception.matching.rule import MatchingRule

RULES = [name for name, cls in parts_of(MatchingRule).items() if cls.asks]
BLIND = [name for name in RULES if not parts_of(MatchingRule)[name].compares]


@cache
def run(rule, most=1, seed=1):
    """Return the results of a short run in a street grid in which an ego may ask every other station with a lidar."""
    scenario = v2xsim.load("urban_grid").with_({
        "run.duration_s": 1.0, "run.seed": seed, "cooperation.matching": rule, "cooperation.max_helpers": most,
        "cooperation.transport": "synchronous", "record.clouds_every_s": 0, "lidars.model": "beam16",
    })  # fmt: skip
    return v2xsim.run(scenario, threads=1)


def asked(results):
    """Return ego, frame and helper of each answer of a run that was asked for in its frame; every request is answered."""
    rows = results.tables["contributions"].to_pylist()
    return [(row["ego"], row["frame_us"], row["helper"]) for row in rows if row["for_this_frame"]]


@pytest.mark.parametrize("rule", RULES)
def test_egos_fill_a_part_of_their_blind_zone_under_every_rule(rule):
    results = run(rule)
    assert len(asked(results)) > 10
    assert results.metrics["blind_covered"].value > 0.0


@pytest.mark.parametrize("rule", BLIND)
def test_without_a_look_into_matrices_one_helper_fills_no_more_than_the_one_that_fits_best(rule):
    assert run(rule).metrics["blind_covered"].value <= run("blind_cells").metrics["blind_covered"].value


def test_by_chance_an_ego_asks_many_helpers_and_the_nearest_rule_few():
    def helpers_of_an_ego(rule):
        pairs = {(ego, helper) for ego, _, helper in asked(run(rule))}
        return len(pairs) / len({ego for ego, _ in pairs})

    assert helpers_of_an_ego("random_helpers") > 1.5 * helpers_of_an_ego("nearest")


def test_by_history_an_ego_asks_nobody_twice_before_it_has_tried_all():
    by_ego = {}
    for ego, _frame_us, helper in sorted(asked(run("history")), key=lambda row: row[1]):
        by_ego.setdefault(ego, []).append(helper)
    # Six stations have lidars, and each knows all others from the first frame on.
    assert [len(set(helpers[:5])) for helpers in by_ego.values()] == [5] * 6
    assert all(len(set(helpers[:9])) == 5 for helpers in by_ego.values())


def test_a_run_with_random_helpers_is_the_same_again_and_another_with_another_seed():
    first = asked(run("random_helpers"))
    run.cache_clear()
    assert asked(run("random_helpers")) == first
    assert asked(run("random_helpers", seed=2)) != first
