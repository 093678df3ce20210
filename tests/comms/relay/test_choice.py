"""Which candidate relays for a pair, given the scores of a rule."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.comms.relay.relay_views import FIRST_CANDIDATE, RULES, kept, view_of
from v2xsim.comms.relay.choice import chosen_relays
from v2xsim.comms.relay.rule import NEVER, RelayRule
from v2xsim.part_trials import relay_view
from v2xsim.parts import parts_of

NOBODY = -1


class Given(RelayRule):
    """Scores as given."""

    def __init__(self, *scores):
        self.scores = scores

    def score(self, view):
        """Return the scores."""
        return np.array(self.scores, float)


PLACES = [(50, 0, 2.0), (90, 0, 1.5), (150, 0, 3.0)]


def relay_of(*scores, agents=(20, 21, 22), previous=NOBODY, draw=(0.1, 0.5, 0.9)):
    """Return the agent that relays if candidates have these scores."""
    view = view_of(PLACES[: len(scores)], agents=list(agents)[: len(scores)], draw=draw[: len(scores)])
    return int(chosen_relays(Given(*scores), view, np.array([previous])).relay[0])


def test_the_candidate_with_the_highest_score_relays():
    assert relay_of(0.2, 0.5, 0.1) == 21


@pytest.mark.parametrize("draw", [(0.9, 0.2, 0.5), (0.2, 0.9, 0.5), (0.2, 0.5, 0.9)])
def test_of_equal_scores_chance_decides(draw):
    assert relay_of(0.5, 0.5, 0.5, draw=draw) == 20 + draw.index(0.9)
    # Of the two that are best, and not of all three.
    assert relay_of(0.5, 0.5, 0.4, draw=draw) == (20 if draw[0] > draw[1] else 21)


@pytest.mark.parametrize("previous", [NOBODY, 20])
def test_a_candidate_that_must_not_relay_never_does(previous):
    assert relay_of(NEVER, -5.0, NEVER, previous=previous) == 21
    assert relay_of(NEVER, NEVER, NEVER, previous=previous) == NOBODY


def test_no_candidate_no_relay_and_no_term():
    chosen = chosen_relays(Given(), view_of([]), np.array([20]))
    assert (chosen.relay.tolist(), chosen.candidate.tolist()) == ([NOBODY], [-1])
    assert np.isnan([chosen.height[0], chosen.mobility[0], chosen.score[0]]).all()


def test_a_rule_that_does_not_relay_chooses_nobody():
    none = parts_of(RelayRule)["none"]()
    assert chosen_relays(none, view_of(PLACES), np.array([20])).relay.tolist() == [NOBODY]


@pytest.mark.parametrize(("other", "relay"), [(0.6, 20), (0.599, 20), (0.4, 20), (0.601, 21)])
def test_another_takes_over_only_if_it_scores_better_by_more_than_the_hysteresis(other, relay):
    # Half and a tenth are exact enough: 0.6 - 0.1 rounds to 0.5.
    assert relay_of(0.5, other, 0.0, previous=20) == relay


def test_a_relay_that_no_longer_qualifies_is_replaced_by_the_best():
    assert relay_of(0.5, 0.55, 0.0, previous=99) == 21


def test_hysteresis_favours_the_relay_of_the_pair_itself():
    view = relay_view(5)
    # Pairs 0 and 1 have candidates; each has another relay so far.
    score = Given(*np.where(view.pair == 0, 0.5, 0.45))
    first, second = view.candidate.agent[view.pair == 0][-1], view.candidate.agent[view.pair == 1][-1]
    chosen = chosen_relays(score, view, np.array([first, second, NOBODY]))
    assert chosen.relay.tolist() == [first, second, NOBODY]
    swapped = chosen_relays(score, view, np.array([NOBODY, first, NOBODY]))
    # All of a pair score alike, so the largest draw decides where the relay so far is the other pair's.
    drawn = [view.candidate.agent[view.pair == pair][np.argmax(view.uniform[view.pair == pair])] for pair in (0, 1)]
    assert swapped.relay.tolist() == [*drawn, NOBODY]


# In the unit of each rule's score: shares of one, dB, metres, seconds.
HYSTERESIS = {
    "best_snr": 1.0, "direct_with_retries": 0.1, "farthest_qualified": 10.0, "height": 0.05, "hybrid": 0.05, "limited_flooding": 0.0, "longest_lifetime": 0.5, "midpoint": 0.05, "mobility": 0.05, "none": 0.1,
    "random_qualified": 0.0, "roadside_unit": 1.0, "tallest_antenna": 0.1,
}  # fmt: skip


def test_each_rule_has_a_hysteresis_in_the_unit_of_its_score():
    found = {name: rule.hysteresis for name, rule in parts_of(RelayRule).items()}
    assert {name: found[name] for name in HYSTERESIS} == HYSTERESIS


def test_the_terms_of_the_choice_are_those_of_its_relay():
    view = view_of(PLACES, falls_db=[(0, 0), (7, 0), (0, 0)])
    found = chosen_relays(Given(0.1, 0.5, 0.2), view, np.array([NOBODY]))
    assert (found.relay[0], found.candidate[0], found.score[0]) == (21, 1, 0.5)
    assert (found.mobility[0], found.height[0]) == (view.mobility[1], view.height[1])
    assert found.mobility[0] < 1.0


@given(st.lists(st.floats(-1, 1), min_size=3, max_size=3), st.permutations(range(3)), st.sampled_from([-1, 20, 21, 22]))
def test_the_order_in_which_candidates_are_listed_has_no_meaning(scores, order, previous):
    draw = [(0.1, 0.5, 0.9)[row] for row in order]
    moved = relay_of(*[scores[row] for row in order], agents=[20 + row for row in order], previous=previous, draw=draw)
    assert moved == relay_of(*scores, previous=previous)


@pytest.mark.parametrize("rule", RULES)
def test_a_pair_is_decided_alone_as_among_others(rule):
    made, view = parts_of(RelayRule)[rule](), relay_view(5)
    together = chosen_relays(made, view, np.full(3, NOBODY))
    for pair in range(3):
        alone = chosen_relays(made, kept(view, view.pair == pair), np.full(3, NOBODY))
        assert alone.relay[pair] == together.relay[pair]


def test_candidates_begin_at_an_id_that_is_no_row():
    assert len(PLACES) < FIRST_CANDIDATE
