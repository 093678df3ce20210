"""Scenarios from a dict, and scenarios with some values replaced, with the same checks as a file."""

import os
from pathlib import Path

import numpy as np
import pytest

import v2xsim
from v2xsim.comms.relay.rules.hybrid import Hybrid
from v2xsim.scenario.errors import ScenarioError

TWO_CARS = {
    "run": {"duration_s": 1.0},
    "traffic": {"script": [{"id": "a", "waypoints": [[0, 0, 0]]}, {"id": "b", "waypoints": [[0, 9, 0]]}]},
}
TWO_CARS_YAML = """
run: {duration_s: 1.0}
traffic: {script: [{id: a, waypoints: [[0, 0, 0]]}, {id: b, waypoints: [[0, 9, 0]]}]}
"""
RULE = """
from dataclasses import dataclass
from v2xsim.comms.relay.rule import RelayRule
from v2xsim.parts import part


@part("mine")
@dataclass(frozen=True)
class Mine(RelayRule):
    weight: float = 1.0

    def score(self, view):
        return self.weight * view.height
"""


def test_a_dict_is_the_same_scenario_as_a_file_of_the_same_content(tmp_path):
    (tmp_path / "s.yaml").write_text(TWO_CARS_YAML)
    assert v2xsim.load(TWO_CARS) == v2xsim.load(tmp_path / "s.yaml")


def test_a_dict_may_hold_paths_tuples_and_numbers_of_numpy(tmp_path, monkeypatch):
    (tmp_path / "town.poly.xml").write_text("<additional/>")
    monkeypatch.chdir(tmp_path)
    waypoints = [(np.float64(0.0), np.int64(1), 2), np.array([1.0, 2.0, 3.0])]
    scenario = v2xsim.load({
        "world": {"buildings": Path("town.poly.xml")}, "traffic": {"script": [{"id": "a", "waypoints": waypoints}]},
        "lidars": {"per_vehicle": {1: 1.0}},
    })  # fmt: skip
    assert scenario.world.buildings == tmp_path / "town.poly.xml"
    assert scenario.traffic.script[0].waypoints == [(0.0, 1.0, 2.0), (1.0, 2.0, 3.0)]
    assert scenario.lidars.per_vehicle == {1: 1.0}


def test_options_and_a_seed_apply_to_a_dict_too():
    scenario = v2xsim.load(TWO_CARS, ["run.step_s=0.2"], seed=7)
    assert (scenario.run.step_s, scenario.run.seed) == (0.2, 7)


def nested_in_itself():
    content = dict(TWO_CARS)
    content["world"] = content
    return content


@pytest.mark.parametrize(("content", "says"), [
    ({}, "dict: is empty"),
    ({**TWO_CARS, "rum": {}}, "dict: rum: unknown key.*did you mean 'run'"),
    ({**TWO_CARS, "run": {"step_s": 5}}, "dict: run.step_s: must be at least 0.01 and at most 1 s"),
    ({**TWO_CARS, "run": {"step_s": "0.1"}}, "dict: run.step_s: must be a number.*without quotes"),
    ({**TWO_CARS, "run": {"seed": 10**5000}}, "dict: run.seed: must be a number of at most 40 digits"),
    ({**TWO_CARS, "run": {"duration_s": float("nan")}}, "dict: run.duration_s: must be a finite number"),
    ({**TWO_CARS, "run": {"duration_s": float("inf")}}, "dict: run.duration_s: must be a finite number"),
    ({**TWO_CARS, "run": {1, 2}}, "dict: run: must be a dict.*got set"),
    ({**TWO_CARS, "name": b"crossing"}, "dict: name: must be.*got bytes"),
    pytest.param({**TWO_CARS, (1, 2): 3}, "dict: a key must be text, got tuple", marks=pytest.mark.passes_wrong_types),
    ({**TWO_CARS, "lidars": {"per_vehicle": {1: 0.5, "1": 0.5}}}, "dict: lidars.per_vehicle.1: this key is there twice"),
    ({**TWO_CARS, "world": {"buildings": "nowhere.xml"}}, "dict: world.buildings: must be a file that can be read"),
    (nested_in_itself(), "dict: nested more than 40 deep"),
])  # fmt: skip
def test_a_wrong_dict_is_refused_with_the_key(content, says):
    with pytest.raises(ScenarioError, match=says):
        v2xsim.load(content)


