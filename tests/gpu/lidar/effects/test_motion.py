"""Distortion of the points of a moving lidar, and its compensation, against a wall that is straight."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from solids import directions, scene_of

from v2xsim.gpu.lidar.cast import cast
from v2xsim.gpu.lidar.effects.motion import EgoMotion, as_measured, column_time_s, compensated, displacement
from v2xsim.gpu.lidar.models import evenly_spaced, mount_transform
from v2xsim.gpu.lidar.turn import cast_turning
from v2xsim.spatial.poses import pose_matrix

COLUMNS, PERIOD_S = 720, 0.1
TIME_S = column_time_s(np.arange(COLUMNS), COLUMNS, PERIOD_S)
AZIMUTH = 2.0 * np.pi * np.arange(COLUMNS) / COLUMNS
# The columns that look forward, within 60 degrees of the heading: at the start of a turn and at its end.
AHEAD = np.cos(AZIMUTH) > 0.5

speeds = st.floats(-40.0, 40.0)
motions = st.builds(EgoMotion, speeds, st.floats(-5.0, 5.0), st.floats(-1.0, 1.0))


def wall_points(distance_m, speed_m_per_s):
    """Return the points of a wall across the road as a lidar reports them that drives towards it, without compensation."""
    range_m = (distance_m - speed_m_per_s * TIME_S[AHEAD]) / np.cos(AZIMUTH[AHEAD])
    return np.column_stack([range_m * np.cos(AZIMUTH[AHEAD]), range_m * np.sin(AZIMUTH[AHEAD]), np.zeros(AHEAD.sum())])


def test_columns_are_measured_one_after_the_other_and_the_last_just_before_the_next_turn():
    assert TIME_S[[0, 180, 719]] == pytest.approx([0.0, 0.025, 0.1 * 719.0 / 720.0])


def test_at_30_m_per_s_and_10_hz_a_wall_breaks_by_3_m_between_the_first_and_the_last_column():
    wall = wall_points(40.0, 30.0)
    assert wall[0, 0] == 40.0
    assert wall[0, 0] - wall[-1, 0] == pytest.approx(3.0 * 719.0 / 720.0)
    assert wall[:, 0] == pytest.approx(40.0 - 30.0 * TIME_S[AHEAD])


def test_the_distortion_of_a_wall_is_that_of_the_points_of_the_wall():
    measured = wall_points(40.0, 30.0)
    # The points of the wall that the columns meet.
    met = np.column_stack([np.full(len(measured), 40.0), measured[:, 1], measured[:, 2]])
    np.testing.assert_allclose(as_measured(met, TIME_S[AHEAD], EgoMotion(30.0)), measured, atol=1e-12)


@pytest.mark.parametrize("at_s", [0.0, 0.05, 0.1])
def test_a_wall_is_straight_again_where_the_motion_is_known(at_s):
    straight = compensated(wall_points(40.0, 30.0), TIME_S[AHEAD], EgoMotion(30.0), at_s)
    np.testing.assert_allclose(straight[:, 0], 40.0 - 30.0 * at_s, atol=1e-9)


def test_a_speed_wrong_by_1_m_per_s_leaves_a_tenth_of_a_metre_at_the_end_of_the_turn():
    wrong = compensated(wall_points(40.0, 30.0), TIME_S[AHEAD], EgoMotion(31.0))
    np.testing.assert_allclose(wrong[:, 0] - 40.0, 1.0 * TIME_S[AHEAD], atol=1e-9)


def test_compensation_to_the_middle_of_the_turn_moves_points_half_as_far_as_to_its_start():
    wall = wall_points(40.0, 30.0)
    moved = [np.abs(compensated(wall, TIME_S[AHEAD], EgoMotion(30.0), at_s) - wall).max() for at_s in (0.0, 0.05)]
    assert moved[1] == pytest.approx(0.5 * moved[0], rel=0.01)


def test_a_cast_scan_of_a_turning_vehicle_lies_on_the_walls_of_the_scene_after_compensation_alone():
    # A vehicle at 20 m/s in a curve of 40 m radius, between four walls; each column is cast from where the vehicle then is.
    motion, beams = EgoMotion(20.0, 0.5, 0.5), evenly_spaced(1, 72, 0.0, 0.0, 120.0)
    walls = [
        (30.5, 0.0, 0.0, 1.0, 61.0, 5.0, 0.0), (-30.5, 0.0, 0.0, 1.0, 61.0, 5.0, 0.0),
        (0.0, 30.5, 0.0, 61.0, 1.0, 5.0, 0.0), (0.0, -30.5, 0.0, 61.0, 1.0, 5.0, 0.0),
    ]  # fmt: skip
    scene, time_s = scene_of(walls), column_time_s(np.arange(72), 72, PERIOD_S)
    range_m = np.empty(72)
    for k, (x, y, yaw) in enumerate(displacement(motion, time_s)):
        scan = cast(beams, pose_matrix(x, y, 1.0, yaw), scene.boxes, scene.agent, scene.obstacles)
        range_m[k] = scan.range_m[0, k]
    azimuth = beams.azimuth_rad
    points = np.column_stack([range_m * np.cos(azimuth), range_m * np.sin(azimuth), np.zeros(72)])

    def off_the_walls_m(cloud):
        return np.abs(np.abs(cloud[:, :2]).max(axis=1) - 30.0).max()

    assert off_the_walls_m(points) > 1.0
    # Ranges are stored in single precision.
    assert off_the_walls_m(compensated(points, time_s, motion)) < 1e-5


def test_a_turn_of_a_driving_lidar_fits_the_scan_of_a_standing_one_after_compensation_to_its_end():
    scene = scene_of([(30.5, 0.0, 0.0, 1.0, 61.0, 5.0, 0.2)])
    beams, still = evenly_spaced(4, 360, -4.0, 4.0, 120.0), np.zeros((1, 2))
    motion = EgoMotion(25.0, 0.0, 0.4)
    turn = cast_turning(
        beams,
        np.eye(4),
        mount_transform(0.5, 0.0, 1.5),
        motion,
        PERIOD_S,
        scene.boxes,
        still,
        scene.agent,
        scene.obstacles,
        sectors=360,
    )
    met = turn.object_id == scene.agent[0]
    sensor_m = (directions(beams) * turn.range_m[..., None])[met]
    measured = sensor_m + np.array([0.5, 0.0, 1.5])
    time_s = np.broadcast_to(column_time_s(np.arange(360), 360, PERIOD_S), met.shape)[met]

    def off_the_wall_m(points):
        # The near face of the body: 30 m ahead at its middle, turned by 0.2 rad.
        normal = np.array([np.cos(0.2), np.sin(0.2)])
        return np.abs((points[:, :2] - [30.5, 0.0]) @ normal + 0.5).max()

    assert met.sum() > 100
    assert off_the_wall_m(measured) > 1.0
    assert off_the_wall_m(compensated(measured, time_s, EgoMotion(25.0, 0.0, 0.4), PERIOD_S)) < 2e-5


@given(motion=motions, one=st.floats(0.0, 1.0), other=st.floats(0.0, 1.0))
def test_two_arcs_of_one_motion_make_one_longer_arc(motion, one, other):
    first, second, both = displacement(motion, np.array([one, other, one + other]))
    c, s = math.cos(first[2]), math.sin(first[2])
    joined = [first[0] + c * second[0] - s * second[1], first[1] + s * second[0] + c * second[1], first[2] + second[2]]
    assert joined == pytest.approx(list(both), abs=1e-9)


def test_a_vehicle_at_10_m_per_s_that_turns_half_round_in_a_second_ends_across_a_circle():
    moved = displacement(EgoMotion(10.0, 0.0, math.pi), np.array([1.0]))
    assert moved[0] == pytest.approx([0.0, 20.0 / math.pi, math.pi])


@given(motion=motions, at_s=st.floats(0.0, 0.1), seed=st.integers(0, 100))
def test_compensation_undoes_the_distortion_of_any_motion(motion, at_s, seed):
    rng = np.random.default_rng(seed)
    points, time_s = rng.uniform(-100.0, 100.0, (20, 3)), rng.uniform(0.0, 0.1, 20)
    np.testing.assert_allclose(
        compensated(as_measured(points, time_s, motion, at_s), time_s, motion, at_s), points, atol=1e-10
    )


def test_a_vehicle_that_stands_still_has_no_distortion():
    wall = wall_points(40.0, 0.0)
    assert np.array_equal(as_measured(wall, TIME_S[AHEAD], EgoMotion(0.0)), wall)
