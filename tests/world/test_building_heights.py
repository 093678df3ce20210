"""How tall buildings are, from what the map says."""

import gzip

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from v2xsim.errors import UserError
from v2xsim.scenario import from_data
from v2xsim.scenario.schema_world import Building, World
from v2xsim.world.building_heights import (
    base_height_m,
    default_height_m,
    length_m,
    prism_heights_m,
    roof_height_m,
)
from v2xsim.world.buildings import (
    BuildingsError,
    load_obstacles,
    load_prisms,
    prisms_from,
    prisms_of_polygons,
    read_polygons,
)
from v2xsim.world.height_faults import height_faults, is_height_unreadable
from v2xsim.world.outlines import clean_footprint, corners_of, signed_area_m2
from v2xsim.world.polygon_file import Polygon


@pytest.mark.parametrize(
    ("text", "metres"),
    [
        ("12", 12.0),
        ("12 m", 12.0),
        ("12.5m", 12.5),
        ("12,5", 12.5),
        (" 7 metres ", 7.0),
        ("~9", 9.0),
        ("40'", 12.192),
        ("40 ft", 12.192),
        ("6'6\"", 1.9812),
        ("6'6″", 1.9812),
        ("250 cm", 2.5),
    ],
)
def test_a_length_is_read_in_metres_and_feet(text, metres):
    assert length_m(text) == pytest.approx(metres)


@pytest.mark.parametrize("text", ["", "tall", "-3", "12 storeys", "3;4", "nan", "inf", "1e3", "12 m m", None])
def test_what_is_no_length_is_not_guessed(text):
    assert length_m(text) is None


def test_a_height_counts_before_levels():
    assert roof_height_m({"height": "10", "building:levels": "5"}, "house") == (10.0, "height")


def test_a_level_is_three_metres():
    assert roof_height_m({"building:levels": "4"}, "house") == (12.0, "levels")


@pytest.mark.parametrize("height", ["0", "99999", "high", "-4"])
def test_an_impossible_height_gives_way_to_the_levels(height):
    assert roof_height_m({"height": height, "building:levels": "2"}, "house") == (6.0, "levels")


@pytest.mark.parametrize("levels", ["0", "many", "-1", "5000", "12 m"])
def test_impossible_levels_give_way_to_the_default(levels):
    assert roof_height_m({"building:levels": levels}, "garage") == (default_height_m("garage"), "default")


def test_a_church_is_taller_than_a_house_and_a_house_than_a_garage():
    assert default_height_m("church") > default_height_m("house") > default_height_m("garage")


def test_an_unknown_type_has_the_height_of_a_building_without_type():
    assert default_height_m("beer garden pavilion") == default_height_m("yes")


def test_rays_pass_under_a_roof_on_posts():
    assert 2.0 < base_height_m({}, "roof", 3.5) < 3.5


def test_a_building_stands_on_the_ground_where_its_underside_would_be_above_its_roof():
    assert base_height_m({"min_height": "12"}, "yes", 9.0) == 0.0


POLYGONS = """<additional>
  <poly id="a" type="building" shape="0,0 0,10 10,10 10,0 0,0"><param key="building" value="house"/>
    <param key="height" value="8"/></poly>
  <poly id="b" type="building.garage" shape="20,0 23,0 23,6 20,6"/>
  <poly id="c" type="landuse.forest" shape="0,0 100,0 100,100"/>
  <poly id="d" type="amenity.school" shape="40,0 50,0 50,9"><param key="building" value="school"/>
    <param key="building:levels" value="2"/></poly>
  <poly id="d#1" type="building.school" shape="40,0 50,0 50,9"><param key="building" value="school"/>
    <param key="building:levels" value="2"/></poly>
  <poly id="e" type="building" shape="60,0 60.5,0 60.5,0.5"/>
  <poly id="f" type="building" shape="70,0 71,x"/>
  <poly id="g" type="building" shape="80,0 90,0 90,0,5"/>
  <poly id="h" type="building" shape=""/>
  <poly id="i" type="building.yes" shape="0,50 9,50 9,59"><param key="building" value="no"/></poly>
</additional>"""


