"""Polygon files that people write, edit and merge by hand: what of them cannot be read, and how it is reported."""

import gzip

import pytest

from v2xsim.scenario.schema_world import World
from v2xsim.world.buildings import BuildingsError, building_notices, load_prisms, read_polygons

HOUSE = '<poly id="house" type="building" shape="0,0 9,0 9,9 0,9"><param key="height" value="6"/></poly>'


def loaded(tmp_path, content, name="town.poly.xml"):
    """Return the buildings of a file with the given elements, and the notices about it by subject."""
    path = tmp_path / name
    path.write_text(f"<additional>{content}</additional>")
    world = World(buildings=path)
    prisms, sources = load_prisms(world)
    return prisms, {notice.subject: notice for notice in building_notices(world, sources)}


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        ("20,0;29,0;29,9", "instead of a point x,y"),
        ("20, 0 29, 0 29, 9", "instead of a point x,y"),
        ("20 0 29 0 29 9", "instead of a point x,y"),
        ("20,0 nan,0 29,9", "not finite"),
        ("20,0 29,0 inf,9", "not finite"),
        ("20,0 29,0 1_0,9", "instead of a point x,y"),
        ("20,0", "one point"),
        ("20,0 29,9", "two points"),
        ("", "no points"),
        ("20,0,0,0 29,0,0,0 29,9,0,0", "instead of a point x,y"),
    ],
)
def test_a_shape_that_cannot_be_read_is_left_out_and_reported_with_id_line_and_reason(tmp_path, shape, reason):
    prisms, notices = loaded(tmp_path, f'{HOUSE}\n<poly id="b" type="building" shape="{shape}"/>')
    assert (len(prisms), list(notices)) == (1, ["buildings.shape_unreadable"])
    assert "b, line 2: has" in notices["buildings.shape_unreadable"].text
    assert reason in notices["buildings.shape_unreadable"].text


def test_a_file_of_which_no_shape_can_be_read_is_refused(tmp_path):
    with pytest.raises(
        BuildingsError, match=r"town\.poly\.xml: the shapes of all 1 buildings .*'0,0;9,0;9,9'.*write shapes as"
    ):
        loaded(tmp_path, '<poly id="a" type="building" shape="0,0;9,0;9,9"/>')


def test_points_of_two_and_three_numbers_may_be_mixed_and_a_lost_height_is_reported(tmp_path):
    prisms, notices = loaded(tmp_path, '<poly id="a" type="building" shape="0,0,12 9,0 9,9,12"/>')
    assert (len(prisms), notices["buildings.third_coordinate"].count) == (1, 1)


def test_one_building_in_degrees_among_others_in_metres_is_left_out_and_reported(tmp_path):
    tiny = '<poly id="lost" type="building" shape="9.70,50.86 9.7002,50.86 9.7002,50.8602"/>'
    prisms, notices = loaded(tmp_path, HOUSE + tiny)
    assert len(prisms) == 1
    assert "(lost;" in notices["buildings.in_degrees"].text


def test_only_a_building_in_degrees_makes_a_file_unusable(tmp_path):
    forest = '<poly id="f" type="landuse.forest" geo="true" shape="9.7,50.8 9.8,50.8 9.8,50.9"/>'
    assert len(loaded(tmp_path, HOUSE + forest)[0]) == 1
    with pytest.raises(BuildingsError, match=r"polygon 'f' has geo=true \(line 1\)"):
        loaded(tmp_path, HOUSE + forest.replace("landuse.forest", "building"))


def test_an_id_that_two_buildings_have_is_reported_and_both_stand(tmp_path):
    prisms, notices = loaded(tmp_path, HOUSE + HOUSE.replace("0,0 9,0 9,9 0,9", "40,0 49,0 49,9 40,9"))
    assert (len(prisms), notices["buildings.id_repeated"].count) == (2, 1)


def test_parameters_of_other_elements_do_not_change_the_polygon_before(tmp_path):
    forest = '<poly id="f" type="landuse.forest" shape="20,0 29,0 29,9"/>'
    kiosk = '<poi id="p" x="0" y="0"><param key="building" value="kiosk"/><param key="height" value="3"/></poi>'
    prisms, notices = loaded(tmp_path, HOUSE + forest + kiosk)
    assert prisms.top_m.tolist() == [6.0]
    assert "landuse (1)" in notices["buildings.other_polygons"].text


@pytest.mark.parametrize("kind", ["Building", "BUILDING.house", " building "])
def test_the_type_of_a_building_may_have_capitals_and_blanks(tmp_path, kind):
    assert len(loaded(tmp_path, HOUSE.replace('"building"', f'"{kind}"'))[0]) == 1


