"""Extracts that are damaged, cut, packed or put together by hand."""

import gzip
import re

import pytest

from tests.import_osm.small_maps import Drawing, imported
from v2xsim.import_osm.extract import OsmImportError, unpacked
from v2xsim.import_osm.town import roads_and_buildings

HOUSE = [(100, 100), (200, 100), (200, 200), (100, 200)]


def house():
    drawing = Drawing()
    drawing.ring(HOUSE, building="yes", height="12")
    return drawing.text()


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        (
            r'lat="[^"]*"',
            'lat="nan"',
            r"lat of node 1 must be a number of degrees from -90 to 90, got 'nan' \(line 1\)",
        ),
        (r'lat="[^"]*"', "", "lat of node 1 .* got None"),
        (r'lon="9\.', 'lon="9,', "lon of node 1 .* got '9,"),
        (r'lat="[^"]*"', 'lat="95"', "got '95'"),
        ('node id="1"', 'node id="n1"', r"id of a <node> must be a whole number, got 'n1' \(line 1\)"),
        ('node id="1"', f'node id="{10**20}"', "whole number"),
        ("<way id", "<way uid", "id of a <way> must be a whole number, got None"),
        ('<nd ref="1"', '<nd ref="one"', "ref of a <nd>"),
        ("<osm ", "<osmChange ", "osmium apply-changes"),
        ("<node", "<create><node", "must be directly in <osm>"),
        ('encoding="UTF-8"', 'encoding="klingon"', "unknown encoding"),
        ('encoding="UTF-8"', 'encoding="shift_jis"', "multi-byte"),
    ],
)
def test_a_value_that_no_program_can_use_is_refused_with_its_line(tmp_path, before, after, reason):
    source = tmp_path / "town.osm"
    text = re.sub(before, after, '<?xml version="1.0" encoding="UTF-8"?>' + house(), count=1)
    if after == "<create><node":
        text = text.replace("<way", "</create><way", 1)
    source.write_text(text.replace("</osm>", "</osmChange>") if "osmChange" in after else text)
    with pytest.raises(OsmImportError, match=rf"{source}: .*{reason}"):
        unpacked(source, tmp_path / "copy.osm")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\xff\xe0\x04o5m2", "osmconvert"), (b"\xfd7zXZ\x00", "xz"), (b"\x28\xb5\x2f\xfd\x00", "zstd"), (b"7z\xbc\xaf", "7-Zip"),
        (gzip.compress(gzip.compress(b"<osm/>", mtime=0), mtime=0), "twice"), ("<osm name='Höhe'/>".encode("latin-1"), "not in UTF-8"),
        (b'<osm><node id="1" lat="5" lon="5"><tag k="highway" v="bus_stop"/></node></osm>', "no way with a highway"),
        (b'<osm><way id="1"><tag k="Highway" v="primary"/></way></osm>', "but one with 'Highway'; correct the key"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read_is_refused_with_what_it_is(tmp_path, content, reason):
    source = tmp_path / "town.osm"
    source.write_bytes(content)
    with pytest.raises(OsmImportError, match=reason):
        unpacked(source, tmp_path / "copy.osm")


def notices_of(tmp_path, text):
    source, folder = tmp_path / "small.osm", tmp_path / "town"
    source.write_text(text)
    folder.mkdir()
    return {notice.subject: notice for notice in roads_and_buildings(source, folder)}


def test_an_answer_that_ran_out_of_time_is_reported(tmp_path):
    text = house().replace("</osm>", "<remark> runtime error: Query timed out </remark></osm>")
    notice = notices_of(tmp_path, text)["map.incomplete"]
    assert (notice.is_warning, "Query timed out" in notice.text) == (True, True)


@pytest.mark.parametrize(("latitude", "count"), [("50.3", 1), (None, 0)])
def test_a_node_that_occurs_again_elsewhere_is_reported(tmp_path, latitude, count):
    text = house()
    node = re.search(r'<node id="1"[^>]*/>', text)[0]
    again = re.sub(r'lat="[^"]*"', f'lat="{latitude}"', node) if latitude else node
    notices = notices_of(tmp_path, text.replace("<way", f"{again}<way", 1))
    assert ("map.repeated" in notices) == bool(count)


def test_a_way_that_occurs_again_with_other_tags_is_reported(tmp_path):
    text = house()
    way = re.search(r'<way id="1001".*?</way>', text)[0]
    notices = notices_of(tmp_path, text.replace("</osm>", way.replace('"12"', '"15"') + "</osm>"))
    assert "(way 1001)" in notices["map.repeated"].text


def test_a_road_and_a_building_with_a_corner_far_away_are_reported(tmp_path):
    drawing = Drawing()
    drawing.ring([(100, 100), (400_000, 500), (100, 200)], building="yes", height="12")
    road = drawing.way([(0, 0), (400_000, 500), (1000, 1000)], highway="primary")
    town = imported(drawing, tmp_path)
    assert f"(way {road})" in town.notices["map.far_road"].text
    assert town.notices["buildings.huge"].count == 1


def test_negative_numbers_of_an_editor_are_read(tmp_path):
    notices = notices_of(tmp_path, re.sub(r'(id|ref)="(\d+)"', r'\1="-\2"', house()))
    assert "import.roads_left_out" not in notices
