"""How differently relay rules choose from the same candidates, and which of their terms saturate."""

from dataclasses import replace

import numpy as np
import pytest

import v2xsim
from tests.claims.test_situations import corner
from tests.comms.relay.relay_views import FIRST_CANDIDATE, view_of
from v2xsim.claims.relay_choices import (
    FAMILIES,
    TERMS,
    WITHOUT_LOAD,
    Tallied,
    Tally,
    TermCount,
    choice_rows,
    counted,
    counting,
    ranked,
    rules_of,
    term_rows,
)
from v2xsim.comms.relay.choice import chosen_relays
from v2xsim.comms.relay.rule import RelayRule
from v2xsim.comms.relay.rules.hybrid import Hybrid
from v2xsim.errors import UserError
from v2xsim.parts import parts_of

EVERY_RULE = [(name, cls()) for name, cls in parts_of(RelayRule).items() if cls.relays]
RULES = rules_of(Hybrid())
NEAR, FAR = (100, 20, 1.5), (100, 30, 1.5)


def tally_of(*views):
    """Return what is counted of some views."""
    tally = Tally()
    for view in views:
        tally.add(view, RULES)
    return tally


def count_of(term, *values, sign=1.0):
    """Return what is counted of one choice among candidates with these values."""
    view, count = view_of([(100, 20 + n, 1.5) for n in range(len(values))]), TermCount()
    count.add(replace(TERMS[term], sign=sign), np.array(values, float), view)
    return count


def test_candidates_are_ranked_by_value_and_equal_ones_by_chance():
    view = view_of([NEAR, FAR, NEAR, FAR], draw=[0.1, 0.2, 0.9, 0.3])
    best, second, worst = ranked(np.array([1.0, 5.0, 5.0, -np.inf]), view)
    assert (best.tolist(), second.tolist(), worst.tolist()) == ([2], [1], [3])


def test_one_candidate_alone_is_no_choice():
    assert ranked(np.array([1.0]), view_of([NEAR])).best.tolist() == []
    assert tally_of(view_of([NEAR])) == Tally()


def test_candidates_of_different_pairs_are_not_compared():
    one = view_of([NEAR, FAR, NEAR, FAR, NEAR])
    three = replace(
        one, requester=_times(one.requester, 3), helper=_times(one.helper, 3), pair=np.array([0, 0, 2, 2, 1])
    )
    best, second, _ = ranked(np.array([1.0, 2.0, 9.0, 8.0, 99.0]), three)
    assert (best.tolist(), second.tolist()) == ([1, 2], [0, 3])


def _times(ends, count):
    return type(ends)(*(np.repeat(getattr(ends, name), count, axis=0) for name in ends.__dataclass_fields__))


def with_terms(view, **terms):
    """Return a view whose terms have these values, whatever follows from its stations."""
    view.__dict__.update({name: np.array(values, float) for name, values in terms.items()})
    return view


def test_a_high_candidate_and_one_that_stays_divide_height_and_mobility():
    view = with_terms(view_of([NEAR, FAR], draw=[0.5, 0.4]), height=[0.9, 0.5], mobility=[0.2, 1.0])
    tally = tally_of(view)
    assert (tally.choices, tally.candidates) == (1, 2)
    assert (tally.differ["height", "mobility"], tally.differ["hybrid", "mobility"]) == (1, 0)
    assert (tally.differ["mobility", "best_snr"], tally.differ["height", "best_snr"]) == (1, 0)
    # The SNRs are equal, so chance lets best SNR pick the first one.
    assert (tally.by_score["height", "mobility"], tally.by_score["mobility", "best_snr"]) == (1, 0)


def test_a_difference_is_no_merit_of_scores_if_either_rule_has_equal_ones():
    view = view_of([NEAR, FAR], draw=[0.9, 0.1])
    heard = replace(view, to_helper=replace(view.to_helper, snr_db=np.array([10.0, 15.0])))
    tally = tally_of(with_terms(heard, height=[1.0, 1.0]))
    assert (tally.differ["height", "best_snr"], tally.by_score["height", "best_snr"]) == (1, 0)


