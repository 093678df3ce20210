"""What the command line reports about inputs that were left out, on standard error, as JSON and in the manifest."""

import json

import pytest
from typer.testing import CliRunner

from v2xsim.cli.app import app

POLYGONS = """<additional>
    <poly id="house" type="building" shape="0,20 10,20 10,30 0,30"><param key="height" value="9"/></poly>
    <poly id="line" type="building" shape="0,40 10,40 0,40"><param key="height" value="9"/></poly>
    <poly id="speck" type="building" shape="0,50 0.5,50 0.5,50.5"><param key="height" value="9"/></poly>
    <poly id="lake" type="natural.water" shape="0,60 10,60"/>
</additional>
"""
SCENARIO = """
name: street
world: {buildings: town.poly.xml}
traffic:
  script:
    - {id: a, waypoints: [[0, 0, 0], [1, 5, 0]]}
    - {id: b, waypoints: [[0, 40, 0], [1, 35, 0]]}
cooperation: {relay: none}
run: {duration_s: 0.2}
"""


def call(*arguments):
    return CliRunner().invoke(app, list(arguments), catch_exceptions=False)


@pytest.fixture
def street(tmp_path):
    (tmp_path / "town.poly.xml").write_text(POLYGONS)
    (tmp_path / "street.yaml").write_text(SCENARIO)
    return tmp_path / "street.yaml"


def test_check_reports_the_buildings_that_it_cannot_use(street):
    result = call("check", str(street))
    assert result.exit_code == 0
    assert "town.poly.xml: 2 of 3 buildings are left out" in result.stderr


def test_a_run_reports_left_out_buildings_on_the_console_as_json_and_in_its_manifest(street, tmp_path):
    result = call("run", str(street), "--out", str(tmp_path / "run"), "--json")
    assert "town.poly.xml: 2 of 3 buildings are left out" in result.stderr
    notice, other = json.loads(result.stdout)["notices"]
    assert (notice["subject"], notice["count"]) == ("buildings.left_out", 2)
    assert json.loads((tmp_path / "run" / "manifest.json").read_text())["notices"] == [notice, other]


def test_a_run_of_usable_inputs_has_no_warning(street, tmp_path):
    (tmp_path / "town.poly.xml").write_text(
        POLYGONS.replace("0,40 10,40 0,40", "0,40 10,40 0,45").replace("0.5", "5.5")
    )
    result = call("run", str(street), "--out", str(tmp_path / "run"), "--json")
    assert [notice["subject"] for notice in json.loads(result.stdout)["notices"]] == ["buildings.other_polygons"]
    assert "left out" not in result.stderr
