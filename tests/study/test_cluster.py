"""What comes back from a cluster is written here, and a worker that is lost costs its point."""

import sys
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from v2xsim.errors import UserError
from v2xsim.study import cluster
from v2xsim.study.cluster import on_worker, run_on_dask
from v2xsim.study.outcome import Outcome
from v2xsim.study.point import Job

DONE = Outcome("k", "done", "", 2.0, 1.5, 7)


@pytest.fixture
def job(tmp_path):
    return Job("k", {}, str(tmp_path / "result"), "", str(tmp_path / "log"), str(tmp_path / "reason"), 3, 0.0, 0, {})


def future(outcome=DONE, content=b"metrics", log=b"", error=None):
    return SimpleNamespace(exception=lambda: error, result=lambda: (asdict(outcome), content, log))


def test_a_result_and_a_log_are_written_where_the_job_says(job):
    assert cluster._arrived(job, future(log=b"words")) == DONE
    assert (Path(job.result).read_bytes(), Path(job.log).read_bytes()) == (b"metrics", b"words")


def test_an_empty_log_is_not_written(job):
    cluster._arrived(job, future())
    assert not Path(job.log).exists()


def test_a_point_that_failed_leaves_no_result(job):
    outcome = replace(DONE, kind="crash", reason="it broke")
    assert cluster._arrived(job, future(outcome, b"")) == outcome
    assert not Path(job.result).exists()


def test_a_worker_that_was_lost_costs_its_point(job):
    outcome = cluster._arrived(job, future(error=RuntimeError("gone\nand more")))
    assert outcome == Outcome("k", "killed", "lost on the cluster: RuntimeError: gone", 0.0, 0.0, 0)


def test_a_result_that_cannot_be_written_is_a_full_disk(job, tmp_path):
    outcome = cluster._arrived(replace(job, result=str(tmp_path / "gone" / "result")), future())
    assert (outcome.kind, outcome.wall_s) == ("disk", 2.0)
    assert "cannot be written: No such file or directory; " in outcome.reason


class Server:
    """Stands in for a fork server: writes what it was told to and ends at the second look."""

    made = 0
    outcome = DONE

    def __init__(self, threads):
        Server.made += 1
        self.threads = threads
        self.looks = 0

    def start(self, job):
        self.job, self.looks = job, 0
        if self.outcome.done:
            Path(job.result).write_bytes(b"metrics")
        if job.threads == 3:
            Path(job.log).write_bytes(b"words")

    def ended(self, _):
        self.looks += 1
        return [self.outcome] if self.looks == 2 else []


@pytest.fixture
def worker(monkeypatch):
    monkeypatch.setattr(cluster, "ForkServer", Server)
    monkeypatch.setattr(cluster, "_own", SimpleNamespace())
    monkeypatch.setattr(Server, "made", 0)
    return monkeypatch


def test_a_worker_returns_outcome_result_and_log(worker, job):
    assert on_worker(asdict(job)) == (asdict(DONE), b"metrics", b"words")


def test_a_worker_without_a_log_returns_none(worker, job):
    assert on_worker(asdict(replace(job, threads=1)))[2] == b""


def test_a_worker_returns_no_result_of_a_point_that_failed(worker, job):
    worker.setattr(Server, "outcome", replace(DONE, kind="crash"))
    assert on_worker(asdict(job))[:2] == (asdict(replace(DONE, kind="crash")), b"")


def test_a_worker_starts_one_server_for_all_its_points(worker, job):
    on_worker(asdict(job))
    on_worker(asdict(job))
    assert (Server.made, cluster._own.fork_server.threads) == (1, 3)


def test_a_worker_leaves_nothing_behind_in_the_jobs_folder(worker, job, tmp_path):
    on_worker(asdict(job))
    assert list(tmp_path.iterdir()) == []


def test_without_dask_the_error_says_how_to_install_it(monkeypatch, job):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UserError, match=r"pip install 'v2xsim\[cluster\]'"):
        next(run_on_dask([job], 1, None))


class Future:
    """A point that has ended; like Dask's, it can be looked up."""

    def __init__(self, outcome):
        self.outcome = outcome

    def exception(self):
        return None

    def result(self):
        return asdict(self.outcome), b"metrics", b""


