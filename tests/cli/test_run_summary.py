"""The summary of a run: groups of metrics that fit into the terminal, and a name for what does not."""

from dataclasses import replace
from pathlib import Path

import pytest

import v2xsim
from v2xsim.cli.run_summary import as_object, as_rows, print_summary
from v2xsim.evaluation.metric import Metric
from v2xsim.results.results import Results

TIMING = {"simulated_s": 10.0, "measured_s": 2.0, "real_time_factor": 5.0, "compile_s": 1.5, "warm_up_s": 0.0}


@pytest.fixture
def results():
    values = {"prr": 0.9127, "awareness_latency": 51.26, "on_air": 57299.4, "helpers_used": 1.31}
    metrics = {name: Metric(value, "1", 8) for name, value in values.items()}
    return Results(v2xsim.load("demo", []), {}, metrics, TIMING)


def printed(results, tmp_path, width, monkeypatch, capsys):
    monkeypatch.setattr("v2xsim.cli.run_summary.terminal_width", lambda: width)
    print_summary(
        results, tmp_path / "a-run-with-a-long-name-in-a-folder-with-a-long-name-of-more-than-eighty-characters"
    )
    return capsys.readouterr().out.splitlines()


def test_a_pipe_gets_the_meaning_of_each_metric(results, tmp_path, monkeypatch, capsys):
    lines = printed(results, tmp_path, None, monkeypatch, capsys)
    (row,) = (line for line in lines if line.startswith("  prr "))
    assert row.split()[1:3] == ["91.3", "%"]
    assert "packet reception ratio" in row
    assert not any(line.startswith("Left out") for line in lines)


def test_a_terminal_of_eighty_columns_names_the_column_that_it_lacks(results, tmp_path, monkeypatch, capsys):
    lines = printed(results, tmp_path, 80, monkeypatch, capsys)
    assert max(map(len, lines[:-1])) <= 80
    assert any(line.startswith("Left out at 80 characters: meaning.") for line in lines)
    assert any(line.split() == ["on_air", "57,299", "B/s"] for line in lines)


def test_a_terminal_of_thirty_columns_has_a_line_for_each_number(results, tmp_path, monkeypatch, capsys):
    lines = printed(results, tmp_path, 30, monkeypatch, capsys)
    place = lines.index("helpers_used")
    assert lines[place + 1 : place + 3] == ["  value: 1.31", "  unit: helpers/frame"]
    assert lines[place - 1] == "Cooperation"


@pytest.mark.parametrize(("fusion", "filled"), [("late", True), ("early", True), ("raw", True), ("cpm", False)])
def test_only_schemes_that_share_cells_are_measured_by_the_blind_zones(results, fusion, filled):
    values = {
        "object_awareness_ego": 0.5,
        "object_awareness_fused": 0.7,
        "blind_covered": 0.0,
        "helpers_used_by_relay": 0.0,
    }
    metrics = results.metrics | {name: Metric(value, "1", 8) for name, value in values.items()}
    scenario = v2xsim.load("demo", [f"cooperation.fusion={fusion}"])
    benefit, _ = as_object(replace(results, scenario=scenario, metrics=metrics), Path("run"))["headline"]
    assert ("fusion filled 0 % of their blind zones" in benefit) == filled
    assert ("so blind zones stay as they are" in benefit) != filled


def test_a_latency_that_never_ends_is_a_word(results, tmp_path, monkeypatch, capsys):
    """An infinite median is shown as what it is, and not like a metric that was not measured."""
    metrics = results.metrics | {
        "cycle_latency_p50": Metric(float("inf"), "ms", 8),
        "cycle_latency_p90": Metric(float("nan"), "ms", 0),
    }
    endless = replace(results, metrics=metrics)
    lines = printed(endless, tmp_path, 60, monkeypatch, capsys)
    assert any(line.split() == ["cycle_latency_p50", "never", "ms"] for line in lines)
    assert any(line.split() == ["cycle_latency_p90", "-", "ms"] for line in lines)
    found = as_object(endless, Path("run"))["metrics"]
    assert (found["cycle_latency_p50"]["value"], found["cycle_latency_p90"]["value"]) == ("never", None)
    rows = {row["metric"]: row["value"] for row in as_rows(endless)}
    assert (rows["cycle_latency_p50"], rows["cycle_latency_p90"]) == (float("inf"), None)


def test_the_road_users_behind_a_precision_stand_beside_it(results, tmp_path, monkeypatch, capsys):
    metrics = results.metrics | {"ap_0.5_fused_unannounced": Metric(0.25, "1", 1234)}
    lines = printed(replace(results, metrics=metrics), tmp_path, 60, monkeypatch, capsys)
    assert any(line.split() == ["ap_0.5_fused_unannounced", "25.0", "%,", "n_gt", "1,234"] for line in lines)
    assert (
        as_object(replace(results, metrics=metrics), Path("run"))["metrics"]["ap_0.5_fused_unannounced"]["count"]
        == 1234
    )
