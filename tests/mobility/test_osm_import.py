"""From an OpenStreetMap extract to a scenario that runs."""

import gzip
from pathlib import Path

import numpy as np
import pytest
import yaml

import v2xsim
from v2xsim.import_osm import OsmImportError, import_osm
from v2xsim.import_osm.town import _scenario
from v2xsim.mobility import Names, open_mobility
from v2xsim.world.buildings import load_obstacles
from v2xsim.world.road_users import CATALOGUE, KINDS

HERSFELD = Path(__file__).resolve().parents[3] / "shared" / "scenes" / "bad_hersfeld" / "osm_bbox.osm.xml.gz"

FOOTWAY_ONLY = """<osm version="0.6"><bounds minlat="50.86" minlon="9.70" maxlat="50.87" maxlon="9.71"/>
<node id="1" lat="50.861" lon="9.701"/><node id="2" lat="50.865" lon="9.705"/>
<way id="5"><nd ref="1"/><nd ref="2"/><tag k="highway" v="footway"/></way></osm>"""


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"   \n ", "empty"),
        (b"once upon a time", "XML"),
        (b"<gpx/>", "<gpx>"),
        (b"<osm version='0.6'/>", "no roads"),
        (b"<osm><node id='1'", "XML"),
        (bytes(range(256)) * 4, "XML"),
        (b"\x1f\x8b\x08\x00junk", "unpacked"),
        (gzip.compress(b"<osm>" + b"<node id='1'/>" * 1000 + b"</osm>", mtime=0)[:60], "unpacked"),
        (gzip.compress(b"", mtime=0), "empty"),
        (b'<!DOCTYPE osm [<!ENTITY a "aaaa">]><osm/>', "document type"),
        (FOOTWAY_ONLY.encode(), "."),
    ],
)
def test_an_extract_that_is_no_town_is_refused_with_the_reason_and_leaves_nothing(tmp_path, content, reason):
    source = tmp_path / "town.osm.gz"
    source.write_bytes(content)
    with pytest.raises(OsmImportError, match=reason) as error:
        import_osm(source, tmp_path / "out")
    assert str(source) in str(error.value)
    assert list(tmp_path.iterdir()) == [source]


def test_a_missing_extract_and_a_folder_are_refused(tmp_path):
    with pytest.raises(OsmImportError, match="no such file"):
        import_osm(tmp_path / "none.osm", tmp_path / "out")
    with pytest.raises(OsmImportError, match="is a folder"):
        import_osm(tmp_path, tmp_path / "out")


def test_a_folder_with_somebodys_files_is_not_overwritten(tmp_path):
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(OsmImportError, match="empty folder"):
        import_osm(tmp_path / "any.osm", tmp_path)
    assert (tmp_path / "thesis.tex").read_text() == "precious"


def test_a_folder_below_a_file_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OsmImportError, match="cannot be written"):
        import_osm(tmp_path / "any.osm", tmp_path / "file" / "out")


def made_up_extract(scale=1.0):
    """Four by four streets, 330 m apart, with three houses: one has a height, one has storeys, one has neither."""
    at = {(i, j): 1 + 4 * i + j for i in range(4) for j in range(4)}
    nodes = [(n, 50.86 + scale * 0.003 * j, 9.70 + scale * 0.0047 * i) for (i, j), n in at.items()]
    rows = [[at[i, j] for j in range(4)] for i in range(4)] + [[at[i, j] for i in range(4)] for j in range(4)]
    ways = [(row, {"highway": "residential", "name": f"street {k}"}) for k, row in enumerate(rows)]
    houses = [{"building": "yes", "height": "9.5"}, {"building": "yes", "building:levels": "4"}, {"building": "garage"}]
    for k, tags in enumerate(houses):
        first, lat, lon = 100 + 4 * k, 50.8612 + 0.003 * k, 9.7010
        nodes += [(first + c, lat + 0.0002 * (c > 1), lon + 0.0003 * (c in (1, 2))) for c in range(4)]
        ways.append(([*range(first, first + 4), first], tags))
    lines = [f'<node id="{n}" lat="{lat:.6f}" lon="{lon:.6f}" version="1"/>' for n, lat, lon in nodes]
    for number, (row, tags) in enumerate(ways, 500):
        refs = "".join(f'<nd ref="{n}"/>' for n in row)
        lines.append(
            f'<way id="{number}" version="1">{refs}' + "".join(f'<tag k="{k}" v="{v}"/>' for k, v in tags.items())
        )
        lines.append("</way>")
    bounds = '<bounds minlat="50.85" minlon="9.69" maxlat="50.88" maxlon="9.73"/>'
    return f'<osm version="0.6">{bounds}{"".join(lines)}</osm>'


