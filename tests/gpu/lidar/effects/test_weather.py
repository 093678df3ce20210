"""Returns in fog, rain and snow, against closed forms and against droplets drawn one by one."""

import math

import numpy as np
import pytest

from v2xsim.gpu.lidar.effects.clutter import FLAKE, WATER, Sensor, clear, fog, rain, snow
from v2xsim.gpu.lidar.effects.extinction import fog_extinction_per_m, rain_extinction_per_m
from v2xsim.gpu.lidar.effects.intensity import least_power, longest_range_m, received_power
from v2xsim.gpu.lidar.effects.weather import AIR, LOST, SURFACE, in_weather

# 100 m at 10 %, as a lidar of the middle class; beam and pulse of the defaults.
SENSOR = Sensor(least_power(100.0, 0.1), 150.0)
RAYS = (64, 1800)
COUNT = RAYS[0] * RAYS[1]


def wall(range_m, reflectivity=0.5):
    """Return ranges and powers of a scan in which all rays meet a surface at one range, or nothing at an infinite one."""
    ranges = np.full(RAYS, range_m)
    return ranges, received_power(reflectivity, 1.0, ranges)


def four_errors(share):
    """Return four standard errors of a share of all rays: one seed in 16,000 is farther off."""
    return 4.0 * math.sqrt(share * (1.0 - share) / COUNT)


def test_in_clear_air_every_return_is_as_it_was():
    rng = np.random.default_rng(2)
    range_m = rng.uniform(0.5, 150.0, RAYS)
    power = received_power(0.9, 1.0, range_m)
    for air in (clear(SENSOR), fog(SENSOR, math.inf), rain(SENSOR, 0.0), snow(SENSOR, 0.0)):
        kept = in_weather(range_m, power, air, 7)
        assert np.array_equal(kept.range_m, range_m.astype(np.float32))
        assert np.array_equal(kept.power, power.astype(np.float32))
        assert (kept.source == SURFACE).all()


@pytest.mark.parametrize("air", [fog(SENSOR, 80.0), rain(SENSOR, 30.0), snow(SENSOR, 3.0)], ids=["fog", "rain", "snow"])
def test_a_surface_is_reported_exactly_up_to_the_longest_range_in_that_weather(air):
    reach_m = longest_range_m(np.array([0.5]), 1.0, SENSOR.least_power, air.extinction_per_m)[0]
    for range_m, seen in ((0.999 * reach_m, SURFACE), (1.001 * reach_m, LOST)):
        # The last return: echoes of the air hide no surface.
        kept = in_weather(*wall(range_m), air, 3, "last")
        assert (kept.source == SURFACE).all() if seen == SURFACE else (kept.source != SURFACE).all()


def test_what_is_left_of_a_surface_in_fog_is_its_power_times_the_transmission_there_and_back():
    kept = in_weather(*wall(30.0), fog(SENSOR, 100.0), 3, "last")
    expected = 0.5 / 30.0**2 * math.exp(-2.0 * math.log(20.0) / 100.0 * 30.0)
    assert kept.power[0, 0] == pytest.approx(expected, rel=1e-6)


def fog_echoes(level, end_m, visibility, sensor=SENSOR):
    """Return the mean number of fog echoes stronger than a power, by the formulas of the page and a fine sum."""
    range_m = np.linspace(sensor.nearest_m, end_m, 200_001)
    gate_m = 0.5 * 299_792_458.0 * sensor.pulse_s
    mean = np.pi * 0.046 / visibility * gate_m * np.exp(-2.0 * fog_extinction_per_m(visibility) * range_m) / range_m**2
    return float(np.trapezoid(-np.log1p(-np.exp(-level / mean)) / gate_m, range_m))


@pytest.mark.parametrize(("visibility", "range_m"), [(50.0, 10.0), (100.0, 20.0), (300.0, 40.0), (1000.0, 60.0)])
def test_fog_hides_the_share_of_walls_that_its_backscatter_predicts(visibility, range_m):
    kept = in_weather(*wall(range_m), fog(SENSOR, visibility), 11)
    level = 0.5 / range_m**2 * math.exp(-2.0 * fog_extinction_per_m(visibility) * range_m)
    share = 1.0 - math.exp(-fog_echoes(level, range_m, visibility))
    assert 0.005 < share < 0.995
    assert (kept.source == AIR).mean() == pytest.approx(share, abs=four_errors(share) + 0.001)


