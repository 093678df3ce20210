"""A study whose points fail says which, ends with code 1, and runs them again when it is asked to."""

import json

from typer.testing import CliRunner

from tests.study.made_studies import TEXT, written
from v2xsim.cli.app import app
from v2xsim.scenario.load import PACKAGED
from v2xsim.study.git_state import CodeState
from v2xsim.study.sweep import Swept

SMALL = TEXT.replace("test: [11, 12, 13, 14, 15]", "test: [11]")


def test_failed_points_are_named_by_rule_and_load_and_end_with_code_1(tmp_path, monkeypatch):
    def failing(plan, *, out, **_):
        failures = [
            {"setting": 4, "seed": 11, "reason": "no memory", "log": "logs/a.log"},
        ]
        return Swept(out, 11, failures, 12, 0, 0)

    monkeypatch.setattr("v2xsim.study.sweep.sweep", failing)
    ran = CliRunner().invoke(
        app, ["study", "run", str(written(tmp_path, SMALL)), "--seeds", "test", "--out", str(tmp_path / "r")]
    )
    assert ran.exit_code == 1
    assert "11 of 12 points finished (12 now), 1 failed" in ran.stdout
    assert "failed: height, cooperation.budget_bytes=2000, seed 11: no memory" in ran.stdout
    assert "--retry-failed" in ran.stdout


def test_only_a_sweep_that_has_begun_is_continued(tmp_path, monkeypatch):
    asked = []

    def noted(plan, *, out, resume, retry_failed, **_):
        asked.append((resume, retry_failed))
        out.mkdir(exist_ok=True)
        (out / "sweep.json").write_text(json.dumps(plan.manifest()))
        return Swept(out, 11, [{"setting": 0, "seed": 11, "reason": "no memory", "log": "logs/a.log"}], 12, 0, 0)

    monkeypatch.setattr("v2xsim.study.sweep.sweep", noted)
    call = ["study", "run", str(written(tmp_path, SMALL)), "--seeds", "test", "--out", str(tmp_path / "r")]
    for more in ([], [], ["--retry-failed"]):
        assert CliRunner().invoke(app, [*call, *more]).exit_code == 1
    assert asked == [(False, False), (True, False), (True, True)]


def test_a_changed_scenario_is_refused_before_the_call_is_recorded(tmp_path, monkeypatch):
    def noted(plan, *, out, **_):
        out.mkdir(exist_ok=True)
        (out / "sweep.json").write_text(json.dumps(plan.manifest()))
        return Swept(out, 11, [{"setting": 0, "seed": 11, "reason": "no memory", "log": "logs/a.log"}], 12, 0, 0)

    monkeypatch.setattr("v2xsim.study.sweep.sweep", noted)
    scenario = tmp_path / "mine.yaml"
    scenario.write_text((PACKAGED / "demo.yaml").read_text())
    path = written(tmp_path, SMALL.replace("scenario: demo", "scenario: mine.yaml"))
    call = ["study", "run", str(path), "--seeds", "test", "--out", str(tmp_path / "r")]
    assert CliRunner().invoke(app, call).exit_code == 1
    before = (tmp_path / "r" / "study.json").read_bytes()
    scenario.write_text(scenario.read_text() + "# changed\n")
    ran = CliRunner().invoke(app, call)
    assert (ran.exit_code, "has changed since the sweep in" in " ".join(ran.stderr.split())) == (2, True)
    assert (tmp_path / "r" / "study.json").read_bytes() == before


def test_a_call_with_other_code_than_the_first_warns(tmp_path, monkeypatch):
    monkeypatch.setattr("v2xsim.study.sweep.sweep", lambda plan, *, out, **_: Swept(out, 11, [{"setting": 0, "seed": 11, "reason": "no memory", "log": "a"}], 12, 0, 0))  # fmt: skip
    call = ["study", "run", str(written(tmp_path, SMALL)), "--seeds", "test", "--out", str(tmp_path / "r")]
    for commit, warns in (("a" * 40, False), ("a" * 40, False), ("b" * 40, True)):
        monkeypatch.setattr("v2xsim.study.study_provenance.code_state", lambda commit=commit: CodeState(commit, 0))
        ran = CliRunner().invoke(app, call)
        assert ("run with different code" in " ".join(ran.stderr.split())) is warns


def test_a_folder_of_something_else_is_refused_before_anything_is_checked_or_written(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise AssertionError("settings are checked")

    monkeypatch.setattr("v2xsim.study.preflight.preflight", fail)
    foreign = tmp_path / "r"
    foreign.mkdir()
    (foreign / "mine.txt").write_text("keep me")
    ran = CliRunner().invoke(
        app, ["study", "run", str(written(tmp_path, SMALL)), "--seeds", "test", "--out", str(foreign)]
    )
    assert ran.exit_code == 2
    assert "must be new, empty, or hold this study; name another with --out" in " ".join(ran.stderr.split())
    assert "points" not in ran.stdout
    assert [(path.name, path.read_text()) for path in foreign.iterdir()] == [("mine.txt", "keep me")]
