"""Sweeps of real runs: the same table however they are run, killed, resumed or spread; failures kept; nothing half written."""

import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

import v2xsim
from v2xsim.study.continued import StoreError
from v2xsim.study.plan import plan_of
from v2xsim.study.sweep import estimate, sweep

# Both settings have the same world, so their points of one seed share a process; not on a cluster.
SMALL = {
    "name": "small",
    "scenario": "demo",
    "set": {"run.duration_s": 0.5},
    "list": [
        {"cooperation.relay": "none", "stations.penetration": 1.0},
        {"cooperation.relay": "hybrid", "stations.penetration": 1.0},
    ],
    "seeds": 2,
}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A small sweep by one worker."""
    folder = tmp_path_factory.mktemp("sweep") / "undisturbed"
    swept = sweep(SMALL, out=folder, workers=1)
    assert (swept.finished, swept.failed, swept.ran) == (4, [], 4)
    return folder


def content(folder):
    return {
        name: (folder / name).read_bytes()
        for name in ("results.parquet", "notices.json", "failures.json", "sweep.json")
    }


def test_two_workers_find_the_same_bytes_as_one(undisturbed, tmp_path):
    sweep(SMALL, out=tmp_path / "two", workers=2)
    assert content(tmp_path / "two") == content(undisturbed)


def test_a_point_finds_what_a_run_of_the_same_scenario_finds(undisturbed):
    table = pq.read_table(undisturbed / "results.parquet").to_pydict()
    rows = [i for i, p in enumerate(table["point"]) if p == 2]
    relay, share, seed = (table[k][rows[0]] for k in ("cooperation.relay", "stations.penetration", "seed"))
    scenario = v2xsim.load(
        "demo", ["run.duration_s=0.5", f"cooperation.relay={relay}", f"stations.penetration={share}"], seed
    )
    found = v2xsim.run(scenario).tables["metrics"].to_pydict()
    assert [table["metric"][i] for i in rows] == found["metric"]
    assert [repr(table["value"][i]) for i in rows] == [repr(v) for v in found["value"]]


def test_settings_are_columns_of_their_own_type(undisturbed):
    schema = pq.read_schema(undisturbed / "results.parquet")
    assert [str(schema.field(k).type) for k in ("cooperation.relay", "stations.penetration", "seed")] == [
        "string", "double", "int64",
    ]  # fmt: skip


@pytest.mark.slow
def test_a_sweep_killed_again_and_again_and_resumed_equals_an_undisturbed_one(undisturbed, tmp_path):
    """Kills of either kind at random instants; `tools/kill_sweep.py` does this a hundred times."""
    file, out = tmp_path / "small.yaml", tmp_path / "killed"
    file.write_text(json.dumps(SMALL | {"keep": "tables"}))
    command = [sys.executable, "-m", "v2xsim", "sweep", str(file), "--out", str(out), "--workers", "2", "--resume"]
    chance = random.Random(4)
    for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL, signal.SIGTERM):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        limit = time.monotonic() + 60
        while not (out / "sweep.json").exists() and time.monotonic() < limit:
            time.sleep(0.05)
        time.sleep(chance.uniform(0.3, 2.0))
        process.send_signal(number)
        _, said = process.communicate()
        assert "Traceback" not in said
        assert process.returncode in ({-number} if number == signal.SIGKILL else {128 + number, 0})
    done = {p.name: p.stat().st_mtime_ns for p in (out / "points").glob("*.arrow")}
    (out / "runs" / ".k.partial").mkdir(parents=True)
    (out / "runs" / ".k.partial" / "thesis.tex").write_text("years of work")
    assert subprocess.run(command, capture_output=True).returncode == 0
    for name in ("results.parquet", "notices.json"):
        assert content(out)[name] == content(undisturbed)[name]
    assert all((out / "points" / name).stat().st_mtime_ns == when for name, when in done.items())
    # Nothing of its own is left, and nobody else's is touched.
    assert [path.name for path in (out / "runs" / ".k.partial").iterdir()] == ["thesis.tex"]
    shutil.rmtree(out / "runs" / ".k.partial")
    keys = {path.stem for path in (out / "points").iterdir()}
    assert {path.name for path in (out / "runs").iterdir()} == keys
    assert list((out / "logs").iterdir()) == []
    assert {path.name for path in out.iterdir()} == {
        ".lock", "sweep.json", "points", "failed", "logs", "runs", "results.parquet", "notices.json", "failures.json",
        "timing.jsonl", "timing.parquet",
    }  # fmt: skip


@pytest.mark.slow
def test_a_cluster_finds_the_same_bytes(undisturbed, tmp_path):
    pytest.importorskip("distributed")
    # In a process of its own: Dask leaves sockets to the garbage collector, which warns of them.
    file = tmp_path / "small.yaml"
    file.write_text(json.dumps(SMALL))
    said = subprocess.run(
        [sys.executable, "-m", "v2xsim", "sweep", str(file), "--out", str(tmp_path / "dask"), "--backend", "dask", "--workers", "2"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    assert content(tmp_path / "dask") == content(undisturbed)


HUNGRY = """
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np

