"""Returns of beams that meet several surfaces, in cast scenes with an edge, against closed forms."""

import numpy as np
import pytest
from solids import scene_of

from v2xsim.gpu.lidar.cast import cast
from v2xsim.gpu.lidar.effects.divergence import SubRays, share_below, sub_rays
from v2xsim.gpu.lidar.effects.echoes import LAST, SECOND, STRONGEST, dual_ranges, echoes, pulse_separation_m
from v2xsim.gpu.lidar.effects.intensity import received_power
from v2xsim.gpu.lidar.models import evenly_spaced
from v2xsim.spatial.poses import pose_matrix

MRAD = 1e-3
WIDTH = 3.0 * MRAD
BEAM = evenly_spaced(1, 1800, 0.0, 0.0, 120.0)
# Sub-rays of 0.035 mrad: a step of 0.2 degrees in 101 parts.
STEPS = 101
PLATE, WALL = 100, 101


def seen(boxes, profile="uniform", separation_m=1.0, least=0.0, reflectivity=(0.5, 0.5)):
    """Return the returns of a lidar at a height of 1 m, and the sub-rays with what they met."""
    scene = scene_of(boxes)
    sub = sub_rays(BEAM, 1, STEPS, WIDTH, WIDTH, profile)
    scan = cast(sub.beams, pose_matrix(0.0, 0.0, 1.0, 0.0), scene.boxes, scene.agent, scene.obstacles)
    range_m = scan.range_m.astype(float)
    brightness = np.where(scan.object_id == PLATE, *reflectivity)
    return echoes(range_m, received_power(brightness, 1.0, range_m), sub, separation_m, least), scan


def edge_scene(edge_rad, behind_m):
    """Return a plate 20 m ahead that ends at an azimuth, its left side, and a wall behind it."""
    edge_y = 20.0 * np.tan(edge_rad)
    return [(20.005, edge_y - 5.0, 0.0, 0.01, 10.0, 3.0, 0.0), (behind_m + 0.5, 0.0, 0.0, 1.0, 60.0, 3.0, 0.0)]


def test_a_beam_half_on_an_edge_with_a_wall_20_m_behind_gives_two_returns_of_half_a_beam_each():
    found, scan = seen(edge_scene(1e-7, 40.0))
    assert found.number[0, 0] == 2
    assert found.range_m[[STRONGEST, LAST, SECOND], 0, 0] == pytest.approx([20.0, 40.0, 40.0], abs=1e-3)
    half = 0.5 * np.array([0.5 / 20.0**2, 0.5 / 40.0**2])
    # One sub-ray lies on the edge itself: 1 % of the power.
    assert found.power[[STRONGEST, LAST], 0, 0] == pytest.approx(half, rel=0.025)
    assert scan.object_id[found.row[:2, 0, 0], found.column[:2, 0, 0]].tolist() == [PLATE, WALL]


def test_a_beam_half_on_an_edge_with_a_wall_30_cm_behind_gives_one_point_between_them():
    found, _ = seen(edge_scene(1e-7, 20.3))
    near, far = 0.5 / 20.0**2, 0.5 / 20.3**2
    assert found.number[0, 0] == 1
    assert found.range_m[LAST, 0, 0] == pytest.approx((near * 20.0 + far * 20.3) / (near + far), abs=0.004)


@pytest.mark.parametrize("profile", ["uniform", "gaussian"])
@pytest.mark.parametrize("edge", [-1.2, -0.6, -0.2, 0.3, 0.9, 1.3])
def test_the_power_on_an_object_is_the_integral_of_the_profile_up_to_its_edge(profile, edge):
    found, _ = seen(edge_scene(edge * MRAD, 40.0), profile)
    share = share_below(np.array([edge * MRAD]), WIDTH, profile)[0]
    near, far = found.power[STRONGEST if share > 0.2 else SECOND, 0, 0], found.power[LAST, 0, 0]
    # Half a sub-ray of an even beam is 0.6 % of it, one at the top of a Gaussian 0.9 %.
    assert near / (0.5 / 20.0**2) == pytest.approx(share, abs=0.011)
    assert far / (0.5 / 40.0**2) == pytest.approx(1.0 - share, abs=0.011)


@pytest.mark.parametrize(("gap_m", "count"), [(0.9, 1), (1.1, 2)])
def test_surfaces_are_told_apart_only_beyond_the_separation_of_the_sensor(gap_m, count):
    found, _ = seen(edge_scene(1e-7, 20.0 + gap_m))
    assert found.number[0, 0] == count


