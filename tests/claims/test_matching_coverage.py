"""What asking a few helpers is worth beside asking everybody: cases worked by hand, and a short run."""

from dataclasses import replace

import numpy as np
import pytest

import v2xsim
from v2xsim.claims import matching_asked
from v2xsim.claims.matching_asked import AskedRow, Tallied, asked_rows, pick_rows
from v2xsim.claims.matching_coverage import EVERYBODY, NOBODY, Sizes, Sums, Tally, counted, egos_of, watching
from v2xsim.errors import UserError
from v2xsim.perception.matching.choice import chosen_helpers
from v2xsim.perception.matching.rule import MatchingView, MatchingViews
from v2xsim.perception.matching.rules.blind_cells import BlindCells
from v2xsim.perception.matching.rules.history import History
from v2xsim.records import FREE, OCCUPIED

# One point in an occupied cell costs 9 bytes; with voxels as large as a cell it has one.
COARSE = v2xsim.load("urban_grid").with_({"cooperation.fusion": "early", "cooperation.matrix.cell_m": 2}).cooperation
SIZES = Sizes(COARSE)
KINDS = {" ": 0, "x": FREE, "o": OCCUPIED}


def views_of(*helpers, weight=None, distance_m=None, uniform=None, gained=None):
    """Return what one ego knows of helpers whose matrices are one row of cells: x for a free cell, o for an occupied one."""
    code = np.array([[[KINDS[letter] for letter in row]] for row in helpers], np.uint8)
    count, cells = len(helpers), code.shape[2]
    return MatchingViews.only(MatchingView(
        np.ones((1, cells)) if weight is None else np.array([weight], float), code, np.arange(count),
        np.arange(count, dtype=float) if distance_m is None else np.array(distance_m, float), np.ones(count), np.zeros(count, bool),
        np.full(count, 100.0), 1e6, 3, lambda: np.linspace(0.1, 0.9, count) if uniform is None else np.array(uniform, float),
        lambda: np.full(count, np.nan) if gained is None else np.array(gained, float),
    ))  # fmt: skip


def tally_of(*views, helpers=(1, 9), budgets=(100_000,), known=1):
    tally = Tally(SIZES, known)
    for one in views:
        tally.add(one, helpers, budgets)
    return tally


def test_an_answer_without_a_body_is_header_and_codes():
    cells, code = np.ones((1, 9), bool), np.full((1, 9), FREE, np.uint8)
    covered, size_bytes = SIZES.within(cells, code, 0)
    assert covered.all()
    assert size_bytes == SIZES.answers(np.array([9]), np.array([0]))[0]


def test_the_farthest_bodies_are_left_out_of_an_answer_that_may_not_hold_all():
    code = np.array([[OCCUPIED, FREE, OCCUPIED, FREE, FREE, FREE, OCCUPIED]], np.uint8)
    cells = np.ones((1, 7), bool)
    whole = SIZES.answers(np.array([7]), np.array([3]))[0]
    covered, size_bytes = SIZES.within(cells, code, int(whole - 1))
    # The ego stands in the middle: of the first and the last cell, which are as far, the first stays.
    assert np.flatnonzero(~covered[0]).tolist() == [6]
    assert size_bytes == pytest.approx(whole - SIZES.of_a_cell)
    assert SIZES.within(cells, code, 10**6)[0].all()


def test_a_cell_that_the_helper_did_not_observe_is_not_covered_by_its_answer():
    covered, _ = SIZES.within(np.ones((1, 2), bool), np.array([[FREE, 0]], np.uint8), 1000)
    assert covered.tolist() == [[True, False]]


def test_everybody_covers_what_any_helper_observed_and_sends_it_as_often():
    tally = tally_of(views_of("xx  ", " xx ", "    "))
    size = SIZES.answers(np.array([2, 2]), np.array([0, 0]))
    assert tally.everybody == Sums(1, 4.0, 3.0, float(size.sum()), 0)
    assert tally.known_sum == 3
    # Without a look into matrices, each of the three sends codes of four cells.
    assert tally.unmatched_bytes == 3 * SIZES.answers(np.array([4]), np.array([0]))[0]


def test_all_helpers_chosen_cover_the_same_as_everybody_with_fewer_bytes():
    tally = tally_of(views_of("xxx   ", "  xxo ", " xxxoo"))
    chosen, every = tally.asked[9, 100_000], tally.everybody
    assert (chosen.covered, chosen.occupied) == (every.covered, every.occupied) == (6.0, 2)
    assert chosen.answer_bytes < every.answer_bytes


def test_a_body_counts_only_if_the_helper_that_is_asked_for_its_cell_saw_it():
    # The second covers more and costs less, and saw the first cell free.
    tally = tally_of(views_of("ox ", "xxx"))
    assert (tally.everybody.occupied, tally.asked[9, 100_000].occupied) == (1, 0)


def test_one_helper_covers_what_it_alone_observed():
    tally = tally_of(views_of("xxx   ", "  xxxx", "     x"))
    assert tally.asked[1, 100_000].covered == 4.0


def test_a_small_budget_leaves_bodies_out():
    seen = views_of("xoxooxox")
    poor, rich = (tally_of(seen, budgets=(budget,)).asked[1, budget] for budget in (60, 100_000))
    assert (rich.occupied, rich.covered) == (4, 8.0)
    assert poor.occupied < 4
    assert poor.covered == 4.0 + poor.occupied


def test_an_ego_that_knows_few_helpers_counts_only_for_the_picks():
    tally = tally_of(views_of("xx", "x "), known=3)
    assert tally.everybody.frames == tally.asked[1, 100_000].frames == 0
    assert tally.picked["nearest", 1, 1].frames == 1
    assert ("nearest", 1, 3) not in tally.picked


