"""The relay rule that takes the farthest station that qualifies."""

import numpy as np

from tests.comms.relay.relay_views import kept
from v2xsim.comms.relay.choice import chosen_relays
from v2xsim.comms.relay.rules.farthest_qualified import FarthestQualified
from v2xsim.part_trials import identities, relay_view

# Stations stand every 40 m along a street; the first one asks the last three.
NOBODY, AGENT = np.full(3, -1), identities(7)


def test_the_candidate_farthest_from_the_requester_relays():
    chosen = chosen_relays(FarthestQualified(), relay_view(5), NOBODY)
    assert chosen.relay.tolist() == [AGENT[3], AGENT[2], -1]
    assert chosen.score[0] == 120.0


def test_a_station_that_does_not_qualify_is_passed_over_however_far_it_is():
    view = relay_view(5)
    nearer = kept(view, view.candidate.agent < AGENT[2])
    assert chosen_relays(FarthestQualified(), nearer, NOBODY).relay.tolist() == [AGENT[1], AGENT[1], -1]
