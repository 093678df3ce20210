"""Ways of links round the corners of a map."""

import numpy as np
import pytest

from v2xsim.comms.channel.building_loss.corner import Corner, corner_loss_db
from v2xsim.comms.channel.building_loss.manhattan import Manhattan
from v2xsim.comms.channel.building_loss.model import BuildingLossView, building_loss_of
from v2xsim.comms.channel.building_loss.round_corners import second_turn_db
from v2xsim.comms.channel.corners import corner_map, detours_between
from v2xsim.comms.channel.detours import Detours
from v2xsim.comms.channel.path_loss.free_space import free_space_loss_db
from v2xsim.records import Prisms
from v2xsim.spatial.grid import indexed

ONE, OTHER = np.array([0]), np.array([1])


def blocks(*rectangles, height_m=10.0, base_m=0.0):
    corners = [[(x0, y0), (x1, y0), (x1, y1), (x0, y1)] for x0, y0, x1, y1 in rectangles]
    count = len(rectangles)
    return indexed(
        Prisms(
            np.array(corners, float).reshape(-1, 2),
            4 * np.arange(count + 1),
            np.full(count, base_m),
            np.full(count, height_m),
        )
    )


def way(first, second, corners, obstacles, height_m=1.5):
    """Return the five legs between two antennas."""
    antenna_m = np.array([[*first, height_m], [*second, height_m]], float)
    found = detours_between(
        antenna_m, ONE, OTHER, corner_map(np.array(corners, float).reshape(-1, 2), obstacles), obstacles
    )
    return [float(legs[0]) for legs in (found.first_m, found.second_m, found.before_m, found.between_m, found.behind_m)]


BLOCK = blocks((10, 10, 90, 90))
INF = float("inf")


def test_the_legs_lead_to_the_corner_that_both_antennas_see():
    assert way((-60, 0), (0, 80), [(0, 0)], blocks((-90, 10, -10, 90))) == [60, 80, INF, INF, INF]


def test_of_two_corners_in_sight_the_one_with_the_smaller_product_of_legs_is_taken():
    # Round the south-east corner of the block or round its north-west one.
    assert way((60, 0), (100, 70), [(0, 100), (100, 0)], BLOCK)[:2] == [40, 70]
    assert way((0, 60), (70, 100), [(0, 100), (100, 0)], BLOCK)[:2] == [40, 70]
    # Both corners are in sight of both ends.
    assert way((0, 10), (0, 90), [(0, 0), (50, 50)], blocks((-5, 40, 5, 60)))[0] == pytest.approx(np.hypot(50, 40))
    assert way((0, 10), (0, 90), [(20, 10), (300, 50)], blocks((-5, 40, 5, 60)))[0] == pytest.approx(20.0)


def test_a_corner_behind_a_building_is_none():
    assert way((60, 0), (100, 70), [(100, 0)], blocks((10, 10, 90, 90), (70, -5, 80, 5))) == [INF] * 5


def test_two_corners_in_sequence_join_antennas_that_see_no_corner_together():
    # Along the south, the east and the north side of the block.
    assert way((20, 0), (30, 100), [(100, 0), (100, 100)], BLOCK) == [INF, INF, 80, 100, 70]
    # Three turns are no way, and corners that do not see each other are none.
    assert way((20, 0), (30, 100), [(100, 0), (100, 100)], blocks((10, 10, 90, 90), (95, 40, 105, 50))) == [INF] * 5


def test_with_a_single_corner_two_do_not_count():
    legs = way((20, 0), (100, 60), [(100, 0), (100, 20)], BLOCK)
    assert legs == [80, 60, INF, INF, INF]


def test_both_directions_have_the_same_way():
    random = np.random.default_rng(1)
    obstacles = blocks(*((x, y, x + 60, y + 60) for x in (10, 110, 210) for y in (10, 110, 210)))
    corners = corner_map(np.array([(x, y) for x in (0, 90, 190, 280) for y in (0, 90, 190, 280)], float), obstacles)
    antenna_m = np.column_stack(
        [random.choice([0.0, 90.0, 190.0, 280.0], 40), random.uniform(0, 280, 40), np.full(40, 1.5)]
    )
    antenna_m[::2, :2] = antenna_m[::2, 1::-1]
    first, second = np.triu_indices(40, 1)
    there, back = (detours_between(antenna_m, a, b, corners, obstacles) for a, b in ((first, second), (second, first)))
    assert set(there.corners.tolist()) == {0, 1, 2} or set(there.corners.tolist()) == {1, 2}
    np.testing.assert_array_equal(there.corners, back.corners)
    view = BuildingLossView(antenna_m[first], antenna_m[second], np.full(len(first), 90.0), 5.9, there)
    mirror = BuildingLossView(antenna_m[second], antenna_m[first], np.full(len(first), 90.0), 5.9, back)
    np.testing.assert_allclose(building_loss_of(Corner(), view), building_loss_of(Corner(), mirror), atol=1e-9)


