"""A sweep's folder: what waits, what is finished, what failed, and what a kill has left."""

import json
import subprocess
import sys

import pytest

from tests.study.opened_sweeps import begun, reopened
from tests.study.small_sweeps import done, finish, planned
from v2xsim.scenario import from_data, resolved
from v2xsim.study.continued import StoreError
from v2xsim.study.store import Store, as_json, manifest_of, opened


def test_every_point_waits_at_first_in_the_plans_order(store, plan):
    assert store.waiting() == list(plan.points)


def test_what_is_finished_and_what_failed_does_not_wait(store, plan):
    finish(store, plan.points[1], 0.5)
    store.note(done(plan.points[2], kind="crash", reason="it broke"))
    assert store.waiting() == [plan.points[0], plan.points[3]]


def test_a_folder_opened_again_knows_what_is_finished_and_what_failed(tmp_path, plan):
    with opened(tmp_path / "s", plan, resume=False) as store:
        finish(store, plan.points[1], 0.5)
        store.note(done(plan.points[2], kind="crash", reason="it broke"))
    again = reopened(tmp_path, plan)
    assert again.finished == {plan.points[1].key}
    assert again.failed == {plan.points[2].key: {"kind": "crash", "reason": "it broke"}}


def test_files_of_points_of_another_plan_do_not_count(tmp_path, plan):
    with opened(tmp_path / "s", plan, resume=False):
        (tmp_path / "s" / "points" / "other.arrow").write_bytes(b"")
        (tmp_path / "s" / "failed" / "other.json").write_text("{}")
    with opened(tmp_path / "s", planned(), resume=True) as store:
        assert (store.finished, store.failed) == (set(), {})


def test_a_job_says_where_result_log_and_reason_go(store, plan):
    point, folder = plan.points[3], store.folder
    job = store.job(point, 123)
    assert (job.key, job.tables, job.threads, job.timeout_s, job.memory_bytes) == (point.key, "", 1, 0.0, 123)
    assert job.result == str(folder / "points" / f"{point.key}.arrow")
    assert job.log == str(folder / "logs" / f"{point.key}.log")
    assert job.reason == str(folder / "logs" / f"{point.key}.reason")


def test_a_job_has_the_scenario_of_its_setting_and_its_seed(store, plan):
    job = store.job(plan.points[3], 0)
    assert (job.scenario["cooperation"]["relay"]["rule"], job.scenario["run"]["seed"]) == ("hybrid", 2)


@pytest.mark.parametrize("access", ["random_slot", "nr_mode2"])
def test_in_a_job_the_values_that_follow_from_other_keys_are_left_open(tmp_path, access):
    # Otherwise they would be fixed in the manifest of the point's run, which could not be run with another access scheme.
    plan = planned(set={"radio.access": access})
    with opened(tmp_path / "s", plan, resume=False) as store:
        point = plan.points[0]
        scenario = from_data(store.job(point, 0).scenario)
    assert resolved(scenario) == resolved(plan.scenario_of(point))
    assert scenario.automatic == plan.scenario_of(point).automatic != {}
    assert scenario.with_({"radio.access": "lte_mode4"}).radio.mtu_bytes < 1400


def test_a_job_of_a_sweep_that_keeps_tables_names_a_run_folder(tmp_path):
    plan = planned(keep="tables", threads=3, timeout_s=2.5, memory_gb=0.25)
    with opened(tmp_path / "s", plan, resume=False) as store:
        job = store.job(plan.points[0], 123)
    assert job.tables == str(tmp_path / "s" / "runs" / plan.points[0].key)
    assert (job.threads, job.timeout_s, job.memory_bytes) == (3, 2.5, 250_000_000)


