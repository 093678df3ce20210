"""Places of false positives in the cells that a station observed."""

import numpy as np

from v2xsim.records import FREE, OCCUPIED
from v2xsim.spatial.observed_cells import places_in

CODE = np.array([[0, FREE, 0], [OCCUPIED, 0, FREE]], np.uint8)


def places(share, code=CODE):
    place_m = np.full((len(share), 2), np.nan)
    return places_in(code, np.array([10, -4]), 2.0, np.array(share), place_m), place_m.tolist()


def test_each_third_of_the_shares_lies_in_one_of_three_observed_cells():
    first, second, third = [21.0, -5.0], [23.0, -7.0], [23.0, -3.0]
    assert places([0.0, 0.3, 0.4, 0.6, 0.7, 1.0]) == (True, [first, first, second, second, third, third])


def test_a_station_that_observed_nothing_has_no_place():
    assert not places([0.5], np.zeros((2, 3), np.uint8))[0]
