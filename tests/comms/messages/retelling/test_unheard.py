"""The rule that tells on what a neighbour has not heard of: who has not heard of an object, and which station tells it."""

import numpy as np
import pytest

from v2xsim.comms.messages.retelling.flooding import Flooding
from v2xsim.comms.messages.retelling.none import NoRetellingRule
from v2xsim.comms.messages.retelling.random_told import RandomTold
from v2xsim.comms.messages.retelling.rule import RetellingRule, RetellingView, told_on_by
from v2xsim.comms.messages.retelling.unheard import Unheard
from v2xsim.comms.messages.retelling.unseen import Unseen
from v2xsim.part_trials import retelling_view


def view(
    *,
    told=(0.0,),
    hears=(0.0,),
    sees=(False,),
    age_us=50_000,
    is_itself=(False,),
    relevance=(1.0,),
    reached=(1.0,),
    better=(0,),
    hops=0,
    is_mine=False,
    tellings=0,
    uniform=0.5,
):
    """Return what a station knows of one object; the one neighbour has not heard of it and may meet it at once by default."""
    count = max(len(told), len(relevance), len(reached), len(better))

    def row(values, kind):
        return np.broadcast_to(np.array([values], kind), (1, count)).copy()

    return RetellingView(
        np.zeros((1, 2)), np.array([10.0]), np.array([age_us]), np.array([hops]), np.array([5]), np.array([is_mine]), np.array([tellings]), np.array([uniform]), np.arange(20, 20 + count),
        np.zeros((count, 2)), row(reached, float)[0], row(told, float), row(sees, bool), row(is_itself, bool), row(hears, float), row(relevance, float),
        row(better, int),
    )  # fmt: skip


def is_told_on(one, rule=Unheard, **parameters):
    return bool(told_on_by(rule(**parameters), one)[0])


def test_what_a_neighbour_has_not_heard_of_is_told_on():
    assert is_told_on(view())


@pytest.mark.parametrize("known", [{"is_itself": (True,)}, {"hears": (1.0,)}, {"told": (1.0,)}])
def test_what_all_neighbours_know_is_not_told_on(known):
    assert not is_told_on(view(**known))
    assert not is_told_on(view(**known), least_gain=0.0)


@pytest.mark.parametrize(("about", "gain"), [
    ({}, 1.0), ({"told": (0.7,)}, 0.3), ({"hears": (0.4,)}, 0.6), ({"told": (0.5,), "hears": (0.5,)}, 0.25), ({"relevance": (0.2,)}, 0.2),
    ({"reached": (0.6,)}, 0.6), ({"told": (0.5, 0.9), "relevance": (0.5, 1.0)}, 0.35), ({"is_itself": (True,)}, 0.0),
    ({"told": (0.0, 0.0), "better": (0, 1)}, 1.0),
])  # fmt: skip
def test_the_gain_is_relevance_times_the_chance_that_the_message_brings_something_new(about, gain):
    """It sums over neighbours; a station counts those alone for which no other one is placed better."""
    if gain > 0.0:
        assert is_told_on(view(**about), least_gain=gain - 1e-9)
    assert not is_told_on(view(**about), least_gain=gain + 1e-9)


def test_a_station_keeps_silent_for_a_neighbour_for_whom_another_one_is_placed_better():
    assert not is_told_on(view(better=(1,)))
    assert is_told_on(view(better=(1,)), better=1)


def test_an_object_is_told_on_as_often_as_the_rule_allows():
    assert is_told_on(view(hops=2))
    assert not is_told_on(view(hops=3))
    assert not is_told_on(view(hops=1), hops=1)


def test_what_was_captured_long_ago_is_not_told_on():
    assert is_told_on(view(age_us=250_000))
    assert not is_told_on(view(age_us=250_001))
    assert is_told_on(view(age_us=250_001), oldest_ms=300.0)


def test_only_one_of_the_two_rules_looks_into_matrices():
    seen = view(sees=(True,))
    assert is_told_on(seen)
    assert not is_told_on(seen, Unseen)
    assert is_told_on(view(), Unseen)
    # It has heard of it, and need not see it.
    assert not is_told_on(view(told=(0.9,)), Unseen)
    # For another neighbour that does not see it, it is told on.
    assert is_told_on(view(sees=(True, False), told=(0.0, 0.0)), Unseen)
    assert (Unheard.reads_matrices, Unseen.reads_matrices) == (False, True)


def test_for_comparison_it_may_ignore_what_neighbours_heard_or_what_matters_to_them():
    assert is_told_on(view(told=(1.0,), hears=(1.0,)), heard=False)
    assert not is_told_on(view(is_itself=(True,)), heard=False)
    assert not is_told_on(view(is_mine=True), heard=False)
    assert is_told_on(view(is_mine=True))
    assert not is_told_on(view(relevance=(0.1,)))
    assert is_told_on(view(relevance=(0.1,)), relevant=False)
    assert not is_told_on(view(relevance=(0.1,), told=(1.0,)), relevant=False)


def test_flooding_tells_each_object_on_once_whoever_knows_it():
    assert is_told_on(view(told=(1.0,), relevance=(0.0,), reached=(0.0,), better=(5,)), Flooding)
    assert not is_told_on(view(is_mine=True), Flooding)
    assert not is_told_on(view(hops=3), Flooding)
    assert not is_told_on(view(age_us=250_001), Flooding)
    assert is_told_on(view(tellings=9), Flooding)
    assert [is_told_on(view(tellings=count), Flooding, tellings=2) for count in (0, 1, 2)] == [True, True, False]


def test_some_is_told_on_at_random():
    assert is_told_on(view(uniform=0.29), RandomTold)
    assert not is_told_on(view(uniform=0.3), RandomTold)
    assert is_told_on(view(uniform=0.9), RandomTold, share=1.0)
    assert not is_told_on(view(uniform=0.1, is_mine=True), RandomTold)
    assert RandomTold.draws
    assert not Unheard.draws


def test_without_a_rule_nothing_is_told_on():
    assert not told_on_by(NoRetellingRule(), view()).any()
    assert not NoRetellingRule.retells


def test_a_rule_is_not_asked_about_nothing():
    assert told_on_by(RetellingRule(), retelling_view(0)).shape == (0,)
    with pytest.raises(NotImplementedError):
        RetellingRule().told_on(view())