def test_a_dict_that_changes_later_leaves_the_scenario_as_it_was():
    content = {"run": {"duration_s": 1.0}, "traffic": {"script": [{"id": "a", "waypoints": [[0, 0, 0]]}]}}
    scenario = v2xsim.load(content)
    content["run"]["duration_s"] = 5.0
    assert scenario.with_(seed=2).run.duration_s == 1.0


# ---- with_ ----


def test_changed_values_are_the_same_as_options_of_the_command_line():
    options = ["radio.tx_power_dbm=20", "cooperation.relay=none", "run.seed=3", "name=other"]
    changes = {"radio.tx_power_dbm": 20, "cooperation.relay": "none"}
    assert v2xsim.load("demo").with_(changes, seed=3, name="other") == v2xsim.load("demo", options)


def test_the_scenario_itself_does_not_change():
    demo = v2xsim.load("demo")
    demo.with_({"run.duration_s": 1.0})
    assert demo == v2xsim.load("demo")


def test_changes_add_up():
    changed = v2xsim.load("demo").with_({"radio.tx_power_dbm": 20}).with_({"radio.mcs": 1}, seed=4)
    assert (changed.radio.tx_power_dbm, changed.radio.mcs, changed.run.seed) == (20.0, 1, 4)


def test_a_part_is_chosen_by_name_as_a_section_as_an_object_or_by_one_parameter():
    demo = v2xsim.load("demo")
    for relay in ({"rule": "hybrid", "weight": 0.3}, Hybrid(weight=0.3)):
        assert demo.with_({"cooperation.relay": relay}).cooperation.relay == Hybrid(weight=0.3)
    assert demo.with_({"cooperation.relay.weight": 0.3}).cooperation.relay == Hybrid(weight=0.3)


def test_a_section_of_another_scenario_can_be_taken_over():
    demo = v2xsim.load("demo")
    louder = demo.with_({"radio.tx_power_dbm": 20})
    assert demo.with_(radio=louder.radio) == louder


def test_a_part_of_a_users_file_keeps_its_parameters(tmp_path, monkeypatch):
    (tmp_path / "part.py").write_text(RULE)
    (tmp_path / "s.yaml").write_text(TWO_CARS_YAML + "plugins: [part.py]\ncooperation: {relay: mine}\n")
    scenario = v2xsim.load(tmp_path / "s.yaml")
    # Another scenario in between, and another working folder: both are no part of this one.
    v2xsim.load("demo")
    monkeypatch.chdir("/")
    changed = scenario.with_({"cooperation.relay.weight": 0.5})
    assert (changed.cooperation.relay.name, changed.cooperation.relay.weight) == ("mine", 0.5)
    assert [plugin.path for plugin in changed.loaded_plugins] == [tmp_path / "part.py"]


def test_a_users_file_can_be_added(tmp_path, monkeypatch):
    (tmp_path / "part.py").write_text(RULE)
    monkeypatch.chdir(tmp_path)
    changed = v2xsim.load("demo").with_({"plugins": ["part.py"], "cooperation.relay": "mine"})
    assert changed.cooperation.relay.name == "mine"


def test_relative_paths_count_from_where_they_were_written(tmp_path, monkeypatch):
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here, there):
        folder.mkdir()
        (folder / "town.poly.xml").write_text("<additional/>")
    (here / "s.yaml").write_text(TWO_CARS_YAML + "world: {buildings: town.poly.xml}\n")
    monkeypatch.chdir(tmp_path)
    scenario = v2xsim.load(os.path.join("here", "s.yaml"))
    monkeypatch.chdir(there)
    assert scenario.with_(seed=2).world.buildings == here / "town.poly.xml"
    assert scenario.with_({"world.buildings": "town.poly.xml"}).world.buildings == there / "town.poly.xml"


