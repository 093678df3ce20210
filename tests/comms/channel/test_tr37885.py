"""Path loss against the vectors of ns-3's three-gpp-propagation-loss-model-test-suite.cc, and its laws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from v2xsim.comms.channel.tr37885 import building_loss_db, highway_loss_db, reach_m, tr37885_loss_db, urban_loss_db
from v2xsim.records import LOS, NLOSB, NLOSV

DISTANCES_M = np.array([10.0, 100.0, 1000.0])
ENVIRONMENT = st.sampled_from(["urban", "highway"])
STATE = st.sampled_from([LOS, NLOSV, NLOSB])


@pytest.mark.parametrize(
    ("loss_db", "expected_db"),
    [
        (urban_loss_db, [68.1913, 84.8913, 101.5913]),
        (highway_loss_db, [66.3794, 86.3794, 106.3794]),
        (building_loss_db, [80.0605, 110.0605, 140.0605]),
    ],
)
def test_path_loss_at_5_ghz_is_that_of_the_ns3_vectors(loss_db, expected_db):
    np.testing.assert_allclose(loss_db(DISTANCES_M, 5.0), expected_db, atol=0.05)


@pytest.mark.parametrize(
    ("environment", "state", "expected_db"),
    [
        ("highway", LOS, [67.8, 81.8, 87.8, 93.8, 97.4, 101.8]),
        ("urban", NLOSV, [69.5, 81.2, 86.2, 91.2, 94.2, 97.9]),
        ("urban", NLOSB, [81.4, 102.4, 111.4, 120.5, 125.7, 132.4]),
    ],
)
def test_path_loss_at_5900_mhz_follows_the_state_of_the_link(environment, state, expected_db):
    distance_m = np.array([10.0, 50.0, 100.0, 200.0, 300.0, 500.0])
    loss_db = tr37885_loss_db(np.full(6, state, np.int8), distance_m, 5.9, environment)
    np.testing.assert_allclose(loss_db, expected_db, atol=0.06)


@given(STATE, ENVIRONMENT, st.floats(0.0, 5000.0), st.floats(0.0, 500.0))
def test_a_longer_link_never_loses_less(state, environment, distance_m, farther_m):
    near_db, far_db = tr37885_loss_db(
        np.array([state, state]), np.array([distance_m, distance_m + farther_m]), 5.9, environment
    )
    assert far_db >= near_db


@given(ENVIRONMENT, st.floats(5.0, 5000.0))
def test_a_building_in_the_way_never_helps_beyond_a_few_metres(environment, distance_m):
    clear_db, blocked_db = tr37885_loss_db(np.array([LOS, NLOSB]), np.full(2, distance_m), 5.9, environment)
    assert blocked_db > clear_db


def test_touching_antennas_lose_as_much_as_at_one_metre():
    assert urban_loss_db(np.array([0.0]), 5.9) == urban_loss_db(np.array([1.0]), 5.9)


@given(ENVIRONMENT, st.floats(1.0, 5000.0))
def test_reach_is_the_distance_whose_clear_loss_was_asked_for(environment, distance_m):
    loss_db = float(tr37885_loss_db(np.array([LOS]), np.array([distance_m]), 5.9, environment)[0])
    assert reach_m(loss_db, 5.9, environment) == pytest.approx(distance_m, rel=1e-9)


@pytest.mark.passes_wrong_types
def test_an_unknown_environment_is_refused_by_name():
    with pytest.raises(ValueError, match="rural"):
        tr37885_loss_db(np.array([LOS]), np.array([10.0]), 5.9, "rural")