def test_a_pole_of_10_cm_gets_a_third_of_a_beam_that_is_30_cm_wide():
    found, _ = seen([(100.0, 0.0, 0.0, 0.1, 0.1, 3.0, 0.0)])
    assert found.power[LAST, 0, 0] == pytest.approx(0.5 / 99.95**2 / 3.0, rel=0.02)


def test_a_weak_part_of_a_beam_is_no_return():
    # On the wall lie 5 % of the beam: 5 % of 0.5 / 40^2 are 1.6e-5.
    scene = edge_scene(1.35 * MRAD, 40.0)
    assert seen(scene, least=1.0e-5)[0].number[0, 0] == 2
    found, _ = seen(scene, least=2.5e-5)
    assert found.number[0, 0] == 1
    assert found.range_m[:, 0, 0] == pytest.approx([20.0, 20.0, np.inf], abs=1e-3)


def test_where_the_strongest_return_is_also_the_last_a_dual_sensor_reports_the_second_strongest():
    bright_wall, _ = seen(edge_scene(1e-7, 40.0), reflectivity=(0.1, 0.9))
    assert bright_wall.range_m[STRONGEST, 0, 0] == bright_wall.range_m[LAST, 0, 0]
    assert dual_ranges(bright_wall)[:, 0, 0] == pytest.approx([40.0, 20.0], abs=1e-3)
    bright_plate, _ = seen(edge_scene(1e-7, 40.0))
    assert dual_ranges(bright_plate)[:, 0, 0] == pytest.approx([40.0, 20.0], abs=1e-3)


def test_a_beam_wholly_on_one_wall_gives_one_return_with_all_its_power():
    found, _ = seen([(30.5, 0.0, 0.0, 1.0, 60.0, 3.0, 0.0)], "gaussian")
    assert found.number[0, 0] == 1
    assert np.isinf(dual_ranges(found)[1, 0, 0])
    assert found.range_m[STRONGEST, 0, 0] == pytest.approx(30.0, abs=1e-4)
    assert found.power[STRONGEST, 0, 0] == pytest.approx(0.5 / 30.0**2, rel=1e-5)


def test_a_beam_that_meets_nothing_has_no_return():
    found, _ = seen([(30.5, 0.0, 0.0, 1.0, 60.0, 3.0, 0.0)])
    assert found.number[0, 900] == 0
    assert np.isinf(found.range_m[:, 0, 900]).all()
    assert (found.row[:, 0, 900] == -1).all()


def one_ray(range_m, power):
    """Return the returns of one beam whose sub-rays in elevation met surfaces at these ranges."""
    n = len(range_m)
    sub = SubRays(
        evenly_spaced(n, 1, -1.0, 1.0, 200.0),
        np.arange(n)[None],
        np.full(n, 1.0 / n),
        1,
        np.zeros(1, np.int64),
        np.ones(1),
    )
    return echoes(np.array(range_m)[:, None], np.array(power)[:, None], sub, 1.0, 0.0)


def test_a_slanted_surface_without_gaps_makes_one_return_however_long_it_is():
    found = one_ray([50.0 + 0.7 * i for i in range(9)], [1.0] * 9)
    assert found.number[0, 0] == 1
    assert found.range_m[LAST, 0, 0] == pytest.approx(52.8)


def test_of_three_surfaces_the_strongest_the_last_and_the_second_strongest_are_kept_in_any_order():
    for order in ([0, 1, 2], [2, 0, 1], [1, 2, 0]):
        found = one_ray(np.array([10.0, 20.0, 30.0])[order], np.array([2.0, 3.0, 1.0])[order])
        assert found.range_m[:, 0, 0].tolist() == [20.0, 30.0, 10.0]
        assert found.power[:, 0, 0] == pytest.approx([1.0, 1.0 / 3.0, 2.0 / 3.0])
        assert found.row[:, 0, 0].tolist() == [order.index(1), order.index(2), order.index(0)]


def test_of_two_equal_returns_the_nearer_is_the_strongest():
    # A power that single precision rounds down.
    assert one_ray([10.0, 20.0], [0.1, 0.1]).range_m[:, 0, 0].tolist() == [10.0, 20.0, 20.0]


def test_a_pulse_of_6_ns_separates_surfaces_90_cm_apart():
    assert pulse_separation_m(6e-9) == pytest.approx(0.8994, abs=1e-4)