def test_rules_that_pick_the_same_do_not_differ():
    view = with_terms(view_of([NEAR, FAR]), height=[0.9, 0.5], mobility=[0.9, 0.2])
    tally = tally_of(view, view)
    assert tally.choices == 2
    assert tally.differ["hybrid", "height"] == tally.differ["hybrid", "mobility"] == 0
    assert tally.differ["hybrid", "farthest_qualified"] == 2


def test_the_load_is_left_out_where_it_is_asked_to_be():
    view = view_of([NEAR, FAR], draw=[0.9, 0.1])
    busy = replace(view, candidate=replace(view.candidate, busy_share=np.array([0.5, 0.1])))
    tally = tally_of(with_terms(busy, height=[0.5, 0.5], mobility=[0.5, 0.5]))
    assert tally.differ["hybrid", WITHOUT_LOAD] == 1
    assert tally.differ[WITHOUT_LOAD, "height"] == tally.differ[WITHOUT_LOAD, "mobility"] == 0


def test_a_rule_that_refuses_all_differs_from_one_that_picks():
    view = view_of([NEAR, FAR])
    unheard = replace(view, to_helper=replace(view.to_helper, snr_db=np.full(2, -np.inf)))
    tally = tally_of(with_terms(unheard, height=[0.9, 0.5]))
    assert [tally.differ[rule, "best_snr"] for rule in ("hybrid", "height", "mobility")] == [1, 1, 1]
    assert tally.by_score["height", "best_snr"] == 1


def test_a_term_is_saturated_where_the_best_two_are_at_its_end():
    assert _counts(count_of("height", 1.0, 1.0, -1.0)) == (3, 1, 2, 1, 1)
    assert _counts(count_of("height", 0.5, 0.5, -1.0)) == (3, 1, 0, 1, 0)
    assert _counts(count_of("height", 0.5, 0.4, 0.4)) == (3, 0, 0, 0, 0)
    assert _counts(count_of("mobility", -1.0, -1.0)) == (2, 2, 0, 1, 1)


def test_of_the_load_the_least_is_the_best():
    assert count_of("load", 0.2, 0.7, 0.7, sign=TERMS["load"].sign).tied == 0
    assert count_of("load", 0.2, 0.2, 0.7, sign=TERMS["load"].sign).tied == 1


def test_an_unknown_snr_is_at_the_lower_end_and_has_no_part_in_quartiles_and_spread():
    count = count_of("weaker_snr_db", -np.inf, 12.0, 20.0)
    assert _counts(count) == (3, 1, 0, 0, 0)
    assert (count.quantile(0.25, 0.1), count.quantile(0.75, 0.1), count.spreads) == (
        pytest.approx(12),
        pytest.approx(20),
        0,
    )
    unknown = count_of("weaker_snr_db", -np.inf, -np.inf)
    assert (unknown.tied, unknown.tied_at_end, unknown.quantile(0.5, 0.1)) == (1, 1, None)


def _counts(count):
    return count.candidates, count.at_lower, count.at_upper, count.tied, count.tied_at_end


def test_the_spread_of_a_choice_lies_between_its_best_and_its_worst():
    assert count_of("mobility", 0.25, 0.75, 0.5).spread == 0.5
    assert count_of("load", 0.25, 0.75, 0.5, sign=-1.0).spread == 0.5


@pytest.mark.parametrize(("name", "rule"), EVERY_RULE)
def test_a_rule_chooses_as_before_while_it_is_counted(name, rule):
    view = view_of([NEAR, FAR, (90, 10, 3.0)], velocity_mps=[(0, 5), (0, 0), (3, 0)])
    tally = Tally()
    watching = counting(rule, tally, RULES)
    assert watching.name == name
    for before in range(-1, 3):
        previous = np.array([FIRST_CANDIDATE + before if before >= 0 else -1])
        alone, watched = chosen_relays(rule, view, previous), chosen_relays(watching, view, previous)
        for column in alone.__dataclass_fields__:
            np.testing.assert_array_equal(getattr(alone, column), getattr(watched, column))
    assert tally.choices == 4