from v2xsim.comms.channel.path_loss.model import PathLoss
from v2xsim.parts import AtLeast, AtMost, part

eaten = []


@part("hungry")
@dataclass(frozen=True)
class Hungry(PathLoss):
    \"\"\"A loss that takes memory in the process of a point, and in no other.\"\"\"

    takes_gb: Annotated[float, AtLeast(0), AtMost(64), "Memory that it takes"] = 0.0

    def loss_db(self, view):
        \"\"\"Return free space.\"\"\"
        if "fork_server" in Path("/proc/self/cmdline").read_text():
            while len(eaten) < 20 * self.takes_gb:
                eaten.append(np.ones(50_000_000, np.uint8))
        return 47.9 + 20 * np.log10(np.maximum(view.distance_m, 1.0))
"""


@pytest.mark.slow
def test_on_a_cluster_a_point_that_takes_too_much_memory_costs_itself_alone(tmp_path):
    pytest.importorskip("distributed")
    (tmp_path / "hungry.py").write_text(HUNGRY)
    base = yaml.safe_load((Path(v2xsim.__file__).parent / "scenarios" / "demo.yaml").read_text())
    base |= {"plugins": ["hungry.py"], "run": {"duration_s": 0.3}}
    base["radio"]["channel"] = {"model": "hungry"}
    (tmp_path / "s.yaml").write_text(json.dumps(base))
    # In a process of its own: Dask leaves sockets to the garbage collector, which warns of them.
    command = [sys.executable, "-m", "v2xsim", "sweep", str(tmp_path / "s.yaml"), "--grid", "radio.channel.takes_gb=0,0.01,4", "--out",
        str(tmp_path / "dask"), "--backend", "dask", "--workers", "2", "--memory-per-worker", "1500MB"]  # fmt: skip
    said = subprocess.run(command, capture_output=True, text=True)
    assert said.returncode == 1, said.stderr
    (failure,) = json.loads((tmp_path / "dask" / "failures.json").read_text())
    assert failure["kind"] == "memory"
    assert failure["settings"] == {"radio.channel.takes_gb": 4}
    assert "more than its 1.50 GB" in failure["reason"]
    assert pq.read_table(tmp_path / "dask" / "results.parquet")["radio.channel.takes_gb"].unique().to_pylist() == [
        0,
        0.01,
    ]
    again = subprocess.run([*command, "--resume"], capture_output=True, text=True)
    assert "2 of 3 points finished (0 now), 1 failed" in again.stdout


@pytest.mark.parametrize(
    ("limit", "words"), [({"memory_gb": 0.05}, "memory"), ({"timeout_s": 0.05}, "timeout_s")], ids=["memory", "time"]
)
def test_a_point_that_takes_too_much_is_stopped_and_listed(tmp_path, limit, words):
    swept = sweep(
        {**SMALL, "set": {"run.duration_s": 20}, "list": [], "seeds": 2, **limit}, out=tmp_path / "s", workers=2
    )
    assert swept.finished == 0
    assert [failure["seed"] for failure in swept.failed] == [1, 2]
    assert all(words in failure["reason"] for failure in swept.failed)


def test_a_killed_process_costs_its_point_alone_and_can_be_retried(tmp_path):
    plan = plan_of({**SMALL, "set": {"run.duration_s": 2}, "list": [], "seeds": 3})
    stop = threading.Event()

    def assassin():
        while not stop.is_set():
            for child in _grandchildren():
                os.kill(child, signal.SIGSEGV)
                return
            time.sleep(0.005)

    thread = threading.Thread(target=assassin)
    thread.start()
    try:
        swept = sweep(plan, out=tmp_path / "s", workers=1)
    finally:
        stop.set()
        thread.join()
    assert swept.finished == 2
    assert [failure["kind"] for failure in swept.failed] == ["killed"]
    assert "SIGSEGV" in swept.failed[0]["reason"]
    again = sweep(plan, out=tmp_path / "s", resume=True, retry_failed=True)
    assert (again.finished, again.failed, again.ran) == (3, [], 1)


def _grandchildren():
    def children(pid):
        return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    # Points are started by whatever thread of this process started the server.
    servers = [int(p) for task in Path("/proc/self/task").iterdir() for p in (task / "children").read_text().split()]
    return [child for server in servers if _is_fork_server(server) for child in children(server)]


def _is_fork_server(pid):
    try:
        return b"v2xsim.study.fork_server" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def test_a_folder_of_another_sweep_is_refused(undisturbed):
    before = content(undisturbed)
    with pytest.raises(StoreError, match="--resume"):
        sweep(SMALL, out=undisturbed)
    with pytest.raises(StoreError, match="not in this plan"):
        sweep({**SMALL, "seeds": 1}, out=undisturbed, resume=True)
    assert content(undisturbed) == before


@pytest.mark.usefixtures("undisturbed")  # so that no kernel is compiled, whose cache would not fit either
def test_a_disk_that_takes_no_more_stops_the_sweep_and_loses_nothing(tmp_path):
    """A limit on the size of files stands in for a full disk: the plan fits, a point's tables do not."""
    file = tmp_path / "sweep.yaml"
    file.write_text(json.dumps({**SMALL, "list": [], "seeds": 1, "keep": "tables"}))
    command = [sys.executable, "-m", "v2xsim", "sweep", str(file), "--out", str(tmp_path / "s")]
    plan = len(json.dumps(plan_of(json.loads(file.read_text())).manifest(), indent=1))

    def limited():
        resource.setrlimit(resource.RLIMIT_FSIZE, (plan + 200, plan + 200))

    said = subprocess.run(command, preexec_fn=limited, capture_output=True, text=True)
    assert said.returncode == 2
    assert "File too large" in said.stderr
    assert "--resume" in said.stderr
    assert not list((tmp_path / "s" / "points").iterdir())
    assert subprocess.run([*command, "--resume"], capture_output=True).returncode == 0


