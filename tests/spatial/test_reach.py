"""Bodies within reach of a point."""

import numpy as np

from v2xsim.spatial.reach import in_reach


def near(point_m, reach_m, yaw_rad=0.0):
    """Return whether a body 4 m long and 2 m wide, 10 m to the east, is in reach."""
    box = np.array([[10.0, 0.0, 0.0]]), np.array([[4.0, 2.0, 1.5]]), np.array([yaw_rad])
    return bool(in_reach(np.array([point_m]), np.array([reach_m]), *box, np.zeros(1, np.int64), 1)[0, 0])


def test_the_nearest_place_of_the_body_counts_and_not_its_middle():
    assert near([0.0, 0.0], 8.0)
    assert not near([0.0, 0.0], 7.99)


def test_a_body_across_is_farther():
    assert near([0.0, 0.0], 9.01, np.pi / 2)
    assert not near([0.0, 0.0], 8.99, np.pi / 2)


def test_a_corner_is_as_far_as_it_is():
    # The nearest corner is at (8, 1): 3 m ahead and 4 m aside.
    assert near([5.0, 5.0], 5.001)
    assert not near([5.0, 5.0], 4.999)


def test_either_part_of_a_body_of_two_parts_counts():
    two = np.array([[10.0, 0.0, 0.0], [30.0, 0.0, 0.0]]), np.full((2, 3), 2.0), np.zeros(2)
    found = in_reach(np.array([[0.0, 0.0], [40.0, 0.0]]), np.array([9.5, 9.5]), *two, np.zeros(2, np.int64), 1)
    assert found.tolist() == [[True], [True]]
