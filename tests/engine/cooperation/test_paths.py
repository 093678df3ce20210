"""The paths of egos to helpers: which one belongs to a pair."""

import numpy as np

from tests.engine.small_world import EGO, HELPER, OTHER, RELAY
from v2xsim.engine.cooperation.paths import Paths
from v2xsim.engine.stations.contents import NOBODY


def paths():
    """Return the paths of two egos."""
    ego, helper = np.array([0, 0, EGO, EGO]), np.array([HELPER, OTHER, 0, HELPER])
    relay = np.array([NOBODY, RELAY, NOBODY, 0])
    return Paths(
        ego,
        helper,
        relay,
        np.zeros((4, 0), np.int64),
        np.array([0.9, 0.8, 0.7, 0.6]),
        np.array([1.0, 0.5, 0.0, 0.5]),
        np.full(4, 20.0),
        *np.zeros((2, 4)),
        np.ones(4, np.int64),
    )


def test_a_pair_has_its_own_path_whatever_the_order_in_which_pairs_are_given():
    rows = paths().rows_of(np.array([EGO, 0, 0, EGO]), np.array([HELPER, OTHER, HELPER, 0]))
    assert rows.tolist() == [3, 1, 0, 2]


def test_a_pair_without_a_path_has_none():
    # The path back is another pair.
    rows = paths().rows_of(np.array([HELPER, EGO, 99]), np.array([0, OTHER, HELPER]))
    assert rows.tolist() == [-1, -1, -1]
    nothing = np.zeros(0, np.int64)
    assert Paths.perfect(nothing, nothing).rows_of(np.array([EGO]), np.array([HELPER])).tolist() == [-1]


def test_a_cycle_of_one_packet_each_way_needs_both():
    np.testing.assert_allclose(paths().cycle, [0.9, 0.4, 0.0, 0.3])


def test_a_perfect_path_is_direct_and_loses_nothing():
    perfect = Paths.perfect(np.array([EGO]), np.array([HELPER]))
    assert (perfect.relay.tolist(), perfect.cycle.tolist()) == ([NOBODY], [1.0])
