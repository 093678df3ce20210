"""A file or a folder that is named in place of another: the error says what it is, and what takes it."""

import json

import pytest

import v2xsim
from v2xsim.errors import UserError
from v2xsim.scenario.errors import ScenarioError
from v2xsim.study.plan import plan_of
from v2xsim.study.studies import read_study
from v2xsim.validation.setup import load_setup

SCENARIO = "traffic: {script: [{id: a, waypoints: [[0, 0, 0]]}]}\n"
SWEEP = "scenario: demo\ngrid: {radio.mcs: [1, 2]}\n"
SET_UP = "road: {length_m: 500}\nradio: {access: ieee80211p}\n"
PLAN = json.dumps({"kind": "sweep", "format": 1, "points": []})


@pytest.mark.parametrize(
    ("reader", "text", "words"),
    [
        (v2xsim.load, SWEEP, "must be a scenario, got a sweep file; run it with `v2xsim sweep x.yaml`"),
        (v2xsim.load, "grid: {radio.mcs: [1, 2]}\nseeds: 2\n", "got a sweep file"),
        (v2xsim.load, SET_UP, "got a set-up of the radio validation; run it with `v2xsim validate radio --config x.yaml`"),
        (v2xsim.load, PLAN, "must be a scenario, got the plan of a sweep"),
        (plan_of, SCENARIO, "must be a sweep file, got a scenario; run it with `v2xsim run x.yaml`, or vary it with"),
        (plan_of, SET_UP, "must be a sweep file, got a set-up"),
        (load_setup, SCENARIO, "must be a set-up of the radio validation, got a scenario; run it with `v2xsim run x.yaml`"),
        (load_setup, SWEEP, "must be a set-up of the radio validation, got a sweep file"),
    ],
)  # fmt: skip
def test_a_file_of_another_kind_is_named_with_its_command(tmp_path, monkeypatch, reader, text, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(ScenarioError) as caught:
        reader("x.yaml")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("town.sumocfg", "a configuration of SUMO; name it in a scenario, under traffic: {sumocfg: town.sumocfg}"),
        ("town.net.xml", "a road network of SUMO"),
        ("cars.xml", "a trace is named in a scenario, under traffic: {fcd: cars.xml}"),
        ("map.osm", "a map; v2xsim import-osm makes a town of it"),
        ("rules.py", "under plugins: [rules.py]"),
        ("metrics.parquet", "a table"),
    ],
)
def test_an_input_of_a_scenario_is_named_with_the_key_that_takes_it(tmp_path, name, words):
    (tmp_path / name).write_text("<net/>")
    with pytest.raises(ScenarioError, match="must be a scenario") as caught:
        v2xsim.load(tmp_path / name)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("inside", "words"),
    [("manifest.json", "name .*manifest.json"), ("sweep.json", "got a folder of a sweep"), ("a.yaml", "name a file in it: .*a.yaml")],
)  # fmt: skip
def test_a_folder_is_named_with_what_it_holds(tmp_path, inside, words):
    (tmp_path / inside).write_text("{}")
    with pytest.raises(ScenarioError, match=words):
        v2xsim.load(tmp_path)


@pytest.mark.parametrize("name", ["tjuntion", "tjuntion.yaml", "tjunction.yml", "tjunction"])
def test_a_misspelt_file_is_named_by_the_nearest_one(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tjunction.yaml").write_text(SCENARIO)
    for path, near in ((name, "'tjunction.yaml'"), (tmp_path / name, "/tjunction.yaml'")):
        with pytest.raises(ScenarioError, match=f"did you mean .*{near}"):
            v2xsim.load(path)


def test_a_scenario_in_place_of_the_folder_of_a_study_must_run_first(tmp_path):
    (tmp_path / "x.yaml").write_text(SWEEP)
    with pytest.raises(UserError, match="got a file; run it first"):
        read_study(tmp_path / "x.yaml")


def test_an_error_in_a_manifest_has_its_line(tmp_path):
    content = {
        "format": 1,
        "automatic": ["radio.mtu_bytes"],
        "scenario": {"traffic": {"script": [{"id": "a", "waypoints": [[0, 0, 0]]}]}, "radio": {"mcs": 99}},
    }
    text = json.dumps(content, indent=1)
    (tmp_path / "manifest.json").write_text(text)
    line = next(number for number, row in enumerate(text.splitlines(), 1) if '"mcs"' in row)
    with pytest.raises(ScenarioError, match=rf"manifest.json:{line}: radio.mcs: must be"):
        v2xsim.load(tmp_path / "manifest.json")
