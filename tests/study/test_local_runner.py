"""Points in processes of their own: how many at once, what stops them, and what a death costs."""

import json
import os
import signal
import subprocess
import time
from collections import deque
from pathlib import Path
from types import SimpleNamespace

import pytest

import v2xsim
from v2xsim import children
from v2xsim.errors import UserError
from v2xsim.scenario import resolved
from v2xsim.study import local_runner
from v2xsim.study.local_runner import ForkServer, run_locally
from v2xsim.study.outcome import Outcome
from v2xsim.study.point import Job


def job(folder, key, scenario, **said):
    limits = {"threads": 1, "timeout_s": 0.0, "memory_bytes": 0, **said}
    return Job(
        key, scenario, str(folder / f"{key}.arrow"), "", str(folder / f"{key}.log"), str(folder / f"{key}.reason"), plugins={},
        **limits,
    )  # fmt: skip


BROKEN = {"traffic": {"script": []}}


@pytest.fixture(scope="module")
def server():
    with ForkServer(3) as started:
        yield started


def endless(folder, key, **said):
    """Return a job that runs until something stops it."""
    return job(folder, key, resolved(v2xsim.load("demo", ["run.duration_s=80000"])), **said)


def ended(server, count=1, limit_s=60.0):
    outcomes, begun_s = [], time.monotonic()
    while len(outcomes) < count and time.monotonic() - begun_s < limit_s:
        outcomes += server.ended(0.2)
    return outcomes


def test_a_scenario_that_is_wrong_fails_its_point_in_words(server, tmp_path):
    server.start(job(tmp_path, "k", BROKEN))
    (outcome,) = ended(server)
    assert (outcome.key, outcome.kind) == ("k", "scenario")
    assert "traffic.script" in outcome.reason


def test_what_a_point_prints_is_in_its_log(server, tmp_path):
    server.start(job(tmp_path, "k", BROKEN))
    ended(server)
    assert "traffic.script" in (tmp_path / "k.log").read_text()


def test_a_point_that_takes_longer_than_it_may_is_stopped(server, tmp_path):
    server.start(endless(tmp_path, "k", timeout_s=0.3))
    (outcome,) = ended(server)
    assert (outcome.kind, outcome.reason) == ("time", "took longer than 0.3 s (timeout_s)")
    assert outcome.wall_s >= 0.3


def test_a_point_that_takes_more_memory_than_it_may_is_stopped(server, tmp_path):
    server.start(endless(tmp_path, "k", memory_bytes=1_000_000))
    (outcome,) = ended(server)
    assert outcome.kind == "memory"
    assert outcome.peak_bytes > 1_000_000


def test_a_point_within_its_limits_runs_on(server, tmp_path):
    server.start(endless(tmp_path, "k", timeout_s=600.0, memory_bytes=100_000_000_000))
    assert (server.ended(0.5), server.running) == ([], 1)
    server._tell({"stop": "k"})
    assert [outcome.kind for outcome in ended(server)] == ["killed"]


def test_only_the_point_that_is_to_stop_stops(server, tmp_path):
    for key in ("a", "b"):
        server.start(endless(tmp_path, key))
    server._tell({"stop": "a"})
    assert [outcome.key for outcome in ended(server)] == ["a"]
    assert server.running == 1
    server._tell({"stop": "b"})
    ended(server)


def test_several_points_end_each_with_its_own_outcome(server, tmp_path):
    for key in ("a", "b", "c"):
        server.start(job(tmp_path, key, BROKEN))
    assert server.running == 3
    assert sorted(outcome.key for outcome in ended(server, 3)) == ["a", "b", "c"]
    assert server.running == 0