@pytest.fixture
def polygon_file(tmp_path):
    path = tmp_path / "town.poly.xml"
    path.write_text(POLYGONS)
    return path


def test_every_building_is_read_once_and_its_height_has_a_source(polygon_file):
    prisms, sources = prisms_of_polygons(read_polygons(polygon_file))
    assert (sources.height, sources.levels, sources.default) == (1, 1, 1)
    assert (sources.degenerate, sources.repeated, sources.outside) == (2, 1, 0)
    assert len(sources.faults["buildings.shape_unreadable"]) == 2
    np.testing.assert_allclose(prisms.top_m, [8.0, default_height_m("garage"), 6.0])


def test_footprints_run_counter_clockwise_without_a_closing_corner(polygon_file):
    prisms, _ = prisms_of_polygons(read_polygons(polygon_file))
    rings = [prisms.vertices_m[a:b] for a, b in zip(prisms.offset, prisms.offset[1:], strict=False)]
    assert [len(ring) for ring in rings] == [4, 4, 3]
    assert [signed_area_m2(ring) for ring in rings] == pytest.approx([100.0, 18.0, 45.0])


def test_a_region_keeps_the_buildings_that_touch_it(polygon_file):
    prisms, sources = prisms_of_polygons(read_polygons(polygon_file), (9.0, 5.0, 21.0, 30.0))
    assert len(prisms) == 2
    assert sources.outside == 1


def test_a_packed_file_reads_like_a_plain_one(polygon_file):
    packed = polygon_file.with_suffix(".xml.gz")
    packed.write_bytes(gzip.compress(polygon_file.read_bytes()))
    assert read_polygons(packed) == read_polygons(polygon_file)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"  \n", "empty"),
        (b"not xml", "not valid XML"),
        (b"<net/>", "root element is <net>"),
        (b"<additional><poly", "not valid XML"),
        (gzip.compress(b"<additional/>" * 50, mtime=0)[:20], "damaged gzip"),
        (b"\x1f\x8bjunk", "damaged gzip"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><additional/>', "document type"),
        (bytes(range(256)), "not valid XML"),
    ],
)
def test_a_damaged_polygon_file_is_refused_with_file_and_reason(tmp_path, content, reason):
    path = tmp_path / "broken.poly.xml"
    path.write_bytes(content)
    with pytest.raises(BuildingsError, match=reason) as error:
        read_polygons(path)
    assert str(path) in str(error.value)


def test_a_missing_polygon_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(BuildingsError, match="cannot be read"):
        read_polygons(tmp_path / "none.poly.xml")
    with pytest.raises(BuildingsError, match="is a folder"):
        read_polygons(tmp_path)


def test_no_buildings_at_all_is_an_empty_world():
    obstacles, sources = load_obstacles(World(buildings=[]))
    assert len(obstacles.prisms) == 0
    assert sources.loaded == 0


def test_a_building_of_the_scenario_has_its_own_height():
    prisms, sources = prisms_from([Building(footprint_m=[(0, 0), (0, 5), (5, 5), (5, 0)], height_m=7.0)])
    assert prisms.top_m.tolist() == [7.0]
    assert sources.height == 1


def test_corners_with_height_lose_it():
    np.testing.assert_array_equal(corners_of("1,2,3 4,5 7,8,0"), [[1, 2], [4, 5], [7, 8]])


def test_a_house_has_its_area_also_in_coordinates_of_a_national_grid():
    corners = np.add([(0, 0), (10.1, 0), (10.1, 7.3), (0, 7.3)], (32_548_123.37, 5_636_987.73))
    assert signed_area_m2(corners) == pytest.approx(10.1 * 7.3, rel=1e-6)


@given(
    st.lists(st.tuples(st.integers(-50, 50), st.integers(-50, 50)), min_size=3, max_size=8),
    st.integers(-1_000_000, 1_000_000),
)
def test_a_clean_footprint_keeps_its_area_wherever_it_lies(corners, shift):
    outline = np.array(corners, float) + shift
    after = [*corners[1:], corners[0]]
    area = abs(sum(x * v - u * y for (x, y), (u, v) in zip(corners, after, strict=True))) / 2
    cleaned = clean_footprint(outline)
    if cleaned is None:
        assert area < 1.0
    else:
        assert signed_area_m2(cleaned) == pytest.approx(area)