def test_fog_echoes_lie_where_their_rate_puts_the_nearest_of_them():
    kept = in_weather(*wall(40.0), fog(SENSOR, 300.0), 11)
    level = 0.5 / 40.0**2 * math.exp(-2.0 * fog_extinction_per_m(300.0) * 40.0)
    found = kept.range_m[kept.source == AIR]
    everywhere = 1.0 - math.exp(-fog_echoes(level, 40.0, 300.0))
    for end_m in (1.5, 2.0, 3.0, 4.0, 6.0):
        share = (1.0 - math.exp(-fog_echoes(level, end_m, 300.0))) / everywhere
        assert (found < end_m).mean() == pytest.approx(share, abs=4.0 * math.sqrt(0.25 / len(found)) + 0.002)


def test_the_strongest_of_gates_with_exponential_power_hides_a_wall_as_often_as_the_model_says():
    # An independent simulation: half a pulse long gates from the nearest range on, each with its own exponential power.
    visibility, range_m, rng = 100.0, 20.0, np.random.default_rng(5)
    gate_m = 0.5 * 299_792_458.0 * SENSOR.pulse_s
    middle_m = np.arange(SENSOR.nearest_m + 0.5 * gate_m, range_m, gate_m)
    extinction = fog_extinction_per_m(visibility)
    mean = np.pi * 0.046 / visibility * gate_m * np.exp(-2.0 * extinction * middle_m) / middle_m**2
    level = 0.5 / range_m**2 * math.exp(-2.0 * extinction * range_m)
    drawn = (rng.exponential(mean, (50_000, len(middle_m))) > level).any(axis=1).mean()
    hidden = (in_weather(*wall(range_m), fog(SENSOR, visibility), 11).source == AIR).mean()
    # The gates are whole, and the rate is per metre.
    assert hidden == pytest.approx(drawn, rel=0.05)


def drops_one_by_one(rate, end_m, level, rays, rng):
    """Return for each ray the range of the nearest raindrop that echoes more strongly than a level; infinite without one."""
    slope, extinction, divergence = 4.1 * rate**-0.21, rain_extinction_per_m(rate), SENSOR.divergence_rad
    cone_m3 = np.pi / 12.0 * divergence**2 * (end_m**3 - SENSOR.nearest_m**3)
    nearest = np.full(rays, np.inf)
    for ray, count in enumerate(rng.poisson(8000.0 / slope * cone_m3, rays)):
        at = (SENSOR.nearest_m**3 + rng.random(count) * (end_m**3 - SENSOR.nearest_m**3)) ** (1.0 / 3.0)
        diameter = 1e-3 * rng.exponential(1.0 / slope, count)
        power = WATER * np.exp(-2.0 * extinction * at) * np.minimum(diameter / (divergence * at), 1.0) ** 2 / at**2
        nearest[ray] = at[power > level].min(initial=np.inf)
    return nearest


def test_rain_gives_the_echoes_of_drops_drawn_one_by_one():
    rate, end_m, rays = 20.0, 12.0, 20_000
    drawn = drops_one_by_one(rate, end_m, SENSOR.least_power, rays, np.random.default_rng(4))
    range_m = np.full(RAYS, end_m)
    kept = in_weather(range_m, np.full(RAYS, 1e-9), rain(SENSOR, rate), 5)
    share = np.isfinite(drawn).mean()
    assert 0.02 < share < 0.9
    assert (kept.source == AIR).mean() == pytest.approx(share, abs=4.0 * math.sqrt(share * (1.0 - share) / rays))
    mean_m, spread_m = drawn[np.isfinite(drawn)].mean(), drawn[np.isfinite(drawn)].std()
    echo_m = kept.range_m[kept.source == AIR]
    assert echo_m.mean() == pytest.approx(mean_m, abs=4.0 * spread_m / math.sqrt(share * rays))


def test_rain_hides_hardly_any_wall_but_gives_echoes_where_there_is_only_sky():
    air = rain(SENSOR, 10.0)
    assert (in_weather(*wall(20.0), air, 5).source == AIR).mean() < 0.01
    assert (in_weather(*wall(np.inf), air, 5).source == AIR).mean() > 0.05


