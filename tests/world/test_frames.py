"""docs/frames.md, checked."""

import numpy as np
import pytest

from v2xsim.gpu.lidar.models import mount_transform
from v2xsim.mobility.base import center_of_front_m, yaw_of_compass_rad
from v2xsim.spatial.poses import pose_matrix


@pytest.mark.parametrize(("compass_deg", "yaw_deg"), [(90, 0), (0, 90), (180, -90), (270, 180)])
def test_compass_degrees_become_yaw_counter_clockwise_from_east(compass_deg, yaw_deg):
    assert yaw_of_compass_rad(np.array([float(compass_deg)]))[0] == pytest.approx(np.radians(yaw_deg))


def test_the_centre_lies_half_a_length_behind_the_bumper():
    center = center_of_front_m(np.array([[10.0, 0.0]]), np.array([0.0]), np.array([4.0]))
    np.testing.assert_allclose(center, [[8.0, 0.0]])


def test_forward_of_a_vehicle_that_faces_north_is_north():
    ahead = pose_matrix(5.0, 6.0, 0.0, np.pi / 2) @ np.array([1.0, 0.0, 0.0, 1.0])
    np.testing.assert_allclose(ahead[:3], [5.0, 7.0, 0.0], atol=1e-12)


def test_left_of_a_vehicle_that_faces_north_is_west():
    left = pose_matrix(5.0, 6.0, 0.0, np.pi / 2) @ np.array([0.0, 1.0, 0.0, 1.0])
    np.testing.assert_allclose(left[:3], [4.0, 6.0, 0.0], atol=1e-12)


def test_a_positive_pitch_points_a_lidar_down():
    axis = mount_transform(0, 0, 2, pitch_rad=0.1)[:3, 0]
    assert axis[2] < 0


def test_a_positive_roll_lowers_the_right_side():
    right = -mount_transform(0, 0, 2, roll_rad=0.1)[:3, 1]
    assert right[2] < 0