@pytest.mark.parametrize(("value", "count"), [("No", 0), ("", 1), ("house", 1)])
def test_the_parameter_building_counts_unless_it_is_empty(tmp_path, value, count):
    shape = f'<poly id="b" type="building" shape="20,0 29,0 29,9"><param key="building" value="{value}"/></poly>'
    assert len(loaded(tmp_path, HOUSE + shape)[0]) == 1 + count


@pytest.mark.parametrize(
    "height",
    ['<param key="Height" value="30"/>', '<param key="floors" value="9"/>', '<param key="buildingHeight" value="30"/>'],
)
def test_a_height_under_an_unknown_key_is_reported(tmp_path, height):
    _, notices = loaded(tmp_path, f'<poly id="b" type="building" shape="20,0 29,0 29,9">{height}</poly>')
    assert "(b: " in notices["buildings.height_key_unknown"].text


def test_a_height_as_an_attribute_is_reported(tmp_path):
    _, notices = loaded(tmp_path, '<poly id="b" type="building" height="30" shape="20,0 29,0 29,9"/>')
    assert "(b: height;" in notices["buildings.height_key_unknown"].text


def test_included_files_are_read_once_packed_or_not(tmp_path):
    other = f"<additional>{HOUSE.replace('0,0 9,0 9,9 0,9', '40,0 49,0 49,9 40,9').replace('house', 'b')}</additional>"
    (tmp_path / "b.xml.gz").write_bytes(gzip.compress(other.encode()))
    prisms, notices = loaded(tmp_path, f'<include href="b.xml.gz"/><include href="b.xml.gz"/>{HOUSE}')
    assert (len(prisms), notices) == (2, {})
    assert read_polygons(tmp_path / "town.poly.xml").included == (tmp_path / "b.xml.gz",)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("town.poly.xml", "includes it again"),
        ("none.xml", r"includes 'none.xml' \(line 1\), which is no file"),
        ("", "without href"),
    ],
)
def test_files_that_include_themselves_or_nothing_are_refused(tmp_path, name, reason):
    with pytest.raises(BuildingsError, match=reason):
        loaded(tmp_path, f'<include href="{name}"/>')


def test_a_file_without_polygons_says_what_it_has_instead(tmp_path):
    _, notices = loaded(tmp_path, '<polygon id="a" type="building" shape="0,0 9,0 9,9"/>')
    assert "the file has no <poly>, but polygon (1)" in notices["buildings.none"].text


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'<?xml version="1.0" encoding="klingon"?><additional/>', "unknown encoding"),
        (b'<?xml version="1.0" encoding="shift_jis"?><additional/>', "multi-byte"),
        ('<additional><poly id="Höhe"/></additional>'.encode("latin-1"), "not in UTF-8: declare its encoding"),
        (b"BZh91AY", "in another way than with gzip"),
        (gzip.compress(gzip.compress(b"<additional/>", mtime=0), mtime=0), "packed twice"),
        (b"PK\x03\x04", "in another way than with gzip"),
    ],
)
def test_encodings_and_packings_that_cannot_be_read_are_refused_with_what_to_do(tmp_path, content, reason):
    path = tmp_path / "town.poly.xml"
    path.write_bytes(content)
    with pytest.raises(BuildingsError, match=reason):
        read_polygons(path)


def test_a_listed_building_of_half_a_metre_is_reported(tmp_path):
    world = World(buildings=[{"footprint_m": [(0, 0), (9, 0), (9, 9)], "height_m": 0.5}])
    (notice,) = building_notices(world, load_prisms(world)[1])
    assert (notice.subject, "world.buildings.0" in notice.text) == ("buildings.height_unlikely", True)


def test_a_building_in_several_pieces_counts_once(tmp_path):
    pieces = "".join(f'<poly id="way1#{n}" type="building" shape="{n}0,0 {n}9,0 {n}9,9"/>' for n in range(1, 4))
    prisms, notices = loaded(tmp_path, pieces + HOUSE)
    assert (len(prisms), "1 of 2 buildings have neither" in notices["buildings.height_assumed"].text) == (4, True)


@pytest.mark.parametrize(("second", "count"), [("9", 1), ("6", 0)])
def test_a_parameter_that_a_building_has_twice_is_reported_if_the_values_differ(tmp_path, second, count):
    content = HOUSE.replace("</poly>", f'<param key="height" value="{second}"/></poly>')
    prisms, notices = loaded(tmp_path, content)
    assert (prisms.top_m.tolist(), len(notices)) == ([float(second)], count)
    assert not count or "(house: height;" in notices["buildings.key_repeated"].text


@pytest.mark.parametrize("key", ["Min_Height", "min-height", "building:minheight", "roof:heigth"])
def test_a_parameter_that_is_almost_one_of_heights_is_reported_beside_a_height(tmp_path, key):
    _, notices = loaded(tmp_path, HOUSE.replace("</poly>", f'<param key="{key}" value="3"/></poly>'))
    assert f"(house: {key};" in notices["buildings.height_key_unknown"].text
