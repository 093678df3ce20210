"""Path-loss models at their breakpoints, and losses behind buildings, worked by hand."""

import numpy as np
import pytest

from v2xsim.comms.channel.building_loss.corner import Corner, corner_loss_db
from v2xsim.comms.channel.building_loss.manhattan import Manhattan, manhattan_loss_db
from v2xsim.comms.channel.building_loss.model import BuildingLossView, building_loss_of
from v2xsim.comms.channel.detours import Detours
from v2xsim.comms.channel.fading.model import FadingView
from v2xsim.comms.channel.fading.nakagami import Nakagami
from v2xsim.comms.channel.fading.none import NoFading
from v2xsim.comms.channel.fading.rician import Rician
from v2xsim.comms.channel.path_loss.abbas_urban import AbbasUrban
from v2xsim.comms.channel.path_loss.free_space import FreeSpace
from v2xsim.comms.channel.path_loss.model import PathLoss, PathLossView, piecewise_loss_db
from v2xsim.comms.channel.path_loss.tr37885_highway import Tr37885Highway
from v2xsim.comms.channel.path_loss.tr37885_urban import Tr37885Urban
from v2xsim.comms.channel.path_loss.two_ray import TwoRay, two_ray_loss_db
from v2xsim.comms.channel.path_loss.winner_b1 import WinnerB1, winner_b1_loss_db
from v2xsim.parts import parts_of
from v2xsim.records import LOS, NLOSB, NLOSV

CARRIER_GHZ = 5.9
LIGHT_GHZ_M = 0.299792458


def view(distance_m, state=LOS, height_m=1.5):
    count = len(distance_m)
    height = np.full(count, height_m)
    return PathLossView(np.array(distance_m, float), np.full(count, state, np.int8), height, height, CARRIER_GHZ)


def loss(model, distance_m, state=LOS):
    return float(model.loss_db(view([distance_m], state))[0])


# Pieces over the logarithm of the distance: up to 10 m flat at 60 dB, then 20 dB a decade, from 100 m on 40 dB a decade.
ROW = [[1.0, 40.0, 20.0], [2.0, 0.0, 40.0]]
PIECES = np.array([ROW, ROW, ROW])


@pytest.mark.parametrize(
    ("distance_m", "loss_db"),
    [(0.0, 60.0), (1.0, 60.0), (10.0, 60.0), (31.6227766, 70.0), (99.99999, 80.0), (100.0, 80.0), (1000.0, 120.0)],
)
def test_each_piece_holds_from_its_own_distance_on(distance_m, loss_db):
    assert piecewise_loss_db(PIECES, np.array([distance_m]), np.zeros(1, np.int8))[0] == pytest.approx(
        loss_db, abs=1e-5
    )


def test_each_state_has_pieces_of_its_own():
    pieces = np.array([[[0.0, 1.0, 0.0]], [[0.0, 2.0, 0.0]], [[0.0, 3.0, 0.0]]])
    found = piecewise_loss_db(pieces, np.full(3, 50.0), np.array([NLOSB, LOS, NLOSV], np.int8))
    assert found.tolist() == [3.0, 1.0, 2.0]


@pytest.mark.parametrize(
    ("state", "distance_m", "loss_db"),
    [
        (LOS, 10.0, 63.9),
        (LOS, 100.0, 63.9 + 18.1),
        (LOS, 1040.0, 63.9 + 18.1 * np.log10(10.4) + 28.5),
        (NLOSV, 10.0, 72.3),
        (NLOSV, 100.0, 72.3 + 19.3),
        (NLOSV, 1040.0, 72.3 + 19.3 * np.log10(10.4) + 27.4),
        (NLOSB, 100.0, 36.85 + 60.0 + 18.9 * np.log10(5.9)),
        (NLOSB, 1000.0, 36.85 + 90.0 + 18.9 * np.log10(5.9)),
    ],
)
def test_abbas_has_a_slope_of_its_own_before_and_behind_104_m(state, distance_m, loss_db):
    assert loss(AbbasUrban(), distance_m, state) == pytest.approx(loss_db)


# WINNER+ B1 at 5.9 GHz: 1.5 m above ground, 0.5 m of it not counted, breaks at 4 * 5.9e9 / 3e8 = 78.67 m.


def b1(distance_m, tx=1.5, rx=1.5, ground=0.5, **more):
    return float(winner_b1_loss_db(np.array([distance_m]), CARRIER_GHZ, tx, rx, ground, **more)[0])


@pytest.mark.parametrize("distance_m", [10.0, 78.6])
def test_b1_falls_by_22_7_db_a_decade_before_its_break(distance_m):
    by_hand = 22.7 * np.log10(distance_m) + 27.0 + 20.0 * np.log10(5.9)
    assert b1(distance_m, free_space_floor=False) == pytest.approx(by_hand)


