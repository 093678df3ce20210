"""Elevation tables of named lidars, against what their makers state of the field of view and the spacing of beams."""

import numpy as np
import pytest

from v2xsim.gpu.lidar.effects.intensity import least_power, longest_range_m
from v2xsim.gpu.lidar.models import CATALOGUE
from v2xsim.gpu.lidar.tables import STATED, TABLES


def degrees(name):
    return np.degrees(TABLES[name].elevation_rad)


@pytest.mark.parametrize(
    ("name", "beams", "lowest_deg", "highest_deg"),
    [
        ("vlp16", 16, -15.0, 15.0),
        ("hdl32e", 32, -30.67, 10.67),
        ("vlp32c", 32, -25.0, 15.0),
        ("hdl64e", 64, -24.79, 2.02),
        ("vls128", 128, -25.0, 15.0),
        ("pandar64", 64, -24.9, 14.88),
        ("pandarxt32", 32, -16.0, 15.0),
        ("os1_64", 64, -17.19, 16.37),
        ("os1_128", 128, -22.5, 22.5),
    ],
)
def test_a_named_lidar_has_its_number_of_beams_and_its_field_of_view(name, beams, lowest_deg, highest_deg):
    elevation = degrees(name)
    assert len(elevation) == beams
    assert (elevation[0], elevation[-1]) == pytest.approx((lowest_deg, highest_deg), abs=0.01)
    assert (np.diff(elevation) > 0.05).all()


def test_the_beams_of_an_hdl_32e_are_a_degree_and_a_third_apart_and_one_is_horizontal():
    elevation = degrees("hdl32e")
    assert np.diff(elevation) == pytest.approx(np.full(31, 4.0 / 3.0))
    assert np.abs(elevation).min() == pytest.approx(0.0, abs=1e-9)


def test_half_of_the_beams_of_a_vlp_32c_lie_within_2_degrees_of_1_degree_below_the_horizon():
    elevation = degrees("vlp32c")
    assert (np.abs(elevation + 0.83) < 2.6).sum() >= 16
    assert np.diff(elevation)[(elevation[:-1] > -4.01) & (elevation[1:] < 1.7)] == pytest.approx(1.0 / 3.0, abs=0.002)


def test_the_blocks_of_an_hdl_64e_are_a_third_and_half_a_degree_apart():
    step = np.diff(degrees("hdl64e"))
    assert step[:31] == pytest.approx(np.full(31, 0.51), abs=0.02)
    assert step[32:] == pytest.approx(np.full(31, 0.34), abs=0.011)


def test_the_middle_beams_of_a_vls_128_are_a_ninth_of_a_degree_apart():
    elevation = degrees("vls128")
    middle = (elevation > -6.51) & (elevation < 4.9)
    assert np.diff(elevation[middle]) == pytest.approx(np.full(middle.sum() - 1, 0.11), abs=1e-3)
    assert middle.sum() == 104


def test_the_middle_beams_of_a_pandar64_are_a_sixth_of_a_degree_apart():
    elevation = degrees("pandar64")
    middle = elevation[(elevation > -6.07) & (elevation < 2.03)]
    assert len(middle) == 49
    assert np.diff(middle) == pytest.approx(np.full(48, 0.168), abs=0.011)


def test_the_two_ranges_on_the_data_sheet_of_an_os1_fit_the_lidar_equation():
    assert longest_range_m(np.array([0.1]), 1.0, least_power(*STATED["os1_64"]))[0] == pytest.approx(40.0, rel=0.07)


def test_no_name_stands_for_two_lidars():
    assert not set(TABLES) & set(CATALOGUE)
    assert set(STATED) <= set(TABLES)
