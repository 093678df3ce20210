"""The manifest of a finished run as a scenario: the run is run again."""

import json

import pytest

import v2xsim
from v2xsim.scenario import ScenarioError, resolved
from v2xsim.scenario.manifests import sha256_of, without_keys

PLUGIN = '''
from dataclasses import dataclass

from v2xsim.comms.relay.rule import RelayRule
from v2xsim.parts import part


@part("first_one")
@dataclass(frozen=True)
class FirstOne(RelayRule):
    """Takes the first station."""

    def score(self, view):
        """Return one number for each pair of stations and each station."""
        return view.weaker_delivery
'''
SHORT = ["run.duration_s=0.3", "lidars.model=beam16", "record.clouds_every_s=0.2"]


@pytest.fixture
def finished(tmp_path):
    """Return the manifest of a run of the demo with a relay rule of the user's own."""
    (tmp_path / "own.py").write_text(PLUGIN)
    keys = [*SHORT, f"plugins=[{tmp_path / 'own.py'}]", "cooperation.relay=first_one"]
    v2xsim.run(v2xsim.load("demo", keys), out=tmp_path / "run")
    return tmp_path / "run" / "manifest.json"


def test_a_run_from_its_manifest_writes_the_same_bytes(finished, tmp_path):
    v2xsim.run(v2xsim.load(finished), out=tmp_path / "again")
    names = sorted(path.name for path in finished.parent.iterdir())
    assert names == sorted(path.name for path in (tmp_path / "again").iterdir())
    for name in names:
        if name != "timing.json":
            assert (tmp_path / "again" / name).read_bytes() == (finished.parent / name).read_bytes(), name


def test_the_scenario_is_that_of_the_run(finished):
    scenario = v2xsim.load(str(finished))
    assert resolved(scenario) == json.loads(finished.read_text())["scenario"]
    assert scenario.notes == ()


def test_values_can_be_set_on_top(finished):
    assert v2xsim.load(finished, ["radio.tx_power_dbm=3"], seed=8).run.seed == 8


def test_values_that_followed_from_others_follow_again(finished):
    before = v2xsim.load(finished)
    assert before.automatic
    assert v2xsim.load(finished, ["radio.access=nr_mode2"]).radio.mtu_bytes != before.radio.mtu_bytes


def test_a_changed_plug_in_is_refused_and_its_code_does_not_run(finished, tmp_path):
    mark = tmp_path / "ran"
    (tmp_path / "own.py").write_text(f"open({str(mark)!r}, 'w')\n" + PLUGIN)
    with pytest.raises(ScenarioError, match=r"the plug-in .*own.py has changed since the run \(sha256 .*, now .*\)"):
        v2xsim.load(finished)
    assert not mark.exists()


def test_a_plug_in_that_is_gone_is_refused(finished, tmp_path):
    (tmp_path / "own.py").unlink()
    with pytest.raises(ScenarioError, match=r"the plug-in .*own.py cannot be read: No such file"):
        v2xsim.load(finished)


def test_a_changed_input_file_is_refused(finished, tmp_path):
    (tmp_path / "trace.xml").write_text("<fcd-export/>")
    edit(finished, inputs=[{"path": str(tmp_path / "trace.xml"), "sha256": sha256_of(tmp_path / "trace.xml")}])
    v2xsim.load(finished)
    (tmp_path / "trace.xml").write_text("<fcd-export></fcd-export>")
    with pytest.raises(ScenarioError, match=r"the input file .*trace.xml has changed since the run"):
        v2xsim.load(finished)


def test_a_steered_run_has_a_note(finished):
    edit(finished, notices=[{"subject": "run.steered", "count": 2, "text": "Two messages."}])
    (note,) = v2xsim.load(finished).notes
    assert note.endswith("which has the speeds that it set")
    assert "a program steered this run; its scenario alone repeats none of that, so this run has other results" in note


def test_a_run_of_other_versions_has_a_note(finished):
    versions = json.loads(finished.read_text())["versions"]
    edit(finished, versions={**versions, "numpy": "1.2.3"})
    (note,) = v2xsim.load(finished).notes
    assert "made with numpy 1.2.3 (now " in note
    assert note.endswith("results may differ")


@pytest.mark.parametrize("plugins", ["own.py", [1], [{"path": "own.py"}], {"path": "a", "sha256": "b"}])
def test_a_manifest_with_other_entries_is_refused(finished, plugins):
    edit(finished, plugins=plugins)
    with pytest.raises(ScenarioError, match="plugins must be a list of paths with digests"):
        v2xsim.load(finished)


def test_a_scenario_in_json_is_no_manifest(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({"traffic": {"script": [{"id": "a", "waypoints": [[0, 0, 0]]}]}}))
    assert v2xsim.load(path).traffic.source == "script"


def test_keys_are_left_out_of_a_copy():
    data = {"a": {"b": 1, "c": 2}, "d": 3}
    assert without_keys(data, ["a.b", "d", "a.x", "e.f"]) == {"a": {"c": 2}}
    assert data == {"a": {"b": 1, "c": 2}, "d": 3}


def edit(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(("content", "message"), [
    (b"", "is empty, so the folder was not copied completely"),
    (b'{"format": 2,\n"scen', "is cut off in line 2"),
    (b'{"name": "my-app", "icons": []}', r"is not the manifest of a run: it has no scenario \(its keys are name, icons\)"),
    (b"\xff\xfe\x00", "is no text in UTF-8"),
])  # fmt: skip
def test_a_broken_or_foreign_manifest_is_named_as_such(tmp_path, content, message):
    (tmp_path / "manifest.json").write_bytes(content)
    with pytest.raises(ScenarioError, match=message):
        v2xsim.load(tmp_path / "manifest.json")


def test_a_scenario_in_json_may_have_the_name_of_a_manifest(tmp_path):
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps({"traffic": {"script": [{"id": "a", "waypoints": [[0, 0, 0]]}]}}))
    assert v2xsim.load(path).traffic.source == "script"


def test_the_folder_of_a_run_is_no_scenario_but_has_one(tmp_path):
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(ScenarioError, match=r"got a folder; to run a finished run again, name .*manifest.json"):
        v2xsim.load(tmp_path)