def test_streets_and_houses_of_an_extract_become_a_scenario_that_drives(tmp_path):
    source = tmp_path / "small.osm"
    source.write_text(made_up_extract())
    scenario = v2xsim.load(str(import_osm(source, tmp_path / "out", vehicles=10, duration_s=45.5)))
    assert scenario.run.duration_s == 45.5
    obstacles, _ = load_obstacles(scenario.world)
    assert sorted(obstacles.prisms.top_m) == [2.5, 9.5, 12.0]
    footprints_m = obstacles.upper_m - obstacles.lower_m
    np.testing.assert_allclose(footprints_m, [[21.1, 22.3]] * 3, atol=0.5)  # 0.0003 and 0.0002 degrees at 50.86 north
    with open_mobility(scenario.traffic, scenario.run, Names()) as traffic:
        begin_us = round(scenario.run.begin_s * 1e6)
        traffic.warm_up(begin_us)
        assert len(traffic.snapshot(begin_us)) >= 10
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "small.osm"]


def test_a_village_of_300_m_has_traffic_too(tmp_path):
    """Trips of at least 800 m, as in a town, do not fit into it."""
    source = tmp_path / "village.osm"
    source.write_text(made_up_extract(scale=0.3))
    scenario = v2xsim.load(str(import_osm(source, tmp_path / "out", vehicles=5)))
    with open_mobility(scenario.traffic, scenario.run, Names()) as traffic:
        begin_us = round(scenario.run.begin_s * 1e6)
        traffic.warm_up(begin_us)
        assert len(traffic.snapshot(begin_us)) >= 5


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    return import_osm(HERSFELD, tmp_path_factory.mktemp("import") / "town", duration_s=600.0)


@pytest.mark.slow
@pytest.mark.skipif(not HERSFELD.is_file(), reason="the Bad Hersfeld extract is not beside this checkout")
def test_a_real_town_has_its_traffic_its_stations_and_its_buildings(town):
    scenario = v2xsim.load(str(town), ["run.step_s=0.5"])
    obstacles, sources = load_obstacles(scenario.world)
    assert len(obstacles.prisms) > 11_000
    assert sources.height + sources.levels >= 30
    x_min, y_min, x_max, y_max = scenario.stations.region
    assert (x_max - x_min, y_max - y_min) == (1500, 1500)
    seen = set()
    with open_mobility(scenario.traffic, scenario.run, Names()) as traffic:
        begin_us, step_us = round(scenario.run.begin_s * 1e6), round(scenario.run.step_s * 1e6)
        traffic.warm_up(begin_us)
        numbers = []
        for time_us in range(begin_us, begin_us + 600_000_000, 20 * step_us):
            snapshot = traffic.snapshot(time_us)
            x, y = snapshot.boxes.center_m[:, 0], snapshot.boxes.center_m[:, 1]
            inside = (x >= x_min) & (x <= x_max) & (y >= y_min) & (y <= y_max) & CATALOGUE.is_motor[snapshot.kind]
            numbers.append(len(snapshot))
            assert len(snapshot) >= 200
            assert inside.sum() >= 30
            seen |= {KINDS[kind] for kind in np.unique(snapshot.kind)}
        assert not {"traffic.demand_ends", "traffic.teleports"} & {notice.subject for notice in traffic.notices()}
    assert min(numbers) >= 0.9 * numbers[6]  # of 60 s
    assert seen >= {"passenger", "van", "truck", "bus"}


@pytest.mark.parametrize(
    ("folder", "name"), [("my_town", "my_town"), ("Köln & Bonn", "K_ln_Bonn"), ("2026", "2026"), ("..", "town")]
)
def test_a_town_is_called_like_its_folder(tmp_path, folder, name):
    _scenario(tmp_path, np.zeros(2), 3, "x.osm", folder, 30.0)
    assert yaml.safe_load((tmp_path / "town.yaml").read_text())["name"] == name