def test_time_and_memory_of_each_point_are_noted(store, plan):
    finish(store, plan.points[0], 0.5)
    store.note(done(plan.points[1], kind="crash", reason="it broke", wall_s=9.0))
    lines = [json.loads(line) for line in (store.folder / "timing.jsonl").read_text().splitlines()]
    assert lines == [
        {"key": plan.points[0].key, "wall_s": 2.0, "cpu_s": 1.5, "peak_bytes": 7},
        {"key": plan.points[1].key, "wall_s": 9.0, "cpu_s": 1.5, "peak_bytes": 7},
    ]


@pytest.mark.parametrize(("text", "stays"), [("", False), ("a warning", True)])
def test_an_empty_log_of_a_finished_point_goes(store, plan, text, stays):
    log = store.folder / "logs" / f"{plan.points[0].key}.log"
    log.write_text(text)
    finish(store, plan.points[0], 0.5)
    assert log.exists() == stays


def test_the_log_of_a_failed_point_stays(store, plan):
    log = store.folder / "logs" / f"{plan.points[0].key}.log"
    log.write_text("")
    store.note(done(plan.points[0], kind="crash", reason="it broke"))
    assert log.exists()


def test_a_full_disk_ends_the_sweep_and_fails_no_point(store, plan):
    with pytest.raises(
        StoreError, match="no room; finished points are kept: free some space and continue with --resume"
    ):
        store.note(done(plan.points[0], kind="disk", reason="no room"))
    assert store.failed == {}


def test_nothing_is_kept_where_the_folder_went_away(store, plan):
    (store.folder / "sweep.json").unlink()
    with pytest.raises(StoreError, match="was moved or removed while the sweep ran"):
        store.note(done(plan.points[0]))


def test_failures_that_are_forgotten_wait_again(store, plan, tmp_path):
    store.note(done(plan.points[2], kind="crash", reason="it broke"))
    assert store.forget_failures() == {plan.points[2].key}
    assert store.waiting() == list(plan.points)


def test_a_failure_is_forgotten_on_disk_when_its_point_has_ended(store, plan):
    """So that a sweep which is killed while it runs the point again still knows that it failed."""
    point = plan.points[2]
    store.note(done(point, kind="crash", reason="it broke"))
    store.forget_failures()
    assert set(Store(store.folder, plan).failed) == {point.key}
    finish(store, point, 0.5)
    assert list((store.folder / "failed").iterdir()) == []


def test_a_result_counts_more_than_the_failure_before_it(tmp_path, plan):
    """Both are there if the sweep was killed between the end of the point and the note of it."""
    with opened(tmp_path / "s", plan, resume=False) as store:
        store.note(done(plan.points[0], kind="crash", reason="it broke"))
        (store.folder / "points" / f"{plan.points[0].key}.arrow").write_bytes(b"")
    again = reopened(tmp_path, plan)
    assert (again.finished, again.failed) == ({plan.points[0].key}, {})
    assert list((tmp_path / "s" / "failed").iterdir()) == []


def test_failures_come_in_the_plans_order_with_their_settings(store, plan):
    for number in (3, 0):
        store.note(done(plan.points[number], kind="crash", reason=f"it broke {number}"))
    assert store.failures() == [
        {
            "point": number, "setting": setting, "seed": seed, "settings": {"cooperation.relay": relay}, "kind": "crash",
            "reason": f"it broke {number}", "log": f"logs/{plan.points[number].key}.log",
        }
        for number, setting, seed, relay in ((0, 0, 1, "none"), (3, 1, 2, "hybrid"))
    ]  # fmt: skip


def test_the_folder_holds_the_plan(store, plan):
    assert manifest_of(store.folder) == json.loads(json.dumps(plan.manifest()))


def test_data_as_a_file_is_sorted_and_ends_its_last_line():
    assert as_json({"b": 1, "a": [2]}) == b'{\n "a": [\n  2\n ],\n "b": 1\n}\n'


@pytest.mark.parametrize("left", [".lock", ".sweep.json.7.draft"])
def test_what_a_killed_beginning_left_is_no_obstacle(tmp_path, plan, left):
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / left).write_text("")
    assert reopened(tmp_path, plan, resume=False).waiting()


