"""What an extract says of roads: passages through buildings, walls beside them, tunnels, and the side of traffic."""

import bz2
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from tests.import_osm.small_maps import Drawing, imported
from v2xsim.import_osm.driving_side import is_left_hand
from v2xsim.import_osm.extract import OsmImportError, unpacked
from v2xsim.import_osm.osm_map import OsmMap, Way, read_osm
from v2xsim.import_osm.road_losses import network_notices, side_notices
from v2xsim.mobility.origins import net_offset_m
from v2xsim.world.polygon_file import read_polygons

BLOCK = [(400, 300), (600, 300), (600, 340), (400, 340)]


def drawing_with_a_block(**road):
    """Return a block of houses across a road that leads from the south to the north."""
    drawing = Drawing()
    drawing.ring(BLOCK, building="yes", height="15")
    drawing.way([(0, 0), (500, 0), (500, 300)], highway="residential")
    drawing.way([(500, 300), (500, 340)], highway="residential", **road)
    drawing.way([(500, 340), (500, 1000), (0, 1000)], highway="residential")
    return drawing


@pytest.mark.parametrize(
    ("road", "clear_m"),
    [
        ({"tunnel": "building_passage"}, 4.5),
        ({"covered": "yes", "maxheight": "3.2"}, 3.2),
        ({"tunnel": "building_passage", "maxheight": "11'"}, 3.3528),
    ],
)
def test_a_passage_is_open_below_and_built_above(tmp_path, road, clear_m):
    town = imported(drawing_with_a_block(**road), tmp_path)
    assert (town.base_m(500, 320), town.top_m(500, 320)) == (pytest.approx(clear_m), 15.0)
    assert (town.base_m(450, 320), town.base_m(550, 320)) == (0.0, 0.0)
    assert "import.road_through_building" not in town.notices


def test_a_passage_below_a_high_roof_is_no_contradiction_of_heights(tmp_path):
    drawing = drawing_with_a_block(tunnel="building_passage")
    drawing.lines[0] = drawing.lines[0].replace('v="15"/>', 'v="15"/><tag k="roof:height" v="12"/>')
    town = imported(drawing, tmp_path)
    assert (town.base_m(500, 320), town.top_m(500, 320)) == (4.5, 15.0)
    assert not [subject for subject in town.kept if subject.startswith("buildings")]


def test_a_roof_on_posts_is_not_cut_by_the_road_below_it(tmp_path):
    drawing = Drawing()
    drawing.ring(BLOCK, building="roof", height="5")
    drawing.way([(500, 0), (500, 1000)], highway="residential", covered="yes")
    town = imported(drawing, tmp_path)
    assert (town.base_m(500, 320), town.top_m(500, 320), len(town.solids)) == (pytest.approx(4.7), 5.0, 1)


def test_a_road_through_a_building_opens_it_and_is_reported(tmp_path):
    town = imported(drawing_with_a_block(), tmp_path)
    assert (town.base_m(500, 320), town.top_m(500, 320), town.base_m(450, 320)) == (4.5, 15.0, 0.0)
    assert town.notices["import.road_through_building"].count == 1


def test_a_shed_that_stands_on_a_road_is_left_out_and_reported(tmp_path):
    drawing = drawing_with_a_block()
    shed = drawing.ring([(499, 600), (501, 600), (501, 603), (499, 603)], building="shed", height="3")
    town = imported(drawing, tmp_path)
    assert (town.top_m(500, 601), f"(way {shed})" in town.notices["import.in_passage"].text) == (0.0, True)


def test_tunnels_and_bridges_are_reported_because_the_world_is_flat(tmp_path):
    drawing = drawing_with_a_block(tunnel="yes", layer="-1")
    drawing.way([(0, 0), (200, 500), (0, 1000)], highway="primary", bridge="yes", layer="1")
    town = imported(drawing, tmp_path)
    assert (town.notices["import.tunnel"].count, town.notices["import.bridge"].count) == (1, 1)
    assert "import.road_through_building" not in town.notices
    assert town.base_m(500, 320) == 0.0


def test_noise_barriers_and_high_walls_block_and_leave_the_road_open(tmp_path):
    drawing = Drawing()
    drawing.way([(500, 0), (500, 1000)], highway="residential")
    drawing.way([(400, 500), (600, 500)], barrier="wall", wall="noise_barrier", height="4")
    drawing.way([(400, 600), (600, 600)], barrier="city_wall")
    drawing.way([(400, 700), (600, 700)], barrier="fence")
    drawing.way([(400, 800), (600, 800)], barrier="wall")
    town = imported(drawing, tmp_path)
    assert (town.top_m(450, 500), town.top_m(450, 600.5), town.top_m(450, 800)) == (4.0, 5.0, 0.0)
    assert town.top_m(500, 500) == 0.0
    assert town.notices["import.walls"].count == 2


def roundabout(clockwise):
    angle = np.linspace(0, 2 * np.pi, 13)[:-1] * (-1 if clockwise else 1)
    return [(500 + 20 * np.cos(a), 500 + 20 * np.sin(a)) for a in angle]


