"""Buildings with a corner that cannot be right, and indices over what lies far apart."""

import resource
from contextlib import contextmanager

import numpy as np
import pytest

from v2xsim.scenario.schema_world import Building, World
from v2xsim.spatial.grid import grid_over, items_within
from v2xsim.world.buildings import building_notices, load_obstacles, load_prisms, prisms_of_polygons
from v2xsim.world.footprints import FootprintMap
from v2xsim.world.polygon_file import Polygon

HOUSE = [(500_010, 5_500_005), (500_020, 5_500_005), (500_020, 5_500_025), (500_010, 5_500_025)]


@contextmanager
def memory_of(more_gib):
    """Let the process allocate no more than this in addition to what it has."""
    with open("/proc/self/statm") as statm:
        now = int(statm.read().split()[0]) * resource.getpagesize()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (now + more_gib * 2**30, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def listed(*outlines):
    return World(buildings=[Building(footprint_m=outline, height_m=9) for outline in outlines])


@pytest.mark.parametrize("corner", [(0, 0), (1e8, 5_500_025), (5_500_010, 500_005), (500_010, 5_510_025)])
def test_a_listed_building_with_a_wrong_corner_is_left_out_with_the_corners(corner):
    world = listed(HOUSE, [*HOUSE[:3], corner])
    with memory_of(2):
        obstacles, sources = load_obstacles(world)
    assert len(obstacles.prisms) == 1
    (notice,) = building_notices(world, sources)
    assert (notice.subject, notice.count) == ("buildings.huge", 1)
    assert "(world.buildings.1: from corner" in notice.text
    assert f"corner 3 at {corner[0]:.12g},{corner[1]:.12g}" in notice.text


def test_a_polygon_with_a_wrong_corner_is_left_out_with_its_id():
    shapes = [HOUSE, [(0, 0), *HOUSE[1:]]]
    polygons = [
        Polygon("building", " ".join(f"{x},{y}" for x, y in shape), {"height": "9"}, f"h{number}")
        for number, shape in enumerate(shapes)
    ]
    prisms, sources = prisms_of_polygons(polygons, source="town.poly.xml")
    assert len(prisms) == 1
    (notice,) = sources.notices("town.poly.xml")
    assert "town.poly.xml: 1 building has an edge longer than 3,000 m" in notice.text
    assert "h1: from corner 3 at 500010,5500025 to corner 0 at 0,0" in notice.text


def test_a_long_building_with_short_edges_stands_and_is_reported():
    along = [(x, 0.0) for x in range(0, 5000, 100)]
    world = listed([*along, *((x, 4.0) for x, _ in reversed(along))])
    prisms, sources = load_prisms(world)
    assert len(prisms) == 1
    assert [notice.subject for notice in building_notices(world, sources)] == ["buildings.long"]


def test_buildings_at_the_two_ends_of_the_world_need_little_memory_and_are_found():
    lower = np.array([[-1e8, -1e8], [0.0, 0.0], [1e8, 1e8]])
    with memory_of(2):
        grid = grid_over(lower, lower + 10.0, 32.0)
    for row, corner in enumerate(lower):
        assert items_within(grid, corner, corner + 1.0).tolist() == [row]


def test_large_outlines_one_over_the_other_need_little_memory():
    lower = np.zeros((2000, 2))
    with memory_of(2):
        grid = grid_over(lower, lower + 100_000.0, 32.0)
    assert len(items_within(grid, lower[0] + 99_000, lower[0] + 99_001)) == 2000


def test_cells_of_a_very_large_building_need_little_memory_and_are_those_of_its_parts():
    def ground_of(outline):
        obstacles, _ = load_obstacles(listed(outline))
        with memory_of(1):
            return FootprintMap(obstacles, 0.25).open_ground(np.array([[-40, -40]]), (80, 90))[0]

    large = [(-3.1, -2.2), (2900, -2.2), (2900, 2900), (-3.1, 2900)]
    part = [(-3.1, -2.2), (90, -2.2), (90, 90), (-3.1, 90)]
    assert (ground_of(large) == ground_of(part)).all()
    assert 0 < ground_of(part).sum() < 80 * 90


def test_a_region_without_buildings_is_named_as_the_reason():
    house = Polygon("building", "0,0 9,0 9,9", {"height": "9"}, "h")
    text = {n.subject: n.text for n in prisms_of_polygons([house], (500, 500, 600, 600))[1].notices("a")}[
        "buildings.none"
    ]
    assert "1 outside world.region" in text
    assert "has the type" not in text
    speck = Polygon("building", "0,0 0.1,0 0.1,0.1", {"height": "9"}, "h")
    text = {n.subject: n.text for n in prisms_of_polygons([speck, speck])[1].notices("a")}["buildings.none"]
    assert "left out because of their outlines" in text