def test_the_order_of_links_does_not_matter():
    antenna_m = np.array([[60, 0, 1.5], [100, 70, 1.5], [0, 60, 1.5], [30, 100, 1.5]])
    corners = corner_map(np.array([[0.0, 100.0], [100.0, 0.0], [0.0, 0.0]]), BLOCK)
    first, second = np.array([0, 0, 0, 1, 1, 2]), np.array([1, 2, 3, 2, 3, 3])
    mixed = np.array([5, 0, 3, 1, 4, 2])
    straight = detours_between(antenna_m, first, second, corners, BLOCK)
    found = detours_between(antenna_m, first[mixed], second[mixed], corners, BLOCK)
    np.testing.assert_array_equal(found.first_m, straight.first_m[mixed])
    np.testing.assert_array_equal(found.behind_m, straight.behind_m[mixed])


def test_a_corner_farther_away_than_500_m_is_none():
    wall = blocks((-900, 10, -10, 90))
    assert way((-499, 0), (0, 80), [(0, 0)], wall)[:2] == [499, 80]
    assert way((-501, 0), (0, 80), [(0, 0)], wall)[:2] == [INF, INF]
    assert way((-60, 0), (0, 501), [(0, 0)], wall)[:2] == [INF, INF]


def test_an_antenna_above_the_roofs_sees_corners_over_them():
    obstacles = blocks((10, 10, 90, 90), (70, -5, 80, 5), height_m=5.0)
    assert way((60, 0), (100, 70), [(100, 0)], obstacles, height_m=6.0)[:2] == [40, 70]


# Losses.


def view(*legs, direct_db=100.0, distance_m=50.0):
    """Return one link with the legs of `Detours`."""
    legs = [np.array([leg], float) for leg in legs]
    return BuildingLossView(
        np.array([[0.0, 0.0, 1.5]]), np.array([[distance_m, 0.0, 1.5]]), np.array([direct_db]), 5.9, Detours(*legs)
    )


def loss_db(model, *legs, **link):
    return float(building_loss_of(model, view(*legs, **link))[0])


def test_a_second_turn_adds_what_p_1411_says():
    # 20 lg(300 / 200) for the longer way, 10 lg(200 * 100 / 300), less 20 lg of S2 = 0.54 f^0.076 = 2.985.
    by_hand = 3.5218 + 18.2391 - 9.4990
    assert second_turn_db(np.array([200.0]), np.array([100.0]), 5.9)[0] == pytest.approx(by_hand, abs=0.01)
    near, turned = second_turn_db(np.full(3, 200.0), np.array([0.0, 15.0, 30.0]), 5.9), 10.0
    assert near[0] == 0.0
    turned = 10 ** (near[2] / 10)
    assert near[1] == pytest.approx(10 * np.log10(1 + 0.5 * (turned - 1)))


def test_two_corners_lose_the_second_turn_more_than_one_in_the_better_direction():
    one = corner_loss_db(np.array([80.0, 70.0]), np.full(2, 100.0), 5.9)
    more = second_turn_db(np.array([180.0, 170.0]), np.array([70.0, 80.0]), 5.9)
    assert loss_db(Corner(), INF, INF, 80, 100, 70) == pytest.approx((one + more).min())


@pytest.mark.parametrize("model", [Corner(), Manhattan()])
@pytest.mark.parametrize("legs", [(1, 40), (3, 3), (400, 1), (30, 30), (250, 250)])
def test_no_link_round_a_corner_loses_less_than_free_space(model, legs):
    assert loss_db(model, *legs, INF, INF, INF) >= free_space_loss_db(np.array([sum(legs)], float), 5.9)[0]
    assert loss_db(model, INF, INF, 1, *legs) >= free_space_loss_db(np.array([1 + sum(legs)], float), 5.9)[0]


@pytest.mark.parametrize("model", [Corner(), Manhattan()])
def test_a_link_without_a_way_loses_no_less_than_its_direct_distance_and_than_two_equal_right_angles(model):
    leg = 200.0 / np.sqrt(5.0)
    two = loss_db(model, INF, INF, leg, leg, leg)
    assert loss_db(model, *[INF] * 5, distance_m=200.0, direct_db=90.0) == pytest.approx(two)
    assert loss_db(model, *[INF] * 5, distance_m=200.0, direct_db=two + 3.0) == two + 3.0
