"""From ranges to the points of a lidar: noise, drop-out, frames."""

import numpy as np
import pytest
from solids import scene_of

from v2xsim.gpu.lidar.cast import Scan, cast
from v2xsim.gpu.lidar.models import evenly_spaced, mount_transform
from v2xsim.gpu.lidar.returns import Noise, Returns, returns
from v2xsim.records import GROUND, NOTHING
from v2xsim.spatial.poses import pose_matrix

BEAMS = evenly_spaced(32, 720, -30.0, -2.0, 60.0)
MOUNT = mount_transform(1.2, -0.3, 1.9, 0.4, 0.05, -0.03)
WORLD_FROM_VEHICLE = pose_matrix(30.0, -20.0, 0.0, 2.5)
CAR = (37.0, -15.0, 0.0, 5.0, 2.0, 1.6, 0.3)


def scan_of(*boxes) -> Scan:
    scene = scene_of(boxes=list(boxes))
    return cast(BEAMS, WORLD_FROM_VEHICLE @ MOUNT, scene.boxes, scene.agent, scene.obstacles)


def points_of(scan, noise_m=0.0, dropout=0.0, key=7):
    """The points of a scan in the vehicle's frame, and what they lie on."""
    measured, object_id = returns(scan, BEAMS, MOUNT, Noise(noise_m, dropout, key))
    return measured.points_m(), object_id


def test_points_are_in_the_vehicles_frame():
    points, object_id = points_of(scan_of(CAR))
    world = points @ WORLD_FROM_VEHICLE[:3, :3].T + WORLD_FROM_VEHICLE[:3, 3]
    np.testing.assert_allclose(world[object_id == GROUND, 2], 0.0, atol=1e-4)
    on_car = world[object_id == 100]
    assert len(on_car) > 50
    # The side that is seen, in the car's own frame: on the outline of 5 by 2 m and not above 1.6 m.
    cos, sin = np.cos(0.3), np.sin(0.3)
    own = (on_car[:, :2] - CAR[:2]) @ np.array([[cos, -sin], [sin, cos]])
    outside = np.maximum(np.abs(own[:, 0]) - 2.5, np.abs(own[:, 1]) - 1.0)
    assert (np.abs(outside) < 1e-4)[on_car[:, 2] < 1.599].all()
    assert on_car[:, 2].max() < 1.6 + 1e-4


def test_every_hit_is_a_point_and_nothing_else_is():
    scan = scan_of(CAR)
    points, object_id = points_of(scan)
    assert len(points) == (scan.object_id != NOTHING).sum()
    np.testing.assert_array_equal(object_id, scan.object_id[scan.object_id != NOTHING])


def test_noise_is_normal_along_the_ray():
    scan = scan_of()
    exact, _ = points_of(scan)
    noisy, _ = points_of(scan, noise_m=0.02)
    sensor = MOUNT[:3, 3]
    ray = (exact - sensor) / np.linalg.norm(exact - sensor, axis=1)[:, None]
    along = ((noisy - exact) * ray).sum(axis=1)
    assert np.abs((noisy - exact) - along[:, None] * ray).max() < 1e-9
    # About 20,000 rays: five standard errors of each figure of a normal distribution.
    count = len(along)
    assert count > 15_000
    assert abs(along.mean()) < 5 * 0.02 / np.sqrt(count)
    assert along.std() == pytest.approx(0.02, rel=5 / np.sqrt(2 * count))
    assert (np.abs(along) < 0.04).mean() == pytest.approx(0.9545, abs=5 * np.sqrt(0.9545 * 0.0455 / count))


@pytest.mark.parametrize("dropout", [0.0, 0.1, 0.7, 1.0])
def test_the_stated_share_of_returns_is_lost(dropout):
    scan = scan_of()
    hits = (scan.object_id != NOTHING).sum()
    lost = 1 - len(points_of(scan, dropout=dropout)[0]) / hits
    assert lost == pytest.approx(dropout, abs=5 * np.sqrt(dropout * (1 - dropout) / hits))


