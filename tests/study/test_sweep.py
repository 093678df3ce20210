"""Sweeps: the same table however they are run, killed, resumed or spread; failures kept; nothing half written."""

import json
import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import v2xsim
from v2xsim.errors import UserError
from v2xsim.evaluation.metric import Metric
from v2xsim.results.results import metrics_table
from v2xsim.study.outcome import Outcome
from v2xsim.study.plan import plan_of
from v2xsim.study.point import as_bytes
from v2xsim.study.store import StoreError, opened
from v2xsim.study.sweep import default_workers, estimate, memory_for_each, sweep

SMALL = {
    "name": "small",
    "scenario": "demo",
    "set": {"run.duration_s": 0.5},
    "grid": {"cooperation.relay": ["none", "hybrid"], "stations.penetration": [0.5, 1.0]},
    "seeds": 2,
}


@pytest.fixture
def instant(monkeypatch):
    """Let every point end at once, with two metrics; return the jobs that came."""
    came = []

    def run_locally(jobs, workers, threads):
        for job in jobs:
            came.append((job, workers, threads))
            rows = [("prr", "", Metric(0.5, "1", 8)), ("on_air", "", Metric(9.0, "B/s", 1))]
            Path(job.result).write_bytes(as_bytes(metrics_table(rows)))
            yield Outcome(job.key, "done", "", 3.0, 2.0, 1000)

    monkeypatch.setattr("v2xsim.study.sweep.run_locally", run_locally)
    return came


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A small sweep by one worker."""
    folder = tmp_path_factory.mktemp("sweep") / "undisturbed"
    swept = sweep(SMALL, out=folder, workers=1)
    assert (swept.finished, swept.failed, swept.ran) == (8, [], 8)
    return folder


def content(folder):
    return {name: (folder / name).read_bytes() for name in ("results.parquet", "failures.json", "sweep.json")}


def test_two_workers_find_the_same_bytes_as_one(undisturbed, tmp_path):
    sweep(SMALL, out=tmp_path / "two", workers=2)
    assert content(tmp_path / "two") == content(undisturbed)


def test_a_point_finds_what_a_run_of_the_same_scenario_finds(undisturbed):
    table = pq.read_table(undisturbed / "results.parquet").to_pydict()
    rows = [i for i, p in enumerate(table["point"]) if p == 5]
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
    file, out = tmp_path / "small.yaml", tmp_path / "killed"
    file.write_text(json.dumps(SMALL))
    command = [sys.executable, "-m", "v2xsim", "sweep", str(file), "--out", str(out), "--workers", "2", "--resume"]
    chance = random.Random(4)
    for _ in range(3):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(chance.uniform(0.3, 3.0))
        process.send_signal(signal.SIGKILL)
        process.wait()
    done = {p.name: p.stat().st_mtime_ns for p in (out / "points").glob("*.arrow")}
    assert subprocess.run(command, capture_output=True).returncode == 0
    assert content(out) == content(undisturbed)
    assert all((out / "points" / name).stat().st_mtime_ns == when for name, when in done.items())


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


def test_an_impossible_setting_is_listed_and_the_others_run(instant, tmp_path):
    swept = sweep({**SMALL, "grid": {"radio.tx_power_dbm": [20, 500]}, "seeds": 1}, out=tmp_path / "s")
    assert swept.finished == 1
    (failure,) = swept.failed
    assert failure["settings"] == {"radio.tx_power_dbm": 500}
    assert "at most 40 dBm, got 500" in failure["reason"]
    assert "500" in (tmp_path / "s" / failure["log"]).read_text()


@pytest.mark.parametrize(
    ("limit", "words"), [({"memory_gb": 0.05}, "memory"), ({"timeout_s": 0.05}, "timeout_s")], ids=["memory", "time"]
)
def test_a_point_that_takes_too_much_is_stopped_and_listed(tmp_path, limit, words):
    swept = sweep(
        {**SMALL, "set": {"run.duration_s": 20}, "grid": {}, "seeds": 2, **limit}, out=tmp_path / "s", workers=2
    )
    assert swept.finished == 0
    assert [failure["seed"] for failure in swept.failed] == [1, 2]
    assert all(words in failure["reason"] for failure in swept.failed)


def test_a_killed_process_costs_its_point_alone_and_can_be_retried(tmp_path):
    plan = plan_of({**SMALL, "set": {"run.duration_s": 2}, "grid": {}, "seeds": 3})
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


def test_more_seeds_can_be_added_and_only_they_run(instant, tmp_path):
    less = {**SMALL, "grid": {}, "seeds": 1}
    sweep(less, out=tmp_path / "s")
    swept = sweep({**less, "seeds": 2}, out=tmp_path / "s", resume=True)
    assert (swept.finished, swept.ran) == (2, 1)


def test_a_folder_of_another_sweep_is_refused(undisturbed):
    before = content(undisturbed)
    with pytest.raises(StoreError, match="--resume"):
        sweep(SMALL, out=undisturbed)
    with pytest.raises(StoreError, match="no part of this plan"):
        sweep({**SMALL, "seeds": 1}, out=undisturbed, resume=True)
    assert content(undisturbed) == before


def test_a_folder_with_something_else_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(StoreError, match="must be new, empty, or hold a sweep"):
        sweep(SMALL, out=tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_plan_of_a_newer_version_is_left_alone(tmp_path):
    (tmp_path / "sweep.json").write_text('{"format": 99, "kind": "sweep", "points": []}')
    with pytest.raises(StoreError, match="newer version: format 99"):
        sweep(SMALL, out=tmp_path, resume=True)
    assert json.loads((tmp_path / "sweep.json").read_text())["format"] == 99


def test_a_damaged_point_is_named_and_runs_again(instant, tmp_path):
    one = {**SMALL, "grid": {}, "seeds": 1}
    sweep(one, out=tmp_path / "s")
    whole = content(tmp_path / "s")
    (point,) = (tmp_path / "s" / "points").glob("*.arrow")
    point.write_bytes(point.read_bytes()[:100])
    with pytest.raises(StoreError, match="damaged"):
        sweep(one, out=tmp_path / "s", resume=True)
    sweep(one, out=tmp_path / "s", resume=True)
    assert content(tmp_path / "s") == whole


@pytest.mark.usefixtures("undisturbed")  # so that no kernel is compiled, whose cache would not fit either
def test_a_disk_that_takes_no_more_stops_the_sweep_and_loses_nothing(tmp_path):
    """A limit on the size of files stands in for a full disk: the plan fits, a point's tables do not."""
    file = tmp_path / "sweep.yaml"
    file.write_text(json.dumps({**SMALL, "grid": {}, "seeds": 1, "keep": "tables"}))
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
    plan = plan_of({**SMALL, "grid": {}, "seeds": 1})
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
    plan = plan_of({**SMALL, "grid": {}, "seeds": 1, "keep": "tables"})
    sweep(plan, out=tmp_path / "s")
    assert (tmp_path / "s" / "runs" / plan.points[0].key / "packets.parquet").exists()


