"""Folders that cannot be studied: one message with the file, what is wrong, and what to do; and exit status 2."""

import fcntl
import json
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

import v2xsim
from tests.study.comparisons import TWO, noisy
from v2xsim.cli.app import app
from v2xsim.errors import UserError
from v2xsim.evaluation.metric import Metric
from v2xsim.results.results import Results, metrics_table
from v2xsim.study.folders import is_running


@pytest.fixture
def run_folder(tmp_path):
    rows = [("prr", "", Metric(0.5, "1", 8)), ("prr", "0-50 m", Metric(0.75, "1", 4))]
    folder = tmp_path / "runs" / "demo-6"
    Results(v2xsim.load("demo", [], 6), {"metrics": metrics_table(rows)}, {}).write(folder)
    return folder


@pytest.fixture
def sweep_folder(tmp_path, made_sweep):
    return made_sweep(tmp_path / "sweeps" / "made", TWO, 2, noisy)


def message(*arguments):
    """Return what a command prints about a folder that it refuses, on one line."""
    found = CliRunner().invoke(app, [*map(str, arguments)])
    assert found.exit_code == 2, found.output
    assert "Traceback" not in found.output
    return " ".join(found.stderr.split())


def without_digests(folder):
    """Make a run one of an earlier version, whose manifest has no digests of tables."""
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"tables": {}}))


CUT = [
    ("", "is damaged: it is empty"),
    ('{"format": 2, "scen', "is damaged: it is no complete JSON"),
    ("[]", "is not a manifest of a run"),
    (b"\xff\xfe\x00", "is damaged: it is no text in UTF-8"),
]


@pytest.mark.parametrize(("content", "words"), CUT)
@pytest.mark.parametrize("command", ["compare", "report"])
def test_a_manifest_that_is_cut_is_named_with_what_to_do(run_folder, command, content, words):
    (run_folder / "manifest.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    said = message(command, run_folder)
    assert f"{run_folder / 'manifest.json'}: {words}" in said
    assert "copy the folder again, or run it again" in said


@pytest.mark.parametrize(("entry", "value"), [("scenario", None), ("seed", "x"), ("versions", 3), ("notices", [{}]), ("plugins", [3])])  # fmt: skip
def test_a_manifest_of_another_form_is_named(run_folder, entry, value):
    manifest = json.loads((run_folder / "manifest.json").read_text())
    (run_folder / "manifest.json").write_text(json.dumps(manifest | {entry: value}))
    assert f"{run_folder / 'manifest.json'}: is damaged: it is not a manifest as a run writes it" in message(
        "compare", run_folder
    )


@pytest.mark.parametrize("digests", [True, False])
@pytest.mark.parametrize("kept", [0, 4, 700])
def test_a_table_of_a_run_that_is_cut_is_named_with_what_to_do(run_folder, kept, digests):
    if not digests:
        without_digests(run_folder)
    table = run_folder / "metrics.parquet"
    table.write_bytes(table.read_bytes()[:kept])
    said = message("compare", run_folder)
    assert f"{table}: {'has changed since the run' if digests else 'is damaged: '}" in said
    assert "copy the folder again, or run it again" in said


@pytest.mark.parametrize("digests", [True, False])
def test_a_run_that_was_copied_without_its_tables_names_the_first_that_is_missing(run_folder, digests):
    if not digests:
        without_digests(run_folder)
    (run_folder / "metrics.parquet").unlink()
    said = message("report", run_folder)
    assert f"{run_folder / 'metrics.parquet'}: " in said
    assert "copy the folder again" in said


def test_a_run_that_was_copied_without_its_manifest_was_copied_in_part(run_folder):
    (run_folder / "manifest.json").unlink()
    assert "so it was copied in part: copy the folder again, or run it again" in message("compare", run_folder)


@pytest.mark.parametrize("file", ["results.parquet", "failures.json", "sweep.json", "notices.json"])
def test_a_file_of_a_sweep_that_is_cut_is_named_with_what_to_do(sweep_folder, file):
    path = sweep_folder / file
    path.write_bytes(path.read_bytes()[:1] if path.exists() else b"{")
    said = message("compare", sweep_folder)
    assert f"{path}: " in said
    assert "--resume" in said or "copy the folder again" in said


def test_a_table_of_another_sweep_is_not_that_of_the_plan(sweep_folder, tmp_path, made_sweep):
    other = made_sweep(tmp_path / "other", [{"radio.mcs": n} for n in range(4)], 3, noisy)
    shutil.copy(other / "results.parquet", sweep_folder / "results.parquet")
    said = message("compare", sweep_folder)
    assert f"{sweep_folder / 'results.parquet'}: is damaged: it has settings or seeds that the plan" in said


def test_a_table_that_lacks_a_column_names_the_column(sweep_folder):
    table = pq.read_table(sweep_folder / "results.parquet")
    pq.write_table(table.drop_columns(["count"]), sweep_folder / "results.parquet")
    assert "results.parquet: is damaged: it has no column count" in message("compare", sweep_folder)


def test_a_table_of_other_types_is_damaged(sweep_folder):
    table = pq.read_table(sweep_folder / "results.parquet")
    words = pa.array(["much"] * table.num_rows)
    pq.write_table(table.set_column(table.schema.get_field_index("value"), "value", words), sweep_folder / "results.parquet")  # fmt: skip
    assert "results.parquet: is damaged: " in message("compare", sweep_folder)


def test_a_file_in_the_folder_is_not_the_folder(run_folder, sweep_folder):
    assert f"got a file in it; name the folder, {run_folder}" in message("compare", run_folder / "manifest.json")
    assert f"got a file in it; name the folder, {sweep_folder}" in message("report", sweep_folder / "sweep.json")


def test_a_sweep_file_is_not_the_folder_of_a_sweep(tmp_path):
    (tmp_path / "relays.yaml").write_text("scenario: demo\n")
    assert "got a file; run it first" in message("compare", tmp_path / "relays.yaml")


def test_the_folder_above_names_those_that_it_has(sweep_folder):
    assert f"name one of {sweep_folder}" in message("compare", sweep_folder.parent)


def test_a_report_is_no_study(sweep_folder):
    assert CliRunner().invoke(app, ["report", str(sweep_folder)]).exit_code == 0
    assert f"got that of a report; name the folder above, {sweep_folder}" in message("compare", sweep_folder / "report")


def test_a_sweep_cannot_be_viewed_or_opened_as_a_run(sweep_folder):
    assert "it is the folder of a sweep" in message("view", sweep_folder)
    with pytest.raises(UserError, match="it is the folder of a sweep"):
        v2xsim.open(sweep_folder)


def test_a_sweep_that_runs_now_is_called_so(sweep_folder):
    (sweep_folder / ".lock").touch()
    assert not is_running(sweep_folder)
    with (sweep_folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = CliRunner().invoke(app, ["compare", str(sweep_folder)])
        assert "a process works on this sweep now" in found.stdout
        (sweep_folder / "results.parquet").unlink()
        assert "the sweep still runs; wait for its end (0 of 4 points have a result)" in message(
            "compare", sweep_folder
        )
