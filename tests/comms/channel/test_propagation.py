"""Channel models: values from their sources, and that the compiled budget gives what they say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from v2xsim.comms.channel.blockage.tr37885 import Tr37885Blockage
from v2xsim.comms.channel.neighbours import neighbours
from v2xsim.comms.channel.path_loss.free_space import FreeSpace, free_space_loss_db
from v2xsim.comms.channel.path_loss.model import PathLoss, PathLossView
from v2xsim.comms.channel.path_loss.two_ray import two_ray_loss_db
from v2xsim.comms.channel.path_loss.winner_b1 import WinnerB1, winner_b1_loss_db
from v2xsim.comms.channel.propagation import propagation
from v2xsim.comms.channel.received_power import Before, PairStates, powers
from v2xsim.comms.channel.states import drawn_states
from v2xsim.comms.channel.tr37885 import tr37885_loss_db
from v2xsim.comms.draws import faded, normal
from v2xsim.parts import parts_of
from v2xsim.records import LOS, NLOSB, NLOSV


def budget(distance_m, state, case=None, channel="tr37885_urban", **more):
    """Return loss and shadowing of pairs of which each stands alone."""
    count = len(distance_m)
    place = np.zeros((2 * count, 2))
    place[0::2, 0] = place[1::2, 0] = 1e6 * np.arange(count)
    near = neighbours(place, 1.0)
    model = propagation(parts_of(PathLoss)[channel](), 5.9, 23.0, Tr37885Blockage(), **more)
    _, loss_db, shadow_db, power_mw = powers(
        PairStates(
            near, np.asarray(distance_m, float), np.asarray(state, np.int8),
            np.zeros(count, np.int8) if case is None else np.asarray(case, np.int8),
        ),
        np.zeros(2 * count), np.arange(2 * count, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15), 7, Before.nothing(count), model,
    )  # fmt: skip
    return loss_db, shadow_db, power_mw[0::2]


def test_free_space_is_20_decibels_a_decade_from_friis():
    assert free_space_loss_db(np.array([1000.0]), 5.9)[0] == pytest.approx(107.87, abs=0.01)
    assert float(free_space_loss_db(np.array([100.0]), 5.9)[0]) == pytest.approx(87.87, abs=0.01)


def test_abbas_urban_has_its_loss_at_ten_metres_and_bends_at_104():
    near, at, far = budget([10.0, 104.0, 1040.0], [LOS] * 3, channel="abbas_urban", shadowing=False)[0]
    assert near == pytest.approx(63.9)
    assert at == pytest.approx(63.9 + 18.1 * np.log10(10.4))
    assert far - at == pytest.approx(28.5)
    behind = budget([104.0], [NLOSV], [2], channel="abbas_urban", shadowing=False)[0][0]
    # Vehicles in the way cost about ten decibels there, held in the curve itself.
    assert behind - at == pytest.approx(72.3 - 63.9 + 1.2 * np.log10(10.4))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0.5, 3000.0), st.sampled_from([LOS, NLOSB])), min_size=1, max_size=20),
    st.sampled_from(["urban", "highway"]),
)
def test_the_budget_gives_the_loss_of_the_formula(links, environment):
    distance_m, state = np.array([d for d, _ in links]), np.array([s for _, s in links], np.int8)
    loss_db, shadow_db, power_mw = budget(distance_m, state, channel=f"tr37885_{environment}")
    np.testing.assert_allclose(loss_db, tr37885_loss_db(state, distance_m, 5.9, environment), atol=1e-9)
    np.testing.assert_allclose(10 * np.log10(power_mw), 23.0 - loss_db - shadow_db, atol=1e-9)


def test_blockage_and_shadowing_have_the_moments_of_tr_37885():
    count = 40_000
    case = np.tile([2, 3], count // 2)
    loss_db, shadow_db, _ = budget(np.full(count, 100.0), np.full(count, NLOSV), case, "tr37885_highway")
    more = loss_db - tr37885_loss_db(np.array([LOS]), np.array([100.0]), 5.9, "highway")[0]
    assert more[case == 2].mean() == pytest.approx(9.04, abs=0.1)
    assert more[case == 3].mean() == pytest.approx(5.20, abs=0.1)
    assert more.min() == 0.0
    assert shadow_db.std() == pytest.approx(3.0, abs=0.05)
    assert abs(np.corrcoef(more[case == 2], shadow_db[case == 2])[0, 1]) < 0.03


def test_two_rays_over_ground_that_reflects_nothing_are_free_space():
    distance_m = np.geomspace(2.0, 2000.0, 50)
    np.testing.assert_allclose(
        two_ray_loss_db(distance_m, 5.9, 1.5, 1.5, 1.0), free_space_loss_db(distance_m, 5.9), atol=1e-6
    )


def test_two_rays_far_away_lose_40_decibels_a_decade_and_interfere_near_by():
    far = two_ray_loss_db(np.array([20_000.0, 200_000.0]), 5.9, 1.5, 1.5, 15.0)
    assert far[1] - far[0] == pytest.approx(40.0, abs=0.2)
    # d^4 / (h h)^2, whatever the carrier.
    assert far[1] == pytest.approx(40 * np.log10(200_000.0) - 20 * np.log10(1.5 * 1.5), abs=0.2)
    near = two_ray_loss_db(np.linspace(20, 200, 500), 5.9, 1.5, 1.5, 15.0) - free_space_loss_db(
        np.linspace(20, 200, 500), 5.9
    )
    assert near.min() < -3.0
    assert near.max() > 3.0


def test_heights_count_pair_by_pair_where_the_model_has_them():
    distance_m, state = np.array([300.0, 300.0]), np.array([LOS, LOS], np.int8)
    view = PathLossView(distance_m, state, np.array([1.5, 3.0]), np.array([1.5, 1.5]), 5.9)
    found = WinnerB1(environment_height_m=0.5).loss_db(view)
    assert found[0] == pytest.approx(108.7, abs=0.05)
    assert found[1] == pytest.approx(winner_b1_loss_db(np.array([300.0]), 5.9, 3.0, 1.5, 0.5)[0])
    assert WinnerB1().pieces_db(5.9) is None
    assert FreeSpace().loss_db(view)[0] == FreeSpace().loss_db(view)[1]


def test_states_are_drawn_with_the_shares_of_the_curve():
    luck = (np.arange(200_000)[:, None] * np.array([0.6180339887, 0.7548776662])) % 1.0
    hundred = np.full(len(luck), 100.0)
    state, case = drawn_states("tr37885", True, hundred, np.full(len(luck), 1.6), np.full(len(luck), 1.6), luck)
    assert (state == LOS).mean() == pytest.approx(1.05 * np.exp(-1.14), abs=0.002)
    assert set(case[state == NLOSV]) == {2, 3}
    # One blocker in five is a truck.
    assert (case[state == NLOSV] == 2).mean() == pytest.approx(0.2, abs=0.005)


def test_the_inverse_normal_distribution_is_that():
    from statistics import NormalDist

    for share in (1e-12, 1e-5, 0.01, 0.0242, 0.0243, 0.3, 0.5, 0.9, 0.98, 1 - 1e-9):
        assert normal(share) == pytest.approx(NormalDist().inv_cdf(share), rel=2e-8, abs=1e-9)


@pytest.mark.parametrize("k", [0.0, 1.0, 5.0])
def test_rician_power_has_mean_one_and_the_variance_of_its_k(k):
    power = np.array([faded(-k, np.uint64(n), np.uint64(77)) for n in range(40_000)])
    assert power.mean() == pytest.approx(1.0, abs=0.02)
    assert power.var() == pytest.approx((1 + 2 * k) / (1 + k) ** 2, rel=0.05)