def test_which_returns_are_lost_has_nothing_to_do_with_their_noise():
    scan, sensor = scan_of(), MOUNT[:3, 3]
    exact, noisy = points_of(scan)[0], points_of(scan, 0.02)[0]
    error = dict(
        zip(
            map(tuple, noisy),
            np.linalg.norm(noisy - sensor, axis=1) - np.linalg.norm(exact - sensor, axis=1),
            strict=True,
        )
    )
    kept = np.array([error[tuple(point)] for point in points_of(scan, 0.02, dropout=0.5)[0]])
    assert abs(kept.mean()) < 5 * 0.02 / np.sqrt(len(kept))
    assert kept.std() == pytest.approx(0.02, rel=5 / np.sqrt(2 * len(kept)))


def test_the_chance_of_a_ray_does_not_hang_on_what_other_rays_meet():
    empty, full = scan_of(), scan_of(CAR)
    before = {tuple(point) for point in points_of(empty, 0.02, 0.3)[0]}
    points, object_id = points_of(full, 0.02, 0.3)
    assert all(tuple(point) in before for point in points[object_id == GROUND])


def test_the_key_decides_the_chance():
    scan = scan_of()
    one, again, other = (points_of(scan, 0.02, 0.2, key)[0] for key in (2**63 + 5, 2**63 + 5, 6))
    np.testing.assert_array_equal(one, again)
    assert one.shape != other.shape or (one != other).any()


def station_of(noise_m=0.02):
    """The returns of a station with two lidars, the second one rolled by a right angle."""
    rolled = MOUNT @ mount_transform(0.0, 0.0, 0.0, 0.0, 0.0, np.pi / 2)
    scans = [cast(BEAMS, WORLD_FROM_VEHICLE @ mount, *bodies()) for mount in (MOUNT, rolled)]
    parts = [
        returns(scan, BEAMS, mount, Noise(noise_m, 0.1, number))[0]
        for number, (scan, mount) in enumerate(zip(scans, (MOUNT, rolled), strict=True))
    ]
    return Returns(tuple(parts))


def bodies():
    scene = scene_of(boxes=[CAR])
    return scene.boxes, scene.agent, scene.obstacles


def test_the_points_of_several_lidars_follow_each_other():
    both = station_of()
    assert len(both) == len(both.points_m)
    np.testing.assert_array_equal(both.points_m, np.concatenate([lidar.points_m() for lidar in both.lidars]))
    assert (len(Returns(())), Returns(()).points_m.shape) == (0, (0, 3))


# With noise of half a metre, many returns from the road lie above 20 cm.
@pytest.mark.parametrize("noise_m", [0.0, 0.02, 0.5])
@pytest.mark.parametrize("above_m", [-0.1, 0.2])
def test_wanted_are_the_returns_above_the_limit_in_wanted_cells(noise_m, above_m):
    both, cells = station_of(noise_m), np.arange(144).reshape(12, 12) % 5 != 0
    lower, cell_m = np.array([10, -13]), 2.0
    points = both.points_m
    place = (points @ WORLD_FROM_VEHICLE[:3, :3].T + WORLD_FROM_VEHICLE[:3, 3])[:, :2]
    i, j = np.floor(place / cell_m).astype(int).T - lower[:, None]
    inside = (i >= 0) & (i < 12) & (j >= 0) & (j < 12)
    wanted = inside & cells[i.clip(0, 11), j.clip(0, 11)] & (points[:, 2] > above_m)
    rows, kept = both.in_cells(WORLD_FROM_VEHICLE, lower, cell_m, cells, above_m)
    assert len(rows) > 100
    np.testing.assert_array_equal(rows, np.flatnonzero(wanted))
    np.testing.assert_array_equal(kept, points[rows])


def test_noise_may_move_a_return_into_a_wanted_cell_that_is_farther_than_its_exact_range():
    both, lower, cells = station_of(1.0), np.array([18, -8]), np.ones((1, 1), bool)
    points = both.points_m
    place = (points @ WORLD_FROM_VEHICLE[:3, :3].T + WORLD_FROM_VEHICLE[:3, 3])[:, :2]
    wanted = (np.floor(place / 2.0) == lower).all(axis=1) & (points[:, 2] > -1.0)
    rows, _ = both.in_cells(WORLD_FROM_VEHICLE, lower, 2.0, cells, -1.0)
    assert len(rows) > 50
    np.testing.assert_array_equal(rows, np.flatnonzero(wanted))