def test_a_server_that_dies_costs_its_points_and_another_takes_over(tmp_path):
    with ForkServer(1) as server:
        server.start(endless(tmp_path, "k"))
        children = children_of(server)
        os.kill(server._process.pid, signal.SIGKILL)
        (lost,) = ended(server)
        assert not outliving(children)
        assert (lost.key, lost.kind, lost.wall_s, lost.cpu_s, lost.peak_bytes) == ("k", "killed", 0.0, 0.0, 0)
        assert "the fork server ended (-9)" in lost.reason
        assert server.running == 0
        server.start(job(tmp_path, "again", BROKEN))
        assert [outcome.key for outcome in ended(server)] == ["again"]


def test_points_do_not_outlive_their_server(tmp_path):
    with ForkServer(1) as server:
        server.start(endless(tmp_path, "k"))
        children = children_of(server)
    assert not outliving(children)


def children_of(server, limit_s=60.0):
    """Return the processes of a server's points, as soon as there is one."""
    children, begun_s = [], time.monotonic()
    while not children and time.monotonic() - begun_s < limit_s:
        server.ended(0.1)
        children = Path(f"/proc/{server._process.pid}/task/{server._process.pid}/children").read_text().split()
    assert children
    return children


def outliving(children, limit_s=10.0):
    """Return the processes that still run when the others have had time to end."""
    begun_s = time.monotonic()
    while any(alive(pid) for pid in children) and time.monotonic() - begun_s < limit_s:
        time.sleep(0.05)
    return [pid for pid in children if alive(pid)]


