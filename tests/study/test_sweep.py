"""Sweeps whose points end at once: what runs, what is reported, and what an estimate works out."""

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from v2xsim.cli.app import app
from v2xsim.errors import UserError
from v2xsim.evaluation.metric import Metric
from v2xsim.results.results import metrics_table
from v2xsim.study.continued import StoreError
from v2xsim.study.outcome import Outcome
from v2xsim.study.plan import plan_of
from v2xsim.study.point import as_bytes
from v2xsim.study.store import opened
from v2xsim.study.sweep import default_workers, estimate, memory_for_each, sweep

SMALL = {
    "name": "small",
    "scenario": "demo",
    "set": {"run.duration_s": 0.5},
    "grid": {"cooperation.relay": ["none", "hybrid"], "stations.penetration": [0.5, 1.0]},
    "seeds": 2,
}


def content(folder):
    return {
        name: (folder / name).read_bytes()
        for name in ("results.parquet", "notices.json", "failures.json", "sweep.json")
    }


@pytest.fixture
def instant(monkeypatch):
    """Let every point end at once, with two metrics; return the jobs that came."""
    came = []

    def run_locally(groups, workers, threads):
        for job in (job for group in groups for job in group):
            came.append((job, workers, threads))
            rows = [("prr", "", Metric(0.5, "1", 8)), ("on_air", "", Metric(9.0, "B/s", 1))]
            Path(job.result).write_bytes(as_bytes(metrics_table(rows)))
            yield Outcome(job.key, "done", "", 3.0, 2.0, 1000)

    monkeypatch.setattr("v2xsim.study.sweep.run_locally", run_locally)
    return came


def test_an_impossible_setting_is_refused_before_anything_runs(instant, tmp_path):
    with pytest.raises(UserError, match=r"setting 1: radio.tx_power_dbm: must be .* at most 40 dBm, got 500"):
        sweep({**SMALL, "grid": {"radio.tx_power_dbm": [20, 500]}, "seeds": 1}, out=tmp_path / "s")
    assert instant == []
    assert not (tmp_path / "s").exists()


def test_settings_that_a_check_of_their_inputs_refuses_are_refused_together(instant, tmp_path):
    """Lidars three and four metres below the roof, and one above it."""
    rigs = [[{"x_m": 0.0, "y_m": 0.0, "z_m": z_m}] for z_m in (0.3, -3.0, -4.0)]
    with pytest.raises(UserError) as refused:
        sweep({**SMALL, "grid": {"lidars.mounts": rigs}, "seeds": 2}, out=tmp_path / "s")
    text = str(refused.value)
    assert text.startswith("sweep: 2 of 3 settings cannot be run")
    assert ("setting 1: " in text, "setting 2: " in text, "ground" in text) == (True, True, True)
    assert (instant, (tmp_path / "s").exists()) == ([], False)


def test_a_notice_about_inputs_is_given_once_for_all_settings_and_seeds(instant, tmp_path):
    """Two cars in one place, in four settings with two seeds."""
    cars = [{"id": name, "waypoints": [[0, 0, 0], [10, 50, 0]]} for name in ("a", "b")]
    told = []
    sweep({**SMALL, "set": {"run.duration_s": 0.5, "traffic.script": cars, "cooperation.egos": "all", "lidars.include": [], "stations.include": []}},
          out=tmp_path / "s", notify=told.append)  # fmt: skip
    assert [notice.subject for notice in told].count("traffic.overlapping") == 1


def test_more_seeds_can_be_added_and_only_they_run(instant, tmp_path):
    less = {**SMALL, "grid": {}, "seeds": 1}
    sweep(less, out=tmp_path / "s")
    swept = sweep({**less, "seeds": 2}, out=tmp_path / "s", resume=True)
    assert (swept.finished, swept.ran) == (2, 1)


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


def test_without_a_scheduler_at_the_address_there_is_one_clear_error(tmp_path):
    with pytest.raises(UserError, match="for --backend dask"):
        sweep(SMALL, out=tmp_path / "s", scheduler="tcp://127.0.0.1:1")


