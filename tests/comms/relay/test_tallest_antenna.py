"""The relay rule that takes the tallest antenna."""

import numpy as np

from tests.comms.relay.relay_views import kept
from v2xsim.comms.relay.choice import chosen_relays
from v2xsim.comms.relay.rules.tallest_antenna import TallestAntenna
from v2xsim.part_trials import identities, relay_view

# Stations 1, 2 and 3 of the view have antennas of 2.0, 2.5 and 3.0 m; station 0 asks the last three, which are taller.
NOBODY, AGENT = np.full(3, -1), identities(7)


def test_the_tallest_candidate_relays_and_never_an_end_of_the_pair():
    view = relay_view(5)
    assert chosen_relays(TallestAntenna(), view, NOBODY).relay.tolist() == [AGENT[3], AGENT[2], -1]
    lower = kept(view, view.candidate.agent < AGENT[3])
    assert chosen_relays(TallestAntenna(), lower, NOBODY).relay.tolist() == [AGENT[2], AGENT[2], -1]


def test_the_score_is_the_height_in_metres():
    assert chosen_relays(TallestAntenna(), relay_view(5), NOBODY).score[:2].tolist() == [3.0, 2.5]


def test_a_present_relay_stays_until_another_is_more_than_a_tenth_of_a_metre_taller():
    for height_m, relay in ((2.55, AGENT[2]), (2.65, AGENT[3])):
        view = relay_view(5)
        view.candidate.antenna_m[view.candidate.agent == AGENT[3], 2] = height_m
        assert chosen_relays(TallestAntenna(), view, np.full(3, AGENT[2])).relay[0] == relay
