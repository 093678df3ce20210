"""Traffic of extracts that are no town: villages apart from each other, single roads, a few streets."""

import re
from xml.etree import ElementTree as ET

import pytest

from tests.import_osm.small_maps import Drawing
from v2xsim.import_osm import OsmImportError, import_osm
from v2xsim.import_osm.demand import BEGIN_S, make_traffic
from v2xsim.import_osm.streets import streets_of
from v2xsim.import_osm.town import roads_and_buildings
from v2xsim.mobility.sumo_tools import run_tool

LAST_ROADS = re.compile(
    r'(<way [^>]*>(<nd [^>]*/>){2}<tag k="highway" v="residential"/><tag k="lanes" v="2"/>.*?</way>)'
)


def extract(tmp_path, draw):
    """Write a drawing without the square of roads round it."""
    drawing = Drawing()
    draw(drawing)
    source = tmp_path / "small.osm"
    source.write_text(LAST_ROADS.sub("", drawing.text()))
    return source


def network(tmp_path, draw):
    """Return a folder with the network of a drawing."""
    folder = tmp_path / "town"
    folder.mkdir()
    roads_and_buildings(extract(tmp_path, draw), folder)
    return folder


def grid(drawing, x, y, streets, side):
    """Draw a village of crossing streets."""
    for n in range(streets):
        along = [side * k for k in range(streets)]
        drawing.way([(x + side * n, y + step) for step in along], highway="residential")
        drawing.way([(x + step, y + side * n) for step in along], highway="residential")


def test_trips_are_no_longer_than_the_largest_of_villages_far_apart(tmp_path):
    def villages(drawing):
        grid(drawing, 0, 0, 5, 100)
        grid(drawing, 9000, 0, 3, 30)

    streets = streets_of(network(tmp_path, villages) / "town.net.xml")
    assert (streets.pieces, streets.is_through) == (2, False)
    assert streets.least_trip_m == pytest.approx(
        0.5 * 500, abs=50
    )  # from side to side of 400 m by 400 m, without corners
    assert streets.largest_m == pytest.approx(2 * 10 * 400, rel=0.2)  # junctions are no lanes


def test_two_villages_have_traffic_within_each(tmp_path):
    def villages(drawing):
        grid(drawing, 0, 0, 3, 100)
        grid(drawing, 6000, 0, 3, 100)

    traffic = make_traffic(network(tmp_path, villages), 8, 1, lambda _: None)
    assert "import.road_pieces" in {notice.subject for notice in traffic.notices}


def country_road(drawing):
    drawing.way([(0, 0), (400, 0), (800, 30)], highway="tertiary")


def carriageways(drawing):
    drawing.way([(0, 0), (400, 0), (1800, 0)], highway="motorway", oneway="yes")
    drawing.way([(1800, 20), (400, 20), (0, 20)], highway="motorway", oneway="yes")


def reversed_road(drawing):
    drawing.way([(0, 0), (400, 0), (800, 0)], highway="primary", oneway="-1")


@pytest.mark.parametrize("draw", [country_road, carriageways, reversed_road])
def test_vehicles_drive_through_a_single_road_from_end_to_end(tmp_path, draw):
    folder = network(tmp_path, draw)
    traffic = make_traffic(folder, 3, 1, lambda _: None)
    assert "import.traffic_through" in {notice.subject for notice in traffic.notices}
    assert traffic.stations >= 3
    assert (folder / "town.rou.xml").read_text().count("<vehicle") > 30


def test_a_few_short_streets_have_no_more_traffic_than_they_hold(tmp_path):
    folder = network(tmp_path, lambda drawing: grid(drawing, 0, 0, 2, 30))
    said = []
    traffic = make_traffic(folder, 260, 1, said.append)
    streets = streets_of(folder / "town.net.xml")
    trips = (folder / "town.rou.xml").read_text().count("<vehicle")
    assert 1 <= streets.most_vehicles <= 10  # at most 240 m of lanes
    assert trips <= 330 / streets.least_period_s + 1 + streets.most_vehicles
    notice = next(notice for notice in traffic.notices if notice.subject == "import.traffic_small")
    assert f"hold {streets.most_vehicles} in dense traffic" in notice.text
    assert not any("every 0.00 s" in text or "every 0 s" in text for text in said)


def test_roads_without_traffic_are_refused_with_file_reason_and_repair(tmp_path, monkeypatch):
    monkeypatch.setattr("v2xsim.import_osm.demand.filled", lambda *_: None)
    source = extract(tmp_path, country_road)
    with pytest.raises(
        OsmImportError, match=rf"{source}: no vehicle finds a way .* in 1 piece .*choose a larger extract"
    ):
        import_osm(source, tmp_path / "out")
    assert list(tmp_path.iterdir()) == [source]


def numbers_on_the_road(folder, begin_s, end_s):
    """Return the numbers of vehicles in the network, at each 5 s."""
    run_tool(
        "sumo",
        ["-c", "town.sumocfg", "--summary-output", "all.xml", "--end", str(end_s + 1), "--no-step-log", "--seed", "7"],
        folder,
    )
    steps = [(float(step.get("time")), int(step.get("running"))) for step in ET.parse(folder / "all.xml").getroot()]
    return [running for time_s, running in steps if time_s >= begin_s and time_s % 5 == 0]


def test_as_many_vehicles_are_there_at_the_end_of_a_long_run_as_at_its_beginning(tmp_path):
    folder = network(tmp_path, lambda drawing: grid(drawing, 0, 0, 5, 150))
    make_traffic(folder, 60, 1, lambda _: None, duration_s=600.0)
    numbers = numbers_on_the_road(folder, BEGIN_S, BEGIN_S + 600)
    assert min(numbers) >= 0.9 * numbers[60 // 5]
    assert min(numbers) >= 55
    assert max(numbers) <= 1.2 * 60
    assert (
        min(numbers_on_the_road(folder, BEGIN_S - 240, BEGIN_S)) >= 55
    )  # full from the start, so that none is waited for


def test_the_same_seed_makes_the_same_demand(tmp_path):
    demands = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        folder = network(tmp_path / name, lambda drawing: grid(drawing, 0, 0, 3, 100))
        make_traffic(folder, 5, 1, lambda _: None)
        demands.append([(folder / file).read_bytes() for file in ("town.rou.xml", "town.sumocfg")])
    assert demands[0] == demands[1]


@pytest.mark.parametrize("duration_s", [0.5, 1e6, float("nan")])
def test_a_duration_that_no_run_has_is_refused(tmp_path, duration_s):
    with pytest.raises(OsmImportError, match="duration must be 1 to 86400 s"):
        import_osm(extract(tmp_path, country_road), tmp_path / "out", duration_s=duration_s)
