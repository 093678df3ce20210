"""Roads of a map."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from v2xsim.scenario.schema_world import Street
from v2xsim.world.roads import (
    BICYCLE,
    FOOT,
    JUNCTION,
    LANE,
    MOTOR,
    NOBODY,
    RAIL,
    Road,
    Roads,
    allowed_classes,
    beside,
    roads_from,
    users_of,
)


@pytest.mark.parametrize(
    ("allow", "disallow", "users"),
    [
        (None, None, MOTOR),
        ("pedestrian", None, FOOT),
        ("bicycle pedestrian", None, BICYCLE),
        ("bus tram", None, MOTOR),
        ("tram rail", None, RAIL),
        ("ship", None, NOBODY),
        ("all", None, MOTOR),
        (None, "pedestrian bicycle", MOTOR),
        (None, "all", NOBODY),
        ("", None, NOBODY),
    ],
)
def test_a_lane_is_for_the_users_that_sumo_lets_in(allow, disallow, users):
    assert users_of(allowed_classes(allow, disallow)) == users


def test_the_line_beside_an_eastbound_line_on_its_left_is_north_of_it():
    assert beside(np.array([(0.0, 0.0), (10.0, 0.0)]), 2.0).tolist() == [[0, 2], [10, 2]]


def test_beside_a_right_angle_the_corner_keeps_its_distance_from_both_sides():
    line = beside(np.array([(0.0, 0.0), (10.0, 0.0), (10.0, 10.0)]), 2.0)
    np.testing.assert_allclose(line, [(0, 2), (8, 2), (8, 10)])


def test_beside_a_hairpin_no_corner_is_thrown_far_out():
    line = beside(np.array([(0.0, 0.0), (100.0, 0.0), (0.0, 0.1)]), 2.0)
    assert np.abs(line[:, 1]).max() < 10


@given(st.floats(0, 6.28), st.floats(-9, 9))
def test_both_lines_beside_a_straight_line_are_equally_far(heading_rad, left_m):
    line = np.array([(0.0, 0.0), (np.cos(heading_rad), np.sin(heading_rad))]) * 50
    np.testing.assert_allclose(beside(line, left_m) + beside(line, -left_m), 2 * line, atol=1e-9)


def test_the_lanes_of_a_street_lie_side_by_side_and_those_on_the_left_lead_back():
    roads = roads_from([Street(center_m=[(0, 0), (100, 0)], lanes=3, lane_m=4)])
    lines = [roads.points_m[a:b].tolist() for a, b in zip(roads.offset[:-1], roads.offset[1:], strict=True)]
    assert lines == [[[0, -4], [100, -4]], [[0, 0], [100, 0]], [[100, 4], [0, 4]]]
    assert roads.width_m.tolist() == [4, 4, 4]


def test_a_lane_of_one_point_and_a_junction_without_an_area_are_left_out():
    point, edge = np.zeros((1, 2)), np.array([(0.0, 0.0), (1.0, 0.0)])
    roads = Roads.of([Road("a", LANE, MOTOR, 3.0, point), Road("J", JUNCTION, MOTOR, 0.0, edge)])
    assert len(roads) == 0


def test_a_point_that_a_network_repeats_counts_once():
    line = np.array([(0.0, 0.0), (0.0, 0.0), (5.0, 0.0), (5.0, 0.0)])
    assert Roads.of([Road("a", LANE, MOTOR, 3.0, line)]).points_m.tolist() == [[0, 0], [5, 0]]


def test_no_roads_is_an_empty_map():
    assert (len(Roads.none()), Roads.none().offset.tolist()) == (0, [0])