def test_an_estimate_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = estimate(plan_of(SMALL), workers=2)
    assert found.points == 8
    assert found.wall_s == pytest.approx(4 * found.outcome.wall_s)
    assert found.disk_bytes > 8 * 1000
    assert not list(tmp_path.iterdir())


def test_without_a_scheduler_at_the_address_there_is_one_clear_error(tmp_path):
    pytest.importorskip("distributed")
    with pytest.raises(UserError, match="for --backend dask"):
        sweep(SMALL, out=tmp_path / "s", scheduler="tcp://127.0.0.1:1")


def test_points_that_wait_run_with_the_workers_and_threads_asked_for(instant, tmp_path):
    swept = sweep({**SMALL, "threads": 3}, out=tmp_path / "s", workers=2)
    assert (swept.folder, swept.finished, swept.failed, swept.ran) == (tmp_path / "s", 8, [], 8)
    assert {(workers, threads) for _, workers, threads in instant} == {(2, 3)}


def test_memory_is_shared_out_among_the_workers(instant, tmp_path):
    sweep(SMALL, out=tmp_path / "s", workers=2)
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert {job.memory_bytes for job, _, _ in instant} == {int(0.45 * total)}


def test_a_finished_sweep_that_is_resumed_runs_nothing(instant, tmp_path):
    sweep(SMALL, out=tmp_path / "s")
    assert sweep(SMALL, out=tmp_path / "s", resume=True).ran == 0