@pytest.mark.parametrize(("changes", "says"), [
    ({"radio.tx_powr_dbm": 20}, "with_: radio.tx_powr_dbm: unknown key.*did you mean 'tx_power_dbm'"),
    ({"radio.tx_power_dbm": 99}, "with_: radio.tx_power_dbm: must be at least -40 and at most 40 dBm, got 99"),
    ({"radio.tx_power_dbm": "20"}, "with_: radio.tx_power_dbm: must be a number"),
    ({"run.duration_s": None}, "with_: run.duration_s: must be a number"),
    ({"cooperation.relay": "hybrd"}, "with_: cooperation.relay: .*did you mean 'hybrid'"),
    ({"cooperation.relay.weigth": 0.2}, "with_: cooperation.relay.weigth: unknown parameter.*did you mean 'weight'"),
    ({"cooperation.egos": ["nobody"]}, "with_: cooperation.egos.0: must be the id of a road user"),
    ({"radio.access": "nr_mode2", "radio.mtu_bytes": 65000}, "with_: radio.mtu_bytes: a packet must fit into a slot"),
    ({"run.seed": 1, "run": {"seed": 2}}, "with_: run would undo the change of run.seed"),
    ({"run..seed": 1}, "with_: must have dotted keys"),
    pytest.param({1: 1}, "with_: must have dotted keys", marks=pytest.mark.passes_wrong_types),
    ({"run.seed.low": 1}, "with_: run.seed.low: run.seed holds a single value"),
    ({"traffic.script.99.kind": "bus"}, "traffic.script is a list of 16"),
    ({"run": print}, "with_: run: must be a dict"),
])  # fmt: skip
def test_a_wrong_change_is_refused_with_the_key(changes, says):
    with pytest.raises(ScenarioError, match=says):
        v2xsim.load("demo").with_(changes)


def test_a_value_given_twice_is_refused():
    with pytest.raises(ScenarioError, match=r"run\.seed must be given once"):
        v2xsim.load("demo").with_({"run.seed": 1}, seed=2)


def test_an_unknown_word_is_refused_with_the_nearest_key():
    with pytest.raises(ScenarioError, match=r"nam: unknown key.*did you mean 'name'"):
        v2xsim.load("demo").with_(nam="x")


def test_notes_of_the_changed_scenario_are_about_its_own_values():
    demo = v2xsim.load("demo")
    fading = demo.with_({"radio.propagation.fading": "nakagami"})
    assert not demo.notes
    assert any("radio.propagation.fading has no effect" in note for note in fading.notes)


# ---- model_copy ----


@pytest.mark.parametrize(("section", "update", "says"), [
    ("run", {"stepp_s": 0.1}, "section Run: stepp_s: unknown key.*did you mean 'step_s'"),
    ("run", {"step_s": 5.0}, "section Run: step_s: must be at least 0.01 and at most 1 s, got 5.0"),
    ("run", {"duration_s": 0.01}, "section Run: run.duration_s .* must be at least run.step_s"),
    ("cooperation", {"relay": "hybrd"}, "section Cooperation: relay: .*did you mean 'hybrid'"),
    ("radio", {"mcs": {1: 2}}, "section Radio: mcs: must be a whole number.*got a section with 1"),
    ("radio", {"mcs": object()}, "section Radio: mcs: must be a whole number"),
])  # fmt: skip
def test_a_copy_of_a_section_takes_no_value_that_a_file_could_not_hold(section, update, says):
    with pytest.raises(ScenarioError, match=says):
        getattr(v2xsim.load("demo"), section).model_copy(update=update)


def test_a_copy_of_a_scenario_is_checked_across_its_sections():
    demo = v2xsim.load("demo")
    lidars = demo.lidars.model_copy(update={"include": ["nobody"]})
    with pytest.raises(ScenarioError, match=r"lidars\.include\.0: must be the id of a road user"):
        demo.model_copy(update={"lidars": lidars})


def test_the_former_method_of_pydantic_is_checked_too():
    with pytest.raises(ScenarioError, match="unknown key"):
        v2xsim.load("demo").copy(update={"foo": 1})


def test_a_copied_scenario_keeps_its_values_when_others_change():
    demo = v2xsim.load("demo")
    copied = demo.model_copy(update={"run": demo.run.model_copy(update={"seed": 5})})
    changed = copied.with_({"radio.mcs": 1})
    assert (changed.run.seed, changed.radio.mcs) == (5, 1)
    assert changed == demo.with_({"run.seed": 5, "radio.mcs": 1})


def test_defaults_that_follow_from_other_keys_follow_the_changed_ones():
    demo = v2xsim.load("demo")
    copied = demo.model_copy(update={"name": "copied"})
    for scenario in (demo, copied, demo.with_(seed=2)):
        assert scenario.with_({"radio.access": "nr_mode2"}).radio.mtu_bytes == 808
    assert demo.radio.mtu_bytes == 1400


def test_a_value_that_a_copy_sets_does_not_count_as_following_from_others():
    demo = v2xsim.load("demo")
    small = demo.model_copy(update={"radio": demo.radio.model_copy(update={"mtu_bytes": 500})})
    assert "radio.mtu_bytes" in demo.automatic
    assert "radio.mtu_bytes" not in small.automatic
    assert small.with_({"radio.access": "nr_mode2"}).radio.mtu_bytes == 500
