"""What a user of the command line relies on."""

import csv
import fcntl
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import termios
import time

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from v2xsim.cli.app import app
from v2xsim.ownership import take

SHORT = ["--set", "run.duration_s=0.5", "--set", "lidars.model=beam16", "--set", "record.clouds_every_s=0.2"]


def call(*arguments):
    return CliRunner().invoke(app, list(arguments), catch_exceptions=False)


@pytest.fixture(scope="module")
def finished_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli") / "run"
    result = call("run", "demo", *SHORT, "--out", str(folder))
    assert result.exit_code == 0, result.output
    return folder, result


def test_a_run_ends_with_its_metrics_and_its_folder(finished_run):
    folder, result = finished_run
    for words in ("ap_0.5_fused", "coverage_after", "x real time", str(folder)):
        assert words in result.stdout
    names = {path.name for path in folder.iterdir()}
    assert {"manifest.json", "timing.json", "packets.parquet", "links.parquet", "detections.parquet", "fusion.parquet",
            "metrics.parquet"} <= names  # fmt: skip


def test_the_profile_of_a_run_shows_its_longest_stage_first_and_stages_that_add_up(tmp_path):
    folder = tmp_path / "run"
    result = call(
        "run", "highway", "--set", "run.duration_s=0.3", "--set", "run.begin_s=1", "--out", str(folder), "--profile"
    )
    assert result.exit_code == 0, result.output
    table = result.stdout[result.stdout.index("ms per tick") :].splitlines()[1:]
    percents = [float(line.split()[2]) for line in table if "%" not in line and line[:1].isalpha()]
    assert percents == sorted(percents, reverse=True)
    timing = json.loads((folder / "timing.json").read_text())
    stages = {
        name: timing[f"stage_{name}_s"] for name in ("traffic", "scans", "links", "radio", "messages", "recording")
    }
    assert min(stages.values()) > 0
    assert sum(v for k, v in timing.items() if k.startswith("stage_")) <= timing["measured_s"]


