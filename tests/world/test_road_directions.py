"""The direction of the road at a place."""

import numpy as np
import pytest

from v2xsim.world.road_directions import NEAR_M, RoadDirections
from v2xsim.world.roads import FOOT, JUNCTION, LANE, MOTOR, Road, Roads


def lane(*points_m, users=MOTOR, width_m=4.0, kind=LANE):
    return Road("lane", kind, users, width_m, np.array(points_m, float))


# One lane to the east and, 4 m farther north, one to the west, that bends to the north.
TWO_WAYS = RoadDirections(Roads.of([lane((0, 0), (100, 0)), lane((100, 4), (0, 4), (0, 100))]))


def yaw_at(*place_m, directions=TWO_WAYS):
    return directions.yaw_rad(np.array([place_m], float)).tolist()[0]


def test_a_place_has_the_direction_of_the_nearest_lane():
    assert yaw_at(50, 1) == 0.0
    assert yaw_at(50, 3) == pytest.approx(np.pi)
    assert yaw_at(1, 50) == pytest.approx(np.pi / 2)


def test_a_place_beside_the_road_has_its_direction_up_to_some_distance_from_its_edge():
    assert yaw_at(50, -2 - NEAR_M) == 0.0
    assert np.isnan(yaw_at(50, -2.01 - NEAR_M))
    assert np.isnan(yaw_at(-4.01, -0.5))


def test_paths_and_junctions_have_no_direction():
    paths = RoadDirections(
        Roads.of([lane((0, 0), (9, 0), users=FOOT), lane((0, 0), (9, 0), (9, 9), kind=JUNCTION, width_m=0.0)])
    )
    assert np.isnan(yaw_at(5, 0, directions=paths))


def test_two_lanes_that_follow_each_other_are_not_joined_by_a_line():
    apart = RoadDirections(Roads.of([lane((0, 0), (10, 0)), lane((50, 0), (50, 10))]))
    assert np.isnan(yaw_at(30, 0, directions=apart))


def test_a_map_without_roads_has_no_direction():
    assert np.isnan(yaw_at(0, 0, directions=RoadDirections(Roads.none())))