def test_rules_pick_by_distance_by_chance_and_by_what_is_announced():
    tally = tally_of(views_of("x   ", "xx  ", "xxx ", distance_m=[9, 1, 5], uniform=[0.1, 0.5, 0.9]))
    covered = {name: sums.covered for (name, count, least), sums in tally.picked.items() if (count, least) == (1, 1)}
    assert covered == {
        NOBODY: 0.0,
        "random_helpers": 1.0,
        "nearest": 2.0,
        "blind_cells": 3.0,
        "most_weight": 3.0,
        EVERYBODY: 3.0,
    }


def test_a_helper_that_is_picked_may_have_nothing_to_give():
    tally = tally_of(views_of("    ", "xxxx"))
    assert tally.picked["nearest", 1, 1].covered == 0.0
    assert tally.picked["nearest", 3, 1].covered == 4.0


def test_history_picks_by_what_answers_filled():
    tally = Tally(SIZES, 1)
    tally.add_picks_of_history(views_of("x   ", "xx  ", gained=[0.1, 0.4]), 1)
    assert tally.picked["history", 1, 1].covered == 2.0


def test_an_ego_that_is_blind_nowhere_or_knows_nobody_does_not_count():
    views = views_of("xx", "xx")
    two = replace(
        views, blind_weight=np.array([[[0.0, 0.0]], [[1.0, 1.0]], [[1.0, 1.0]]]), lower=np.zeros((3, 2), np.int64),
        offset=np.array([0, 1, 1, 2]),
    )  # fmt: skip
    assert list(egos_of(two)) == [2]


def test_the_rule_of_the_scenario_chooses_as_if_nobody_looked_on():
    views, seen = views_of("xx  ", "  x ", "xxxx"), []
    watched = watching(History(), seen.append)
    assert chosen_helpers(watched, views).helper.tolist() == chosen_helpers(History(), views).helper.tolist()
    assert seen == [views]
    assert (watched.name, watched.compares) == ("history", False)
    assert watching(BlindCells(), seen.append).compares


@pytest.mark.parametrize(("keys", "why"), [
    ({"matching": "none"}, "matching none asks nobody"), ({"matching": "hidden_bodies"}, "shown occupied cells alone"),
    ({"fusion": "cpm"}, "cpm has no requests"), ({"fusion": "raw"}, "raw sends whole frames"), ({"max_helpers": 0}, "max_helpers is 0"),
    ({"budget_bytes": 0}, "budget_bytes is 0"),
])  # fmt: skip
def test_a_scenario_in_which_nothing_can_be_compared_is_refused(keys, why):
    scenario = v2xsim.load("urban_grid").with_({f"cooperation.{key}": value for key, value in keys.items()})
    with pytest.raises(UserError, match=f"urban_grid: egos must ask for parts of frames, but cooperation.*{why}"):
        counted(scenario)
    # Before the other tables of the claim are measured.
    with pytest.raises(UserError, match=why):
        Tallied(scenario)


def test_tables_give_shares_of_everybody_and_of_the_blind_weight(monkeypatch):
    tally = tally_of(views_of("xxx   ", "  xxxo", "xx    "))
    monkeypatch.setattr(matching_asked, "counted", lambda scenario, known: tally)
    tallied = Tallied(v2xsim.load("urban_grid"), 2, 1)
    one, many = asked_rows([tallied])
    assert (one.helpers, one.budget_bytes, one.seeds, one.frames, one.known) == (1, 100_000, 2, 2, 3.0)
    assert (one.coverage, one.occupied, many.coverage) == (pytest.approx(4 / 6), 1.0, 1.0)
    assert one.bytes_share < one.matched_share < many.matched_share < 1.0
    assert one.matched_share == pytest.approx(one.frame_bytes / tally.everybody.answer_bytes)
    assert one.bytes_share == pytest.approx(one.frame_bytes / one.everybody_bytes)
    assert one.everybody_bytes == pytest.approx(tally.unmatched_bytes)
    assert (one.met, many.met) == (False, many.bytes_share <= 0.25)
    rows = {(row.rule, row.helpers): row.covered for row in pick_rows([tallied])}
    assert (rows["none", 1], rows[EVERYBODY, 1], rows["nearest", 1], rows["history", 1]) == (0.0, 1.0, 0.5, None)


def test_without_a_frame_of_an_ego_with_a_wide_choice_shares_are_unknown(monkeypatch):
    tally = tally_of(views_of("xx"), known=2)
    monkeypatch.setattr(matching_asked, "counted", lambda scenario, known: tally)
    row = next(asked_rows([Tallied(v2xsim.load("urban_grid"), 1, 2)]))
    assert (row.frames, row.coverage, row.bytes_share, row.met) == (0, None, None, None)


def test_in_a_run_everybody_covers_most_and_nobody_nothing():
    scenario = v2xsim.load("urban_grid").with_({
        "run.duration_s": 0.6, "lidars.model": "beam16", "record.clouds_every_s": 0, "cooperation.transport": "synchronous",
    })  # fmt: skip
    tallied = [Tallied(scenario, 1, 3)]
    rows = list(asked_rows(tallied))
    assert all(isinstance(row, AskedRow) and row.frames > 10 and 0.0 < row.coverage <= 1.0 for row in rows)
    assert all(row.bytes_share <= 1.0 + 1e-9 for row in rows)
    for least in (1, 3):
        for count in (1, 3):
            covered = {
                row.rule: row.covered for row in pick_rows(tallied) if (row.least_known, row.helpers) == (least, count)
            }
            assert covered["none"] == 0.0
            assert max(covered.values()) == covered[EVERYBODY] > 0.0
            assert covered["blind_cells"] >= covered["random_helpers"]
            assert covered["most_weight"] >= covered["random_helpers"]
