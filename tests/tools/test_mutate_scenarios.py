"""The tool that checks scenario files with random mistakes: it makes the same mistakes again, and sees every kind of fault."""

import contextlib
import importlib.util
import random
import sys
import time
from pathlib import Path

import pytest

from v2xsim.scenario import ScenarioError
from v2xsim.scenario.yamltext import read_yaml

TOOL = Path(__file__).resolve().parents[2] / "tools" / "mutate_scenarios.py"


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("mutate_scenarios", TOOL)
    module = importlib.util.module_from_spec(spec)
    # Data classes look their own module up.
    sys.modules["mutate_scenarios"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["mutate_scenarios"]


def texts(tool, seed, count=40):
    chance, bases = random.Random(seed), tool.bases()
    return [tool.mutated(chance.choice(bases), chance) for _ in range(count)]


def test_one_seed_makes_one_row_of_files_and_another_seed_another(tool):
    assert texts(tool, 1) == texts(tool, 1)
    assert texts(tool, 1) != texts(tool, 2)


def test_the_files_to_start_from_are_valid_scenarios(tool, tmp_path):
    for number, text in enumerate(tool.bases()):
        file = tmp_path / f"{number}.yaml"
        file.write_text(text)
        assert tool.load(file).traffic


def test_a_hundred_files_with_mistakes_are_accepted_or_refused_and_three_run(tool, tmp_path, capsys):
    assert tool.main(["--count", "100", "--runs", "3", "--seed", "5", "--keep", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert '"accepted"' in printed
    assert '"refused"' in printed
    assert [file.name for file in tmp_path.iterdir()] == ["slowest_check.yaml"]


@pytest.mark.parametrize(
    ("error", "outcome"),
    [(ValueError("broken"), "fault"), (SystemExit(1), "fault"), (MemoryError(), "fault"), (ScenarioError("no"), "refused"),
     (ScenarioError(" "), "refused without a message"), (None, "accepted")],
)  # fmt: skip
def test_an_outcome_is_counted_by_its_exception(tool, error, outcome):
    def call():
        if error is not None:
            raise error

    tally = tool.Tally()
    trace = tool.outcome_of(call, tally, 5.0)
    assert dict(tally.outcomes) == {outcome: 1}
    assert (trace is not None) == (outcome == "fault")


def test_a_check_without_end_is_a_fault(tool):
    tally = tool.Tally()
    assert "TooSlowError" in tool.outcome_of(lambda: time.sleep(60), tally, 0.05)
    assert tally.slowest_s < 30


def test_a_file_that_shows_a_fault_is_kept_with_its_traceback(tool, tmp_path, monkeypatch, capsys):
    def broken(file):
        raise ZeroDivisionError(file)

    monkeypatch.setattr(tool.check, "command", broken)
    assert tool.main(["--count", "2", "--seed", "1", "--keep", str(tmp_path)]) == 1
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "check_0.txt",
        "check_0.yaml",
        "check_1.txt",
        "check_1.yaml",
        "slowest_check.yaml",
    ]
    assert "ZeroDivisionError" in (tmp_path / "check_0.txt").read_text()
    assert "ZeroDivisionError" in capsys.readouterr().out


def test_a_run_of_three_ticks_needs_no_warm_up_and_no_city(tool, tmp_path):
    small, large = tmp_path / "small.yaml", tmp_path / "large.yaml"
    small.write_text("run: {begin_s: 1000, step_s: 0.2}\ntraffic: {highway: {length_m: 500}}\n")
    large.write_text("traffic: {highway: {length_m: 100000, density_per_km: 400}}\n")
    found = tool.three_ticks(small)
    assert (found.run.begin_s, round(found.run.duration_s / found.run.step_s)) == (2.0, 3)
    assert tool.three_ticks(large) is None


def test_most_mistakes_leave_a_file_that_can_be_read(tool):
    readable = 0
    for text in texts(tool, 3, 100):
        with contextlib.suppress(ScenarioError):
            readable += read_yaml(text, "mutated").data is not None
    # A fifth of the files have mistakes in their text, and some of these are still YAML.
    assert readable >= 75