def test_a_sweep_on_a_cluster_runs_its_points_there(tmp_path, monkeypatch):
    asked = []

    def run_on_dask(jobs, workers, scheduler, memory_bytes):
        asked.append(({job.memory_bytes for job in jobs}, workers, scheduler, memory_bytes))
        yield from ()

    monkeypatch.setattr("v2xsim.study.cluster.run_on_dask", run_on_dask)
    sweep(
        SMALL,
        out=tmp_path / "s",
        workers=7,
        backend="dask",
        scheduler="tcp://login1:8786",
        memory_per_worker_bytes=5 * 10**8,
    )
    assert asked == [({5 * 10**8}, 7, "tcp://login1:8786", 5 * 10**8)]


@pytest.mark.parametrize(("memory_gb", "option_gb", "limit_gb"), [(2.0, 1.0, 1.0), (2.0, 3.0, 2.0)])
def test_the_smaller_of_two_memory_limits_holds(instant, tmp_path, memory_gb, option_gb, limit_gb):
    sweep({**SMALL, "memory_gb": memory_gb}, out=tmp_path / "s", memory_per_worker_bytes=int(option_gb * 1e9))
    assert {job.memory_bytes for job, _, _ in instant} == {int(limit_gb * 1e9)}


def test_points_that_wait_run_with_the_workers_and_threads_asked_for(instant, tmp_path):
    swept = sweep({**SMALL, "threads": 3}, out=tmp_path / "s", workers=2)
    assert (swept.folder, swept.finished, swept.failed, swept.ran) == (tmp_path / "s", 8, [], 8)
    assert {(workers, threads) for _, workers, threads in instant} == {(2, 3)}


def test_memory_is_shared_out_among_the_workers(instant, tmp_path):
    sweep(SMALL, out=tmp_path / "s", workers=2)
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert {job.memory_bytes for job, _, _ in instant} == {int(0.45 * total)}


def test_a_finished_sweep_that_is_resumed_runs_nothing_and_starts_no_server(instant, tmp_path, monkeypatch):
    sweep(SMALL, out=tmp_path / "s")
    monkeypatch.setattr("v2xsim.study.sweep.run_locally", None)
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
    plan = plan_of({**SMALL, "grid": {"radio.tx_power_dbm": [10, 20]}, "seeds": 1})
    with opened(tmp_path / "s", plan, resume=False) as store:
        store.note(Outcome(plan.points[1].key, "crash", "it broke", 1.0, 1.0, 1))
    sweep(plan, out=tmp_path / "s", resume=True, progress=lambda *counts: seen.append(counts))
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
    assert (found.points, found.workers, found.wall_s) == (points, 2, 3.0 * rounds)
    assert found.peak_bytes == 1000 * min(points, 2)


def test_the_trial_point_of_an_estimate_runs_alone_with_its_threads_and_all_memory(instant):
    found = estimate(plan_of({**SMALL, "threads": 3}), workers=9)
    ((job, workers, threads),) = instant
    assert (found.workers, workers, threads, job.memory_bytes) == (9, 1, 3, memory_for_each(1))


def test_points_share_the_memory_with_as_many_as_run_at_once(instant, tmp_path):
    sweep({**SMALL, "grid": {}, "seeds": 2}, out=tmp_path / "s", workers=1000)
    assert {job.memory_bytes for job, *_ in instant} == {memory_for_each(2)}


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"workers": 0}, "workers must be at least 1, got 0"),
        ({"workers": -1}, "workers must be at least 1, got -1"),
        ({"memory_per_worker_bytes": 2}, "memory_per_worker_bytes must be at least 100,000,000, .* got 2"),
    ],
)
def test_numbers_with_which_no_point_would_run_are_refused(instant, tmp_path, limits, message):
    with pytest.raises(UserError, match=message):
        sweep(SMALL, out=tmp_path / "s", **limits)
    with pytest.raises(UserError, match=message):
        estimate(plan_of(SMALL), **limits)
    assert not (tmp_path / "s").exists()


def test_an_estimate_multiplies_what_one_point_leaves_on_the_disk(instant):
    one, two = (estimate(plan_of({**SMALL, "grid": {}, "seeds": seeds}), workers=1) for seeds in (1, 2))
    assert one.disk_bytes > 0
    assert two.disk_bytes == 2 * one.disk_bytes


def test_an_estimate_whose_point_fails_says_which_and_why(monkeypatch):
    outcome = Outcome("k", "crash", "it broke", 1.0, 1.0, 1)
    monkeypatch.setattr("v2xsim.study.sweep.run_locally", lambda *_: iter([outcome]))
    with pytest.raises(UserError, match=r"trial point \(setting 0, seed 1\): it broke"):
        estimate(plan_of(SMALL))


