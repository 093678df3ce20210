"""Loss past vehicles: TR 37.885 clause 6.2.1 and ITU-R P.526."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import norm

from v2xsim.comms.channel.vehicle_loss import (
    blockage_loss_db,
    knife_edge_loss_db,
    knife_edge_parameter,
    mean_blockage_loss_db,
)

CASES = np.array([0, 1, 2, 3])


def test_mean_blockage_loss_up_to_541_m_is_that_of_a_normal_cut_off_at_zero():
    np.testing.assert_allclose(mean_blockage_loss_db(CASES, np.full(4, 500.0)), [0, 0, 9.0382, 5.2023], atol=5e-5)


@pytest.mark.parametrize(("case", "mean_db", "sigma_db"), [(2, 9.0, 4.5), (3, 5.0, 4.0)])
def test_mean_blockage_loss_at_2_km_is_the_integral_over_the_draws(case, mean_db, sigma_db):
    mean_db += 15 * np.log10(2000.0) - 41
    expected_db, _ = quad(lambda x: x * norm.pdf(x, mean_db, sigma_db), 0, mean_db + 12 * sigma_db)
    assert mean_blockage_loss_db(np.array([case]), np.array([2000.0]))[0] == pytest.approx(expected_db, abs=1e-6)


@given(st.sampled_from([0, 1]), st.floats(0, 5000), st.floats(-6, 6))
def test_a_vehicle_below_both_antennas_costs_nothing(case, distance_m, episode):
    assert blockage_loss_db(np.array([case]), np.array([distance_m]), np.array([episode]))[0] == 0.0


@given(st.sampled_from([2, 3]), st.floats(0, 5000), st.floats(-8, 8))
def test_a_vehicle_in_the_way_never_amplifies(case, distance_m, episode):
    assert blockage_loss_db(np.array([case]), np.array([distance_m]), np.array([episode]))[0] >= 0.0


def test_an_average_episode_behind_a_truck_costs_9_db():
    assert blockage_loss_db(np.array([2]), np.array([100.0]), np.array([0.0]))[0] == 9.0


def test_blockage_draws_spread_as_the_clause_says():
    # Cut off at zero loses 2.3 % of the draws; a quantile above that is untouched.
    episode = norm.ppf(0.84134)
    assert blockage_loss_db(np.array([3]), np.array([100.0]), np.array([episode]))[0] == pytest.approx(9.0, abs=1e-3)


@pytest.mark.parametrize(
    ("distance_m", "edge_at_m", "tx_m", "rx_m", "edge_m", "expected_db"),
    [
        (100, 50, 1.5, 1.5, 1.5, 6.03),
        (100, 50, 1.5, 1.5, 2.0, 11.29),
        (100, 50, 1.5, 1.5, 3.0, 18.55),
        (100, 10, 1.5, 1.5, 3.0, 22.79),
        (50, 25, 1.5, 1.5, 3.0, 21.40),
        (100, 50, 3.0, 1.5, 2.0, 3.40),
        (100, 75, 3.0, 1.5, 2.0, 7.60),
        (100, 90, 3.0, 1.5, 2.0, 12.08),
    ],
)
def test_knife_edge_loss_at_5900_mhz_is_that_of_p526(distance_m, edge_at_m, tx_m, rx_m, edge_m, expected_db):
    line_m = tx_m + (rx_m - tx_m) * edge_at_m / distance_m
    over_m, before_m, behind_m = np.array([[edge_m - line_m], [edge_at_m], [distance_m - edge_at_m]], float)
    parameter = knife_edge_parameter(over_m, before_m, behind_m, 3e8 / 5.9e9)
    assert knife_edge_loss_db(parameter)[0] == pytest.approx(expected_db, abs=0.006)


@given(st.floats(-5, 20), st.floats(0, 5))
def test_a_higher_edge_never_costs_less(parameter, higher):
    lower_db, higher_db = knife_edge_loss_db(np.array([parameter, parameter + higher]))
    assert higher_db >= lower_db