def test_what_killed_points_left_is_cleared_away_and_nothing_else(tmp_path, plan):
    keys = [point.key for point in plan.points]
    with opened(tmp_path / "s", plan, resume=False) as store:
        finish(store, plan.points[0], 0.5)
    for name in (f"points/.{keys[1]}.arrow.7.draft", f"failed/.{keys[1]}.json.7.draft", f"logs/.{keys[1]}.reason.7.draft",
                 ".results.parquet.7.draft", ".sweep.json.7.draft", f"logs/{keys[1]}.reason", f"logs/{keys[0]}.log"):  # fmt: skip
        (tmp_path / "s" / name).write_text("")
    others = ["points/.mine.7.draft", ".my.notes.draft", "logs/mine.reason", "thesis.tex", "runs/.k.partial/thesis.tex"]
    (tmp_path / "s" / "runs" / ".k.partial").mkdir(parents=True)
    for name in others:
        (tmp_path / "s" / name).write_text("years of work")
    reopened(tmp_path, plan)
    left = {path.relative_to(tmp_path / "s").as_posix() for path in (tmp_path / "s").rglob("*") if path.is_file()}
    assert left == {*others, "sweep.json", ".lock", f"points/{keys[0]}.arrow", "timing.jsonl"}


def test_the_run_folders_of_killed_points_are_cleared_away(tmp_path, plan):
    with opened(tmp_path / "s", plan, resume=False) as store:
        (store.folder / "runs").mkdir()
    code = f"from pathlib import Path; from v2xsim.ownership import take; take(Path({str(tmp_path / 's' / 'runs')!r}), 'k'); import os; os._exit(9)"
    subprocess.run([sys.executable, "-c", code], check=False)
    assert len(list((tmp_path / "s" / "runs").iterdir())) == 2
    reopened(tmp_path, plan)
    assert list((tmp_path / "s" / "runs").iterdir()) == []


def test_a_line_that_a_kill_has_cut_does_not_spoil_the_next(tmp_path, plan):
    with opened(tmp_path / "s", plan, resume=False) as store:
        (store.folder / "timing.jsonl").write_text('{"key": "hal')
    with opened(tmp_path / "s", plan, resume=True) as store:
        finish(store, plan.points[0], 0.5)
        _cut, line = (store.folder / "timing.jsonl").read_text().splitlines()
    assert json.loads(line)["key"] == plan.points[0].key


@pytest.mark.parametrize("finished", [0, 1])
def test_a_sweep_that_was_killed_before_its_folders_were_made_goes_on(tmp_path, plan, finished):
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / ".lock").write_text("")
    (tmp_path / "s" / "sweep.json").write_bytes(as_json(plan.manifest()))
    assert reopened(tmp_path, plan, resume=bool(finished)).waiting() == list(plan.points)


def test_a_folder_without_a_finished_point_binds_nobody(tmp_path, plan):
    begun(tmp_path, plan, finished=0)
    other = planned(grid={"radio.mcs": [0, 1]})
    assert reopened(tmp_path, other, resume=False).waiting() == list(other.points)


def test_a_plan_with_more_points_goes_on(tmp_path, plan):
    begun(tmp_path, plan)
    assert len(reopened(tmp_path, planned(seeds=3)).waiting()) == 5


def test_a_folder_that_was_let_go_may_be_opened_again(tmp_path, plan):
    reopened(tmp_path, plan)
    assert reopened(tmp_path, plan).waiting()


def test_a_failure_whose_file_is_gone_is_forgotten_all_the_same(store, plan):
    store.note(done(plan.points[2], kind="crash", reason="it broke"))
    (store.folder / "failed" / f"{plan.points[2].key}.json").unlink()
    store.forget_failures()
    assert store.failed == {}
