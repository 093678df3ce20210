"""What every relay and matching rule among the built-in parts must obey, whatever it computes: laws, not values."""

from dataclasses import dataclass, fields, replace

import numpy as np

from tests.contract.kinds import assert_same, every
from v2xsim import part_trials as trials
from v2xsim.comms.relay.choice import chosen_relays, scores_of
from v2xsim.comms.relay.rule import RelayRule
from v2xsim.perception.matching.choice import chosen_helpers, order_of, orders_of
from v2xsim.perception.matching.rule import MatchingRule, MatchingViews, Orders
from v2xsim.perception.matching.rules.blind_cells import BlindCells

RELAYING = every(RelayRule, lambda rule: rule.relays)
NOBODY = np.full(3, -1)


def of_pair(view, pair):
    """Return the view with the candidates of one pair, and which they are."""
    mine, drawn, outlook = view.pair == pair, view.draw(), view.outlook
    ends = {"requester": view.requester, "helper": view.helper}
    one = {name: _rows(part, np.arange(len(part)) == pair) for name, part in ends.items()}
    each = {name: _rows(getattr(view, name), mine) for name in ("candidate", "to_requester", "to_helper")}
    return replace(
        view, **one, **each, pair=view.pair[mine] - pair, decider=view.decider[pair : pair + 1], draw=lambda: drawn[mine],
        outlook=lambda *asked: outlook(*asked)[:, mine],
    ), mine  # fmt: skip


def _rows(part, is_kept):
    return type(part)(*(getattr(part, item.name)[is_kept] for item in fields(part)))


def moved(view, offset_m):
    """Return the same stations elsewhere, out of reach of the building and the bodies."""
    there = {
        name: replace(getattr(view, name), antenna_m=getattr(view, name).antenna_m + np.array(offset_m))
        for name in ("requester", "helper", "candidate")
    }
    return replace(view, **there)


@RELAYING
class TestEveryRelayRule:
    def test_picks_only_candidates_of_the_pair(self, part):
        view = trials.relay_view(6)
        found = chosen_relays(part, view, NOBODY)
        assert (found.relay >= 0).tolist() == [True, True, False]
        for pair in (0, 1):
            assert view.pair[found.candidate[pair]] == pair
            assert view.candidate.agent[found.candidate[pair]] == found.relay[pair]

    def test_picks_nobody_where_nobody_qualifies(self, part):
        nobody, _ = of_pair(trials.relay_view(6), 2)
        assert chosen_relays(part, nobody, NOBODY[:1]).relay.tolist() == [-1]

    def test_picks_the_highest_score_of_a_pair(self, part):
        view = trials.relay_view(6)
        score, found = scores_of(part, view), chosen_relays(part, view, NOBODY)
        assert found.score[:2].tolist() == [score[view.pair == pair].max() for pair in (0, 1)]

    def test_keeps_the_relay_that_it_has_just_chosen(self, part):
        view = trials.relay_view(6)
        first = chosen_relays(part, view, NOBODY)
        assert_same(chosen_relays(part, view, first.relay), first)

    def test_scores_a_pair_the_same_alone_and_among_others(self, part):
        view = trials.relay_view(6)
        for pair in (0, 1):
            alone, mine = of_pair(view, pair)
            assert_same(scores_of(part, alone), scores_of(part, view)[mine])

    def test_scores_the_scene_wherever_it_lies(self, part):
        view = trials.relay_view(6)
        one, other = moved(view, (0.0, 2000.0, 0.0)), moved(view, (0.0, -3000.0, 0.0))
        np.testing.assert_allclose(scores_of(part, one), scores_of(part, other), atol=1e-9)


ASKING = every(MatchingRule, lambda rule: rule.asks)
COMPARING = every(MatchingRule, lambda rule: rule.asks and rule.compares)
NOT_COMPARING = every(MatchingRule, lambda rule: rule.asks and not rule.compares)


@ASKING
class TestEveryMatchingRule:
    def test_keeps_the_byte_budget_and_the_number_of_helpers(self, part):
        for budget in (0.0, 350.0, 800.0, 1e6):
            for most in (0, 1, 3):
                view = replace(trials.matching_view(8), budget_bytes=budget, max_helpers=most)
                helpers = chosen_helpers(part, MatchingViews.only(view)).helper.tolist()
                assert view.cost_bytes[helpers].sum() <= budget
                assert len(set(helpers)) == len(helpers) <= most

    def test_chooses_for_many_requesters_what_it_chooses_for_each_of_them_alone(self, part):
        views = trials.matching_views(8)
        nobody = np.zeros(0, np.int64)
        alone = [order_of(part, view) if len(view.agent) else nobody for view in map(views.of, range(len(views)))]
        assert [len(rows) > 1 for rows in alone] == [True, False, True]
        assert_same(orders_of(part, views), Orders.of(alone))

    def test_gives_rows_no_meaning(self, part):
        view, order = trials.matching_view(8), np.array([5, 2, 7, 0, 3, 6, 1, 4])
        columns = ("code", "agent", "distance_m", "delivery", "relayed", "cost_bytes")
        own = {"draw": lambda: view.uniform[order], "recall": lambda: view.gained[order]}
        moved = replace(view, **{name: getattr(view, name)[order] for name in columns}, **own)
        assert view.agent[order_of(part, view)].tolist() == moved.agent[order_of(part, moved)].tolist()


@COMPARING
def test_a_rule_that_compares_matrices_asks_each_blind_cell_of_one_helper_that_sees_it(part):
    view = replace(trials.matching_view(8), budget_bytes=1e6, max_helpers=8)
    choices = chosen_helpers(part, MatchingViews.only(view))
    assert len(choices.helper) > 1
    assert choices.cells.sum(axis=0).max() == 1
    assert (choices.cells <= (view.observed[choices.helper] & (view.blind_weight > 0.0))).all()


@NOT_COMPARING
class TestEveryMatchingRuleThatComparesNoMatrices:
    def test_asks_every_helper_for_all_blind_cells(self, part):
        view = replace(trials.matching_view(8), budget_bytes=1e6, max_helpers=8)
        choices = chosen_helpers(part, MatchingViews.only(view))
        assert len(choices.helper) == 8
        assert (choices.cells == (view.blind_weight > 0.0)).all()

    def test_asks_the_same_whatever_helpers_announce(self, part):
        views, chance = trials.matching_views(8), np.random.default_rng(1)
        for _ in range(20):
            other = replace(views, codes=chance.integers(0, 3, views.codes.shape).astype(np.uint8))
            assert_same(chosen_helpers(part, other), chosen_helpers(part, views))


@dataclass(frozen=True)
class FirstOnly(BlindCells):
    """A rule that asks only one of the helpers that the rule chooses from which it derives."""

    def choose(self, view):
        return super().choose(view)[:1]


def test_a_rule_may_choose_among_the_choices_of_the_rule_from_which_it_derives():
    views = trials.matching_views(8)
    with_helpers = [row for row in range(len(views)) if len(views.of(row).agent)]
    every = [order_of(BlindCells(), views.of(row)).tolist() for row in with_helpers]
    assert max(map(len, every)) > 1
    found = orders_of(FirstOnly(), views)
    rows = [found.helper[found.offset[row] : found.offset[row + 1]].tolist() for row in with_helpers]
    assert rows == [order[:1] for order in every]
