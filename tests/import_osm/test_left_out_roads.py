"""Which roads of the map the network lacks or shows in another way, and that each is counted."""

import pytest

from tests.import_osm.small_maps import Drawing, imported
from v2xsim.import_osm import OsmImportError, import_osm

DIAGONAL = [(0, 0), (400, 300), (1000, 1000)]


def town_with(tmp_path, **tags):
    """Return a town with one more road across the square, and the number of its way."""
    drawing = Drawing()
    way = drawing.way(DIAGONAL, **tags)
    return imported(drawing, tmp_path), way


def edges_of(town, way):
    return (town.folder / "town.net.xml").read_text().count(f'value="{way}"')


@pytest.mark.parametrize(
    "kind", ["service", "track", "construction", "proposed", "road", "Residential", "unclassified;residential"]
)
def test_a_road_of_a_kind_that_netconvert_leaves_out_is_counted_by_its_kind(tmp_path, kind):
    town, _ = town_with(tmp_path, highway=kind)
    assert town.kept["import.roads_left_out"] == 1
    assert f"({kind} 1)" in town.notices["import.roads_left_out"].text


def test_a_road_without_a_connection_is_counted(tmp_path):
    drawing = Drawing()
    drawing.way([(300, 300), (600, 600)], highway="residential")
    assert imported(drawing, tmp_path).notices["import.roads_left_out"].count == 1


def test_bus_stops_and_platforms_are_no_roads_that_are_left_out(tmp_path):
    town, _ = town_with(tmp_path, highway="platform")
    assert "import.roads_left_out" not in town.notices


@pytest.mark.parametrize(
    "tags",
    [
        {"motor_vehicle": "no"}, {"vehicle": "no"}, {"motorcar": "no"}, {"access": "no"}, {"motor_vehicle": "agricultural;forestry"},
        {"access": "yes", "motor_vehicle": "no"}, {"disused": "yes"}, {"abandoned": "yes"}, {"area": "yes"},
    ],
)  # fmt: skip
def test_a_road_on_which_no_car_may_or_can_drive_is_left_out_and_reported(tmp_path, tags):
    town, way = town_with(tmp_path, highway="residential", **tags)
    assert (edges_of(town, way), town.notices["import.closed_roads"].count) == (0, 1)
    assert f"way {way}" in town.notices["import.closed_roads"].text


@pytest.mark.parametrize(
    "tags",
    [
        {},
        {"access": "private"},
        {"access": "destination"},
        {"vehicle": "no", "motorcar": "yes"},
        {"area": "no"},
        {"hgv": "no"},
    ],
)
def test_a_road_on_which_some_cars_may_drive_stays(tmp_path, tags):
    town, way = town_with(tmp_path, highway="residential", **tags)
    assert edges_of(town, way) > 0
    assert not {"import.closed_roads", "import.roads_left_out"} & set(town.notices)


@pytest.mark.parametrize(
    "tags", [{"maxspeed": "500"}, {"maxspeed": "3"}, {"maxspeed": "200 mph"}, {"lanes": "40"}, {"lanes:forward": "20"}]
)
def test_an_unlikely_number_of_lanes_or_speed_is_reported(tmp_path, tags):
    ((key, value),) = tags.items()
    town, way = town_with(tmp_path, highway="primary", **{key.replace(":", "__"): value})
    assert f"way {way}: {key}={value}" in town.notices["import.roads_unlikely"].text


@pytest.mark.parametrize("speed", ["5", "130", "80 mph", "walk", "none", "DE:urban"])
def test_an_ordinary_speed_is_not(tmp_path, speed):
    assert "import.roads_unlikely" not in town_with(tmp_path, highway="primary", maxspeed=speed)[0].notices


def test_one_lane_for_both_directions_is_too_narrow_for_vehicles_that_meet(tmp_path):
    town, way = town_with(tmp_path, highway="residential", lanes="1")
    assert f"way {way}" in town.notices["import.lanes_narrow"].text


def test_roads_without_lanes_or_speed_are_counted_as_assumed(tmp_path):
    town, _ = town_with(tmp_path, highway="primary", lanes="2")
    notice = town.notices["import.roads_assumed"]
    assert (notice.count, "1 road (of 5 in the network) without" in notice.text) == (1, True)


def test_a_direction_in_capitals_is_no_changing_one(tmp_path):
    assert "import.lanes_change" not in town_with(tmp_path, highway="residential", oneway="YES")[0].notices


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ('v="residential"', 'v="service"', r"none of its 4 roads and paths is open to cars \(service 4; 0 closed"),
        (
            'v="residential"/>',
            'v="residential"/><tag k="motor_vehicle" v="no"/>',
            r".*\(residential 4; 4 closed by their tags\)",
        ),
    ],
)
def test_an_extract_without_a_road_for_cars_is_refused_with_its_kinds_of_roads(tmp_path, before, after, reason):
    source = tmp_path / "campus.osm"
    source.write_text(Drawing().text().replace(before, after))
    with pytest.raises(OsmImportError, match=rf"campus\.osm: {reason}"):
        import_osm(source, tmp_path / "town")
    assert list(tmp_path.iterdir()) == [source]