def test_json_is_one_object_and_nothing_else(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "v2xsim", "run", "highway", "--set", "run.duration_s=0.3", "--set", "run.begin_s=1",
         "--json", "--out", str(tmp_path / "run")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["run_dir"] == str(tmp_path / "run")
    assert set(found["metrics"]["prr"]) == {"value", "unit", "count"}
    assert found["timing"]["real_time_factor"] > 0


def test_comma_separated_values_of_a_run_are_its_metrics_and_nothing_else(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "v2xsim", "run", "demo", "--set", "run.duration_s=0.3", "--csv", "--out", str(tmp_path / "run")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = {row["metric"]: row for row in csv.DictReader(io.StringIO(done.stdout))}
    stored = {
        row["metric"]: row for row in pq.read_table(tmp_path / "run" / "metrics.parquet").to_pylist() if not row["bin"]
    }
    assert set(rows) == set(stored)
    assert float(rows["on_air"]["value"]) == stored["on_air"]["value"]
    assert f"run: {tmp_path / 'run'}" in done.stderr


def test_view_writes_pictures_and_clouds_into_the_run(finished_run):
    folder, _ = finished_run
    result = call("view", str(folder), "--frame", "0")
    assert result.exit_code == 0, result.output
    listed = [line.strip() for line in result.stdout.splitlines()[1:]]
    assert {os.path.splitext(name)[1] for name in listed} >= {".png", ".ply", ".pcd"}
    for name in listed:
        assert os.path.getsize(name) > 500
        assert os.path.abspath(name).startswith(str(folder))


@pytest.mark.parametrize(("arguments", "words"), [
    (["view", "{tmp}/nowhere"], ["nowhere", "no such folder"]),
    (["view", "{tmp}"], ["manifest.json"]),
    (["view", "{run}", "--frame", "99"], ["99", "kept"]),
    (["run", "demo", "--out", "{tmp}/file"], ["file", "--out"]),
    (["run", "demo", "--out", "{tmp}/mine"], ["mine", "--out"]),
    (["import-osm", "{tmp}/file", "--out", "{tmp}/town"], ["file"]),
    (["import-osm", "{tmp}/no.osm", "--out", "{tmp}/town"], ["no.osm"]),
    (["run", "demo", "--seed", "-3"], ["--seed"]),
    (["run", "demo", "--device", "tpu"], ["--device", "cpu"]),
    (["runn", "demo"], ["runn"]),
])  # fmt: skip
def test_what_cannot_be_done_is_said_in_one_message(arguments, words, tmp_path, finished_run):
    (tmp_path / "file").write_text("work")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("work")
    before = sorted(p.name for p in tmp_path.rglob("*"))
    result = call(*[a.format(tmp=tmp_path, run=finished_run[0]) for a in arguments])
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    for word in words:
        assert word in result.stderr
    assert sorted(p.name for p in tmp_path.rglob("*")) == before


def test_a_gpu_that_is_not_there_is_said(tmp_path):
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    result = call("run", "demo", "--device", "cuda", "--out", str(tmp_path / "run"))
    assert result.exit_code == 2
    assert "run.device" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_run_replaces_an_earlier_one_only_when_it_is_complete(tmp_path):
    folder = tmp_path / "run"
    assert call("run", "demo", *SHORT, "--out", str(folder)).exit_code == 0
    first = (folder / "manifest.json").read_bytes()
    (tmp_path / "bad.sumocfg").write_text("<configuration/>")
    (tmp_path / "bad.yaml").write_text("traffic: {sumocfg: bad.sumocfg}\n")
    assert call("run", str(tmp_path / "bad.yaml"), "--out", str(folder)).exit_code == 2
    assert (folder / "manifest.json").read_bytes() == first
    assert call("run", "demo", *SHORT, "--seed", "5", "--out", str(folder)).exit_code == 0
    assert json.loads((folder / "manifest.json").read_text())["seed"] == 5


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_stopped_run_leaves_nothing_that_looks_complete(number, tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-m", "v2xsim", "run", "demo", "--set", "run.duration_s=500", "--out", str(tmp_path / "run")],
        stderr=subprocess.PIPE,
        text=True,
        # Whoever starts these tests in the background of a shell has them ignore interrupts, which a child would go on doing.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        limit = time.monotonic() + 60
        while not list(tmp_path.glob(".run.*.partial")) and time.monotonic() < limit:
            time.sleep(0.05)
        time.sleep(0.5)
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == (-signal.SIGKILL if number == signal.SIGKILL else 128 + number)
    assert not (tmp_path / "run").exists()
    assert not list(tmp_path.rglob("manifest.json"))
    if number != signal.SIGKILL:
        assert said == f"stopped by {signal.Signals(number).name}: no half-written files are left\n"
    else:
        # What a killed run left goes with the next one.
        assert call("run", "demo", *SHORT, "--out", str(tmp_path / "run")).exit_code == 0
        (tmp_path / "run" / "manifest.json").unlink()
    assert [path.name for path in tmp_path.iterdir()] == ["run"] * (number == signal.SIGKILL)


def test_a_run_whose_terminal_is_closed_leaves_nothing(tmp_path):
    """As when a connection breaks: the signal is SIGHUP, and nothing can be printed any more."""
    master, slave = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "v2xsim", "run", "demo", "--set", "run.duration_s=500", "--out", str(tmp_path / "run")],
        stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
        preexec_fn=lambda: (fcntl.ioctl(0, termios.TIOCSCTTY, 0), signal.signal(signal.SIGHUP, signal.SIG_DFL)),
    )  # fmt: skip
    os.close(slave)
    try:
        limit = time.monotonic() + 60
        while not list(tmp_path.glob(".run.*.partial")) and time.monotonic() < limit:
            time.sleep(0.05)
        time.sleep(0.5)
        os.close(master)
        process.wait(60)
    finally:
        process.kill()
    assert process.returncode == 128 + signal.SIGHUP
    assert list(tmp_path.iterdir()) == []


def test_the_second_of_two_runs_that_would_write_one_folder_is_refused(tmp_path):
    first = take(tmp_path, "run")
    result = call("run", "demo", *SHORT, "--out", str(tmp_path / "run"))
    first.release()
    assert result.exit_code == 2
    assert f"is being written by process {os.getpid()}" in result.stderr


def test_a_run_view_report_and_run_again_leave_one_run(finished_run, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(finished_run[0], folder)
    for command in (["view", str(folder)], ["report", str(folder)], ["report", str(folder)]):
        assert call(*command).exit_code == 0
    assert (folder / "report" / "report.html").exists()
    assert call("run", "demo", *SHORT, "--out", str(folder)).exit_code == 0
    assert {path.name for path in tmp_path.iterdir()} == {"run"}
    assert not (folder / "report").exists()
    assert not (folder / "pictures").exists()


def test_runs_of_other_settings_have_folders_of_their_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for more in ([], ["--set", "cooperation.relay=none"], ["--seed", "2"], []):
        result = call("run", "demo", *SHORT[:2], *more)
        assert result.exit_code == 0
        assert "run: runs/demo-" in result.stdout
    names = {path.name for path in (tmp_path / "runs").iterdir()}
    assert names == {"demo-1-duration_s=0.5", "demo-1-relay=none,duration_s=0.5", "demo-2-duration_s=0.5"}


def test_a_working_folder_that_is_gone_is_one_message(tmp_path):
    (tmp_path / "gone").mkdir()
    command = f"cd {tmp_path}/gone && rmdir {tmp_path}/gone && {sys.executable} -P -m v2xsim check demo"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "error: the working folder does not exist any more; change to another one\n"


def test_a_module_of_the_working_folder_is_not_imported(tmp_path):
    (tmp_path / "simpy.py").write_text("raise SystemExit('the file of the working folder')")
    for command in (["run", "demo", *SHORT], ["sweep", "demo", "--seeds", "1", *SHORT[:2]]):
        done = subprocess.run(
            [sys.executable, "-m", "v2xsim", *command], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_an_interrupt_within_code_made_from_text_leaves_with_130_too(tmp_path):
    """As where it falls into the making of a dataclass or of a kernel: CPython would then die of the signal."""
    code = """
import v2xsim.cli.app
from v2xsim.__main__ import main

def stopped(**said):
    try:
        exec("raise KeyboardInterrupt")
    except KeyboardInterrupt:
        raise SystemExit(130)

v2xsim.cli.app.app = stopped
main()
"""
    (tmp_path / "stopping.py").write_text(code)
    # Only a module that is run as one, as a user runs ours, would die so.
    assert subprocess.run([sys.executable, "-m", "stopping"], cwd=tmp_path, check=False).returncode == 130
