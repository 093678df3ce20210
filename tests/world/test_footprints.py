"""The cells inside buildings, on windows anywhere on the map."""

import numpy as np
import pytest

from v2xsim.records import Prisms
from v2xsim.spatial.grid import indexed
from v2xsim.world.footprints import HEADROOM_M, FootprintMap, WallMap

CELL_M = 2.0


def houses(seed):
    """Return crooked houses on both sides of the origin, some with headroom, some of which overlap."""
    rng = np.random.default_rng(seed)
    centers_m, angle = rng.uniform(-700, 700, (60, 1, 2)), np.sort(rng.uniform(0, 2 * np.pi, (60, 5)), axis=1)
    corners_m = centers_m + rng.uniform(5, 90, (60, 1, 1)) * np.stack([np.cos(angle), np.sin(angle)], axis=2)
    base_m = rng.choice([0.0, 1.9, HEADROOM_M, 4.0], 60)
    return indexed(Prisms(corners_m.reshape(-1, 2), np.arange(0, 301, 5), base_m, base_m + 9.0))


def is_inside(corners_m, x, y):
    """Return whether points lie in an outline: whether an odd number of its walls lies east of each."""
    inside = np.zeros(x.shape, bool)
    for (ax, ay), (bx, by) in zip(corners_m, np.roll(corners_m, -1, axis=0), strict=True):
        if ay != by:
            inside ^= ((ay > y) != (by > y)) & (x < ax + (y - ay) / (by - ay) * (bx - ax))
    return inside


def ground_of(obstacles, lower, shape, station_m):
    """Return the open ground of one window, cell by cell and house by house."""
    x, y = ((lower[axis] + np.arange(shape[axis]) + 0.5) * CELL_M for axis in range(2))
    x, y = np.meshgrid(x, y, indexing="ij")
    ground, prisms = np.ones(shape, bool), obstacles.prisms
    for row in range(len(prisms)):
        foot_m = prisms.footprint_m(row)
        is_here = is_inside(foot_m, np.array(station_m[0]), np.array(station_m[1]))
        if prisms.base_m[row] < HEADROOM_M and not is_here:
            ground &= ~is_inside(foot_m, x, y)
    return ground


@pytest.mark.parametrize("shape", [(50, 50), (1, 1), (130, 40), (300, 129)])
@pytest.mark.parametrize("seed", range(3))
def test_cells_of_many_windows_are_open_outside_of_every_house_in_which_their_station_does_not_stand(seed, shape):
    rng, obstacles = np.random.default_rng(seed), houses(seed)
    lower = rng.integers(-500, 350, (12, 2))
    station_m = np.column_stack([(lower + np.array(shape) / 2) * CELL_M, np.zeros(12)])
    ground = FootprintMap(obstacles, CELL_M).open_ground(lower, shape, station_m)
    expected = [ground_of(obstacles, low, shape, at_m) for low, at_m in zip(lower, station_m, strict=True)]
    np.testing.assert_array_equal(ground, expected)


def test_a_window_looks_the_same_the_first_time_and_later():
    obstacles, windows = houses(1), np.random.default_rng(1).integers(-500, 350, (40, 2))
    footprints = FootprintMap(obstacles, CELL_M)
    first = [footprints.open_ground(window[None], (50, 50))[0] for window in windows]
    np.testing.assert_array_equal(footprints.open_ground(windows, (50, 50)), first)
    assert 0.2 < np.mean(first) < 0.99


def test_without_buildings_all_ground_is_open():
    assert FootprintMap(indexed(Prisms.none()), CELL_M).open_ground(np.zeros((2, 2), np.int64), (3, 4)).all()


@pytest.mark.parametrize("seed", range(2))
def test_a_cell_is_away_from_walls_if_no_part_of_it_or_of_its_margin_is_in_a_house(seed):
    """A part is a quarter of the side of a cell; the margin is one part wide. Windows reach over the edges of tiles."""
    rng, obstacles = np.random.default_rng(seed), houses(seed)
    lower, shape = rng.integers(-300, 250, (6, 2)), (150, 40)
    away = WallMap(obstacles, CELL_M).away_from_walls(lower, shape)
    parts = FootprintMap(obstacles, CELL_M / 4)
    for window, low in zip(away, lower, strict=True):
        is_open = parts.open_ground(4 * low[None] - 1, (4 * shape[0] + 2, 4 * shape[1] + 2))[0]
        for i, j in rng.integers(0, shape, (200, 2)):
            assert window[i, j] == is_open[4 * i : 4 * i + 6, 4 * j : 4 * j + 6].all()
    assert 0.2 < away.mean() < 0.99
