"""The relay rule that takes the tallest antenna."""

import numpy as np

from v2xsim.comms.relay.choice import chosen_relays
from v2xsim.comms.relay.rules.tallest_antenna import TallestAntenna
from v2xsim.part_trials import relay_view

# Stations 1, 2, ... of the view have antennas of 2.0, 2.5, ... m; station 0 asks stations 2, 3 and 4.
NOBODY = np.full(3, -1)


def test_the_tallest_station_that_is_usable_relays_and_never_an_end_of_the_pair():
    view = relay_view(5)
    assert chosen_relays(TallestAntenna(), view, NOBODY).relay.tolist() == [6, 6, 6]
    view.usable[:, 5:] = False
    assert chosen_relays(TallestAntenna(), view, NOBODY).relay.tolist() == [4, 4, 3]


def test_the_score_is_the_height_in_metres():
    assert chosen_relays(TallestAntenna(), relay_view(5), NOBODY).score.tolist() == [4.5, 4.5, 4.5]


def test_a_relay_in_office_stays_until_another_is_a_hand_taller():
    view = relay_view(5)
    view.antenna_m[6, 2] = 4.05
    assert chosen_relays(TallestAntenna(), view, np.full(3, 5)).relay.tolist() == [5, 5, 5]
    view.antenna_m[6, 2] = 4.15
    assert chosen_relays(TallestAntenna(), view, np.full(3, 5)).relay.tolist() == [6, 6, 6]
