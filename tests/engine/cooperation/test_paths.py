"""By which path an ego would reach a helper."""

import numpy as np
import pytest

from tests.engine.small_world import EGO, HELPER, OTHER, RELAY, own_states
from v2xsim.comms.relay.links import LinkDelivery
from v2xsim.engine.cooperation.paths import Paths
from v2xsim.engine.cooperation.relaying import ChosenRelay, RelayPlan
from v2xsim.engine.stations.contents import NOBODY


def between(paths, ego, helper):
    """Return delivery and relay of the path from an ego to a helper; None if there is none."""
    found = paths.between(np.array([ego]), np.array([helper]))
    return (float(found.delivery[0]), int(found.relay[0])) if found.exists[0] else None


def path_to(
    helper, direct, *, first_hop=0.9, second_hop=0.8, relay=NOBODY, agents=(EGO, HELPER, OTHER, RELAY), ego=EGO
):
    """Return the path from the ego, where links below 0.7 count as not usable."""
    own = own_states(agents)
    delivery = np.zeros((len(own), len(own)))

    def link(one, other, value):
        i, j = own.index(one), own.index(other)
        if i >= 0 and j >= 0:
            delivery[i, j] = delivery[j, i] = value

    link(EGO, HELPER, direct)
    link(EGO, RELAY, first_hop)
    link(RELAY, HELPER, second_hop)
    plan = RelayPlan({} if relay is None else {(EGO, HELPER): ChosenRelay(relay, 0.0, 0.0, 0.0, 0.0)})
    return between(Paths(own, LinkDelivery.of(delivery), plan, 0.7), ego, helper)


def test_a_good_link_is_used_directly():
    assert path_to(HELPER, 0.9, relay=RELAY) == (0.9, NOBODY)


def test_a_link_just_good_enough_is_used_directly():
    assert path_to(HELPER, 0.7, relay=RELAY) == (0.7, NOBODY)


def test_a_packet_must_cross_both_hops_of_a_relay():
    delivery, relay = path_to(HELPER, 0.5, relay=RELAY)
    assert relay == RELAY
    assert delivery == pytest.approx(0.9 * 0.8)


@pytest.mark.parametrize("relay", [None, NOBODY])
def test_without_a_relay_a_bad_link_is_better_than_none(relay):
    assert path_to(HELPER, 0.1, relay=relay) == (0.1, NOBODY)


def test_there_is_no_path_over_a_link_that_delivers_nothing():
    assert path_to(HELPER, 0.0) is None


def test_a_relay_that_has_left_carries_nothing():
    assert path_to(HELPER, 0.1, relay=RELAY, agents=(EGO, HELPER, OTHER)) == (0.1, NOBODY)


def test_there_is_no_path_to_a_helper_that_has_left():
    assert path_to(99, 0.9) is None


def test_the_station_with_the_lowest_number_can_relay():
    own, delivery = own_states([0, EGO, HELPER]), np.array([[0.0, 0.8, 0.9], [0.8, 0.0, 0.1], [0.9, 0.1, 0.0]])
    paths = Paths(own, LinkDelivery.of(delivery), RelayPlan({(EGO, HELPER): ChosenRelay(0, 0.0, 0.0, 0.0, 0.0)}), 0.7)
    assert between(paths, EGO, HELPER)[1] == 0


def test_the_station_with_the_lowest_number_can_help():
    own, delivery = own_states([0, EGO]), np.array([[0.0, 0.9], [0.9, 0.0]])
    assert between(Paths(own, LinkDelivery.of(delivery), RelayPlan.none(), 0.7), EGO, 0) == (0.9, NOBODY)


def test_many_paths_are_those_of_each_pair_alone():
    own = own_states([0, EGO, HELPER, OTHER, RELAY])
    rng = np.random.default_rng(4)
    delivery = rng.choice([0.0, 0.3, 0.8, 0.95], (5, 5))
    delivery = np.minimum(delivery, delivery.T)
    plan = RelayPlan({(EGO, HELPER): ChosenRelay(RELAY, 0.0, 0.0, 0.0, 0.0)})
    paths = Paths(own, LinkDelivery.of(delivery), plan, 0.7)
    helpers = np.array([0, HELPER, OTHER, RELAY, 99])
    found = paths.between(np.full(5, EGO), helpers)
    for k, helper in enumerate(helpers.tolist()):
        alone = between(paths, EGO, helper)
        assert alone == ((found.delivery[k], found.relay[k]) if found.exists[k] else None)