def test_snow_gives_more_and_farther_echoes_than_as_much_rain():
    wet, white = (in_weather(*wall(np.inf), air, 5) for air in (rain(SENSOR, 2.0), snow(SENSOR, 2.0)))
    assert (white.source == AIR).mean() > 2.0 * (wet.source == AIR).mean()
    assert np.median(white.range_m[white.source == AIR]) > np.median(wet.range_m[wet.source == AIR])


@pytest.mark.parametrize(
    ("thin", "thick"),
    [
        (fog(SENSOR, 400.0), fog(SENSOR, 100.0)),
        (rain(SENSOR, 2.0), rain(SENSOR, 40.0)),
        (snow(SENSOR, 0.5), snow(SENSOR, 2.0)),
    ],
    ids=["fog", "rain", "snow"],
)
def test_worse_weather_leaves_fewer_surfaces(thin, thick):
    range_m = np.broadcast_to(np.linspace(2.0, 150.0, RAYS[1]), RAYS)
    left = [
        (in_weather(range_m, received_power(0.3, 1.0, range_m), air, 9).source == SURFACE).mean()
        for air in (thin, thick)
    ]
    assert left[1] < left[0] < 1.0


@pytest.mark.parametrize("mode", ["strongest", "last"])
@pytest.mark.parametrize("air", [fog(SENSOR, 60.0), rain(SENSOR, 50.0), snow(SENSOR, 4.0)], ids=["fog", "rain", "snow"])
def test_an_echo_of_the_air_lies_before_its_surface_and_is_detectable(air, mode):
    rng = np.random.default_rng(6)
    range_m = rng.uniform(0.2, 150.0, RAYS)
    power = received_power(0.5, 1.0, range_m)
    kept = in_weather(range_m, power, air, 8, mode)
    echo = kept.source == AIR
    assert echo.any()
    assert (kept.range_m[echo] <= range_m[echo].astype(np.float32)).all()
    assert (kept.range_m[echo] >= SENSOR.nearest_m).all()
    assert (kept.power[echo] >= np.float32(0.999 * SENSOR.least_power)).all()
    left = power * np.exp(-2.0 * air.extinction_per_m * range_m)
    if mode == "strongest":
        assert (kept.power[echo] >= 0.999 * left[echo]).all()
    else:
        assert (left[echo] < SENSOR.least_power).all()


def test_no_flake_returns_more_than_a_white_surface_that_fills_the_beam():
    kept = in_weather(*wall(np.inf), snow(SENSOR, 8.0), 8)
    echo = kept.source == AIR
    assert (kept.power[echo] * kept.range_m[echo].astype(float) ** 2 <= FLAKE * 1.0001).all()


def test_no_flake_hides_a_reflector_that_returns_more_than_any_flake_can():
    # Twice the power of a white surface at the nearest range of the sensor.
    kept = in_weather(np.full(RAYS, 5.0), np.full(RAYS, 2.0 * math.exp(0.4)), snow(SENSOR, 8.0), 8)
    assert (kept.source == SURFACE).all()


def test_of_a_lost_wall_a_sensor_of_last_returns_reports_a_farther_echo_than_one_of_strongest_returns():
    nearest, farthest = (in_weather(*wall(140.0, 0.1), fog(SENSOR, 100.0), 8, mode) for mode in ("strongest", "last"))
    assert (nearest.source == AIR).mean() == (farthest.source == AIR).mean()
    assert np.median(farthest.range_m) > 2.0 * np.median(nearest.range_m)


def test_the_weather_of_a_ray_depends_on_its_number_and_the_key_alone():
    air, (range_m, power) = rain(SENSOR, 20.0), wall(np.inf)
    whole = in_weather(range_m, power, air, 8)
    first = in_weather(range_m[:5], power[:5], air, 8)
    assert np.array_equal(whole.range_m[:5], first.range_m)
    assert not np.array_equal(whole.range_m, in_weather(range_m, power, air, 9).range_m)


def test_a_sensor_without_a_threshold_or_with_a_nearest_range_beyond_its_reach_is_refused():
    with pytest.raises(ValueError, match="least_power"):
        Sensor(0.0, 100.0)
    with pytest.raises(ValueError, match="nearest_m"):
        Sensor(1e-5, 100.0, nearest_m=200.0)
