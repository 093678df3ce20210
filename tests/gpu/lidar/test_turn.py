"""Scans of a lidar that moves while it turns."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mesh_scenes import meshes_for
from solids import random_scene, scene_of

from v2xsim.gpu.lidar.cast import cast
from v2xsim.gpu.lidar.effects.motion import EgoMotion, column_time_s
from v2xsim.gpu.lidar.models import Beams, evenly_spaced, mount_transform
from v2xsim.gpu.lidar.turn import cast_turning, poses_before
from v2xsim.records import BUILDING, GROUND

BEAMS = evenly_spaced(16, 360, -25.0, 15.0, 80.0)
FLAT = Beams(np.zeros(1), 1800, 80.0)
MOUNT = mount_transform(0.4, 0.1, 1.9, 0.2, 0.05)


def still(boxes):
    return np.zeros((len(boxes), 2))


@pytest.mark.parametrize("sectors", [1, 7, 180, 10_000])
@pytest.mark.parametrize("with_meshes", [False, True])
def test_a_turn_without_motion_is_the_scan_of_one_instant_to_the_last_bit(sectors, with_meshes):
    rng = np.random.default_rng(3)
    scene = random_scene(rng, boxes=40, buildings=8, half_m=25.0)
    more = {"meshes": meshes_for(rng, 40)} if with_meshes else {}
    vehicle = mount_transform(0.0, 0.0, 0.0, 0.6)
    turn = cast_turning(
        BEAMS, vehicle, MOUNT, EgoMotion(0.0), 0.1, scene.boxes, still(scene.boxes), scene.agent, scene.obstacles,
        sectors=sectors, **more,
    )  # fmt: skip
    once = cast(BEAMS, vehicle @ MOUNT, scene.boxes, scene.agent, scene.obstacles, **more)
    np.testing.assert_array_equal(turn.range_m, once.range_m)
    np.testing.assert_array_equal(turn.object_id, once.object_id)
    assert turn.triangle.shape == once.triangle.shape
    on_body = once.object_id >= 0
    if with_meshes:
        np.testing.assert_array_equal(turn.triangle[on_body], once.triangle[on_body])


def wall_scene():
    """A wall across the way, its face 40 m ahead."""
    return scene_of(buildings=[([(40, -200), (41, -200), (41, 200), (40, 200)], 0.0, 20.0)])


def test_the_wall_ahead_of_a_fast_car_is_as_far_as_when_each_column_is_fired():
    scene = wall_scene()
    speed, period = 30.0, 0.1
    turn = cast_turning(
        FLAT, np.eye(4), mount_transform(0.0, 0.0, 1.9), EgoMotion(speed, 0.0, 0.0), period, scene.boxes, still(scene.boxes),
        scene.agent, scene.obstacles, sectors=1800,
    )  # fmt: skip
    azimuth = FLAT.azimuth_rad
    expected = (40.0 + speed * (period - column_time_s(np.arange(FLAT.columns), FLAT.columns, period))) / np.cos(
        azimuth
    )
    on_wall = turn.object_id[0] == BUILDING
    assert on_wall.sum() > 500
    np.testing.assert_allclose(turn.range_m[0, on_wall], expected[on_wall], rtol=1e-6)
    # The wall of one scan has a step of 3 m where the turn begins and ends: dead ahead.
    ahead = turn.range_m[0, [0, -1]] * np.cos(azimuth[[0, -1]])
    assert ahead[0] - ahead[1] == pytest.approx(speed * period * (1 - 1 / 1800), abs=1e-4)


def test_sectors_are_off_by_at_most_half_the_way_in_their_time():
    scene = wall_scene()
    motion = EgoMotion(30.0)
    arguments = (
        FLAT,
        np.eye(4),
        mount_transform(0.0, 0.0, 1.9),
        motion,
        0.1,
        scene.boxes,
        still(scene.boxes),
        scene.agent,
        scene.obstacles,
    )
    exact, coarse = (cast_turning(*arguments, sectors=sectors) for sectors in (1800, 180))
    ahead = np.abs(np.angle(np.exp(1j * FLAT.azimuth_rad))) < 0.5
    assert np.isfinite(exact.range_m[0, ahead]).all()
    off = np.abs(exact.range_m[0, ahead] - coarse.range_m[0, ahead]) * np.cos(FLAT.azimuth_rad[ahead])
    assert 0.004 < off.max() < 30.0 * 0.1 / 180 / 2 + 1e-4


def test_a_car_at_the_same_speed_keeps_its_shape_and_an_oncoming_one_does_not():
    scene = scene_of(boxes=[(15.0, 3.5, 0.0, 4.5, 1.8, 1.5, 0.0), (15.0, -3.5, 0.0, 4.5, 1.8, 1.5, np.pi)])
    motion = EgoMotion(20.0)
    low = Beams(np.radians([-4.0]), 1800, 80.0)
    pose = mount_transform(0.0, 0.0, 1.9)
    turn = cast_turning(
        low,
        np.eye(4),
        pose,
        motion,
        0.1,
        scene.boxes,
        np.array([[20.0, 0.0], [-20.0, 0.0]]),
        scene.agent,
        scene.obstacles,
    )
    once = cast(low, pose, scene.boxes, scene.agent, scene.obstacles)
    along = once.object_id[0] == 100
    np.testing.assert_allclose(turn.range_m[0, along], once.range_m[0, along], atol=1e-4)
    # The oncoming car is on the right, so it is scanned near the end of the turn, and was farther away by less than the way of a quarter of a turn.
    oncoming = np.flatnonzero((once.object_id[0] == 101) & (turn.object_id[0] == 101))
    farther = (turn.range_m - once.range_m)[0, oncoming]
    assert len(oncoming) > 20
    assert 0.0 < farther.mean() < 40.0 * 0.1 / 4


@given(speed=st.floats(-40.0, 40.0), turn=st.floats(-1.0, 1.0), yaw=st.floats(-3.0, 3.0), seconds=st.floats(0.001, 0.5))
@settings(max_examples=60, deadline=None)
def test_the_pose_before_leads_to_the_pose_now(speed, turn, yaw, seconds):
    pose = mount_transform(5.0, -3.0, 0.0, yaw)
    earlier = poses_before(EgoMotion(speed, 0.0, turn), pose, np.array([seconds]))[0]
    # Many small steps on the earlier heading, as an independent check.
    at, direction, steps = earlier[:2, 3].copy(), yaw - turn * seconds, 4000
    for _ in range(steps):
        middle = direction + 0.5 * turn * seconds / steps
        at += speed * seconds / steps * np.array([np.cos(middle), np.sin(middle)])
        direction += turn * seconds / steps
    np.testing.assert_allclose(at, pose[:2, 3], atol=1e-6)
    assert np.arctan2(earlier[1, 0], earlier[0, 0]) == pytest.approx(
        np.angle(np.exp(1j * (yaw - turn * seconds))), abs=1e-9
    )


def test_a_sector_sees_the_bodies_that_reach_over_its_edges():
    # A long wall around the whole circle: in each sector it must be seen in all columns.
    ring = 30.0 * np.stack([np.cos(np.arange(24) * np.pi / 12), np.sin(np.arange(24) * np.pi / 12)], axis=1)
    scene = scene_of(buildings=[(ring, 0.0, 9.0)])
    for sectors in (2, 3, 13, 360):
        scan = cast_turning(
            BEAMS, np.eye(4), mount_transform(0.0, 0.0, 1.9), EgoMotion(9.0, 4.0, 0.3), 0.1, scene.boxes, still(scene.boxes),
            scene.agent, scene.obstacles, sectors=sectors,
        )  # fmt: skip
        level = np.abs(BEAMS.elevation_rad) < 0.06
        assert (scan.object_id[level] == BUILDING).all()
        assert (scan.object_id != GROUND).any()


def test_a_turn_without_sectors_is_refused():
    scene = wall_scene()
    with pytest.raises(ValueError, match="at least one sector"):
        cast_turning(
            FLAT, np.eye(4), np.eye(4), EgoMotion(0.0), 0.1, scene.boxes, still(scene.boxes), scene.agent, scene.obstacles,
            sectors=0,
        )  # fmt: skip