def test_progress_begins_at_what_is_there_and_rises_point_by_point(instant, tmp_path):
    seen = []
    sweep({**SMALL, "seeds": 1}, out=tmp_path / "s", progress=lambda *counts: seen.append(counts))
    assert seen == [(n, 0, 4) for n in range(5)]
    seen.clear()
    sweep({**SMALL, "seeds": 1}, out=tmp_path / "s", resume=True, progress=lambda *counts: seen.append(counts))
    assert seen == [(4, 0, 4)]


def test_progress_counts_points_that_failed(instant, tmp_path):
    seen = []
    file = {**SMALL, "grid": {"radio.tx_power_dbm": [20, 500]}, "seeds": 1}
    sweep(file, out=tmp_path / "s", progress=lambda *counts: seen.append(counts))
    assert seen == [(0, 1, 2), (1, 1, 2)]


def test_failed_points_run_again_only_when_asked(instant, tmp_path):
    plan = plan_of(SMALL)
    with opened(tmp_path / "s", plan, resume=False) as store:
        store.note(Outcome(plan.points[0].key, "crash", "it broke", 1.0, 1.0, 1))
    assert (sweep(plan, out=tmp_path / "s", resume=True).ran, len(instant)) == (7, 7)
    swept = sweep(plan, out=tmp_path / "s", resume=True, retry_failed=True)
    assert (swept.ran, swept.failed) == (1, [])


def test_a_sweep_without_a_folder_goes_by_its_name(instant, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert sweep(SMALL).folder == Path("sweeps/small")
    assert (tmp_path / "sweeps" / "small" / "results.parquet").exists()


def test_the_size_of_a_sweep_is_that_of_its_files(instant, tmp_path):
    swept = sweep(SMALL, out=tmp_path / "s")
    # The folder's lock is empty, and folders themselves do not count.
    assert swept.disk_bytes == sum(p.stat().st_size for p in (tmp_path / "s").rglob("*") if p.is_file())


@pytest.mark.parametrize(("points", "rounds"), [(1, 1), (2, 1), (3, 2), (8, 4)])
def test_an_estimate_counts_rounds_of_all_workers(instant, points, rounds):
    found = estimate(plan_of({**SMALL, "grid": {}, "seeds": points}), workers=2)
    assert (found.points, found.workers, found.wall_s, found.peak_bytes) == (points, 2, 3.0 * rounds, 2000)


def test_an_estimate_multiplies_what_one_point_leaves_on_the_disk(instant):
    one, two = (estimate(plan_of({**SMALL, "grid": {}, "seeds": seeds}), workers=1) for seeds in (1, 2))
    assert one.disk_bytes > 0
    assert two.disk_bytes == 2 * one.disk_bytes


def test_an_estimate_leaves_out_settings_that_cannot_be_run(instant):
    plan = plan_of({**SMALL, "grid": {"radio.tx_power_dbm": [500, 20]}, "seeds": 3})
    found = estimate(plan, workers=1)
    assert found.points == 3
    ((job, _, _),) = instant
    assert job.scenario["radio"]["tx_power_dbm"] == 20


def test_an_estimate_whose_point_fails_says_which_and_why(monkeypatch):
    outcome = Outcome("k", "crash", "it broke", 1.0, 1.0, 1)
    monkeypatch.setattr("v2xsim.study.sweep.run_locally", lambda *_: iter([outcome]))
    with pytest.raises(UserError, match=r"trial point \(setting 0, seed 1\): it broke"):
        estimate(plan_of(SMALL))


@pytest.mark.parametrize(("threads", "workers"), [(1, 6), (2, 3), (4, 1), (12, 1)])
def test_as_many_points_at_once_as_the_processors_have_threads_for(monkeypatch, threads, workers):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(6)), raising=False)
    assert default_workers(plan_of({**SMALL, "threads": threads})) == workers


def test_where_the_system_does_not_say_its_memory_there_is_no_limit(monkeypatch):
    def unknown(_):
        raise ValueError

    monkeypatch.setattr(os, "sysconf", unknown)
    assert memory_for_each(2) == 0
