"""A run that an earlier version wrote: it stays readable as long as `v2xsim.opened.manifest.FIRST_FORMAT` says so.

`run_of_format_2.zip` is never made anew. If a change makes these tests fail, give what is new an entry in `v2xsim.results.columns.SINCE`.
"""

import zipfile
from pathlib import Path

import numpy as np
import pytest

import v2xsim
from v2xsim.opened import NotRecordedError
from v2xsim.opened.manifest import FIRST_FORMAT

# Metrics whose meaning has changed since then (CHANGELOG.md).
MEANT_OTHERWISE = {"age_of_information", "time_to_awareness_ego", "time_to_awareness_fused"}
OLD = Path(__file__).with_name("run_of_format_2.zip")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("old")
    with zipfile.ZipFile(OLD) as archive:
        archive.extractall(folder)
    return v2xsim.open(folder)


def test_it_has_the_first_format_that_is_read(run):
    assert run.manifest["format"] == FIRST_FORMAT == 2


def test_its_tables_have_the_digests_of_its_manifest(run):
    assert set(run.manifest["tables"]) == {path.stem for path in run.folder.glob("*.parquet")}


def test_its_scenario_tables_and_metrics_are_read(run):
    assert run.scenario.description == "A run of four ticks that must stay readable"
    assert {name: table.num_rows for name, table in run.tables.items() if name in ("states", "fusion", "clouds")} == {
        "states": 24, "fusion": 10, "clouds": 424,
    }  # fmt: skip
    assert set(run.names.values()) == {"pole", "ego", "helper", "van", "crossing", "leaver", "far"}
    assert run.metrics["object_awareness_fused"].value == pytest.approx(0.576, abs=5e-4)


def test_it_is_evaluated_again_to_its_own_metrics(run):
    again = run.evaluate().metrics
    assert [name for name in again if name in run.metrics] == list(run.metrics)
    for name, metric in run.metrics.items():
        if name in MEANT_OTHERWISE:
            continue
        assert again[name].value == pytest.approx(metric.value, nan_ok=True), name


def test_its_frames_and_clouds_are_there(run):
    frames = run.frames("ego")
    assert [frame.time_us for frame in frames] == [700_000, 800_000, 900_000, 1_000_000]
    kept = run.frames(
        run.tables["frames"]["ego"][0].as_py(), time_s=run.tables["frames"]["frame_us"][0].as_py() * 1e-6
    )[0]
    # Another processor may round differently in the last bits.
    np.testing.assert_allclose(run.cloud(kept).points_m, run.cloud(kept, cast=True).points_m, atol=1e-6)


def test_its_traffic_is_replayed(run):
    again = v2xsim.run(run.replay())
    assert again.tables["states"].equals(run.tables["states"])


def test_what_came_with_a_newer_format_is_not_measured(run):
    again = run.evaluate().metrics
    cycles = [metric for name, metric in again.items() if name.startswith("cycle_")]
    assert cycles
    assert {metric.count for metric in cycles} == {0}
    assert "cycles" not in run.tables
    with pytest.raises(
        NotRecordedError, match="'cycles', which came with format 3; this run has format 2: run it again"
    ):
        run.tables["cycles"]


def test_who_saw_whom_is_not_measured_and_said_to_be_missing(run):
    """A share of 0 would read as if nobody had been unseen."""
    again = run.evaluate().metrics
    assert np.isnan([again[name].value for name in ("seen_by_nobody", "seen_redundancy", "never_seen")]).all()
    with pytest.raises(
        NotRecordedError, match="'sights', which came with format 4; this run has format 2: run it again"
    ):
        run.tables["sights"]
