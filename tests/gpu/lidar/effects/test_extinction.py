"""Extinction of fog, rain and snow, against definitions, drop size distributions and observed visibilities."""

import math

import numpy as np
import pytest

from v2xsim.gpu.lidar.effects.extinction import fog_extinction_per_m, rain_extinction_per_m, snow_extinction_per_m


def visibility_m(extinction_per_m):
    return math.log(20.0) / extinction_per_m


@pytest.mark.parametrize("visibility", [20.0, 200.0, 1000.0])
def test_after_its_optical_range_fog_leaves_5_percent_of_the_light(visibility):
    assert math.exp(-fog_extinction_per_m(visibility) * visibility) == pytest.approx(0.05)


def test_air_with_infinite_visibility_or_without_drops_is_clear():
    assert (fog_extinction_per_m(math.inf), rain_extinction_per_m(0.0), snow_extinction_per_m(0.0)) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(("rain", "db_per_km"), [(1.0, 1.2924), (10.0, 5.688), (25.0, 10.26)])
def test_rain_takes_what_the_itu_states(rain, db_per_km):
    kept = math.exp(-1000.0 * rain_extinction_per_m(rain))
    assert -10.0 * math.log10(kept) == pytest.approx(db_per_km, rel=1e-3)


@pytest.mark.parametrize("rain", [2.5, 10.0, 50.0])
def test_rain_takes_about_what_drops_of_marshall_and_palmer_shade_twice_over(rain):
    # Large drops take twice the light that they shade: the same again is diffracted.
    diameter_mm = np.linspace(0.0, 20.0, 20_001)
    number_per_m3_mm = 8000.0 * np.exp(-4.1 * rain**-0.21 * diameter_mm)
    shaded = np.trapezoid(0.25 * np.pi * (1e-3 * diameter_mm) ** 2 * number_per_m3_mm, diameter_mm)
    assert 2.0 * shaded == pytest.approx(rain_extinction_per_m(rain), rel=0.25)


def test_snow_of_1_mm_per_hour_takes_what_table_2_of_p_1817_states():
    # 5.5 dB/km dry, 3.9 dB/km wet at 905 nm.
    assert 1e4 * math.log10(math.e) * snow_extinction_per_m(1.0) == pytest.approx(5.545, rel=1e-3)
    assert 1e4 * math.log10(math.e) * snow_extinction_per_m(1.0, is_wet=True) == pytest.approx(3.878, rel=1e-3)


def test_in_dry_snow_of_2_mm_per_hour_one_sees_as_far_as_observers_do():
    # Rasmussen et al. 1999: 0.3 to 3 km at 2 mm/h of melted water.
    assert 300.0 < visibility_m(snow_extinction_per_m(2.0)) < 3000.0


def test_dry_snow_takes_more_than_wet_snow_above_0_6_mm_per_hour_and_more_than_rain():
    assert snow_extinction_per_m(0.5) < snow_extinction_per_m(0.5, is_wet=True)
    assert snow_extinction_per_m(0.7) > snow_extinction_per_m(0.7, is_wet=True)
    assert snow_extinction_per_m(2.0) > 3.0 * rain_extinction_per_m(2.0)


@pytest.mark.parametrize("rate", [-1.0, math.inf, math.nan])
def test_rates_that_cannot_be_are_refused(rate):
    with pytest.raises(ValueError, match="rate"):
        rain_extinction_per_m(rate)
    with pytest.raises(ValueError, match="rate"):
        snow_extinction_per_m(rate)


@pytest.mark.parametrize("visibility", [0.0, -5.0, math.nan])
def test_visibilities_that_cannot_be_are_refused(visibility):
    with pytest.raises(ValueError, match="visibility"):
        fog_extinction_per_m(visibility)