@pytest.mark.parametrize(("threads", "workers"), [(1, 6), (2, 3), (4, 1), (12, 1)])
def test_as_many_points_at_once_as_the_processors_have_threads_for(monkeypatch, threads, workers):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(6 if process == 0 else 0)), raising=False)
    assert default_workers(plan_of({**SMALL, "threads": threads})) == workers


def test_where_the_system_does_not_say_its_memory_there_is_no_limit(monkeypatch):
    def unknown(_):
        raise ValueError

    monkeypatch.setattr(os, "sysconf", unknown)
    assert memory_for_each(2) == 0


@pytest.mark.parametrize(("count", "workers"), [(4, 4), (None, 1)])
def test_where_a_system_knows_no_affinity_all_processors_count(monkeypatch, count, workers):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: count)
    assert default_workers(plan_of(SMALL)) == workers


def test_a_folder_with_finished_points_is_taken_up_only_when_asked(instant, tmp_path):
    sweep(SMALL, out=tmp_path / "s")
    with pytest.raises(StoreError, match=r"8 points finished; .* --resume"):
        sweep(SMALL, out=tmp_path / "s")


@pytest.fixture
def half_done(instant, tmp_path, monkeypatch):
    """A sweep of eight points of which two have finished, one has failed, and five have not run."""
    plan = plan_of(SMALL)
    with opened(tmp_path / "s", plan, resume=False) as store:
        for number, kind in enumerate(("done", "crash", "done")):
            key = plan.points[number].key
            if kind == "done":
                rows = [("prr", "", Metric(0.5, "1", 8))]
                (tmp_path / "s" / "points" / f"{key}.arrow").write_bytes(as_bytes(metrics_table(rows)))
            store.note(Outcome(key, kind, "" if kind == "done" else "it broke", 1.0, 1.0, 1))
    return plan, tmp_path / "s"


@pytest.mark.parametrize(
    ("options", "ran", "left"),
    [({"retry_failed": True}, [1], 5), ({"resume": True}, [3, 4, 5, 6, 7], 0), ({"resume": True, "retry_failed": True}, [1, 3, 4, 5, 6, 7], 0)],
    ids=["retry", "resume", "both"],
)  # fmt: skip
def test_failed_points_run_again_when_asked_and_only_they(half_done, instant, options, ran, left):
    plan, folder = half_done
    swept = sweep(plan, out=folder, **options)
    # In the order of their groups: points of one seed run together.
    assert {job.key for job, *_ in instant} == {plan.points[number].key for number in ran}
    assert (swept.ran, swept.waiting) == (len(ran), left)
    assert len(swept.failed) == (0 if options.get("retry_failed") else 1)


def test_points_that_have_not_run_are_reported(half_done):
    _, folder = half_done
    grid = ["--grid", "cooperation.relay=none,hybrid", "--grid", "stations.penetration=0.5,1.0", "--seeds", "2"]
    result = CliRunner().invoke(
        app, ["sweep", "demo", "--set", "run.duration_s=0.5", *grid, "--out", str(folder), "--retry-failed"]
    )
    assert result.exit_code == 0, result.output
    assert "3 of 8 points finished (1 now), 0 failed" in result.stdout
    assert "5 points not run yet; --resume runs them" in result.stdout


def test_a_sweep_with_a_failed_point_says_how_it_runs_again(half_done, tmp_path, monkeypatch):
    plan, folder = half_done
    monkeypatch.setattr("v2xsim.cli.sweep._plan", lambda *_: plan)
    found = CliRunner().invoke(app, ["sweep", "small.yaml", "--out", str(folder), "--resume"])
    assert found.exit_code == 1
    assert "seed 2: it broke" in found.stdout
    assert "run the failed points again with --retry-failed" in found.stdout
    assert f"next: v2xsim report {folder}" in found.stdout


def test_a_sweep_that_is_stopped_says_how_much_is_done_and_how_it_goes_on(half_done, tmp_path, monkeypatch):
    plan, folder = half_done
    monkeypatch.setattr("v2xsim.cli.sweep._plan", lambda *_: plan)

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("v2xsim.study.sweep.gather", interrupted)
    found = CliRunner().invoke(app, ["sweep", "small.yaml", "--out", str(folder), "--retry-failed"])
    assert found.exit_code == 130
    assert "3 of 8 points finished; they are kept; continue with the same command and --resume" in found.stderr