def test_every_choice_of_a_run_is_counted():
    scene = corner(("at_corner", (0, 0)), ("beside_it", (-4, -4)))
    tally = counted(scene.with_({"run.duration_s": 1.5, "run.step_s": 0.1}))
    assert tally.choices > 0
    assert tally.candidates == 2 * tally.choices
    assert all(0 <= number <= tally.choices for number in tally.differ.values())
    assert all(count.candidates == tally.candidates for count in tally.terms.values())


@pytest.mark.parametrize(("key", "value", "why"), [
    ("cooperation.relay", "none", "cooperation.relay none chooses none; set a rule, such as hybrid"),
    ("cooperation.bound", "oracle", "cooperation.bound oracle chooses them by the truth; set none"),
    ("cooperation.transport", "synchronous", "cooperation.transport synchronous needs none; set radio"),
    ("radio.access", "ideal", "radio.access ideal needs none; set a scheme with a channel"),
])  # fmt: skip
def test_a_run_in_which_no_rule_chooses_is_refused(key, value, why):
    with pytest.raises(UserError, match=f"must choose relays, but {why}"):
        counted(corner().with_({key: value}))


def test_hybrid_has_the_weights_of_the_scenario():
    rules = dict(rules_of(Hybrid(weight=0.2, load_weight=0.7)))
    assert (rules["hybrid"], rules[WITHOUT_LOAD]) == (Hybrid(0.2, 0.7), Hybrid(0.2, 0.0))
    assert dict(rules_of(rules["height"])) == dict(rules_of(Hybrid()))


def tallied(*runs):
    """Return runs that are over already."""
    made = Tallied(corner(), len(runs))
    made.__dict__["runs"] = list(runs)
    return made


def test_rows_have_the_mean_over_seeds_and_the_least_and_the_most():
    alike, apart = Tally(4, 8), Tally(2, 6)
    alike.differ["hybrid", "height"], apart.differ["hybrid", "height"] = 1, 1
    apart.by_score["hybrid", "height"] = 1
    alike.terms["height"], apart.terms["height"] = TermCount(8, 4, 2, 1, 1, 2.0, 4), TermCount(6, 6, 0, 2, 0, 1.0, 2)
    row = next(choice_rows([tallied(alike, apart)]))
    assert (row.rule, row.other, row.choices, row.candidates) == ("hybrid", "height", 3, 2.5)
    assert (row.differ, row.differ_least, row.differ_most) == (0.375, 0.25, 0.5)
    assert row.by_score == 0.25
    term = next(term_rows([tallied(alike, apart)]))
    assert (term.term, term.candidates, term.at_lower, term.at_upper) == ("height", 7, 0.75, 0.125)
    assert (term.tied, term.tied_at_end, term.spread) == (0.625, 0.125, 0.5)


def test_a_scenario_without_choices_has_rows_without_shares():
    row, term = next(choice_rows([tallied(Tally())])), next(term_rows([tallied(Tally())]))
    assert (row.choices, row.candidates, row.differ, row.differ_least) == (0, None, None, None)
    assert (term.candidates, term.at_lower, term.tied, term.median) == (0, None, None, None)


def test_quartiles_are_values_of_candidates():
    view, count = view_of([(100, 20 + n, 1.5) for n in range(4)]), TermCount()
    for value in ([0.1, 0.2, 0.3, 0.4], [0.5, 0.6, 0.7, 0.8]):
        count.add(TERMS["mobility"], np.array(value), view)
    assert [count.quantile(share, 0.001) for share in (0.25, 0.5, 0.75)] == pytest.approx([0.2, 0.4, 0.6])


def test_the_families_are_packaged():
    assert set(FAMILIES) < set(v2xsim.scenario.packaged())
