"""Which bodies a wall passes through."""

import numpy as np
import shapely

from v2xsim.records import Boxes, Prisms
from v2xsim.spatial.boxes import corners_m
from v2xsim.spatial.grid import indexed
from v2xsim.world.outlines import footprints_of
from v2xsim.world.through_walls import through_walls


def obstacles_of(*areas, base_m=0.0, top_m=9.0):
    outlines = [outline for area in areas for outline in footprints_of(area)]
    offset = np.cumsum([0, *map(len, outlines)])
    return indexed(
        Prisms(np.concatenate(outlines), offset, np.full(len(outlines), base_m), np.full(len(outlines), top_m))
    )


def car(x, y, bottom_m=0.0, yaw_rad=0.0, size_m=(4.0, 2.0, 1.5)):
    return Boxes(np.array([[x, y, bottom_m]], float), np.array([size_m], float), np.array([yaw_rad]))


HOUSE = shapely.box(0, 0, 20, 20)


def test_a_truck_whose_front_is_in_a_house_is_in_its_wall():
    assert through_walls(car(-3, 10, size_m=(12, 2.5, 4)), obstacles_of(HOUSE)).tolist() == [True]


def test_cars_in_a_house_beside_it_on_it_and_touching_it_are_in_no_wall():
    places = [(10, 10, 0), (-5, 10, 0), (0, 10, 9.0), (-1.9, 10, 0)]
    assert not any(through_walls(car(*place), obstacles_of(HOUSE))[0] for place in places)


def test_a_car_below_a_raised_house_is_in_no_wall_and_a_truck_is():
    raised = obstacles_of(HOUSE, base_m=3.0)
    assert not through_walls(car(0, 10), raised)[0]
    assert through_walls(car(0, 10, size_m=(8, 2.5, 4)), raised)[0]


def test_the_seam_to_a_court_is_no_wall():
    ring = shapely.box(0, 0, 60, 60).difference(shapely.box(20, 20, 40, 40))
    (outline,) = footprints_of(ring)
    prism = Prisms(outline, np.array([0, len(outline)]), np.zeros(1), np.ones(1))
    after = np.roll(outline, -1, axis=0)
    middle = (0.5 * (outline + after))[prism.is_seam][0]
    assert not through_walls(car(*middle), obstacles_of(ring))[0]


def test_bodies_in_walls_are_those_whose_rectangles_shapely_finds_on_a_wall():
    rng = np.random.default_rng(3)
    areas = [
        HOUSE,
        shapely.box(40, 0, 40.3, 30),
        shapely.Point(70, 20).buffer(15).difference(shapely.Point(72, 20).buffer(6)),
    ]
    n = 400
    boxes = Boxes(
        np.column_stack([rng.uniform(-5, 90, n), rng.uniform(-5, 40, n), np.zeros(n)]),
        np.column_stack([rng.uniform(1, 12, n), rng.uniform(0.6, 2.6, n), np.ones(n)]), rng.uniform(-4, 4, n),
    )  # fmt: skip
    small = Boxes(boxes.center_m, boxes.size_m - (0.4, 0.4, 0.0), boxes.yaw_rad)
    walls = shapely.union_all([area.boundary for area in areas])
    expected = shapely.intersects(shapely.polygons(corners_m(small)), walls)
    assert np.array_equal(through_walls(boxes, obstacles_of(*areas)), expected)
    assert 50 < expected.sum() < 350