def net_is_left_hand(town):
    return ET.parse(town.folder / "town.net.xml").getroot().get("lefthand") == "true"


@pytest.mark.parametrize("clockwise", [True, False])
def test_roundabouts_show_the_side_of_traffic(tmp_path, clockwise):
    drawing = Drawing()
    drawing.ring(roundabout(clockwise), highway="residential", junction="roundabout")
    town = imported(drawing, tmp_path)
    assert net_is_left_hand(town) == clockwise
    assert ("import.left_hand" in town.notices) == clockwise


@pytest.mark.parametrize(
    ("west_deg", "clockwise", "tags", "sign"),
    [
        (-1.5, False, {}, "Great Britain"),
        (9.0, True, {}, "no country with traffic on the left"),
        (9.0, False, {"driving_side": "right"}, None),
        (9.0, True, {"driving_side": "right"}, "clockwise roundabouts 1"),
    ],
)
def test_signs_of_the_other_side_are_reported(west_deg, clockwise, tags, sign):
    drawing = Drawing(west_deg=west_deg, south_deg=52.0)
    drawing.ring(roundabout(clockwise), highway="residential", junction="roundabout", **tags)
    osm = osm_of(drawing)
    subjects = {notice.subject: notice for notice in side_notices(osm, *is_left_hand(osm))}
    assert ("map.driving_side" in subjects) == (sign is not None)
    assert sign is None or sign in subjects["map.driving_side"].text


@pytest.mark.parametrize("clockwise", [True, False])
def test_a_roundabout_of_several_ways_and_mini_roundabouts_show_the_side(clockwise):
    drawing = Drawing()
    ring = roundabout(clockwise)
    for start in (0, 6):
        drawing.way([*ring, ring[0]][start : start + 7], highway="residential", junction="roundabout")
    osm = osm_of(drawing)
    assert is_left_hand(osm)[0] == clockwise
    word = "clockwise" if clockwise else "anticlockwise"
    mini = OsmMap(node_tags={1: {"highway": "mini_roundabout", "direction": word}})
    assert is_left_hand(mini)[0] == clockwise


def test_an_extract_across_the_meridian_of_180_degrees_lies_in_fiji():
    osm = OsmMap(
        position_deg={n: (longitude, -16.8) for n, longitude in enumerate([179.99, 179.995, -179.999, 179.992])}
    )
    assert is_left_hand(osm)[0]


def osm_of(drawing):
    """Return the elements of a drawing, with positions in degrees."""
    osm = OsmMap()
    root = ET.fromstring(drawing.text())
    for node in root.iter("node"):
        osm.position_deg[int(node.get("id"))] = float(node.get("lon")), float(node.get("lat"))
    for way in root.iter("way"):
        nodes = [int(nd.get("ref")) for nd in way.iter("nd")]
        osm.ways[int(way.get("id"))] = Way(
            int(way.get("id")), nodes, {tag.get("k"): tag.get("v") for tag in way.iter("tag")}
        )
    return osm


def test_a_stated_side_counts_before_roundabouts_and_the_given_side_before_all(tmp_path):
    drawing = Drawing()
    drawing.ring(roundabout(clockwise=False), highway="residential", junction="roundabout", driving_side="left")
    assert net_is_left_hand(imported(drawing, tmp_path))
    other = tmp_path / "other"
    other.mkdir()
    drawing = Drawing(west_deg=-1.5, south_deg=52.0)
    assert not net_is_left_hand(imported(drawing, other, driving_side="right"))


@pytest.mark.parametrize(
    ("longitude", "latitude", "is_left"),
    [
        (-0.12, 51.5, True), (-6.26, 53.35, True), (2.35, 48.86, False), (1.61, 50.73, False), (1.31, 51.13, True),
        (14.5, 35.9, True), (139.7, 35.7, True), (129.07, 35.18, False), (77.2, 28.6, True), (67.0, 24.9, True),
        (100.5, 13.75, True), (96.2, 16.8, False), (102.6, 17.97, False), (151.2, -33.9, True), (174.8, -41.3, True),
        (18.4, -33.9, True), (36.8, -1.3, True), (30.06, -1.95, False), (27.48, -11.66, False), (28.2, -12.8, True),
        (114.17, 22.3, True), (114.06, 22.55, False), (-76.8, 18.0, True), (-77.9, 21.4, False), (-58.2, 6.8, True),
        (9.7, 50.87, False), (-74.0, 40.7, False), (103.8, 1.35, True), (106.8, -6.2, True), (121.0, 14.6, False),
        (-61.5, 16.2, False), (-61.4, 15.3, True), (69.2, 34.5, False), (33.4, 35.2, True), (-1.6, 49.6, False),
    ],
)  # fmt: skip
def test_the_side_follows_from_the_country_where_nothing_else_shows_it(longitude, latitude, is_left):
    assert is_left_hand(OsmMap(position_deg={1: (longitude, latitude)}))[0] == is_left


