"""Outlines of buildings: courts, crossings, and what cannot be used."""

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from v2xsim.records import Prisms
from v2xsim.scenario.schema_world import Building, World
from v2xsim.world.buildings import BuildingsError, building_notices, load_prisms, prisms_from, prisms_of_polygons
from v2xsim.world.outlines import clean_footprint, footprints_of, one_outline, signed_area_m2, usable_footprints
from v2xsim.world.polygon_file import Polygon, read_polygons


def square(x, y, side):
    return [(x, y), (x + side, y), (x + side, y + side), (x, y + side)]


def prism_of(outline):
    return Prisms(outline, np.array([0, len(outline)]), np.zeros(1), np.ones(1))


def test_an_outline_goes_round_each_court_and_only_the_seams_are_no_walls():
    block = shapely.Polygon(square(0, 0, 100), [square(10, 10, 20), square(60, 60, 30)])
    outline = one_outline(block)
    assert signed_area_m2(outline) == pytest.approx(100**2 - 20**2 - 30**2)
    wall = np.linalg.norm(np.roll(outline, -1, axis=0) - outline, axis=1)[~prism_of(outline).is_seam]
    assert wall.sum() == pytest.approx(4 * (100 + 20 + 30))


def test_a_court_that_touches_the_wall_needs_no_seam():
    outline = clean_footprint(one_outline(shapely.Polygon(square(0, 0, 100), [[(0, 0), (20, 10), (10, 20)]])))
    assert outline is not None
    assert not prism_of(outline).is_seam.any()
    assert signed_area_m2(outline) == pytest.approx(100**2 - 150)


@given(st.integers(0, 10_000), st.integers(1, 6))
@settings(max_examples=40, deadline=None)
def test_the_outline_of_a_building_with_courts_has_the_area_and_the_walls_of_the_building(seed, courts):
    rng = np.random.default_rng(seed)
    holes = [shapely.Point(rng.uniform(0, 100, 2)).buffer(rng.uniform(2, 25), 3) for _ in range(courts)]
    building = shapely.box(-5, -5, 105, 105).difference(shapely.union_all(holes))
    for polygon in shapely.get_parts(building):
        outline = one_outline(polygon)
        seam = prism_of(outline).is_seam
        length_m = np.linalg.norm(np.roll(outline, -1, axis=0) - outline, axis=1)
        assert signed_area_m2(outline) == pytest.approx(polygon.area)
        assert length_m[~seam].sum() == pytest.approx(polygon.length)
        ([again],), (crosses,) = usable_footprints([outline])
        assert (signed_area_m2(again), crosses) == (pytest.approx(polygon.area), False)


def test_an_outline_that_crosses_itself_becomes_the_areas_that_it_encloses():
    bow_tie = np.array([(0, 0), (10, 10), (10, 0), (0, 10)], float)
    (parts,), (crosses,) = usable_footprints([bow_tie])
    assert crosses
    assert [signed_area_m2(part) for part in parts] == [pytest.approx(25.0)] * 2


def test_a_spike_is_no_crossing():
    spike = np.array([(0, 0), (10, 0), (10, 5), (30, 5), (10, 5), (10, 10), (0, 10)], float)
    ([outline],), (crosses,) = usable_footprints([spike])
    assert (signed_area_m2(outline), crosses) == (pytest.approx(100.0), False)


def test_several_bodies_give_several_outlines_and_specks_give_none():
    bodies = shapely.union_all([shapely.box(0, 0, 10, 10), shapely.box(20, 0, 30, 10), shapely.box(50, 0, 50.5, 1)])
    assert [signed_area_m2(part) for part in footprints_of(bodies)] == pytest.approx([100.0, 100.0])


def polygon(shape, kind="building", **tags):
    return Polygon(
        kind, " ".join(f"{x},{y}" for x, y in shape), {key.replace("_", ":"): value for key, value in tags.items()}
    )


def subjects(polygons, region=None):
    _, sources = prisms_of_polygons(polygons, region)
    return {notice.subject: notice.count for notice in sources.notices("town.poly.xml")}