@pytest.mark.parametrize("distance_m", [78.7, 1000.0])
def test_b1_falls_by_40_db_a_decade_behind_its_break(distance_m):
    by_hand = 40.0 * np.log10(distance_m) + 7.56 + 2.7 * np.log10(5.9)
    assert b1(distance_m, free_space_floor=False) == pytest.approx(by_hand)


def test_b1_counts_both_heights_above_the_effective_ground():
    # 17.3 log10(2) less for an antenna twice as high, and so again for the other.
    gain = 17.3 * np.log10(2.0)
    assert b1(1000.0) - b1(1000.0, tx=2.5) == pytest.approx(gain)
    assert b1(1000.0) - b1(1000.0, rx=2.5) == pytest.approx(gain)
    assert b1(1000.0) - b1(1000.0, tx=2.5, rx=2.5) == pytest.approx(2 * gain)


def test_b1_is_never_below_free_space_unless_asked_for():
    free = 20.0 * np.log10(3.0) + 46.4 + 20.0 * np.log10(5.9 / 5.0)
    formula = 22.7 * np.log10(3.0) + 27.0 + 20.0 * np.log10(5.9)
    assert formula < free
    assert b1(3.0) == pytest.approx(free)
    assert b1(3.0, free_space_floor=False) == pytest.approx(formula)


def test_b1_counts_less_than_3_m_as_3_m():
    assert b1(0.5) == b1(3.0)
    assert b1(3.0) < b1(3.1)


@pytest.mark.parametrize("heights", [{"tx": 0.5}, {"rx": 0.4}])
def test_b1_refuses_an_antenna_that_is_not_above_the_effective_ground(heights):
    with pytest.raises(ValueError, match="environment_height_m must be below both antennas"):
        b1(100.0, **heights)


# Two rays: 3 m apart at 2 m above ground, so that the reflected ray is 5 m long and meets the ground with a sine of 0.8.
BOUNCE = (1.36 * 0.8 - 1.0) / (1.36 * 0.8 + 1.0)


@pytest.mark.parametrize(("wavelength_m", "field"), [(1.0, 1 / 3 + BOUNCE / 5), (4.0, 1 / 3 - BOUNCE / 5)])
def test_two_rays_add_up_with_the_phase_of_their_difference(wavelength_m, field):
    # Two metres more are two whole waves of 1 m and half a wave of 4 m; at a permittivity of 1.36 the root is 1.
    found = two_ray_loss_db(np.array([3.0]), LIGHT_GHZ_M / wavelength_m, 2.0, 2.0, 1.36)[0]
    assert found == pytest.approx(-20.0 * np.log10(wavelength_m / (4.0 * np.pi) * field))


def test_the_distance_of_two_rays_is_that_between_the_antennas():
    # 3 m along the ground and 4 m up: 5 m; the image is sqrt(9 + 36) m away.
    along, total = 3.0, 6.0
    reflected = np.hypot(along, total)
    sine, cosine = total / reflected, along / reflected
    root = np.sqrt(2.0 - cosine**2)
    bounce = (2.0 * sine - root) / (2.0 * sine + root)
    wavelength = LIGHT_GHZ_M / CARRIER_GHZ
    field = 1 / 5 + bounce / reflected * np.exp(-2j * np.pi * (reflected - 5.0) / wavelength)
    expected = -20.0 * np.log10(wavelength / (4.0 * np.pi) * abs(field))
    assert two_ray_loss_db(np.array([5.0]), CARRIER_GHZ, 1.0, 5.0, 2.0)[0] == pytest.approx(expected)


@pytest.mark.parametrize("model", [TwoRay(), WinnerB1()])
def test_behind_buildings_the_loss_of_tr_37885_holds_where_it_is_more_than_the_clear_one(model):
    building = 36.85 + 30.0 * np.log10(200.0) + 18.9 * np.log10(5.9)
    assert loss(model, 200.0, NLOSB) == pytest.approx(building)
    assert loss(model, 200.0, NLOSV) == loss(model, 200.0, LOS) < building


def test_free_space_behind_a_building_loses_what_tr_37885_says():
    assert loss(FreeSpace(), 200.0, NLOSB) == pytest.approx(36.85 + 30.0 * np.log10(200.0) + 18.9 * np.log10(5.9))


@pytest.mark.parametrize(
    ("model", "distance_m"),
    [
        (Tr37885Urban(), 10 ** ((100 - 38.77 - 18.2 * np.log10(5.9)) / 16.7)),
        (Tr37885Highway(), 10 ** ((100 - 32.4 - 20 * np.log10(5.9)) / 20)),
    ],
)
def test_reach_is_where_the_clear_line_has_lost_as_much(model, distance_m):
    assert model.reach_m(100.0, CARRIER_GHZ) == pytest.approx(distance_m)


