"""All effects of the sensor one after the other: without strength they change nothing, with it each leaves its trace."""

import numpy as np
from solids import directions, random_scene

from v2xsim.gpu.lidar.cast import cast
from v2xsim.gpu.lidar.effects.clutter import Sensor, fog
from v2xsim.gpu.lidar.effects.divergence import sub_rays
from v2xsim.gpu.lidar.effects.echoes import STRONGEST, echoes
from v2xsim.gpu.lidar.effects.intensity import least_power, received_power, reported_intensity
from v2xsim.gpu.lidar.effects.motion import EgoMotion, column_time_s, compensated
from v2xsim.gpu.lidar.effects.weather import SURFACE, in_weather
from v2xsim.gpu.lidar.models import evenly_spaced
from v2xsim.spatial.poses import pose_matrix

BEAMS = evenly_spaced(16, 720, -15.0, 5.0, 100.0)
SCENE = random_scene(np.random.default_rng(4), 30, 6, 40.0)
POSE = pose_matrix(0.0, 0.0, 14.0, 0.3)


def cast_of(beams):
    """Return the ideal scan of a pattern."""
    return cast(beams, POSE, SCENE.boxes, SCENE.agent, SCENE.obstacles)


def with_all_effects(rows, step, divergence_rad, sensor, visibility_m, motion):
    """Return points, and ranges and sources after all effects, for surfaces of reflectivity 0.5."""
    sub = sub_rays(BEAMS, rows, step, divergence_rad, divergence_rad)
    range_m = cast_of(sub.beams).range_m
    found = echoes(range_m, received_power(0.5, 1.0, range_m), sub, 1.0, sensor.least_power)
    kept = in_weather(found.range_m[STRONGEST], found.power[STRONGEST], fog(sensor, visibility_m), 9)
    has = np.isfinite(kept.range_m)
    points = directions(BEAMS)[has] * kept.range_m[has][:, None]
    time_s = np.broadcast_to(column_time_s(np.arange(BEAMS.columns), BEAMS.columns, 0.1), has.shape)[has]
    return compensated(points, time_s, motion, 0.1), kept


def test_effects_without_strength_leave_the_scan_as_it_was_cast_to_the_last_bit():
    # So small that the beam lies within its own column, so sensitive that nothing is lost, in clear air, at rest.
    points, kept = with_all_effects(1, 1, 1e-6, Sensor(1e-12, 100.0), np.inf, EgoMotion(0.0))
    scan = cast_of(BEAMS)
    assert np.array_equal(kept.range_m, scan.range_m)
    assert np.array_equal(kept.source == SURFACE, np.isfinite(scan.range_m))
    has = np.isfinite(scan.range_m)
    assert np.array_equal(points, directions(BEAMS)[has] * scan.range_m[has][:, None])


def test_with_all_effects_fewer_surfaces_are_left_than_with_any_one_of_them():
    sensor, ideal = Sensor(least_power(100.0, 0.1), 100.0), Sensor(1e-12, 100.0)
    left = [
        (with_all_effects(*effect, EgoMotion(20.0))[1].source == SURFACE).sum()
        for effect in ((3, 5, 3e-3, sensor, 80.0), (3, 5, 3e-3, ideal, np.inf), (1, 1, 1e-6, sensor, 80.0))
    ]
    assert left[0] <= min(left[1:])
    assert left[0] < 0.9 * np.isfinite(cast_of(BEAMS).range_m).sum()


def test_the_intensity_of_a_surface_in_fog_falls_with_its_range():
    _, kept = with_all_effects(1, 1, 1e-6, Sensor(least_power(100.0, 0.1), 100.0), 150.0, EgoMotion(0.0))
    is_surface = kept.source == SURFACE
    range_m = kept.range_m[is_surface].astype(float)
    # What the sensor makes of power and range.
    value = reported_intensity(kept.power[is_surface] * range_m**2)
    expected = np.rint(50.0 * np.exp(-2.0 * np.log(20.0) / 150.0 * range_m))
    assert np.abs(value.astype(float) - expected).max() <= 1.0
    assert np.ptp(value.astype(float)) > 10.0
