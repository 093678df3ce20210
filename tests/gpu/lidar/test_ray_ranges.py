"""Ranges of lidar rays against an independent ray caster, against our own in torch, and by hand."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from solids import Scene, open3d_scan, prisms_of, random_scene, scene_of, share_within_a_millimetre

from v2xsim.gpu.lidar.cast import cast
from v2xsim.gpu.lidar.models import Beams, evenly_spaced, mount_transform
from v2xsim.gpu.lidar.torch_cast import cast_torch
from v2xsim.records import BUILDING, GROUND, NOTHING
from v2xsim.spatial.grid import indexed
from v2xsim.spatial.poses import pose_matrix

BEAMS = evenly_spaced(32, 360, -40.0, 20.0, 80.0)
EVERYWHERE = evenly_spaced(48, 240, -90.0, 90.0, 80.0)
RIGHT = np.pi / 2

COURT = [(-10, -10), (10, -10), (10, 10), (4, 10), (4, -4), (-4, -4), (-4, 10), (-10, 10)]
SQUARE = [(-10, -10), (10, -10), (10, 10), (-10, 10)]
PLACES = {
    "on the street": (0.3, -0.2, 1.9),
    "between roofs": (0.3, -0.2, 8.0),
    "above the roofs": (0.3, -0.2, 25.0),
    "in a building": (31.0, 22.5, 4.0),
    "in a building's wing": (23.0, 36.0, 4.0),
    "in a court": (30.0, 33.0, 1.5),
    "over a flat roof": (23.0, 36.0, 9.5),
    "under a raised floor": (-29.0, 31.0, 2.0),
    "in a raised floor": (-29.0, 31.0, 5.0),
    "over a raised floor": (-29.0, 31.0, 7.5),
    "in a lorry": (31.0, -30.3, 1.9),
    "in a drone's body": (-30.0, -30.3, 4.4),
}
MOUNTS = {
    "level": (0.7, 0.0, 0.0),
    "tilted": (-2.0, 0.3, -0.2),
    "on its side": (0.4, 0.0, RIGHT),
    "nose down": (1.0, RIGHT, 0.0),
    "upside down": (0.1, 0.0, np.pi),
}


def town(seed: int) -> Scene:
    """Random road users and buildings near the middle, and the solids that PLACES speaks of."""
    near = random_scene(np.random.default_rng(seed), boxes=40, buildings=12, half_m=20.0)
    court, floor = np.add(COURT, (30.0, 30.0)), np.add(SQUARE, (-30.0, 30.0))
    known = scene_of(
        boxes=[(30, -30, 0, 16, 2.6, 4, 0.4), (-30, -30, 4, 2, 2, 0.9, -2.5)], buildings=[(court, 0, 9), (floor, 3, 7)]
    )
    prisms = near.obstacles.prisms
    feet = [prisms.vertices_m[a:b] for a, b in zip(prisms.offset, prisms.offset[1:], strict=False)]
    base, top = [*prisms.base_m, 0, 3], [*prisms.top_m, 9, 7]
    boxes = near.boxes.joined([near.boxes, known.boxes])
    return Scene(boxes, np.arange(100, 142), indexed(prisms_of([*feet, court, floor], base, top)))


def scan_of(beams: Beams, pose: np.ndarray, scene: Scene, skip_id: int = -1):
    return cast(beams, pose, scene.boxes, scene.agent, scene.obstacles, skip_id)


def torch_scan_of(beams: Beams, pose: np.ndarray, scene: Scene, skip_id: int = -1):
    return cast_torch(beams, pose, scene.boxes, scene.agent, scene.obstacles, skip_id)


def assert_open3d_agrees(beams: Beams, pose: np.ndarray, scene: Scene, skip_id: int = -1) -> None:
    ours = scan_of(beams, pose, scene, skip_id)
    range_m, object_id = open3d_scan(beams, pose, scene, skip_id)
    assert share_within_a_millimetre(ours.range_m, range_m) >= 0.999
    assert (ours.object_id == object_id).mean() >= 0.999


def ray(azimuth_rad: float, elevation_rad: float = 0.0, range_m: float = 50.0) -> tuple[Beams, np.ndarray]:
    """One ray from 2 m above the origin, turned by its mount."""
    return Beams(np.array([elevation_rad]), 1, range_m), mount_transform(0, 0, 2, azimuth_rad)


@pytest.mark.parametrize("mount", MOUNTS)
@pytest.mark.parametrize("place", PLACES)
def test_ranges_agree_with_open3d_to_a_millimetre_wherever_the_sensor_is(place, mount):
    assert_open3d_agrees(EVERYWHERE, mount_transform(*PLACES[place], *MOUNTS[mount]), town(len(place)))


@pytest.mark.parametrize("height_m", [1.9, 12.0])
def test_ranges_agree_with_open3d_among_thousands_of_objects(height_m):
    scene = random_scene(np.random.default_rng(5), boxes=2000, buildings=1000, half_m=400.0)
    assert_open3d_agrees(BEAMS, mount_transform(1, 2, height_m, 0.3), scene)


@settings(max_examples=100)
@given(
    seed=st.integers(0, 2**31),
    boxes=st.integers(0, 30),
    buildings=st.integers(0, 15),
    half_m=st.sampled_from([6.0, 25.0, 80.0]),
    height_m=st.floats(0.2, 30),
    angles=st.tuples(st.floats(-7, 7), st.floats(-3.2, 3.2), st.floats(-3.2, 3.2)) | st.tuples(st.floats(-7, 7)),
    beams=st.sampled_from(
        [
            evenly_spaced(30, 90, -40, 20, 80),
            evenly_spaced(45, 60, -90, 90, 80),
            evenly_spaced(1, 719, 0, 0, 30),
            evenly_spaced(90, 1, -89, 90, 9),
        ]
    ),
    skip_id=st.integers(99, 130),
)
def test_open3d_and_torch_agree_in_any_scene(seed, boxes, buildings, half_m, height_m, angles, beams, skip_id):
    scene = random_scene(np.random.default_rng(seed), boxes, buildings, half_m)
    pose = mount_transform(0.1, 0.2, height_m, *angles)
    assert_open3d_agrees(beams, pose, scene, skip_id)
    ours, torchs = scan_of(beams, pose, scene, skip_id), torch_scan_of(beams, pose, scene, skip_id)
    assert share_within_a_millimetre(ours.range_m, torchs.range_m) >= 0.999
    assert (ours.object_id == torchs.object_id).mean() >= 0.999


@pytest.mark.parametrize("place", PLACES)
def test_torch_agrees_with_the_compiled_kernel_wherever_the_sensor_is(place):
    scene, pose, beams = town(len(place)), mount_transform(*PLACES[place], 1.0, 0.3), evenly_spaced(30, 90, -90, 90, 80)
    ours, torchs = scan_of(beams, pose, scene), torch_scan_of(beams, pose, scene)
    assert share_within_a_millimetre(ours.range_m, torchs.range_m) >= 0.999
    assert (ours.object_id == torchs.object_id).mean() >= 0.999


def test_the_lidars_of_one_vehicle_see_as_their_mounts_stand():
    scene = town(3)
    world_from_vehicle = pose_matrix(-3.0, 2.0, 0.0, 2.0)
    front, rear = mount_transform(3.0, 0.8, 0.9, 0.6, 0.1), mount_transform(-2.0, 0.0, 2.2, np.pi, -0.1, 0.05)
    for vehicle_from_sensor in (front, rear):
        assert_open3d_agrees(EVERYWHERE, world_from_vehicle @ vehicle_from_sensor, scene, skip_id=104)


@pytest.mark.parametrize("east_m", [500_000.0, -32_000_000.0])
def test_ranges_do_not_depend_on_where_the_map_has_its_origin(east_m):
    scene = town(1)
    boxes, prisms = scene.boxes, scene.obstacles.prisms
    moved = replace(boxes, center_m=np.add(boxes.center_m, (east_m, 5e6, 0.0)))
    houses = replace(prisms, vertices_m=np.add(prisms.vertices_m, (east_m, 5e6)))
    far = Scene(moved, scene.agent, indexed(houses))
    here, there = mount_transform(0.25, -0.25, 9), mount_transform(east_m + 0.25, 5e6 - 0.25, 9)
    assert share_within_a_millimetre(scan_of(BEAMS, here, scene).range_m, scan_of(BEAMS, there, far).range_m) > 0.999


@pytest.mark.parametrize("caster", [scan_of, torch_scan_of])
@pytest.mark.parametrize("azimuth_rad", np.arange(-4, 5) * np.pi / 4)
def test_a_box_is_seen_whole_in_every_direction_also_where_the_columns_begin(caster, azimuth_rad):
    # 10 m ahead and 8 m wide, so that it shows over +-atan(4 / 10); 0.5 degree columns in a row of one beam.
    ahead = (10.5 * np.cos(azimuth_rad), 10.5 * np.sin(azimuth_rad), 0, 1, 8, 4, azimuth_rad)
    scan = caster(evenly_spaced(1, 720, 0, 0, 50), mount_transform(0, 0, 2), scene_of(boxes=[ahead]))
    away = np.abs(np.mod(np.arange(720) * np.pi / 360 - azimuth_rad + np.pi, 2 * np.pi) - np.pi)
    expected = np.where(away < np.arctan2(4, 10), 10 / np.cos(away), np.inf)
    np.testing.assert_allclose(scan.range_m[0], expected, rtol=1e-6)


@pytest.mark.parametrize("caster", [scan_of, torch_scan_of])
@pytest.mark.parametrize(("near_m", "seen"), [(49.9, True), (50.0, True), (50.01, False)])
def test_a_wall_is_seen_up_to_the_range_of_the_lidar(caster, near_m, seen):
    beams, pose = ray(0.0)
    box = scene_of(boxes=[(near_m + 5, 0, 0, 10, 4, 4, 0)])
    house = scene_of(buildings=[([(near_m, -5), (near_m + 9, -5), (near_m + 9, 5), (near_m, 5)], 0, 9)])
    for scene in (box, house):
        scan = caster(beams, pose, scene)
        assert scan.range_m[0, 0] == (pytest.approx(near_m) if seen else np.inf)
        assert (scan.object_id[0, 0] == NOTHING) != seen


@pytest.mark.parametrize("caster", [scan_of, torch_scan_of])
@pytest.mark.parametrize(
    ("azimuth_deg", "range_m"), [(0, 4.0), (180, 4.0), (-90, 4.0), (90, np.inf), (45, 4 * np.sqrt(2))]
)
def test_from_a_court_one_sees_its_three_walls_and_out_of_its_open_side(caster, azimuth_deg, range_m):
    beams, pose = ray(np.radians(azimuth_deg))
    assert caster(beams, pose, scene_of(buildings=[(COURT, 0, 9)])).range_m[0, 0] == pytest.approx(range_m)


@pytest.mark.parametrize("caster", [scan_of, torch_scan_of])
@pytest.mark.parametrize(
    ("sensor_m", "elevation_deg", "range_m", "object_id"),
    [
        (20.0, -90, 11.0, BUILDING),  # down on a roof at 9 m
        (5.0, 90, 4.0, BUILDING),  # up to the roof from inside
        (5.0, -90, 2.0, BUILDING),  # down to the raised floor
        (1.0, 90, 2.0, BUILDING),  # up to the underside
        (1.0, -90, 1.0, GROUND),
        (20.0, 90, np.inf, NOTHING),
    ],
)
def test_rays_straight_up_and_down_meet_roofs_floors_and_the_ground(
    caster, sensor_m, elevation_deg, range_m, object_id
):
    beams = Beams(np.radians([float(elevation_deg)]), 4, 50.0)
    scan = caster(beams, mount_transform(1, 2, sensor_m), scene_of(buildings=[(SQUARE, 3, 9)]))
    np.testing.assert_allclose(scan.range_m, range_m, rtol=1e-6)
    assert (scan.object_id == object_id).all()


@pytest.mark.parametrize("caster", [scan_of, torch_scan_of])
def test_a_sensor_on_a_roof_does_not_see_through_it(caster):
    beams = evenly_spaced(16, 36, -80.0, 80.0, 50.0)
    scan = caster(beams, mount_transform(1, 2, 9), scene_of(buildings=[(SQUARE, 0, 9)]))
    assert (scan.object_id == np.where(beams.elevation_rad < 0, BUILDING, NOTHING)[:, None]).all()


# On each side of a house of 40 m, at a corner, and at the inner corner of its yard.
FACADES = {
    "east": (40.0, 20.0), "west": (0.0, 20.0), "north": (20.0, 40.0), "south": (20.0, 0.0), "corner": (40.0, 40.0),
    "inner corner": (25.0, 15.0),
}  # fmt: skip
YARD_HOUSE = ([(0, 0), (40, 0), (40, 15), (25, 15), (25, 25), (40, 25), (40, 40), (0, 40)], 0, 15)


@pytest.mark.parametrize("caster", [scan_of, torch_scan_of])
@pytest.mark.parametrize("name", FACADES)
def test_a_sensor_on_a_facade_sees_nothing_through_the_house_and_all_before_it(caster, name):
    x_m, y_m = FACADES[name]
    cars = [(x, y, 0.0, 2.0, 2.0, 6.0, 0.3) for x in (-10, 20, 30, 50) for y in (-10, 20, 50)]
    scene = scene_of(cars, [YARD_HOUSE])
    beams = evenly_spaced(5, 720, -10.0, 10.0, 80.0)
    seen = caster(beams, mount_transform(x_m, y_m, 4.0, 0.2), scene).object_id
    # Just before the facade, where no sensor is on a wall, a point sees the same road users.
    out_m = {"east": (1, 0), "west": (-1, 0), "north": (0, 1), "south": (0, -1)}.get(name, (1, 1))
    beside = caster(beams, mount_transform(x_m + 1e-4 * out_m[0], y_m + 1e-4 * out_m[1], 4.0, 0.2), scene).object_id
    assert set(np.unique(seen[seen >= 0])) == set(np.unique(beside[beside >= 0])) != set()
    assert (seen == beside).mean() > 0.995


@pytest.mark.parametrize("caster", [scan_of, torch_scan_of])
def test_no_ray_slips_out_through_the_corners_of_a_room(caster):
    beams = evenly_spaced(21, 36, -5.0, 5.0, 60.0)
    rng = np.random.default_rng(4)
    for _ in range(20):
        pose = mount_transform(*rng.uniform(-1, 1, 2), 2.0, rng.uniform(-3, 3))
        azimuth, reach = beams.azimuth_rad[::4], rng.uniform(4, 20, 9)
        corners = np.column_stack([reach * np.cos(azimuth), reach * np.sin(azimuth), 0 * reach, reach**0])
        room = scene_of(buildings=[((corners @ pose.T)[:, :2], 0, 12)])
        assert not (caster(beams, pose, room).object_id == NOTHING).any()


@pytest.mark.parametrize("caster", [scan_of, torch_scan_of])
def test_what_is_under_a_body_on_the_ground_is_the_ground(caster):
    scene = scene_of(boxes=[(0.3, 0.1, 0, 5, 2, 3, 0.4)], buildings=[(SQUARE, 0, 9)])
    scan = caster(evenly_spaced(8, 90, -90.0, -75.0, 50.0), mount_transform(0, 0, 2), scene)
    assert (scan.object_id == GROUND).all()


def test_an_empty_world_is_ground_below_and_nothing_above():
    scan = scan_of(BEAMS, mount_transform(1, 2, 5.0), scene_of())
    near = BEAMS.elevation_rad < np.arcsin(-5.0 / 80.0) - 1e-6
    assert (scan.object_id[near] == GROUND).all()
    assert (scan.object_id[~near] == NOTHING).all()


@pytest.mark.parametrize("caster", [scan_of, torch_scan_of])
def test_a_lidar_does_not_see_its_own_body_but_sees_the_next(caster):
    scene = scene_of(boxes=[(0, 0, 0, 5, 2, 8, 0), (10, 0, 0, 5, 2, 8, 0)])
    scan = caster(BEAMS, mount_transform(0, 0, 5), scene, skip_id=100)
    assert set(np.unique(scan.object_id[scan.object_id >= 0])) == {101}


@pytest.mark.parametrize(
    ("elevation_deg", "columns", "range_m"),
    [([], 10, 50), ([0], 0, 50), ([0], 10, 0), ([0], 10, np.inf), ([0], 10, np.nan), ([1, 0], 10, 50), ([91], 10, 50), ([np.nan], 10, 50)],
)  # fmt: skip
def test_a_lidar_that_cannot_be_is_refused(elevation_deg, columns, range_m):
    with pytest.raises(ValueError, match=r"a lidar needs|elevation_rad must"):
        Beams(np.radians(np.array(elevation_deg, float)), columns, range_m)