def test_everything_left_out_repaired_or_assumed_is_reported():
    polygons = [
        polygon(square(0, 0, 10), height="9"),
        polygon(square(0, 0, 10)[::-1], height="9"),  # the same house, drawn the other way round
        polygon(square(20, 0, 0.5)),
        polygon([(40, 0), (50, 10), (50, 0), (40, 10)], building_levels="2"),
        polygon(square(60, 0, 10), height="12 storeys"),
        polygon(square(900, 0, 10), height="9"),
        polygon(square(80, 0, 10), kind="house"),
        polygon(square(80, 0, 10), kind="landuse.forest"),
    ]
    assert subjects(polygons, (0, 0, 200, 200)) == {
        "buildings.left_out": 1,
        "buildings.outline_crosses_itself": 1,
        "buildings.repeated": 1,
        "buildings.outside_region": 1,
        "buildings.height_assumed": 1,
        "buildings.height_unreadable": 1,
        "buildings.unknown_type": 1,
        "buildings.other_polygons": 1,
    }


def test_a_file_without_buildings_is_reported():
    assert subjects([polygon(square(0, 0, 9), kind="landuse.forest")]) == {"buildings.none": 1}


def test_an_empty_file_is_reported_and_an_empty_list_is_not():
    assert subjects([]) == {"buildings.none": 1}
    assert prisms_from([])[1].notices("world.buildings") == ()


def test_parts_above_each_other_are_no_repetition():
    tower = [polygon(square(0, 0, 10), height="20"), polygon(square(0, 0, 10), height="25", min_height="20")]
    tower[1] = Polygon("building", tower[0].shape, {"height": "25", "min_height": "20"})
    prisms, sources = prisms_of_polygons(tower)
    assert (prisms.base_m.tolist(), prisms.top_m.tolist(), sources.repeated) == ([0, 20], [20, 25], 0)


@pytest.mark.parametrize("height_first", [True, False])
def test_of_two_drawings_of_one_house_the_one_with_a_height_counts(height_first):
    house = [polygon(square(0, 0, 10), height="20"), polygon(square(0, 0, 10))]
    prisms, _ = prisms_of_polygons(house if height_first else house[::-1])
    assert prisms.top_m.tolist() == [20.0]


DEGREES = '<additional><poly id="a" type="building" shape="9.7,50.86 9.7001,50.86 9.7001,50.8601"/></additional>'
GEO = '<additional><poly id="a" type="building" geo="1" shape="9.7,50.86 9.9,50.86 9.9,50.96"/></additional>'


@pytest.mark.parametrize("text", [DEGREES, GEO])
def test_a_polygon_file_in_degrees_is_refused_with_what_to_do(tmp_path, text):
    path = tmp_path / "town.poly.xml"
    path.write_text(text)
    with pytest.raises(BuildingsError, match=r"longitude and latitude.*polyconvert --net-file") as error:
        load_prisms(World(buildings=path))
    assert str(path) in str(error.value)


def test_listed_buildings_in_degrees_are_refused():
    with pytest.raises(BuildingsError, match=r"world.buildings.*longitude"):
        prisms_from([Building(footprint_m=[(9.7, 50.86), (9.7001, 50.86), (9.7001, 50.8601)], height_m=9.0)])


def test_a_building_of_a_scenario_that_is_left_out_is_reported_with_its_key():
    world = World(
        buildings=[
            Building(footprint_m=square(0, 0, 10), height_m=9),
            Building(footprint_m=square(0, 0, 0.5), height_m=9),
        ]
    )
    _, sources = load_prisms(world)
    (notice,) = building_notices(world, sources)
    assert (notice.subject, notice.count) == ("buildings.left_out", 1)
    assert notice.text.startswith("world.buildings: 1 of 2 buildings are left out")
    assert "(world.buildings.1;" in notice.text


def test_an_ordinary_file_of_buildings_in_metres_is_read(tmp_path):
    path = tmp_path / "town.poly.xml"
    path.write_text('<additional><poly id="a" type="building" geo="0" shape="0,0 9,0 9,9"/></additional>')
    assert len(read_polygons(path)) == 1