def alive(pid):
    """Return whether a process runs; a dead one may wait for its new parent to notice."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def test_a_server_uses_the_threads_it_is_given(server):
    said = dict(
        line.split("=", 1) for line in Path(f"/proc/{server._process.pid}/environ").read_text().split("\0") if line
    )
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
    assert [said[name] for name in names] == ["3"] * 4


def test_the_key_that_interrupts_a_sweep_does_not_reach_the_server(server):
    assert os.getsid(server._process.pid) == server._process.pid


def test_looking_for_what_ended_waits_for_the_first_of_it(server):
    begun_s = time.monotonic()
    assert server.ended(0.2) == []
    assert time.monotonic() - begun_s >= 0.19


def test_a_server_that_cannot_start_is_an_error_and_no_endless_loop(monkeypatch):
    monkeypatch.setattr(children.sys, "executable", "/bin/false")
    with ForkServer(1) as server:
        server._process.wait()
        with pytest.raises(UserError, match=r"points cannot be started.*exit code 1"):
            server.ended(0.1)


class Counted:
    """Stands in for a fork server: every point ends at the next look, one at a time."""

    most = 0
    threads = 0

    def __init__(self, threads):
        Counted.threads = threads
        self.jobs = []
        self.again, self.may_join = deque(), True

    def __enter__(self):
        return self

    def __exit__(self, *_):
        assert not self.jobs

    def start(self, started):
        self.jobs.append(started)
        Counted.most = max(Counted.most, len(self.jobs))

    @property
    def running(self):
        return len(self.jobs)

    def ended(self, _):
        return [Outcome(self.jobs.pop(0).key, "done", "", 0.0, 0.0, 0)]


@pytest.mark.parametrize(("workers", "most"), [(1, 1), (2, 2), (9, 5)])
def test_as_many_points_run_at_once_as_there_are_workers(monkeypatch, tmp_path, workers, most):
    monkeypatch.setattr(local_runner, "ForkServer", Counted)
    Counted.most = 0
    jobs = [(job(tmp_path, str(n), {}),) for n in range(5)]
    assert [outcome.key for outcome in run_locally(jobs, workers, 2)] == ["0", "1", "2", "3", "4"]
    assert (Counted.most, Counted.threads) == (most, 2)


def test_no_points_give_no_outcomes(monkeypatch):
    monkeypatch.setattr(local_runner, "ForkServer", Counted)
    assert list(run_locally([], 2, 1)) == []


def test_jobs_are_made_only_when_a_worker_is_free(monkeypatch, tmp_path):
    """A scenario takes memory: of a thousand jobs no more than the workers need are made ahead."""
    monkeypatch.setattr(local_runner, "ForkServer", Counted)
    made = []

    def jobs():
        for n in range(5):
            made.append(n)
            yield (job(tmp_path, str(n), {}),)

    outcomes = run_locally(jobs(), 2, 1)
    next(outcomes)
    assert made == [0, 1]
    assert len(list(outcomes)) == 4


class Process:
    """Stands in for the process of a fork server: notes what is done to it.

    Args:
        broken: Whether its input can no longer be closed.
        deaf: Whether it goes on until it is killed.
        code: Exit code; None while it runs.
        says: What it writes, read by read.
    """

    def __init__(self, broken=False, deaf=False, code=None, says=()):
        self.done, self.broken, self.deaf, self.returncode, self.says = [], broken, deaf, code, list(says)
        self.stdin = SimpleNamespace(close=self.close_input, write=lambda _: None, flush=lambda: None)
        self.stdout = SimpleNamespace(
            close=lambda: self.done.append("output"), read=lambda _: self.says.pop(0) if self.says else None
        )

    def close_input(self):
        self.done.append("input")
        if self.broken:
            raise BrokenPipeError

    def poll(self):
        return self.returncode

    def kill(self):
        self.done.append("kill")
        self.deaf = False

    def wait(self, limit_s=None):
        self.done.append(limit_s)
        if self.deaf:
            raise subprocess.TimeoutExpired("server", limit_s)


def server_of(monkeypatch, *processes):
    """Return a server of processes that follow each other."""
    waiting = list(processes)

    def started(self):
        process = waiting.pop(0)
        self._selector = SimpleNamespace(close=lambda: process.done.append("selector"), select=lambda _: [1])
        self._part = b""
        return process

    monkeypatch.setattr(ForkServer, "_started", started)
    return ForkServer(1)


@pytest.mark.parametrize(
    ("process", "done"),
    [
        (Process(), ["input", 10, "selector", "output"]),
        (Process(broken=True), ["input", "kill", 10, "selector", "output"]),
        (Process(deaf=True), ["input", 10, "kill", None, "selector", "output"]),
    ],
    ids=["ends", "broken", "deaf"],
)
def test_a_server_that_does_not_end_within_10_s_or_cannot_be_asked_to_is_killed(monkeypatch, process, done):
    server_of(monkeypatch, process).close()
    assert process.done == done


def test_what_led_to_a_dead_server_is_closed(monkeypatch, tmp_path):
    dead = Process(code=-9)
    server = server_of(monkeypatch, dead, Process())
    server.start(job(tmp_path, "k", {}))
    server.ended(0.0)
    assert dead.done == ["selector", "input", "output"]


def answer(key):
    """Return the line with which a fork server reports that a job ended."""
    report = {"key": key, "exit": 4, "signal": 0, "stopped": "", "wall_s": 1.5, "cpu_s": 1.0, "peak_bytes": 8}
    return json.dumps(report).encode() + b"\n"


def test_an_answer_in_pieces_is_read_when_it_is_whole(monkeypatch, tmp_path):
    line = answer("k")
    server = server_of(monkeypatch, Process(says=[line[:9], None, line[9:20], line[20:] + answer("other"), None]))
    server.start(job(tmp_path, "k", {}))
    assert server.ended(0.0) == []
    assert [(outcome.key, outcome.wall_s) for outcome in server.ended(0.0)] == [("k", 1.5)]


@pytest.mark.parametrize("before", ["", "/theirs"])
def test_a_server_imports_the_v2xsim_that_started_it(monkeypatch, before):
    given, popen = {}, subprocess.Popen

    def instead(command, *, env, **more):
        given.update(env)
        return popen(["/bin/true"], env=env, **more)

    monkeypatch.setenv("PYTHONPATH", before)
    monkeypatch.setattr(local_runner.subprocess, "Popen", instead)
    ForkServer(1).close()
    folders = given["PYTHONPATH"].split(os.pathsep)
    assert (Path(folders[0]) / "v2xsim" / "study" / "local_runner.py").samefile(local_runner.__file__)
    assert folders[1:] == [before] * bool(before)
