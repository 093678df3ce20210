"""The relay rule that takes the farthest station that qualifies."""

import numpy as np

from v2xsim.comms.relay.choice import chosen_relays
from v2xsim.comms.relay.rules.farthest_qualified import FarthestQualified
from v2xsim.part_trials import relay_view

# Stations stand every 40 m along a street; station 0 asks stations 2, 3 and 4.
NOBODY = np.full(3, -1)


def test_the_station_farthest_from_who_asks_relays():
    chosen = chosen_relays(FarthestQualified(), relay_view(5), NOBODY)
    assert chosen.relay.tolist() == [6, 6, 6]
    assert chosen.score[0] == 240.0


def test_a_station_that_does_not_qualify_is_passed_over_however_far_it_is():
    view = relay_view(5)
    view.usable[:, 4:] = False
    assert chosen_relays(FarthestQualified(), view, NOBODY).relay.tolist() == [3, 2, 3]
