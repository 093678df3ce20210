"""Errors in sweeps name the file and line, or the option, of the value that is wrong."""

import pytest
from typer.testing import CliRunner

from v2xsim.cli.app import app
from v2xsim.errors import UserError
from v2xsim.study.plan import plan_of

HEAD = "scenario: demo\nseeds: 2\n"


def refusal(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.yaml").write_text(text)
    with pytest.raises(UserError) as caught:
        plan_of("s.yaml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("grid:\n  radio.mcs: [1, 400]\n", "s.yaml:4: setting 1: radio.mcs: must be at least 0"),
        ("grid:\n  radio.mcs:\n  - 1\n  - 400\n  - -3\n", "s.yaml:6: setting 1: radio.mcs: must be"),
        ("grid:\n  radio.mcs:\n  - 1\n  - 400\n  - -3\n", "s.yaml:7: setting 2: radio.mcs: must be"),
        ("list:\n- {radio.mcs: 1}\n- {radio.mcs: 400}\n", "s.yaml:5: setting 1: radio.mcs: must be"),
        ("random:\n  points: 1\n  keys:\n    radio.mcs: [400]\n", "s.yaml:6: setting 0: radio.mcs: must be"),
        ("sobol:\n  points: 1\n  keys:\n    radio.mc: [400]\n", "s.yaml:6: setting 0: radio.mc: unknown key"),
        ("set:\n  radio.mcs: 400\n", "s.yaml:4: set: radio.mcs: must be"),
        ("grid: {radio.mcs: [1]}\nbaseline: {radio.x: 1}\n", "s.yaml:4: baseline: radio.x is not varied"),
        ("grid: {radio.mcs: [1]}\nbaseline: {radio.mcs: 2}\n", "s.yaml:4: baseline: no setting has"),
        ("grid: {radio.mcs: [1]}\nset:\n  radio.mcs: 2\n", "s.yaml:3: radio.mcs stands in set and in grid"),
        ("grid:\n  run.seed: [1]\n", "s.yaml:4: grid: run.seed cannot be varied; use seeds"),
        ("list:\n- {radio.mcs: 1}\n- {radio.x: 2}\n", "s.yaml:4: list.0: must give the same keys"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_named_with_its_line(tmp_path, monkeypatch, text, words):
    assert words in refusal(tmp_path, monkeypatch, HEAD + text)


def test_a_scenario_that_does_not_exist_is_named_with_the_line_of_the_sweep(tmp_path, monkeypatch):
    error = refusal(tmp_path, monkeypatch, "name: x\nscenario: demmo\nseeds: 2\n")
    assert error.startswith("s.yaml:2: scenario: demmo: must be an existing file")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--grid", "radio.mcs=1,400"], "--grid radio.mcs=1,400: setting 1: radio.mcs: must be"),
        (["--seeds", "2", "--set", "radio.mcs=400"], "--set radio.mcs=400: radio.mcs: must be"),
        (["--grid", "run.seed=1,2"], "--grid run.seed=1,2: grid: run.seed cannot be varied; use seeds"),
        (["--seeds", "2", "--set", "radio.mcs=1", "--set", "radio.mcs=2"], "--set: radio.mcs is given twice"),
        (["--grid", "radio.mcs=1,2", "--grid", "radio.mcs=3"], "--grid: radio.mcs is given twice"),
    ],
)  # fmt: skip
def test_a_wrong_option_is_named(options, words):
    found = CliRunner().invoke(app, ["sweep", "demo", *options, "--dry-run"], env={"COLUMNS": "400"})
    assert found.exit_code == 2
    assert words in " ".join(found.stderr.split())
