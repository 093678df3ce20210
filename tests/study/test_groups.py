"""Points of one seed and one world share a process; each result is as if it were alone."""

import json
import os
import signal
import time
from collections import deque
from dataclasses import replace
from pathlib import Path

import pytest

import v2xsim
from tests.study.small_sweeps import planned
from v2xsim.scenario import resolved
from v2xsim.study import local_runner
from v2xsim.study.expected import Trial, expected
from v2xsim.study.groups import MOST_TOGETHER, groups_of, work_together
from v2xsim.study.local_runner import ForkServer, run_locally
from v2xsim.study.outcome import Outcome, outcomes_of
from v2xsim.study.point import Job, work
from v2xsim.study.sweep import sweep
from v2xsim.together import Ended

RULES = ["none", "hybrid", "height"]


def grouped(plan, workers=1, points=None):
    """Return setting and seed of the points of each group."""
    groups = groups_of(plan, plan.points if points is None else points, workers)
    return [[(point.setting, point.seed) for point in group] for group in groups]


def test_points_of_a_seed_that_differ_in_messages_alone_share_a_process():
    plan = planned(grid={"cooperation.relay": RULES}, seeds=2)
    assert grouped(plan) == [[(0, 1), (1, 1), (2, 1)], [(0, 2), (1, 2), (2, 2)]]


def test_points_of_different_worlds_do_not():
    plan = planned(grid={"radio.tx_power_dbm": [20, 23], "cooperation.relay": RULES[:2]}, seeds=1)
    assert grouped(plan) == [[(0, 1), (1, 1)], [(2, 1), (3, 1)]]


def test_a_resumed_sweep_groups_what_is_left():
    plan = planned(grid={"cooperation.relay": RULES}, seeds=2)
    assert grouped(plan, points=plan.points[1:4]) == [[(0, 2), (1, 2)], [(1, 1)]]


@pytest.mark.parametrize(
    ("count", "workers", "sizes"),
    [(8, 1, [8]), (9, 1, [4, 5]), (8, 2, [4, 4]), (5, 2, [2, 3]), (3, 8, [1, 1, 1]), (17, 1, [5, 6, 6])],
)
def test_groups_have_about_one_size_and_leave_no_worker_idle(count, workers, sizes):
    plan = planned(grid={"cooperation.budget_bytes": [1000 + n for n in range(count)]}, seeds=1)
    groups = groups_of(plan, plan.points, workers)
    assert [len(group) for group in groups] == sizes
    assert max(sizes) <= MOST_TOGETHER


def test_a_point_with_a_part_of_a_file_has_a_process_of_its_own(monkeypatch):
    monkeypatch.setattr("v2xsim.study.groups.world_of", lambda scenario: None)
    assert grouped(planned(seeds=1)) == [[(0, 1)], [(1, 1)]]


def test_a_group_takes_a_little_more_memory_than_one_point():
    plan = planned(grid={"cooperation.relay": RULES}, seeds=1, set={"run.duration_s": 1})
    trial = Outcome("k", "done", "", 4.0, 3.0, 10**9)
    apart = expected(plan, 1, trial, 0)
    together = expected(plan, 1, trial, 0, groups=groups_of(plan, plan.points, 1))
    # A fifth of what is not there before the first run, for each of two more points.
    assert together.peak_bytes == pytest.approx(apart.peak_bytes + 0.4 * (apart.peak_bytes - 210e6))
    assert together.wall_s == pytest.approx(apart.wall_s)


def test_the_time_of_groups_follows_from_one_that_was_tried():
    plan = planned(grid={"cooperation.budget_bytes": [1000 + n for n in range(16)]}, seeds=1, set={"run.duration_s": 1})
    groups = groups_of(plan, plan.points, 1)
    alone = Outcome("k", "done", "", 4.0, 2.0, 10**9)
    # Alone, a point takes 3 s for its world and 1 s of its own: three together take 6 s, and eight 11 s. Half of the time is processor time.
    found = expected(plan, 1, alone, 0, groups=groups, group=Trial(plan.points[:3], 3.0))
    assert [len(group) for group in groups] == [8, 8]
    assert found.shared == pytest.approx(0.75)
    assert found.wall_s == pytest.approx(2 * 11.0)
    # A group that was slower than its points apart shares nothing.
    assert expected(plan, 1, alone, 0, groups=groups, group=Trial(plan.points[:3], 99.0)).wall_s == pytest.approx(64.0)


@pytest.fixture
def jobs(tmp_path):
    base = v2xsim.load("demo", ["run.duration_s=0.4", "lidars.model=beam16"])
    return [
        Job(
            rule, resolved(base.with_({"cooperation.relay": rule})), str(tmp_path / f"{rule}.arrow"), "", str(tmp_path / f"{rule}.log"),
            str(tmp_path / f"{rule}.reason"), 1, 0.0, 0, {},
        )
        for rule in RULES
    ]  # fmt: skip


def test_each_point_of_a_group_leaves_the_result_that_it_leaves_alone(jobs, tmp_path):
    assert work_together(jobs) == 0
    for job in jobs:
        alone = replace(job, result=str(tmp_path / "alone"))
        work(alone)
        assert Path(job.result).read_bytes() == Path(alone.result).read_bytes()


