"""Retelling in a run: what it brings, what it costs, and that nothing changes without it."""

import re

import numpy as np
import pytest

import v2xsim

OPTIONS = ["cooperation.fusion=cpm", "cooperation.relay=none", "cooperation.min_delivery=0.5", "run.duration_s=2.5"]


@pytest.fixture(scope="module")
def runs():
    """Two runs of one world, without retelling and with it."""
    return [
        v2xsim.run(v2xsim.load("hidden_grid", [*OPTIONS, f"cooperation.retelling={rule}"]), threads=1)
        for rule in ("none", "unheard")
    ]


def test_egos_know_more_hidden_road_users_for_little_load(runs):
    without, retelling = (run.metrics for run in runs)
    known = [metrics["hidden_known_settled_fused"].value for metrics in (without, retelling)]
    busy = [metrics["channel_busy_ratio"].value for metrics in (without, retelling)]
    assert known[1] > known[0] + 0.03
    assert busy[0] < busy[1] < 1.3 * busy[0]


def test_only_with_the_rule_is_anything_told_on_and_by_stations_without_a_lidar_too(runs):
    kinds = [run.tables["packets"]["kind"].to_pylist() for run in runs]
    assert "retold" not in kinds[0]
    packets = runs[1].tables["packets"].to_pylist()
    tellers = {row["tx"] for row in packets if row["kind"] == "retold"}
    reporters = {row["tx"] for row in packets if row["kind"] == "cpm"}
    assert tellers - reporters
    # Nobody sends twice within a period.
    times = {}
    for row in packets:
        if row["kind"] == "retold":
            times.setdefault(row["tx"], set()).add(row["queued_us"])
    assert min(np.diff(sorted(of_one)).min() for of_one in times.values() if len(of_one) > 1) >= 100_000


def test_what_was_told_on_names_the_station_that_told_it(runs):
    packets = runs[1].tables["packets"].to_pylist()
    arrived = {(row["rx"], row["tx"]) for row in packets if row["kind"] == "retold" and row["outcome"] == "delivered"}
    told = [row for row in runs[1].tables["contributions"].to_pylist() if row["relay"] >= 0]
    assert len(told) > 10
    assert all((row["ego"], row["relay"]) in arrived for row in told)


def test_the_run_reports_how_many_objects_were_told_on(runs):
    counts = [{notice.subject: notice.count for notice in run.notices} for run in runs]
    messages = {row["message"] for row in runs[1].tables["packets"].to_pylist() if row["kind"] == "retold"}
    assert "cooperation.told_on" not in counts[0]
    assert counts[1]["cooperation.told_on"] >= len(messages) > 20


@pytest.mark.parametrize(("changes", "why"), [
    ({"cooperation.retelling": {"rule": "unheard", "least_gain": 1000.0}}, r"[1-9]\d* times a station held something that may be told on"),
    ({"cooperation.egos": []}, "[1-9].* the rule chose none of it"), ({"lidars.include": ["ego"], "stations.include": ["ego"]}, "no station ever held a report"),
])  # fmt: skip
def test_a_run_in_which_nothing_is_told_on_says_so(changes, why):
    given = {"cooperation.fusion": "cpm", "cooperation.retelling": "unheard", "run.duration_s": 0.8}
    notices = v2xsim.run(v2xsim.load("overtaking").with_(given | changes), threads=1).notices
    (text,) = [notice.text for notice in notices if notice.subject.endswith("told_on")]
    assert re.match(f"cooperation.retelling unheard told nothing on: {why}", text)


def test_the_reports_themselves_do_not_change(runs):
    """What a station tells on depends on reports, but no report depends on what is told on."""
    sent = [
        {(row["message"], row["tx"], row["queued_us"], row["size_bytes"]) for row in run.tables["packets"].to_pylist() if row["kind"] == "cpm"}
        for run in runs
    ]  # fmt: skip
    made = [{row[1:] for row in of_run} for of_run in sent]
    assert made[0] == made[1]