class Dask:
    """Stands in for the package distributed: futures end in the order in which they were handed in."""

    def __init__(self):
        self.closed, self.waiting, self.most, self.threads = [], [], 0, {"w1": 1, "w2": 2}

    def Client(self, address, timeout):  # noqa: N802
        self.address = address
        return SimpleNamespace(
            close=lambda: self.closed.append("client"), nthreads=lambda: self.threads, submit=self.submit
        )

    def LocalCluster(self, **said):  # noqa: N802
        self.asked = said
        return SimpleNamespace(close=lambda: self.closed.append("cluster"))

    def submit(self, function, described, pure):
        assert (function, pure) == (on_worker, False)
        outcome = replace(DONE, key=described["key"])
        return Future(outcome)

    def as_completed(self, futures, with_results):
        assert (futures, with_results) == ([], False)
        return self

    def add(self, one):
        self.waiting.append(one)
        self.most = max(self.most, len(self.waiting))

    def __iter__(self):
        while self.waiting:
            yield self.waiting.pop(0)


@pytest.fixture
def dask(monkeypatch):
    made = Dask()
    monkeypatch.setitem(sys.modules, "distributed", made)
    return made


def jobs(job, tmp_path, count):
    return [replace(job, key=str(n), result=str(tmp_path / f"result-{n}")) for n in range(count)]


@pytest.mark.parametrize("count", [0, 1, 50])
def test_every_job_ends_once_and_leaves_its_result(dask, job, tmp_path, count):
    ended = list(run_on_dask(jobs(job, tmp_path, count), 2, None))
    assert [outcome.key for outcome in ended] == [str(n) for n in range(count)]
    assert len(list(tmp_path.glob("result-*"))) == count


@pytest.mark.parametrize(("threads", "most"), [({"w": 1}, 8), ({"w1": 1, "w2": 2}, 12)])
def test_the_cluster_holds_four_jobs_a_thread_and_at_least_eight(dask, job, tmp_path, threads, most):
    dask.threads = threads
    list(run_on_dask(jobs(job, tmp_path, 50), 2, None))
    assert dask.most == most


def test_a_cluster_of_this_machine_has_a_process_for_each_worker_and_is_closed(dask, job, tmp_path):
    list(run_on_dask(jobs(job, tmp_path, 1), 5, None))
    assert (dask.asked["n_workers"], dask.asked["threads_per_worker"]) == (5, 1)
    assert dask.asked["memory_limit"] == 0
    assert dask.closed == ["client", "cluster"]


@pytest.mark.parametrize(("asked", "limit"), [(2 * 10**9, 2 * 10**9), (10**8, 5 * 10**8)])
def test_each_worker_of_this_machine_has_its_memory_and_room_for_dask_itself(dask, job, tmp_path, asked, limit):
    list(run_on_dask(jobs(job, tmp_path, 1), 2, None, asked))
    assert dask.asked["memory_limit"] == limit


def test_a_scheduler_that_is_named_is_used_and_left_running(dask, job, tmp_path):
    list(run_on_dask(jobs(job, tmp_path, 1), 5, "tcp://login1:8786"))
    assert (dask.address, dask.closed) == ("tcp://login1:8786", ["client"])


def test_a_scheduler_that_does_not_answer_is_an_error_in_words(dask, job, monkeypatch):
    def silent(*_, **__):
        raise TimeoutError("20 s")

    monkeypatch.setattr(dask, "Client", silent)
    with pytest.raises(UserError, match="--scheduler tcp://a:1: no Dask scheduler answers there: 20 s"):
        next(run_on_dask([job], 1, "tcp://a:1"))


def test_a_cluster_on_this_machine_that_cannot_be_started_is_an_error_in_words(dask, job, monkeypatch):
    def broken(**_):
        raise RuntimeError("Nanny failed to start.")

    monkeypatch.setattr(dask, "LocalCluster", broken)
    with pytest.raises(UserError, match="--backend dask: the cluster on this machine cannot be started: Nanny failed"):
        next(run_on_dask([job], 1, None))


def test_a_cluster_on_this_machine_that_does_not_answer_is_ended(dask, job, monkeypatch):
    def silent(*_, **__):
        raise TimeoutError("20 s")

    monkeypatch.setattr(dask, "Client", silent)
    with pytest.raises(UserError, match="the cluster on this machine cannot be started: 20 s"):
        next(run_on_dask([job], 1, None))
    assert dask.closed == ["cluster"]