def test_warnings_of_netconvert_are_counted_by_kind_and_kept_in_a_file(tmp_path):
    drawing = Drawing()
    drawing.way([(700, 0), (700, 200)], highway="residential")
    town = imported(drawing, tmp_path)
    notice = town.notices["import.roads"]
    assert notice.count == 2
    assert "2 × Removed a road without junctions" in notice.text
    assert "Removed a road without junctions: -1001" in (town.folder / "town.net.log").read_text()


def test_lanes_that_netconvert_skips_without_a_warning_are_reported(tmp_path):
    drawing = Drawing()
    drawing.way([(0, 0), (1000, 1000)], highway="residential", lanes="2;3")
    drawing.way([(0, 0), (500, 200), (1000, 1000)], highway="residential", oneway="reversible")
    drawing.way(
        [(0, 1000), (500, 700), (1000, 1000)], highway="residential", maxspeed__conditional="30 @ (22:00-06:00)"
    )
    town = imported(drawing, tmp_path)
    counts = {subject: notice.count for subject, notice in town.notices.items()}
    assert counts["import.lanes_unreadable"] == counts["import.lanes_change"] == counts["import.conditional"] == 1
    assert "lanes=2;3" in town.notices["import.lanes_unreadable"].text


def test_warnings_about_stops_and_railways_are_no_warnings_about_roads():
    output = "\n".join(
        [
            "Warning: Removing pt stop '12' on non existing edge '28#5'.",
            "Warning: Discarding unusable type 'waterway.stream' (first occurrence for edge '3').",
            "Warning: Ignoring restriction relation '17'.",
            "Warning: Ignoring restriction relation '18'.",
            "Warning: Discarding unusable type 'railway.tram' (first occurrence for edge '4').",
            "Success.",
        ]
    )
    (notice,) = network_notices(output)
    assert (notice.subject, notice.count) == ("import.roads", 2)
    assert "2 × Ignoring restriction relation" in notice.text


def test_ways_before_their_nodes_are_put_in_order(tmp_path):
    drawing = Drawing()
    drawing.ring(BLOCK, building="yes", height="15")
    head, _, rest = drawing.text().partition("<node")
    nodes, _, ways = f"<node{rest}".removesuffix("</osm>").partition("<way")
    source = tmp_path / "unsorted.osm"
    source.write_text(f"{head}<way{ways}{nodes}</osm>")
    assert unpacked(source, tmp_path / "sorted.osm") == 4
    osm = read_osm(tmp_path / "sorted.osm")
    assert (len(osm.ways), len(osm.position_deg)) == (5, 8)
    text = (tmp_path / "sorted.osm").read_text()
    assert text.rindex("<node") < text.index("<way")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\x00\x00\x00\x0d\x0a\x09OSMHeader\x18", "osmium cat"),
        (b'{"version": 0.6, "elements": []}', "JSON"),
        (b"PK\x03\x04", "zip"),
        (b'<osm><way id="1"><nd ref="1" lat="5" lon="5"/><tag k="highway" v="service"/></way></osm>', "has no nodes"),
        (b"BZhjunk", "unpacked"),
    ],
)
def test_other_formats_of_extracts_are_refused_with_what_to_do(tmp_path, content, reason):
    source = tmp_path / "town.osm"
    source.write_bytes(content)
    with pytest.raises(OsmImportError, match=reason):
        unpacked(source, tmp_path / "copy.osm")


@pytest.mark.parametrize(
    "tags", [{"building": "bridge"}, {"building": "yes", "layer": "1"}, {"building": "yes", "bridge": "yes"}]
)
def test_a_building_above_the_roads_is_open_where_they_cross_it(tmp_path, tags):
    drawing = Drawing()
    drawing.ring(BLOCK, height="15", **tags)
    drawing.way([(500, 0), (500, 1000)], highway="residential")
    town = imported(drawing, tmp_path)
    assert (town.base_m(500, 320), town.base_m(420, 320)) == (4.5, 0.0)


def test_the_file_of_the_buildings_has_the_origin_of_the_network(tmp_path):
    town = imported(Drawing(), tmp_path)
    assert net_offset_m(town.folder / "town.net.xml") == read_polygons(town.folder / "town.poly.xml").net_offset_m != ""


def test_paths_and_roads_for_buses_only_are_counted(tmp_path):
    drawing = Drawing()
    drawing.way([(0, 0), (300, 300)], highway="footway")
    drawing.way([(0, 0), (400, 300)], highway="cycleway")
    drawing.way([(0, 0), (600, 300), (1000, 1000)], highway="service", access="no", bus="yes")
    drawing.way([(0, 0), (700, 300), (1000, 1000)], highway="busway")
    town = imported(drawing, tmp_path)
    assert (town.notices["import.paths"].count, town.notices["import.bus_roads"].count) == (2, 2)


def test_an_extract_packed_with_bzip2_is_read(tmp_path):
    source = tmp_path / "town.osm.bz2"
    source.write_bytes(bz2.compress(Drawing().text().encode()))
    assert unpacked(source, tmp_path / "copy.osm") == 4