def test_a_building_beyond_every_map_projection_is_refused_unless_a_region_leaves_it_out(tmp_path):
    path = tmp_path / "far.poly.xml"
    path.write_text(
        '<additional><poly id="a" type="building" shape="0,0 9,0 9,9 0,9"/>'
        '<poly id="b" type="building" shape="2e8,0 2.1e8,0 2.1e8,9 2e8,9"/></additional>'
    )
    with pytest.raises(BuildingsError, match=r"far\.poly\.xml: .* within 100,000,000 m"):
        load_prisms(World(buildings=path))
    assert len(load_prisms(World(buildings=path, region=(-100, -100, 100, 100)))[0]) == 1


@pytest.mark.parametrize(
    ("tags", "heights"),
    [
        ({"building:levels": "3", "roof:levels": "1"}, (0.0, 12.0, "levels")),
        ({"building:levels": "3", "roof:height": "4"}, (0.0, 13.0, "levels")),
        ({"building:levels": "0", "roof:levels": "2"}, (0.0, 6.0, "levels")),
        ({"height": "10", "roof:height": "4"}, (0.0, 10.0, "height")),
        ({"est_height": "11"}, (0.0, 11.0, "height")),
        ({"building:levels": "5", "building:min_level": "2"}, (6.0, 15.0, "levels")),
        ({"min_height": "20"}, (20.0, 23.0, "default")),  # higher than the default: one storey above its underside
        ({"height": "30 ft", "min_height": "10 ft"}, (3.048, 9.144, "height")),
    ],
)
def test_storeys_and_roofs_and_undersides_count_as_openstreetmap_defines_them(tags, heights):
    base_m, top_m, provenance = prism_heights_m(tags, "house")
    assert (base_m, top_m, provenance) == (pytest.approx(heights[0]), pytest.approx(heights[1]), heights[2])


@pytest.mark.parametrize(
    "tags",
    [
        {"height": "tall"}, {"height": "99999"}, {"building:levels": "3;4"}, {"height": "0"}, {"min_height": "4 m;5 m"},
        {"building:min_level": "first"}, {"roof:height": "three"}, {"height": "-4"}, {"building:levels": "-1"}, {"roof:height": "900"},
    ],
)  # fmt: skip
def test_a_height_that_cannot_be_used_is_noticed(tags):
    assert is_height_unreadable(tags)


@pytest.mark.parametrize(
    "tags",
    [
        {}, {"height": "9"}, {"height": ""}, {"building:levels": "2.5"}, {"height": "9", "min_height": "4"},
        {"building:min_level": "-1"}, {"min_height": "0"}, {"roof:height": "0"},
    ],
)  # fmt: skip
def test_a_usable_or_missing_height_is_no_unreadable_one(tags):
    assert not is_height_unreadable(tags)


@pytest.mark.parametrize(
    ("tags", "building", "heights", "fault"),
    [
        ({"height": "3", "building:levels": "12"}, "yes", (0.0, 36.0), "height_below_storeys"),
        ({"height": "11", "building:levels": "6"}, "yes", (0.0, 18.0), "height_below_storeys"),
        ({"height": "131", "building:levels": "12"}, "yes", (0.0, 131.0), "height_above_storeys"),
        ({"height": "60", "building:levels": "2"}, "yes", (0.0, 60.0), "height_above_storeys"),
        ({"height": "9", "building:height": "27"}, "yes", (0.0, 9.0), "heights_differ"),
        ({"height": "8", "roof:height": "12"}, "house", (0.0, 8.0), "roof_above_height"),
        ({"height": "20", "min_height": "15", "roof:height": "8"}, "yes", (15.0, 20.0), "roof_above_height"),
        ({"height": "10", "min_height": "14"}, "yes", (0.0, 10.0), "underside_above_roof"),
        ({"height": "10", "min_height": "10"}, "yes", (0.0, 10.0), "underside_above_roof"),
        ({"building:levels": "5", "min_level": "7"}, "yes", (21.0, 36.0), "underside_above_roof"),
        ({"height": "1"}, "house", (0.0, 1.0), "height_unlikely"),
        ({"height": "400"}, "house", (0.0, 400.0), "height_unlikely"),
        ({"height": "900"}, "house", (0.0, 7.5), "height_unreadable"),
        ({"height": "-9"}, "house", (0.0, 7.5), "height_unreadable"),
    ],
)  # fmt: skip
def test_heights_that_contradict_each_other_are_noticed_and_have_one_rule(tags, building, heights, fault):
    assert prism_heights_m(tags, building)[:2] == heights
    assert height_faults(tags, building) == (f"buildings.{fault}",)


