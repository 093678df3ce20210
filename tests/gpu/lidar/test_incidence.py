"""The angle at which rays meet surfaces."""

import numpy as np
import pytest
from solids import directions, open3d_hits, random_scene, scene_of

from v2xsim.gpu.lidar.cast import cast
from v2xsim.gpu.lidar.incidence import incidence_cosines
from v2xsim.gpu.lidar.models import evenly_spaced, mount_transform
from v2xsim.records import BUILDING, GROUND, NOTHING

BEAMS = evenly_spaced(24, 180, -40.0, 30.0, 60.0)
HOUSE = ([(10, -5), (20, -5), (20, 5), (10, 5)], 0.0, 8.0)


def cosines(points_m, object_id, scene, lidars_m=((0.0, 0.0, 2.0),), lidar=None, noise_m=0.1):
    """Return the cosines at returns of one lidar, at the origin 2 m above ground unless said otherwise."""
    names = np.array(object_id, np.int64)
    return incidence_cosines(
        np.array(points_m, float), names, np.zeros(len(names), np.uint8) if lidar is None else np.array(lidar, np.uint8),
        np.array(lidars_m, float), scene.boxes, scene.agent, scene.obstacles, noise_m,
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("noise_m", [0.0, 0.1])
def test_open3d_finds_the_same_angles_in_a_random_scene_whatever_the_noise_of_the_ranges(seed, noise_m):
    rng = np.random.default_rng(seed)
    scene = random_scene(rng, 25, 12, 40.0)
    pose = mount_transform(0.0, 0.0, rng.uniform(1.0, 12.0), *rng.uniform(-0.3, 0.3, 3))
    scan = cast(BEAMS, pose, scene.boxes, scene.agent, scene.obstacles)
    _, met, expected = open3d_hits(BEAMS, pose, scene)
    agrees = (scan.object_id == met) & (met != NOTHING)
    toward = directions(BEAMS) @ pose[:3, :3].T
    range_m = scan.range_m[agrees] + noise_m * rng.standard_normal(agrees.sum())
    points_m = pose[:3, 3] + range_m[:, None] * toward[agrees]
    found = cosines(points_m, met[agrees], scene, [pose[:3, 3]])
    assert len(found) > 1000
    # Near an edge, noise may move a return to the next wall of the building; and single precision, a ray to the next side.
    wrong = np.abs(found - expected[agrees]) > 1e-3
    assert wrong.mean() < (0.03 if noise_m else 0.003)
    assert not np.isnan(found).any()


def test_the_ground_straight_below_is_met_at_right_angles_and_far_away_it_is_grazed():
    found = cosines([(0, 0, 0), (2, 0, 0), (100, 0, 0)], [GROUND] * 3, scene_of())
    np.testing.assert_allclose(found, [1.0, np.sqrt(0.5), 2 / np.hypot(2, 100)], rtol=1e-6)


@pytest.mark.parametrize(
    ("point_m", "cosine"),
    [((9.0, 0, 2), 1.0), ((9.0, 3.0, 2), 9 / np.hypot(9, 3)), ((10, 0, 1.5), 0.5 / np.hypot(10, 0.5))],
)
def test_a_car_is_met_at_its_rear_or_on_its_roof(point_m, cosine):
    # 4 m long, 8 m wide so that its rear is seen at an angle; the lowest one is 1.5 m high and is met from above.
    high_m = 1.5 if point_m[2] == 1.5 else 3.0
    scene = scene_of([(11.0, 0.0, 0.0, 4.0, 8.0, high_m, 0.0)])
    assert cosines([point_m], [100], scene)[0] == pytest.approx(cosine, rel=1e-6)


def test_a_turned_car_is_met_on_the_side_that_the_ray_enters():
    scene = scene_of([(10.0, 0.0, 0.0, 4.0, 2.0, 3.0, np.pi / 4)])
    # Its rear left and rear right sides meet at the nearest corner; a ray just beside that corner meets one at 45 degrees.
    corner_m = 10.0 - np.hypot(2.0, 1.0) * np.cos(np.arctan2(1.0, 2.0) - np.pi / 4)
    found = cosines([(corner_m + 0.1, -0.5, 2.0)], [100], scene)
    assert found[0] == pytest.approx(np.sqrt(0.5), abs=0.06)


def test_each_return_is_seen_from_the_lidar_that_measured_it():
    found = cosines([(0, 0, 0), (0, 0, 0)], [GROUND] * 2, scene_of(), [(0, 0, 2), (2, 0, 2)], [0, 1])
    np.testing.assert_allclose(found, [1.0, np.sqrt(0.5)], rtol=1e-6)


def test_a_wall_is_met_at_the_angle_of_the_ray_to_its_normal_and_a_roof_from_above():
    wall = cosines([(10.0, 2.0, 2.0)], [BUILDING], scene_of(buildings=[HOUSE]))
    roof = cosines([(15.0, 0.0, 8.0)], [BUILDING], scene_of(buildings=[HOUSE]), [(15.0, 0.0, 20.0)])
    assert wall[0] == pytest.approx(10 / np.hypot(10, 2), rel=1e-6)
    assert roof[0] == pytest.approx(1.0)


def test_a_return_on_nothing_that_is_there_has_no_angle():
    scene = scene_of([(10.0, 0.0, 0.0, 4.0, 2.0, 1.5, 0.0)], [HOUSE])
    assert np.isnan(cosines([(50.0, 0.0, 2.0), (8.0, 0.0, 1.0)], [BUILDING, 99], scene)).all()


def test_a_return_far_from_its_wall_has_the_angle_at_the_wall_if_ranges_are_that_noisy():
    # 4 standard deviations of 3 m behind the wall, on the ray to (10, 2, 2).
    point_m = np.array([0, 0, 2.0]) + np.array([10, 2.0, 0]) * (1 + 12 / np.hypot(10, 2))
    noisy, exact = (cosines([point_m], [BUILDING], scene_of(buildings=[HOUSE]), noise_m=noise) for noise in (3.0, 0.02))
    assert noisy[0] == pytest.approx(10 / np.hypot(10, 2), rel=1e-6)
    assert np.isnan(exact[0])


def test_a_return_at_its_lidar_has_no_direction():
    assert np.isnan(cosines([(0.0, 0.0, 2.0)], [GROUND], scene_of())[0])


def test_no_returns_have_no_angles():
    assert len(cosines(np.zeros((0, 3)), [], scene_of())) == 0
