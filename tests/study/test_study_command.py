"""`v2xsim study` from a file to a report, with the packaged study at a smaller size."""

import re

import pytest
from typer.testing import CliRunner

from tests.study.made_studies import TEXT, written
from v2xsim.cli.app import app
from v2xsim.scenario.errors import ScenarioError
from v2xsim.scenario.load import PACKAGED
from v2xsim.study.study_findings import read_findings
from v2xsim.study.study_folder import study_file_in


def call(*arguments):
    return CliRunner().invoke(app, ["study", *map(str, arguments)], catch_exceptions=False)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """The packaged study at a smaller size: its file, its folder, and what the command printed."""
    folder = tmp_path_factory.mktemp("study")
    text = (PACKAGED / "studies" / "relay.yaml").read_text()
    for old, new in (
        ("run.duration_s: 1.0", "run.duration_s: 0.2"),
        ("values: [5, 10, 20]", "values: [5, 20]"),
        ("development: [1, 2, 3]", "development: [1]"),
        ("  - height\n", ""),
    ):
        assert old in text
        text = text.replace(old, new)
    path = written(folder, text)
    ran = call(
        "run", path, "--seeds", "development", "--family", "t_junction", "--out", folder / "runs", "--workers", "2"
    )
    assert ran.exit_code == 0, ran.output
    return path, folder / "runs", ran.stdout


def test_a_study_runs_all_points_of_the_families_that_were_named(study):
    _, folder, printed = study
    assert "4 of 4 points finished (4 now), 0 failed" in printed
    findings = read_findings(folder, study_file_in(folder))
    assert findings.absent == ("t_junction_rsu",)
    assert findings.families[0].left_out == ()
    assert (findings.families[0].curve("hybrid", "channel_busy_ratio") > 0).all()


def test_a_study_that_is_run_again_runs_nothing_twice(study):
    path, folder, _ = study
    before = {file: file.read_bytes() for file in folder.rglob("*.parquet") if file.name == "results.parquet"}
    ran = call("run", path, "--seeds", "development", "--family", "t_junction", "--out", folder)
    assert (ran.exit_code, "4 of 4 points finished (0 now), 0 failed" in ran.stdout) == (0, True)
    assert {file: file.read_bytes() for file in before} == before


def test_a_study_without_failures_ends_with_its_report(study):
    _, folder, printed = study
    assert "hybrid against direct: " in printed
    summary = folder / "report" / "summary.md"
    assert summary.read_text().startswith("# relay: development runs, no test")
    first = summary.read_bytes()
    assert call("report", folder).exit_code == 0
    assert summary.read_bytes() == first


def test_a_dry_run_estimates_the_points_that_are_left_and_writes_nothing(study, tmp_path):
    path, folder, _ = study
    done = call("run", path, "--seeds", "development", "--family", "t_junction", "--out", folder, "--dry-run")
    assert "t_junction: all points are finished" in done.stdout
    new = call("run", path, "--seeds", "development", "--family", "t_junction", "--out", tmp_path / "new", "--dry-run")
    assert re.search(
        r"t_junction: 4 points, about .* \(alone, a point takes [\d.]+ s; .*\nall together: about .* with \d+ worker",
        new.stdout,
    )
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("- height", "- heigt", "did you mean 'height'"),
        ("metric: blind_covered", "metric: blind_coverd", "did you mean 'blind_covered'"),
    ],
)
def test_a_wrong_file_ends_with_code_2_and_writes_nothing(tmp_path, old, new, message):
    path = written(tmp_path, TEXT.replace(old, new))
    ran = call("run", path, "--seeds", "test", "--out", tmp_path / "runs")
    assert (ran.exit_code, (tmp_path / "runs").exists()) == (2, False)
    assert message in " ".join(ran.stderr.split())


def test_all_families_are_checked_before_the_plan_counts_as_begun(tmp_path, monkeypatch):
    def failing(plan):
        if "town" in plan.source:
            raise ScenarioError(f"{plan.source}: cannot be run")
        return ()

    monkeypatch.setattr("v2xsim.study.preflight.preflight", failing)
    families = "families:\n  crossing: {scenario: t_junction, loads: [0.2]}\n  town: {scenario: demo, loads: [0.2]}\n  old_town: {scenario: demo, loads: [0.2]}"
    text = TEXT.replace("families:\n  town: {scenario: demo, loads: [0.2, 0.25], recommended: [0.2]}", families)
    for more in ([], ["--dry-run"]):
        ran = call("run", written(tmp_path, text), "--seeds", "test", "--out", tmp_path / "runs", *more)
        assert (ran.exit_code, (tmp_path / "runs").exists()) == (2, False)
        assert re.search(r"yaml: town: cannot be run\n.*yaml: old_town: cannot be run", ran.stderr)


def test_a_sweep_and_a_scenario_are_no_study(tmp_path):
    for name in ("demo.yaml", "sweeps/motorway_trucks.yaml"):
        ran = call("run", PACKAGED / name, "--seeds", "test", "--out", tmp_path / "runs")
        assert (ran.exit_code, "must be a study file" in " ".join(ran.stderr.split())) == (2, True)
    ran = CliRunner().invoke(app, ["sweep", str(PACKAGED / "studies" / "relay.yaml")])
    assert (ran.exit_code, "v2xsim study run" in " ".join(ran.stderr.split())) == (2, True)
