"""`v2xsim check`: warnings about inputs and traffic, and --strict."""

import pytest
from typer.testing import CliRunner

from v2xsim.cli.app import app
from v2xsim.errors import UserError

SCENARIO = """
name: street
traffic:
  script:
    - {id: a, waypoints: [[0, 0, 0]]}
    - {id: b, waypoints: [[0, 1, 0]]}
radio: {channel: tr37885_highway}
cooperation: {relay: none}
run: {duration_s: 0.2}
"""


@pytest.fixture
def street(tmp_path):
    path = tmp_path / "street.yaml"
    path.write_text(SCENARIO)
    return path


def call(*arguments):
    return CliRunner().invoke(app, list(arguments), catch_exceptions=False)


def test_check_warns_of_scripted_bodies_that_overlap(street):
    result = call("check", str(street))
    assert result.exit_code == 0
    assert "warning: traffic: 1 pair of road users has overlapping bodies, first 'a' and 'b' at 0 s" in result.stderr
    assert f"OK: {street}, 1 warning" in result.stdout


def test_check_does_not_run_the_traffic_if_told_so(street):
    result = call("check", str(street), "--no-traffic")
    assert (result.exit_code, result.stderr) == (0, "")


def test_strict_refuses_what_check_warns_of(street):
    result = call("check", str(street), "--strict")
    assert result.exit_code == 2
    assert "1 warning, and --strict allows none" in result.stderr
    assert "OK" not in result.stdout


def test_sumo_is_not_started_without_being_asked_for():
    result = call("check", "highway")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "The traffic was not run" in result.stdout


def test_strict_runs_the_traffic_of_sumo_too():
    result = call("check", "highway", "--strict", "--set", "run.begin_s=1", "--set", "run.duration_s=0.2")
    assert result.exit_code == 0
    assert "was not run" not in result.stdout


SUMO_SCENARIO = "name: s\ntraffic: {sumocfg: c.sumocfg}\nradio: {channel: tr37885_highway}\n"


def sumo_scene(folder, options):
    (folder / "n.net.xml").write_text("<net/>")
    (folder / "c.sumocfg").write_text(f"<configuration><net-file value='n.net.xml'/>{options}</configuration>")
    (folder / "s.yaml").write_text(SUMO_SCENARIO)
    return str(folder / "s.yaml")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ("<mesosim value='true'/>", "the option mesosim is set"),
        ("<begin value='3600'/>", "traffic begins at 3600 s"),
        ("<r value='none.rou.xml'/>", "route-files names 'none.rou.xml', which does not exist"),
        ("<end value='1'/><e value='2'/>", "sets the option end twice"),
    ],
)
def test_a_sumo_configuration_that_cannot_run_is_refused_without_starting_sumo(tmp_path, options, reason):
    result = CliRunner().invoke(app, ["check", sumo_scene(tmp_path, options)])
    assert isinstance(result.exception, UserError) or result.exit_code == 2
    assert reason in (result.stderr + str(result.exception))


def test_options_of_sumo_that_are_left_out_are_reported_without_starting_sumo(tmp_path):
    result = call("check", sumo_scene(tmp_path, "<tripinfo-output value='t.xml'/>"))
    assert "left out" in result.stderr
    assert "tripinfo-output" in result.stderr


def test_what_is_usual_is_a_note_and_no_warning(tmp_path):
    """Most buildings on a map have no height."""
    (tmp_path / "town.poly.xml").write_text(
        '<additional><poly id="h" type="building" shape="0,20 10,20 10,30 0,30"/></additional>'
    )
    path = tmp_path / "town.yaml"
    path.write_text(SCENARIO.replace("[[0, 1, 0]]", "[[0, 9, 0]]") + "world: {buildings: town.poly.xml}\n")
    result = call("check", str(path), "--strict")
    assert result.exit_code == 0, result.stderr
    assert result.stderr.startswith("note: ")
    assert "default height of its type" in result.stderr


@pytest.mark.parametrize(("height_m", "text"), [(12, "one in each block"), (0, "0")])
def test_the_buildings_that_a_generated_town_brings_are_listed(height_m, text):
    result = call("check", "urban_grid", "--set", f"traffic.grid.building_height_m={height_m}")
    (line,) = [line for line in result.stdout.splitlines() if line.split()[0] == "buildings"]
    assert line.split(maxsplit=1)[1] == text
