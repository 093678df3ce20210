"""Which stations may relay, as one station knows it: for its own requests, and to pass on what a helper broadcasts."""

import numpy as np
import pytest

from tests.engine.cooperation.four_stations import APART_M, THERE, links, vicinities
from tests.engine.small_world import EGO, HELPER, OTHER, RELAY
from v2xsim.engine.cooperation.relay_candidates import OWNER, passing, relays_of_requests, requests

LEAST, REACH_M = 0.7, 100.0


def agent_at(known, owner, index):
    """Return the agent id of a known station, or that of the owner itself."""
    return int(known.owner[owner] if index == OWNER else known.agent[index])


# Requests


def asked(shares=None, **about):
    """Return helper, share there and share back of each pair of the ego."""
    found = vicinities(shares, **about)
    pairs = requests(found.known, found.own.pose[:, :2], REACH_M)
    return [
        (agent_at(found.known, owner, helper), there, back)
        for owner, helper, there, back in zip(pairs.owner, pairs.helper, pairs.there, pairs.back, strict=True)
    ]


def relays(shares=None, **about):
    """Return the candidates for each request of the ego, by helper."""
    found = vicinities(shares, **about)
    pairs = requests(found.known, found.own.pose[:, :2], REACH_M)
    candidates = relays_of_requests(found.known, pairs, LEAST)
    each = {agent_at(found.known, owner, helper): [] for owner, helper in zip(pairs.owner, pairs.helper, strict=True)}
    for pair, relay in zip(candidates.pair, candidates.relay, strict=True):
        owner = pairs.owner[pair]
        each[agent_at(found.known, owner, pairs.helper[pair])].append(agent_at(found.known, owner, relay))
    return each, candidates


def test_an_ego_may_ask_each_station_that_announced_a_matrix_to_it():
    assert [helper for helper, _, _ in asked()] == [HELPER]
    assert [helper for helper, _, _ in asked(with_matrix=(HELPER, RELAY))] == [HELPER, RELAY]
    assert asked(unknown=[(EGO, HELPER)]) == []


def test_the_share_back_is_measured_and_the_share_there_announced():
    assert asked(links(ego_to_helper=0.3, helper_to_ego=0.5)) == [(HELPER, 0.3, 0.5)]


def test_a_helper_that_lists_no_packet_of_the_ego_is_not_reached():
    assert asked(told={(EGO, HELPER): {OTHER: 0.9}}) == [(HELPER, 0.0, 0.1)]


@pytest.mark.parametrize(("x_m", "is_near"), [(99.0, True), (100.0, False)])
def test_a_helper_too_far_away_is_left_out(x_m, is_near):
    assert bool(asked(places_m=((0, 0), (x_m, 0), *APART_M[2:]))) == is_near


def test_whoever_has_four_good_hops_may_relay():
    assert relays()[0] == {HELPER: [OTHER, RELAY]}


@pytest.mark.parametrize("hop", ["ego_to_relay", "relay_to_helper", "helper_to_relay", "relay_to_ego"])
def test_each_of_the_four_hops_must_be_good_enough(hop):
    assert relays(links(**{hop: 0.7}))[0] == {HELPER: [OTHER, RELAY]}
    assert relays(links(**{hop: 0.69}))[0] == {HELPER: [OTHER]}


def test_candidates_have_the_share_of_each_hop():
    each = {"ego_to_relay": 0.75, "relay_to_helper": 0.8, "helper_to_relay": 0.85, "relay_to_ego": 0.95}
    found, candidates = relays(links(ego_other=0.1, **each))
    assert found == {HELPER: [RELAY]}
    assert candidates.hop.tolist() == [list(each.values())]
    # The ego measured 25 dB itself; the others announced 20 dB.
    assert candidates.snr_db.tolist() == [[20.0, 20.0, 20.0, 25.0]]


def test_a_station_that_the_ego_does_not_know_cannot_relay_however_well_it_stands():
    assert relays(unknown=[(EGO, RELAY)])[0] == {HELPER: [OTHER]}


def test_what_the_helper_did_not_announce_to_the_ego_is_not_known():
    # The helper hears the relay well, but the list that reached the ego is from before.
    assert relays(told={(EGO, HELPER): {OTHER: 0.9}})[0] == {HELPER: [OTHER]}


def test_a_helper_does_not_relay_to_itself_but_to_another():
    assert relays(with_matrix=(HELPER, RELAY))[0] == {HELPER: [OTHER, RELAY], RELAY: [HELPER, OTHER][1:]}
    assert relays(links(ego_helper=0.9), with_matrix=(HELPER, RELAY))[0][RELAY] == [HELPER, OTHER]


def test_each_ego_has_the_candidates_that_it_would_have_alone():
    about = {"egos": (EGO, OTHER), "with_matrix": (HELPER, RELAY), "unknown": [(OTHER, EGO)]}
    both = vicinities(owners=(EGO, OTHER), **about)
    pairs = requests(both.known, both.own.pose[:, :2], REACH_M)
    candidates = relays_of_requests(both.known, pairs, LEAST)
    for owner, agent in enumerate((EGO, OTHER)):
        alone, single = relays(owners=(agent,), **about)
        mine = pairs.owner[candidates.pair] == owner
        np.testing.assert_array_equal(candidates.hop[mine], single.hop)
        assert sum(map(len, alone.values())) == mine.sum() > 0


# Passing on


def passed(owner=RELAY, shares=None, is_relay=True, **about):
    """Return the pairs for which a station may pass on broadcasts, with the candidates that it knows for each."""
    found = vicinities(shares, owners=(owner,), **about)
    pairs, candidates = passing(found.known, np.array([is_relay]), REACH_M, LEAST)
    ends = [
        (agent_at(found.known, 0, one), agent_at(found.known, 0, other))
        for one, other in zip(pairs.requester, pairs.helper, strict=True)
    ]
    each = {pair: [] for pair in ends}
    for pair, relay in zip(candidates.pair, candidates.relay, strict=True):
        each[ends[pair]].append(agent_at(found.known, 0, relay))
    return each, pairs, candidates


