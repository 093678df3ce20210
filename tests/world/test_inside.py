"""Which bodies stand inside buildings."""

import numpy as np
import pytest
import shapely

from v2xsim.records import Prisms
from v2xsim.spatial.grid import indexed
from v2xsim.world.inside import all_around, buildings_around

HOUSE = [(0, 0), (20, 0), (20, 20), (0, 20)]
RING = [(100, 0), (160, 0), (160, 60), (100, 60), (100, 0), (120, 20), (120, 40), (140, 40), (140, 20), (120, 20)]
SKYWAY = [(200, 0), (220, 0), (220, 20), (200, 20)]


def town():
    footprints = [np.array(foot, float) for foot in (HOUSE, RING, SKYWAY)]
    offset = np.concatenate([[0], np.cumsum([len(foot) for foot in footprints])])
    return indexed(Prisms(np.concatenate(footprints), offset, np.array([0.0, 0.0, 4.0]), np.array([9.0, 12.0, 8.0])))


@pytest.mark.parametrize(
    ("x", "y", "bottom_m", "top_m", "row"),
    [
        (10, 10, 0, 1.5, 0),
        (10, 30, 0, 1.5, -1),
        (130, 30, 0, 1.5, -1),  # in the court
        (110, 30, 0, 1.5, 1),
        (110, 10, 0, 1.5, 1),  # on the seam of the outline
        (210, 10, 0, 1.5, -1),  # below the skyway
        (210, 10, 0, 4.5, 2),  # too high for the skyway
        (10, 10, 9, 10.5, -1),  # on the roof
        (-500, 10, 0, 1.5, -1),
    ],
)
def test_a_body_is_inside_where_its_height_meets_that_of_the_building(x, y, bottom_m, top_m, row):
    assert buildings_around(np.array([[x, y, bottom_m]], float), np.array([float(top_m)]), town()).tolist() == [row]


@pytest.mark.parametrize("x", [0, 10, 20])
@pytest.mark.parametrize("y", [0, 10, 20])
def test_a_place_on_a_wall_is_outside_on_every_side_as_it_is_for_an_antenna(x, y):
    is_middle = x == y == 10
    assert buildings_around(np.array([[x, y, 0.0]]), np.array([1.5]), town()).tolist() == [0 if is_middle else -1]
    assert all_around(np.array([x, y, 0.0]), 1.5, town()).tolist() == ([0] if is_middle else [])


def test_bodies_inside_are_those_that_shapely_finds():
    rng = np.random.default_rng(1)
    places = np.column_stack([rng.uniform(-20, 240, 500), rng.uniform(-20, 80, 500), np.zeros(500)])
    areas = [shapely.Polygon(HOUSE), shapely.Polygon(RING).buffer(0), shapely.Polygon(SKYWAY)]
    expected = [next((n for n, area in enumerate(areas) if area.contains(shapely.Point(p[:2]))), -1) for p in places]
    assert buildings_around(places, np.full(500, 5.0), town()).tolist() == expected


def test_nobody_is_inside_where_nothing_is_built():
    assert buildings_around(np.zeros((2, 3)), np.ones(2), indexed(Prisms.none())).tolist() == [-1, -1]


def test_all_buildings_round_a_place_are_those_that_shapely_finds():
    rng = np.random.default_rng(2)
    footprints = [
        np.add(shape, shift) for shape in (HOUSE, RING, SKYWAY) for shift in ((0.0, 0.0), (-90.0, 7.0), (11.0, 5.0))
    ]
    offset = np.cumsum([0, *map(len, footprints)])
    base_m = np.tile([0.0, 1.0, 4.0], 3)
    obstacles = indexed(Prisms(np.concatenate(footprints), offset, base_m, base_m + 6.0))
    areas = [shapely.Polygon(foot).buffer(0) for foot in footprints]
    for place in rng.uniform(-20, 240, (300, 2)) * (1.0, 0.3):
        expected = [n for n, area in enumerate(areas) if area.contains(shapely.Point(place)) and base_m[n] < 2.0]
        assert all_around(np.array([*place, 0.0]), 2.0, obstacles).tolist() == expected