@pytest.mark.parametrize(
    ("tags", "building"),
    [
        ({"height": "3", "building:levels": "1"}, "garage"), ({"height": "20", "building:levels": "1"}, "church"),
        ({"height": "9", "building:levels": "3", "roof:height": "3", "roof:levels": "1"}, "house"), ({"height": "300"}, "yes"),
        ({"height": "5", "roof:height": "5"}, "yes"), ({"height": "4", "roof:height": "1"}, "roof"), ({"height": "1"}, "noise_barrier"),
        ({"building:levels": "9", "min_level": "3"}, "yes"), ({"height": "9", "building:height": "9.3"}, "yes"),
    ],
)  # fmt: skip
def test_ordinary_heights_are_no_contradiction(tags, building):
    assert height_faults(tags, building) == ()


def test_a_contradiction_is_reported_once_for_a_building_in_pieces_and_with_its_id():
    pieces = [
        Polygon("building", f"{x},0 {x + 9},0 {x + 9},9", {"height": "3", "building:levels": "12"}, f"way7#{n}")
        for n, x in enumerate((0, 20))
    ]
    (notice,) = prisms_of_polygons(pieces)[1].notices("town.poly.xml")
    assert (notice.subject, notice.count) == ("buildings.height_below_storeys", 1)
    assert "way7;" in notice.text


def test_contradictions_outside_the_region_are_not_reported():
    far = Polygon("building", "900,0 909,0 909,9", {"height": "3", "building:levels": "12"}, "a")
    assert prisms_of_polygons([far], (0, 0, 10, 10))[1].faults == {}


@pytest.mark.parametrize(
    ("text", "metres"), [("10'6", 3.2004), ("8 feet 6 inches", 2.5908), ('30"', 0.762), ("30 in", 0.762)]
)
def test_feet_and_inches_are_read_in_all_their_spellings(text, metres):
    assert length_m(text) == pytest.approx(metres)


def test_a_roof_whose_height_is_known_stands_on_one_storey_at_least():
    assert prism_heights_m({"roof:height": "9"}, "house") == (0.0, 12.0, "default")


def test_a_listed_building_may_have_open_space_below():
    prisms, _ = prisms_from([Building(footprint_m=[(0, 0), (5, 0), (5, 5)], height_m=7.0, base_m=4.5)])
    assert (prisms.base_m.tolist(), prisms.top_m.tolist()) == ([4.5], [7.0])


@pytest.mark.parametrize("tags", [{"wall": "no"}, {"walls": "no"}])
def test_a_building_without_walls_is_a_roof(tags):
    assert base_height_m(tags, "yes", 6.0) == pytest.approx(5.7)


def test_a_file_of_openstreetmap_is_no_polygon_file_but_can_be_imported(tmp_path):
    path = tmp_path / "town.osm"
    path.write_text("<osm/>")
    with pytest.raises(BuildingsError, match="import-osm"):
        read_polygons(path)


def test_an_underside_above_the_roof_is_refused_with_its_key():
    building = {"footprint_m": [[20, 20], [25, 20], [25, 25]], "height_m": 5, "base_m": 5}
    script = [{"id": "a", "waypoints": [[0, 0, 0]]}]
    with pytest.raises(UserError, match=r"world\.buildings\.0\.base_m: must be below height_m \(5 m\), got 5"):
        from_data({"world": {"buildings": [building]}, "traffic": {"script": script}})