def test_a_station_between_an_ego_and_a_helper_knows_their_need_and_is_itself_a_candidate():
    assert passed()[0] == {(EGO, HELPER): [RELAY, OTHER]}
    assert passed(OTHER)[0] == {(EGO, HELPER): [OTHER, RELAY]}


def test_ends_of_a_pair_pass_nothing_on_for_it():
    assert passed(EGO)[0] == {}
    assert passed(HELPER)[0] == {}


def test_a_pair_whose_packets_arrive_needs_nobody():
    assert passed(shares=links(helper_to_ego=0.7))[0] == {}
    # What the ego sends to the helper does not matter: nothing is passed on that way.
    assert passed(shares=links(helper_to_ego=0.69, ego_to_helper=1.0))[0] == {(EGO, HELPER): [RELAY, OTHER]}


@pytest.mark.parametrize(
    "about", [{"egos": ()}, {"with_matrix": ()}, {"unknown": [(RELAY, EGO)]}, {"unknown": [(RELAY, HELPER)]}]
)
def test_without_a_known_requester_and_a_known_helper_there_is_no_need(about):
    assert passed(**about)[0] == {}


def test_a_station_that_may_not_relay_passes_nothing_on():
    assert passed(is_relay=False)[0] == {}


@pytest.mark.parametrize("hop", ["helper_to_relay", "relay_to_ego"])
def test_a_station_passes_on_only_over_two_good_hops(hop):
    assert passed(shares=links(**{hop: 0.7}))[0] != {}
    assert passed(shares=links(**{hop: 0.69}))[0] == {}


@pytest.mark.parametrize("hop", ["ego_to_relay", "relay_to_helper"])
def test_hops_over_which_nothing_is_passed_on_do_not_matter(hop):
    assert passed(shares=links(**{hop: 0.0}))[0] == {(EGO, HELPER): [RELAY, OTHER]}


@pytest.mark.parametrize("hop", ["helper_to_other", "other_to_ego"])
def test_another_station_is_a_candidate_only_over_two_good_hops(hop):
    assert passed(shares=links(**{hop: 0.7}))[0] == {(EGO, HELPER): [RELAY, OTHER]}
    assert passed(shares=links(**{hop: 0.69}))[0] == {(EGO, HELPER): [RELAY]}


def test_another_station_that_is_not_known_is_no_candidate():
    assert passed(unknown=[(RELAY, OTHER)])[0] == {(EGO, HELPER): [RELAY]}


@pytest.mark.parametrize(("x_m", "is_near"), [(99.0, True), (100.0, False)])
def test_a_requester_too_far_from_the_helper_is_left_out(x_m, is_near):
    assert bool(passed(places_m=((0, 0), (x_m, 0), *APART_M[2:]))[0]) == is_near


def test_candidates_to_pass_on_have_the_two_hops_that_they_forward_over():
    shares = links(helper_to_relay=0.75, relay_to_ego=0.8, helper_to_other=0.85, other_to_ego=0.95)
    _, pairs, candidates = passed(shares=shares)
    assert candidates.hop[:, 2:].tolist() == [[0.75, 0.8], [0.85, 0.95]]
    # The station measured its own first hop; its other hops were announced.
    assert candidates.snr_db[:, 2:].tolist() == [[25.0, 20.0], [20.0, 20.0]]
    assert np.isnan(candidates.hop[:, :2]).all()
    assert pairs.back.tolist() == [0.1]


def test_a_station_knows_several_needs():
    found = passed(egos=(EGO, OTHER), shares=links(helper_to_other=0.2))[0]
    assert found == {(EGO, HELPER): [RELAY], (OTHER, HELPER): [RELAY]}
    both = passed(egos=(EGO, HELPER), with_matrix=(EGO, HELPER))[0]
    assert both == {(EGO, HELPER): [RELAY, OTHER], (HELPER, EGO): [RELAY, OTHER]}


def test_many_needs_have_the_candidates_of_each_alone():
    # More pairs and candidates than the arrays hold at first.
    agents = tuple(range(1, 41))
    rng = np.random.default_rng(7)
    shares = {(one, other): rng.choice([0.2, 0.8, 0.9]) for one in agents for other in agents if one != other}
    places = rng.uniform(0, 60, (40, 2))
    found = vicinities(shares, owners=(7, 9), agents=agents, places_m=places, egos=agents, with_matrix=agents)
    known = found.known
    pairs, candidates = passing(known, np.array([True, True]), REACH_M, LEAST)
    assert len(pairs.owner) > 256
    assert len(candidates.pair) > 1024
    expected = {
        (own, one, other): {own} | {
            k for k in agents
            if k not in (own, one, other) and shares[other, k] >= LEAST and shares[k, one] >= LEAST
        }
        for own in (7, 9) for one in agents for other in agents
        if len({own, one, other}) == 3 and shares[other, own] >= LEAST and shares[own, one] >= LEAST and shares[other, one] < LEAST
    }  # fmt: skip
    got = {}
    for pair, relay in zip(candidates.pair, candidates.relay, strict=True):
        owner = pairs.owner[pair]
        key = (int(known.owner[owner]), *(agent_at(known, owner, end[pair]) for end in (pairs.requester, pairs.helper)))
        got.setdefault(key, set()).add(agent_at(known, owner, relay))
    assert got == expected


def test_the_stations_stand_as_described():
    assert THERE == (1, 2, 3, 4)
