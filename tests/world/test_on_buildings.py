"""Which points lie on buildings of the map."""

import numpy as np
import pytest

from tests.engine.small_world import obstacles
from v2xsim.records import Prisms
from v2xsim.spatial.grid import indexed
from v2xsim.world.on_buildings import REACH_M, on_buildings

# From (0, 0) to (20, 10), 12 m high.
HOUSE = obstacles((0, 0, 20, 10))


def test_points_near_a_wall_lie_on_the_building_and_others_do_not():
    points_m = [(-0.4, 5, 1), (0.4, 5, 1), (-0.6, 5, 1), (10, 10.3, 1), (20.3, 10.3, 1), (20.4, 10.4, 1), (60, 5, 1)]
    assert on_buildings(np.array(points_m, float), HOUSE).tolist() == [True, True, False, True, True, False, False]


def test_a_car_in_a_hall_is_on_no_building_and_its_roof_is():
    top_m = float(HOUSE.prisms.top_m[0])
    points_m = np.array(
        [(10, 5, 1), (10, 5, top_m), (10, 5, top_m + 0.4), (10, 5, top_m + 0.6), (-0.3, 5, top_m + 0.6)]
    )
    assert on_buildings(points_m, HOUSE).tolist() == [False, True, True, False, False]


def test_without_buildings_or_points_nothing_lies_on_a_building():
    assert on_buildings(np.zeros((2, 3)), obstacles()).tolist() == [False, False]
    assert on_buildings(np.zeros((0, 3)), HOUSE).tolist() == []


@pytest.mark.parametrize("seed", range(4))
def test_a_point_lies_on_a_building_if_a_dense_sample_of_its_outline_is_near(seed):
    rng = np.random.default_rng(seed)
    corners_m = [rng.uniform(-60, 60, 2) + 12 * np.array([(0, 0), (1, 0.2), (0.7, 1), (0.1, 0.6)]) for _ in range(6)]
    many = indexed(Prisms(np.concatenate(corners_m), np.arange(0, 25, 4), np.zeros(6), np.full(6, 9.0)), cell_m=8.0)
    points_m = np.column_stack([rng.uniform(-70, 70, (3000, 2)), np.full(3000, 2.0)])
    shares = np.linspace(0, 1, 2000)[:, None]
    near = np.zeros(3000, bool)
    for foot in corners_m:
        for a, b in zip(foot, np.roll(foot, -1, axis=0), strict=True):
            wall_m = a + shares * (b - a)
            close = np.abs(points_m[:, :2] - (a + b) / 2).max(axis=1) < 20
            gap_m = np.hypot(*(points_m[close, None, :2] - wall_m).transpose(2, 0, 1)).min(axis=1)
            near[close] |= gap_m <= REACH_M
    found = on_buildings(points_m, many)
    assert 20 < near.sum() == found.sum()
    np.testing.assert_array_equal(found, near)
