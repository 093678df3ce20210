"""Power, reported intensity and detection of lidar returns, against the lidar equation and data sheets."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from v2xsim.gpu.lidar.effects.intensity import (
    detection_probability,
    is_detected,
    least_power,
    longest_range_m,
    received_power,
    reported_intensity,
)


def test_a_white_surface_met_squarely_at_a_metre_has_power_one():
    assert received_power(1.0, 1.0, np.array([1.0]))[0] == 1.0


def test_power_falls_with_the_square_of_the_range_and_with_the_cosine_of_incidence():
    range_m = np.array([10.0, 20.0, 40.0])
    steep, grazing = received_power(0.5, 1.0, range_m), received_power(0.5, np.cos(np.radians(60.0)), range_m)
    assert steep == pytest.approx([0.005, 0.00125, 0.0003125])
    assert grazing == pytest.approx(0.5 * steep)


@pytest.mark.parametrize("extinction", [0.0, 0.01])
def test_a_ray_that_meets_nothing_has_no_power(extinction):
    assert received_power(0.5, 1.0, np.array([np.inf]), extinction)[0] == 0.0


def test_fog_takes_its_share_of_the_power_on_the_way_there_and_back():
    clear, fog = (received_power(0.8, 1.0, np.array([50.0]), extinction)[0] for extinction in (0.0, 0.03))
    assert fog / clear == pytest.approx(np.exp(-3.0))


def test_a_sensor_stated_for_220_m_at_10_percent_sees_a_40_percent_target_twice_as_far():
    # The VLS-128 class of `models.CATALOGUE`.
    reach_m = longest_range_m(np.array([0.1, 0.4, 0.9]), 1.0, least_power(220.0, 0.1))
    assert reach_m == pytest.approx([220.0, 440.0, 660.0])


def test_a_target_is_detected_up_to_the_stated_range_and_no_farther():
    power = received_power(0.1, 1.0, np.array([219.9, 220.0, 220.1]))
    assert is_detected(power, least_power(220.0, 0.1)).tolist() == [True, True, False]


def test_at_60_degrees_a_target_is_detected_up_to_the_root_of_half_the_range():
    assert longest_range_m(np.array([0.1]), 0.5, least_power(100.0, 0.1)) == pytest.approx([100.0 / np.sqrt(2.0)])


@given(
    reflectivity=st.floats(0.01, 2.0),
    extinction=st.floats(1e-5, 0.5),
    stated_m=st.floats(20.0, 300.0),
    cos=st.floats(0.05, 1.0),
)
def test_in_any_weather_the_power_at_the_longest_range_is_exactly_the_least(reflectivity, extinction, stated_m, cos):
    least = least_power(stated_m, 0.1)
    reach_m = longest_range_m(np.array([reflectivity]), cos, least, extinction)
    assert received_power(reflectivity, cos, reach_m, extinction)[0] == pytest.approx(least, rel=1e-9)


def test_half_of_the_returns_at_the_threshold_are_detected_and_one_deviation_more_gives_84_percent():
    least = least_power(100.0, 0.1)
    share = detection_probability(np.array([0.8, 1.0, 1.2]) * least, least, 5.0)
    assert share == pytest.approx([0.158655, 0.5, 0.841345], abs=1e-6)


def test_the_share_of_detected_returns_is_that_of_a_noisy_receiver_with_a_threshold():
    # 40,000 pulses: the standard error of a share is at most 0.0025; four of them fail once in 16,000 seeds.
    rng, least, threshold_to_noise = np.random.default_rng(7), 1e-5, 4.0
    signal = threshold_to_noise * 1.1 + rng.normal(size=40_000)
    expected = detection_probability(np.array([1.1 * least]), least, threshold_to_noise)[0]
    assert (signal >= threshold_to_noise).mean() == pytest.approx(expected, abs=0.01)


def test_reported_intensity_is_the_reflectivity_in_percent_at_every_range():
    assert reported_intensity(np.array([0.0, 0.1, 0.5, 1.0])).tolist() == [0, 10, 50, 100]


def test_only_retroreflectors_report_more_than_a_white_surface():
    retro = reported_intensity(np.array([1.0, 0.9, 0.9, 0.9]), 1.0, np.array([0.0, 1e-6, 0.5, 1.0]))
    assert retro.tolist() == [100, 101, 178, 255]


def test_a_vls_128_reports_110_for_white_and_255_for_an_ideal_retroreflector():
    reported = reported_intensity(np.array([1.0, 0.5, 0.0]), 1.0, np.array([0.0, 0.0, 1.0]), diffuse_top=110)
    assert reported.tolist() == [110, 55, 255]


def test_reported_intensity_falls_with_the_cosine_of_incidence():
    angle = np.radians([0.0, 30.0, 60.0, 80.0])
    assert reported_intensity(np.full(4, 0.8), np.cos(angle)).tolist() == [80, 69, 40, 14]


@pytest.mark.parametrize(("range_m", "reflectivity"), [(0.0, 0.1), (100.0, 0.0), (np.inf, 0.1), (100.0, np.nan)])
def test_a_stated_range_that_is_no_number_is_refused(range_m, reflectivity):
    with pytest.raises(ValueError, match="data sheet"):
        least_power(range_m, reflectivity)
