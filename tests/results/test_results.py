"""What a run returns, and the folder that it is written into."""

import hashlib
import json
import os

import numpy as np
import pyarrow.parquet as pq
import pytest

import v2xsim
from v2xsim.evaluation.metric import Metric
from v2xsim.results.columns import schema_of
from v2xsim.results.errors import ResultsError
from v2xsim.results.results import Results, metrics_table
from v2xsim.results.tables import Columns

ROWS = [
    ("prr", "", Metric(0.5, "1", 8)),
    ("prr", "0-50 m", Metric(float("nan"), "1", 0)),
    ("on_air", "", Metric(150.0, "B/s", 3)),
]


@pytest.fixture
def results():
    columns = Columns("channel")
    columns.add(time_us=np.array([1, 2]), station=7, busy_share=0.5)
    return Results(
        v2xsim.load("demo"), {"channel": columns.finished(), "metrics": metrics_table(ROWS)}, {}, {"wall_s": 2.5},
        {"motion": "none"},
    )  # fmt: skip


def test_the_metrics_table_has_one_row_for_each():
    table = metrics_table(ROWS)
    assert table.schema.equals(schema_of("metrics"))
    assert table.column("metric").to_pylist() == ["prr", "prr", "on_air"]
    assert table.column("bin").to_pylist() == ["", "0-50 m", ""]
    assert table.column("unit").to_pylist() == ["1", "1", "B/s"]
    assert table.column("count").to_pylist() == [8, 0, 3]


def test_the_metrics_table_keeps_values_that_are_no_numbers():
    np.testing.assert_equal(metrics_table(ROWS).column("value").to_numpy(), [0.5, np.nan, 150.0])


def test_without_metrics_the_table_has_no_row():
    assert metrics_table([]).num_rows == 0


def test_a_folder_holds_every_table_the_manifest_and_the_timing(results, tmp_path):
    results.write(tmp_path / "runs" / "one")
    assert sorted(os.listdir(tmp_path / "runs" / "one")) == [
        "channel.parquet", "manifest.json", "metrics.parquet", "timing.json",
    ]  # fmt: skip


def test_an_empty_text_is_no_folder(results, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ResultsError, match="must be a path, got an empty text"):
        results.write("")
    assert list(tmp_path.iterdir()) == []


def test_tables_are_read_back_as_they_were(results, tmp_path):
    results.write(tmp_path)
    assert pq.read_table(tmp_path / "channel.parquet").equals(results.tables["channel"])


def test_tables_are_compressed(results, tmp_path):
    results.write(tmp_path)
    file = pq.ParquetFile(tmp_path / "channel.parquet")
    assert file.metadata.row_group(0).column(0).compression == "ZSTD"


def test_the_timing_is_a_file_of_its_own(results, tmp_path):
    results.write(tmp_path)
    assert json.loads((tmp_path / "timing.json").read_text()) == {"wall_s": 2.5}


def test_files_for_readers_are_sorted_lines_that_end(results, tmp_path):
    results.write(tmp_path)
    text = (tmp_path / "manifest.json").read_text()
    assert text == json.dumps(json.loads(text), indent=1, sort_keys=True) + "\n"


def test_a_folder_may_exist_already(results, tmp_path):
    results.write(tmp_path)
    results.write(tmp_path)
    assert (tmp_path / "manifest.json").exists()


def test_the_manifest_comes_last(results, tmp_path, monkeypatch):
    """A table that cannot be written leaves a folder without a manifest: no finished run."""
    monkeypatch.setattr(pq.ParquetWriter, "write_table", _full)
    with pytest.raises(ResultsError):
        results.write(tmp_path)
    assert not (tmp_path / "manifest.json").exists()


def test_timing_that_cannot_be_written_leaves_no_manifest(results, tmp_path):
    (tmp_path / "timing.json").mkdir()
    with pytest.raises(ResultsError):
        results.write(tmp_path)
    assert not (tmp_path / "manifest.json").exists()


def test_a_full_disk_is_one_error_that_names_the_folder(results, tmp_path, monkeypatch):
    monkeypatch.setattr(pq.ParquetWriter, "write_table", _full)
    with pytest.raises(ResultsError, match=f"{tmp_path}: results cannot be written: No space left on device"):
        results.write(tmp_path)


def _full(*_, **__):
    raise OSError(28, "No space left on device")


def test_what_is_printed_of_results_is_one_line(results):
    text = repr(results)
    assert text.startswith("results of demo (seed 1, 10 s): 2 tables with 5 rows, 0 metrics, 0 notices")
    assert "\n" not in text


def test_the_files_that_a_run_read_are_in_its_manifest(results, tmp_path):
    Results(results.scenario, results.tables, {}, inputs={"/b": "22", "/a": "11"}).write(tmp_path)
    assert json.loads((tmp_path / "manifest.json").read_text())["inputs"] == [
        {"path": "/a", "sha256": "11"}, {"path": "/b", "sha256": "22"},
    ]  # fmt: skip


def test_the_manifest_has_the_digest_of_each_table(results, tmp_path):
    results.write(tmp_path)
    digests = json.loads((tmp_path / "manifest.json").read_text())["tables"]
    assert digests == {
        name: hashlib.sha256((tmp_path / f"{name}.parquet").read_bytes()).hexdigest() for name in ("channel", "metrics")
    }  # fmt: skip