def test_only_the_highway_models_draw_their_states_from_highway_curves():
    assert [name for name, model in parts_of(PathLoss).items() if not model.urban] == ["tr37885_highway"]


# Behind buildings, round a corner.


def virtual_source(tx, rx, width=20.0):
    reach = rx**2 / 180.0 if rx > 180.0 else rx
    wavelength = LIGHT_GHZ_M / CARRIER_GHZ
    return 3.75 + 26.9 * np.log10(tx**0.957 / (0.5 * width * width) ** 0.81 * 4 * np.pi * reach / wavelength)


@pytest.mark.parametrize(
    ("first", "second"), [(30.0, 50.0), (50.0, 30.0), (30.0, 179.0), (30.0, 181.0), (300.0, 400.0)]
)
def test_the_virtual_source_falls_twice_as_fast_beyond_180_m_and_counts_the_better_way(first, second):
    expected = min(virtual_source(first, second), virtual_source(second, first))
    assert corner_loss_db(np.array([first]), np.array([second]), CARRIER_GHZ)[0] == pytest.approx(expected)


def test_wider_streets_lose_less_round_the_corner():
    found = corner_loss_db(np.array([30.0]), np.array([50.0]), CARRIER_GHZ, street_width_m=40.0)[0]
    assert found == pytest.approx(min(virtual_source(30.0, 50.0, 40.0), virtual_source(50.0, 30.0, 40.0)))


def round_the_block(along, around):
    slope = max(2.8 - 0.0024 * along, 1.84)
    clear = b1(along, ground=0.0)
    return clear + 17.3 - 12.5 * slope + 10 * slope * np.log10(around) + 3 * np.log10(CARRIER_GHZ)


@pytest.mark.parametrize(("first", "second"), [(30.0, 80.0), (80.0, 30.0), (399.0, 450.0), (401.0, 450.0)])
def test_the_grid_formula_has_a_slope_of_at_least_1_84_and_counts_the_better_way(first, second):
    expected = min(round_the_block(first, second), round_the_block(second, first))
    found = manhattan_loss_db(np.array([first]), np.array([second]), CARRIER_GHZ, 1.5, 1.5, 0.0)[0]
    assert found == pytest.approx(expected)


def test_corner_and_grid_take_their_legs_and_heights_from_the_stations():
    first, second = np.array([[-30.0, 0.0, 1.5]]), np.array([[0.0, 80.0, 2.0]])
    legs, nowhere = (np.array([30.0]), np.array([80.0])), np.full(1, np.inf)
    corner = BuildingLossView(first, second, np.array([111.0]), CARRIER_GHZ, Detours(*legs, nowhere, nowhere, nowhere))
    assert building_loss_of(Corner(15.0), corner) == corner_loss_db(*legs, CARRIER_GHZ, 15.0)
    assert building_loss_of(Manhattan(0.5), corner) == manhattan_loss_db(*legs, CARRIER_GHZ, 1.5, 2.0, 0.5)


# Fading.


def shapes(model, distance_m, state=None):
    states = np.zeros(len(distance_m), np.int8) if state is None else np.array(state, np.int8)
    return model.shape(FadingView(np.array(distance_m, float), states)).tolist()


def test_nakagami_fades_harder_from_50_m_and_from_150_m_on():
    assert shapes(Nakagami(), [0.0, 49.9, 50.0, 149.9, 150.0, 900.0]) == [3.0, 3.0, 1.5, 1.5, 1.0, 1.0]


def test_a_distance_before_the_first_row_has_its_shape():
    assert shapes(Nakagami(((10.0, 2.0), (20.0, 1.0))), [5.0, 15.0, 25.0]) == [2.0, 2.0, 1.0]


@pytest.mark.parametrize("rows", [(), ((0.0, 1.0), (0.0, 2.0)), ((50.0, 1.0), (0.0, 2.0)), ((0.0, 0.49),)])
def test_nakagami_refuses_rows_that_do_not_rise_or_fade_too_hard(rows):
    with pytest.raises(ValueError, match="rise strictly"):
        Nakagami(rows)


def test_a_nakagami_shape_of_a_half_is_allowed():
    assert shapes(Nakagami(((0.0, 0.5),)), [1.0]) == [0.5]


def test_rician_fading_has_the_k_of_the_links_state():
    found = shapes(Rician(), [10.0] * 3, [LOS, NLOSV, NLOSB])
    np.testing.assert_allclose(found, [-(10**0.348), -1.0, -0.01])


@pytest.mark.parametrize("k_db", [101.0, -101.0, 4000.0])
def test_a_k_of_which_the_ratio_is_no_usual_number_is_refused(k_db):
    with pytest.raises(ValueError, match=r"k_db must have values from -100 .* to 100 dB"):
        Rician((0.0, 0.0, k_db))


def test_without_fading_the_shape_is_infinite():
    assert shapes(NoFading(), [1.0, 2.0]) == [np.inf, np.inf]
