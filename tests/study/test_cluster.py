"""What comes back from a cluster is written here, and a worker that is lost costs its point."""

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
    assert outcome.reason.endswith("cannot be written: No such file or directory")


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
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with pytest.raises(UserError, match=r"pip install 'v2xsim\[cluster\]'"):
        next(run_on_dask([job], 1, None))
