"""The state of a link drawn from curves, against values worked from their sources."""

import numpy as np
import pytest

from v2xsim.comms.channel.states import drawn_states, state_shares
from v2xsim.records import LOS, NLOSB, NLOSV


def shares(model, urban, distance_m):
    clear, behind = state_shares(model, urban, np.array([distance_m], float))
    return float(clear[0]), float(behind[0])


@pytest.mark.parametrize(
    ("model", "distance_m", "clear", "building"),
    [
        # Boban, Gong, Xu, 2016, highway: parabolas of LOS and of NLOSb; NLOSv is what they leave.
        ("boban_low", 100, 1.5e-2 - 0.15 + 1, -2.9e-3 + 5.9e-2 + 0.0017),
        ("boban_low", 300, 0.135 - 0.45 + 1, -0.0261 + 0.177 + 0.0017),
        ("boban_medium", 100, 2.7e-2 - 0.25 + 1, -3.7e-3 + 6.1e-2 + 0.015),
        ("boban_medium", 300, 0.243 - 0.75 + 1, -0.0333 + 0.183 + 0.015),
        ("boban_high", 100, 3.2e-2 - 0.3 + 1, -4.1e-3 + 6.7e-2),
        ("boban_high", 300, 0.288 - 0.9 + 1, -0.0369 + 0.201),
    ],
)
def test_shares_of_states_on_a_highway_are_bobans(model, distance_m, clear, building):
    assert shares(model, False, distance_m) == pytest.approx((clear, 1 - clear - building))


@pytest.mark.parametrize(
    ("model", "clear", "behind"),
    [
        # exp(-0.64) = 0.52729, exp(-1.14) = 0.31982, exp(-1.7) = 0.18268; ln 100 = 4.60517.
        ("boban_low", 0.8548 * 0.52729, np.exp(-(0.66663**2) / 3.4827) / 3.96),
        ("boban_medium", 0.8372 * 0.31982, np.exp(-(0.40113**2) / 2.4544) / 3.12),
        ("boban_high", 0.8962 * 0.18268, np.exp(-(0.40633**2) / 2.2092) / 2.42),
    ],
)
def test_shares_of_states_in_a_city_at_100_m_are_bobans(model, clear, behind):
    assert shares(model, True, 100) == pytest.approx((clear, behind), rel=1e-4)


@pytest.mark.parametrize(
    ("urban", "distance_m", "clear"),
    [
        (True, 100, 1.05 * 0.31982),
        (True, 4, 1.0),
        (False, 5, 1.0),
        (False, 100, 0.021013 - 0.2 + 1.0193),
        (False, 475, 2.1013e-6 * 475**2 - 0.95 + 1.0193),
        (False, 575, 0.44),
        (False, 1015, 0.0),
        (False, 1200, 0.0),
    ],
)
def test_line_of_sight_follows_table_6_2_1_of_tr_37885_and_no_building_blocks(urban, distance_m, clear):
    assert shares("tr37885", urban, distance_m) == pytest.approx((clear, 1 - clear), abs=1e-5)


@pytest.mark.parametrize("model", ["boban_low", "boban_medium", "boban_high"])
def test_beyond_the_turn_of_its_parabola_line_of_sight_stays_as_rare_as_it_is_there(model):
    # The turns lie at 500, 463 and 469 m.
    assert shares(model, False, 3000)[0] == shares(model, False, 600)[0]
    assert shares(model, False, 600)[0] < shares(model, False, 400)[0]


@pytest.mark.parametrize("urban", [True, False])
def test_denser_traffic_leaves_less_line_of_sight(urban):
    distance_m = np.linspace(15.0, 800.0, 200)
    low, medium, high = (state_shares(f"boban_{name}", urban, distance_m)[0] for name in ("low", "medium", "high"))
    assert (low > medium).all()
    # Both highway curves of denser traffic meet at 0.42 to 0.30 and stay there.
    assert (medium > high).all()


@pytest.mark.parametrize("model", ["tr37885", "boban_low", "boban_medium", "boban_high"])
@pytest.mark.parametrize("urban", [True, False])
def test_line_of_sight_only_gets_rarer_with_distance(model, urban):
    clear, _ = state_shares(model, urban, np.linspace(1.0, 2000.0, 500))
    assert (np.diff(clear) <= 0).all()
    assert clear[-1] < 0.7 * clear[0]


def drawn(luck, *, other=0.5, lowest_m=1.6, highest_m=1.6):
    state, case = drawn_states(
        "boban_low", False, np.array([100.0]), np.array([lowest_m]), np.array([highest_m]), np.array([[luck, other]])
    )
    return int(state[0]), int(case[0])


@pytest.mark.parametrize(
    ("luck", "state"), [(0.864, LOS), (0.866, NLOSV), (0.942, NLOSV), (0.943, NLOSB), (0.999, NLOSB)]
)
def test_luck_below_the_share_is_line_of_sight_then_vehicles_then_buildings(luck, state):
    # 0.865 of links are clear at 100 m and 0.0772 behind vehicles.
    assert drawn(luck)[0] == state


@pytest.mark.parametrize(
    ("other", "lowest_m", "highest_m", "case"),
    [
        # Trucks of 3 m, one blocker in five, and cars of 1.6 m.
        (0.19, 2.9, 2.9, 2),
        (0.19, 2.9, 3.1, 3),
        (0.19, 3.1, 5.0, 1),
        (0.21, 1.5, 1.5, 2),
        (0.21, 1.5, 1.7, 3),
        (0.21, 1.7, 5.0, 1),
        (0.21, 1.6, 1.6, 3),
    ],
)
def test_the_blockage_case_compares_the_blockers_roof_with_both_antennas(other, lowest_m, highest_m, case):
    assert drawn(0.9, other=other, lowest_m=lowest_m, highest_m=highest_m) == (NLOSV, case)


@pytest.mark.parametrize("luck", [0.1, 0.99])
def test_only_links_behind_vehicles_have_a_blockage_case(luck):
    assert drawn(luck, lowest_m=1.0, highest_m=1.0)[1] == 0