def test_two_processes_do_not_work_on_one_folder(tmp_path):
    plan = plan_of({**SMALL, "list": [], "seeds": 1})
    (tmp_path / "s").mkdir()
    holder = subprocess.Popen(
        [sys.executable, "-c", f"import fcntl, time; f = open({str(tmp_path / 's' / '.lock')!r}, 'w'); fcntl.flock(f, 2); print(1, flush=True); time.sleep(60)"],
        stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        holder.stdout.readline()
        with pytest.raises(StoreError, match="another process"):
            sweep(plan, out=tmp_path / "s")
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()


def test_tables_stay_where_they_are_asked_for(tmp_path):
    plan = plan_of({**SMALL, "list": [], "seeds": 1, "keep": "tables"})
    sweep(plan, out=tmp_path / "s")
    assert (tmp_path / "s" / "runs" / plan.points[0].key / "packets.parquet").exists()


def test_an_estimate_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = estimate(plan_of(SMALL), workers=2)
    assert found.points == 4
    # The measured share of a point that a group spends only once may be anything from 0 to 1: two of the points take two to one times a point.
    assert 0.99 * found.outcome.wall_s <= found.wall_s < 4 * found.outcome.wall_s
    assert found.disk_bytes > 4 * 1000
    assert not list(tmp_path.iterdir())