def test_each_point_that_keeps_tables_leaves_its_run_folder(jobs, tmp_path):
    kept = [replace(job, tables=str(tmp_path / "runs" / job.key)) for job in jobs[:2]]
    assert work_together(kept) == 0
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["hybrid", "none"]
    assert v2xsim.open(tmp_path / "runs" / "none").manifest["scenario"]["cooperation"]["relay"] == "none"


def test_a_point_that_fails_in_a_group_leaves_nothing(jobs, tmp_path, monkeypatch, capsys):
    kept = [replace(job, tables=str(tmp_path / "runs" / job.key)) for job in jobs]
    done = v2xsim.run(v2xsim.load("demo", ["run.duration_s=0.1", "lidars.model=beam16"]))

    def ends(scenarios, out, threads, tables):
        assert (len(scenarios), threads, tables) == (3, 1, True)
        for number in range(3):
            yield Ended(number, None, ValueError("mine")) if number == 1 else Ended(number, done)

    monkeypatch.setattr("v2xsim.together.ends_of_runs", ends)
    assert work_together(kept) == 1
    assert [Path(job.result).exists() for job in kept] == [True, False, True]
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["height", "none"]
    assert capsys.readouterr().err == "mine; this point runs again alone\n"


def test_points_without_a_result_run_again_and_the_others_share_the_costs(jobs):
    Path(jobs[1].result).write_bytes(b"")
    done, again = outcomes_of(jobs, {"wall_s": 3.0, "cpu_s": 6.0, "peak_bytes": 9})
    assert done == [Outcome("hybrid", "done", "", 1.0, 2.0, 9)]
    assert again == [jobs[0], jobs[2]]


def test_points_of_a_process_that_was_killed_run_again_alone(jobs, tmp_path):
    endless = [
        replace(job, scenario=resolved(v2xsim.load("demo", ["run.duration_s=80000", f"cooperation.relay={job.key}"])))
        for job in jobs
    ]
    with ForkServer(1) as server:
        server.start(*endless)
        assert server.running == 1
        tasks, begun_s = Path(f"/proc/{server._process.pid}/task/{server._process.pid}/children"), time.monotonic()
        while not (children := tasks.read_text().split()) and time.monotonic() - begun_s < 60:
            server.ended(0.1)
        os.kill(int(children[0]), signal.SIGKILL)
        outcomes = []
        while server.running:
            outcomes += server.ended(0.2)
        assert (outcomes, list(server.again), server.may_join) == ([], endless, False)


class Together:
    """Stands in for a fork server: a process of several points ends without results, and is said to have been killed."""

    started = []  # noqa: RUF012

    def __init__(self, threads):
        self.again, self.may_join, self.groups = deque(), True, []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        assert not self.groups

    def start(self, *jobs):
        Together.started.append([job.key for job in jobs])
        self.groups.append(jobs)

    @property
    def running(self):
        return len(self.groups)

    def ended(self, _):
        jobs = self.groups.pop(0)
        if len(jobs) > 1:
            self.again += jobs
            self.may_join = False
            return []
        return [Outcome(jobs[0].key, "done", "", 0.0, 0.0, 0)]


def test_after_a_process_of_several_points_was_killed_all_run_alone(jobs, monkeypatch):
    monkeypatch.setattr(local_runner, "ForkServer", Together)
    Together.started = []
    groups = [tuple(jobs), tuple(replace(job, key=f"{job.key}_2") for job in jobs)]
    outcomes = list(run_locally(groups, 1, 1))
    assert [outcome.key for outcome in outcomes] == [*RULES, *(f"{rule}_2" for rule in RULES)]
    assert Together.started == [RULES, *([outcome.key] for outcome in outcomes)]


@pytest.mark.slow
def test_a_sweep_of_groups_has_the_bytes_of_one_of_points_apart(tmp_path):
    plan = {
        "name": "rules", "scenario": "demo", "set": {"run.duration_s": 0.3, "lidars.model": "beam16"},
        "grid": {"cooperation.relay": RULES[:2]}, "seeds": 2, "keep": "tables",
    }  # fmt: skip
    seen = []
    for name, together in (("together", True), ("apart", False)):
        sweep(plan, out=tmp_path / name, workers=2, together=together, progress=lambda *counts: seen.append(counts))
    assert seen[-1] == (4, 0, 4)
    one, other = tmp_path / "together", tmp_path / "apart"
    names = sorted(str(path.relative_to(one)) for path in one.rglob("*") if path.is_file())
    assert names == sorted(str(path.relative_to(other)) for path in other.rglob("*") if path.is_file())
    timings = {"timing.json", "timing.jsonl", "timing.parquet", ".lock"}
    for name in names:
        assert Path(name).name in timings or (one / name).read_bytes() == (other / name).read_bytes(), name
    # Points of one process have equal parts of its time.
    walls = [json.loads(line)["wall_s"] for line in (one / "timing.jsonl").read_text().splitlines()]
    assert (len(walls), len(set(walls))) == (4, 2)
