"""Corner points of a map: where streets of different direction meet."""

import numpy as np
import pytest

from v2xsim.scenario.schema_world import Street
from v2xsim.world.corner_points import corner_points
from v2xsim.world.roads import FOOT, JUNCTION, LANE, MOTOR, Road, Roads, roads_from


def streets(*lines, lanes=2):
    return corner_points(roads_from([Street(center_m=list(line), lanes=lanes) for line in lines]))


def lane(*points, users=MOTOR, kind=LANE):
    return Road("x", kind, users, 3.2, np.array(points, float))


def square(x, y, half=5.0):
    return Road("x", JUNCTION, MOTOR, 0.0, np.array([(x - half, y - half), (x + half, y - half), (x + half, y + half), (x - half, y + half)]))  # fmt: skip


def test_two_streets_that_cross_meet_in_one_point_however_many_lanes_they_have():
    np.testing.assert_allclose(streets([(-50, 0), (50, 0)], [(0, -50), (0, 50)], lanes=4), [[0, 0]], atol=1e-9)


def test_a_street_that_ends_at_another_one_meets_it():
    found = streets([(-50, 0), (50, 0)], [(0, 3), (0, 50)])
    np.testing.assert_allclose(found, [[0, 0]], atol=1e-9)


def test_streets_that_end_before_each_other_do_not_meet():
    assert len(streets([(-50, 0), (50, 0)], [(0, 30), (0, 50)])) == 0


@pytest.mark.parametrize(("degrees", "corners"), [(29.0, 0), (31.0, 1), (149.0, 1), (151.0, 0)])
def test_streets_meet_at_30_degrees_or_more(degrees, corners):
    way = 50.0 * np.array([np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))])
    assert len(streets([(-50, 0), (50, 0)], [tuple(-way), tuple(way)], lanes=1)) == corners


def test_a_sharp_bend_is_a_corner_and_a_gentle_one_is_none():
    np.testing.assert_allclose(streets([(-60, 0), (0, 0), (0, 60)], lanes=1), [[0, 0]])
    assert len(streets([(-60, 0), (0, 0), (60, 20)], lanes=1)) == 0


def test_a_right_angle_drawn_as_a_curve_is_a_corner():
    angle = np.deg2rad(np.linspace(-90, 0, 10))
    curve = [(-60.0, -12.0), *zip(12.0 * np.cos(angle), 12.0 * np.sin(angle), strict=True), (12.0, 60.0)]
    # Every single bend of it is 10 degrees or less.
    assert 1 <= len(streets(curve, lanes=1)) <= 2


def test_a_junction_of_a_network_is_a_corner_if_its_lanes_differ_in_direction():
    east, west, north = lane((-90, 0), (-5, 0)), lane((5, 0), (90, 0)), lane((0, 5), (0, 90))
    np.testing.assert_allclose(corner_points(Roads.of([east, north, square(0, 0)])), [[0, 0]], atol=1e-9)
    assert len(corner_points(Roads.of([east, west, square(0, 0)]))) == 0
    # A lane that passes by ends at another junction.
    assert len(corner_points(Roads.of([east, lane((0, 15), (0, 90)), square(0, 0)]))) == 0


def test_ways_that_cars_may_not_use_and_paths_across_a_junction_count_for_nothing():
    east = lane((-90, 0), (-5, 0))
    assert len(corner_points(Roads.of([east, lane((0, 5), (0, 90), users=FOOT), square(0, 0)]))) == 0
    assert len(corner_points(Roads.of([lane((-90, 0), (90, 0)), lane((0, 5), (0, 90), users=FOOT)]))) == 0


def test_nodes_of_one_wide_junction_are_one_corner_and_two_crossings_are_two():
    roads = [
        lane((-90, 0), (-5, 0)),
        lane((0, 5), (0, 90)),
        square(0, 0),
        lane((9, 5), (9, 90)),
        lane((14, 0), (90, 0)),
        square(9, 0),
    ]
    np.testing.assert_allclose(corner_points(Roads.of(roads)), [[4.5, 0]], atol=1e-9)
    found = streets([(-50, 0), (150, 0)], [(0, -50), (0, 50)], [(100, -50), (100, 50)])
    np.testing.assert_allclose(found, [[0, 0], [100, 0]], atol=1e-9)


def test_a_map_without_roads_has_no_corners():
    assert corner_points(Roads.none()).shape == (0, 2)
    assert corner_points(Roads.of([square(0, 0)])).shape == (0, 2)
