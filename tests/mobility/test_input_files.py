"""The files that a run reads, and their digests in its manifest."""

import hashlib
import json

import pytest

import v2xsim
from v2xsim.mobility.inputs import input_digests, input_files
from v2xsim.scenario import ScenarioError

TRACE = """<fcd-export>
  <timestep time="0.00"><vehicle id="a" x="0" y="0" angle="90" type="car" speed="5" pos="0" lane="e_0" slope="0"/></timestep>
  <timestep time="1.00"><vehicle id="a" x="5" y="0" angle="90" type="car" speed="5" pos="5" lane="e_0" slope="0"/></timestep>
</fcd-export>
"""
BUILDINGS = """<additional>
  <poly id="house" type="building" color="1,1,1" fill="1" layer="0" shape="20,20 30,20 30,30 20,30"/>
</additional>
"""


@pytest.fixture
def scene(tmp_path):
    (tmp_path / "trace.xml").write_text(TRACE)
    (tmp_path / "town.poly.xml").write_text(BUILDINGS)
    return {
        "run": {"duration_s": 0.2},
        "world": {"buildings": str(tmp_path / "town.poly.xml")},
        "traffic": {"fcd": str(tmp_path / "trace.xml")},
        "lidars": {"model": {"beams": 2, "columns": 8, "range_m": 30}},
        "record": {"clouds_every_s": 0},
    }


def test_the_files_that_a_scenario_names_are_listed_with_their_digests(scene, tmp_path):
    found = input_digests(v2xsim.load(scene))
    assert found == {
        str(tmp_path / "town.poly.xml"): hashlib.sha256(BUILDINGS.encode()).hexdigest(),
        str(tmp_path / "trace.xml"): hashlib.sha256(TRACE.encode()).hexdigest(),
    }


def test_a_file_that_the_polygon_file_includes_is_listed(scene, tmp_path):
    (tmp_path / "more.poly.xml").write_text(BUILDINGS)
    (tmp_path / "town.poly.xml").write_text('<additional><include href="more.poly.xml"/></additional>')
    assert tmp_path / "more.poly.xml" in input_files(v2xsim.load(scene))


def test_a_scenario_without_files_lists_none():
    assert input_files(v2xsim.load("demo")) == []


def test_files_that_a_configuration_of_sumo_names_are_listed(scene, tmp_path):
    (tmp_path / "net.net.xml").write_text("<net/>")
    (tmp_path / "c.sumocfg").write_text('<configuration><net-file value="net.net.xml"/></configuration>')
    scene["traffic"] = {"sumocfg": str(tmp_path / "c.sumocfg")}
    names = [path.name for path in input_files(v2xsim.load(scene))]
    assert names == ["c.sumocfg", "net.net.xml", "town.poly.xml"]


def test_a_manifest_has_them_and_a_changed_one_is_refused(scene, tmp_path):
    v2xsim.run(v2xsim.load(scene), out=tmp_path / "run")
    manifest = tmp_path / "run" / "manifest.json"
    listed = json.loads(manifest.read_text())["inputs"]
    assert [item["path"] for item in listed] == [str(tmp_path / "town.poly.xml"), str(tmp_path / "trace.xml")]
    v2xsim.load(manifest)
    (tmp_path / "town.poly.xml").write_text(BUILDINGS.replace("30,30", "31,30"))
    with pytest.raises(ScenarioError, match=r"the input file .*town.poly.xml has changed since the run"):
        v2xsim.load(manifest)


def test_a_finished_run_is_opened_and_evaluated_without_its_files(scene, tmp_path):
    results = v2xsim.run(v2xsim.load(scene), out=tmp_path / "run")
    (tmp_path / "town.poly.xml").unlink()
    (tmp_path / "trace.xml").unlink()
    run = v2xsim.open(tmp_path / "run")
    assert run.scenario.traffic.fcd == tmp_path / "trace.xml"
    assert repr(dict(run.evaluate().metrics)) == repr(dict(results.metrics))
    again = v2xsim.run(run.replay())
    assert again.tables["states"].equals(results.tables["states"])
    assert again.tables["buildings"].equals(results.tables["buildings"])


def test_the_tables_of_a_replayed_run_are_inputs(scene, tmp_path):
    v2xsim.run(v2xsim.load(scene), out=tmp_path / "run")
    names = [path.name for path in input_files(v2xsim.open(tmp_path / "run").replay())]
    assert names == [
        "agents.parquet",
        "buildings.parquet",
        "manifest.json",
        "parts.parquet",
        "roads.parquet",
        "states.parquet",
    ]
