"""A sweep's folder: what waits, what is finished, what failed, and what is refused."""

import json
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
from small_sweeps import done, finish, planned

from v2xsim.study.plan import plan_of
from v2xsim.study.store import Store, StoreError, as_json, manifest_of, opened

BROKEN = {"name": "broken", "scenario": "demo", "grid": {"radio.tx_power_dbm": [20, 500]}, "seeds": 2}


@pytest.fixture
def plan():
    return planned()


@pytest.fixture
def store(tmp_path, plan):
    with opened(tmp_path / "s", plan, resume=False) as lent:
        yield lent


def reopened(tmp_path, plan, resume=True):
    with opened(tmp_path / "s", plan, resume) as store:
        return store


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


def test_a_setting_that_cannot_be_run_fails_with_its_reason(tmp_path):
    plan = plan_of(BROKEN)
    with opened(tmp_path / "s", plan, resume=False) as store:
        store.refuse_broken()
        assert list(store.failed) == [plan.points[2].key, plan.points[3].key]
        assert store.waiting() == [plan.points[0], plan.points[1]]
        kept = store.failed[plan.points[2].key]
        assert kept["kind"] == "scenario"
        assert "at most 40 dBm, got 500" in kept["reason"]
        log = (store.folder / "logs" / f"{plan.points[2].key}.log").read_text()
    assert log == plan.broken[1] + "\n"


def test_a_failure_that_is_known_is_not_noted_again(tmp_path):
    plan = plan_of(BROKEN)
    with opened(tmp_path / "s", plan, resume=False) as store:
        store.note(done(plan.points[2], kind="crash", reason="it broke"))
        store.refuse_broken()
        assert store.failed[plan.points[2].key]["reason"] == "it broke"


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


def test_a_file_in_place_of_the_folder_is_refused(tmp_path, plan):
    (tmp_path / "s").write_text("mine")
    with pytest.raises(StoreError) as caught:
        reopened(tmp_path, plan)
    assert str(caught.value) == f"{tmp_path / 's'}: must be a folder, got a file; name another with --out"


def test_a_folder_with_something_else_is_refused(tmp_path, plan):
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "thesis.tex").write_text("years of work")
    with pytest.raises(StoreError, match="must be new, empty, or hold a sweep"):
        reopened(tmp_path, plan)


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


SCENE = """
run: {duration_s: 1.0}
world: {buildings: houses.poly.xml}
traffic: {sumocfg: town.sumocfg}
stations: {penetration: 1.0}
"""
FILES = {
    "scene.yaml": SCENE,
    "houses.poly.xml": "<additional></additional>",
    "town.sumocfg": "<configuration><net-file value='town.net.xml'/><route-files value='town.rou.xml, more.rou.xml'/>"
    "<additional-files value='town.add.xml'/><tripinfo-output value='trips.xml'/></configuration>",
    "town.net.xml": "<net/>",
    "town.rou.xml": "<routes/>",
    "more.rou.xml": "<routes/>",
    "town.add.xml": "<additional><include href='inner.add.xml'/><inductionLoop id='d' file='loop.xml'/></additional>",
    "inner.add.xml": "<additional><rerouter id='r' file='rerouter.xml'/></additional>",
    "rerouter.xml": "<rerouter/>",
    # Earlier runs of SUMO itself wrote these.
    "trips.xml": "<tripinfos/>",
    "loop.xml": "<detector/>",
}
OUTPUTS = {"trips.xml", "loop.xml"}


@pytest.fixture
def scene(tmp_path):
    """The plan of a sweep over a SUMO scenario, and the function that plans it again."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    return lambda: plan_of({"name": "s", "scenario": str(tmp_path / "scene.yaml"), "grid": {"radio.mcs": [0, 1]}})


@pytest.mark.parametrize("finished", [0, 1])
@pytest.mark.parametrize("name", sorted(set(FILES) - OUTPUTS))
def test_a_file_that_changed_since_the_sweep_began_is_named_and_the_sweep_refused(tmp_path, scene, name, finished):
    begun(tmp_path, scene(), finished)
    text = FILES[name].replace("</", "<!-- changed --></", 1) if "</" in FILES[name] else FILES[name] + "\n"
    (tmp_path / name).write_text(text)
    with pytest.raises(
        StoreError, match=f"{name}: has changed since the sweep in .* began .sha256 .*put the file back"
    ):
        reopened(tmp_path, scene())


@pytest.mark.parametrize("name", sorted(OUTPUTS))
def test_what_sumo_itself_wrote_is_no_input(tmp_path, scene, name):
    begun(tmp_path, scene())
    (tmp_path / name).write_text("<other/>")
    assert len(reopened(tmp_path, scene()).waiting()) == 1


def test_several_changed_files_are_all_named(tmp_path, scene):
    begun(tmp_path, scene())
    for name in ("town.net.xml", "town.rou.xml"):
        (tmp_path / name).write_text(FILES[name] + "\n")
    with pytest.raises(
        StoreError, match=r"town\.net\.xml: has changed.*and so have .*town\.rou\.xml .*put the files back"
    ):
        reopened(tmp_path, scene())


def test_a_file_with_another_date_only_has_not_changed(tmp_path, scene):
    begun(tmp_path, scene())
    os.utime(tmp_path / "town.net.xml", (1, 1))
    assert len(reopened(tmp_path, scene()).waiting()) == 1


def test_without_resume_a_sweep_of_which_no_point_is_finished_begins_again_with_what_changed(tmp_path, scene):
    begun(tmp_path, scene(), finished=0)
    (tmp_path / "town.net.xml").write_text("<net></net>")
    assert len(reopened(tmp_path, scene(), resume=False).waiting()) == 2


def test_a_sweep_that_a_version_began_which_noted_no_files_goes_on(tmp_path, scene):
    begun(tmp_path, scene())
    said = manifest_of(tmp_path / "s")
    del said["inputs"]
    (tmp_path / "s" / "sweep.json").write_bytes(as_json(said))
    assert len(reopened(tmp_path, scene()).waiting()) == 1


def test_a_file_that_changes_while_the_sweep_runs_ends_it(tmp_path, scene):
    plan = scene()
    with opened(tmp_path / "s", plan, resume=False) as store:
        store.job(plan.points[0], 0)
        (tmp_path / "town.net.xml").write_text("<net></net>")
        with pytest.raises(StoreError, match=r"town\.net\.xml: must not change while a sweep runs"):
            store.job(plan.points[1], 0)
        # The point may have read either.
        with pytest.raises(StoreError, match="must not change"):
            finish(store, plan.points[0], 0.5)
        assert list((store.folder / "points").iterdir()) == []


def begun(tmp_path, plan, finished=1):
    with opened(tmp_path / "s", plan, resume=False) as store:
        for point in plan.points[:finished]:
            finish(store, point, 0.5)


def test_a_folder_with_finished_points_is_taken_up_only_when_asked(tmp_path, plan):
    begun(tmp_path, plan)
    with pytest.raises(StoreError, match="holds a sweep with 1 points finished; continue with --resume"):
        reopened(tmp_path, plan, resume=False)


def test_a_folder_without_a_finished_point_binds_nobody(tmp_path, plan):
    begun(tmp_path, plan, finished=0)
    other = planned(grid={"radio.mcs": [0, 1]})
    assert reopened(tmp_path, other, resume=False).waiting() == list(other.points)


def test_a_plan_with_more_points_goes_on(tmp_path, plan):
    begun(tmp_path, plan)
    assert len(reopened(tmp_path, planned(seeds=3)).waiting()) == 5


def test_a_plan_with_fewer_points_is_another_study(tmp_path, plan):
    begun(tmp_path, plan)
    with pytest.raises(StoreError, match=r"2 of its 4 points are not in this plan .*have changed since"):
        reopened(tmp_path, planned(seeds=1))


def test_a_folder_that_another_version_began_says_so(tmp_path, plan):
    begun(tmp_path, plan)
    said = manifest_of(tmp_path / "s")
    said["versions"] = {"v2xsim": "0.0.1"}
    said["points"] = [{"setting": 0, "seed": 1, "key": "gone"}]
    (tmp_path / "s" / "sweep.json").write_bytes(as_json(said))
    with pytest.raises(StoreError, match=r"1 of its 1 points .*v2xsim 0\.0\.1 began it, this is"):
        reopened(tmp_path, plan)


def test_a_users_file_that_changed_since_is_named_with_both_digests(tmp_path, plan, monkeypatch):
    begun(tmp_path, plan)
    said = manifest_of(tmp_path / "s")
    said["plugins"] = {"/own.py": "a" * 64, "/same.py": "c" * 64}
    said["points"].append({"setting": 0, "seed": 9, "key": "gone"})
    (tmp_path / "s" / "sweep.json").write_bytes(as_json(said))
    digests = {"/same.py": "c" * 64, "/new.py": "d" * 64, "/own.py": "b" * 64}
    monkeypatch.setattr(type(plan), "plugins", digests)
    with pytest.raises(StoreError, match=r"/own\.py: has changed .*sha256 a{12}, now b{12}\), so its points"):
        reopened(tmp_path, plan)


def test_a_full_disk_is_noticed_before_anything_begins(tmp_path, plan, monkeypatch):
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_bavail=4882, f_frsize=4096))
    with pytest.raises(StoreError, match=r"the disk is full \(20\.0 MB free\)"):
        reopened(tmp_path, plan)


def test_twenty_megabytes_are_room_enough_to_begin(tmp_path, plan, monkeypatch):
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_bavail=20_000, f_frsize=1000))
    assert reopened(tmp_path, plan).waiting()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "cannot be read"),
        ("[]", "is not a plan of a sweep"),
        ('{"format": 1, "kind": "run"}', "is not a plan of a sweep"),
        ('{"format": "1", "kind": "sweep"}', "is not a plan of a sweep"),
        ('{"kind": "sweep"}', "is not a plan of a sweep"),
        ('{"format": 2, "kind": "sweep"}', "newer version: format 2, this one reads 1"),
    ],
)
def test_a_plan_that_cannot_be_read_is_refused(tmp_path, text, words):
    (tmp_path / "sweep.json").write_text(text)
    with pytest.raises(StoreError, match=words):
        manifest_of(tmp_path)


def test_a_plan_of_this_format_is_read(tmp_path):
    (tmp_path / "sweep.json").write_text('{"format": 1, "kind": "sweep"}')
    assert manifest_of(tmp_path) == {"format": 1, "kind": "sweep"}


def test_a_folder_that_cannot_be_written_is_an_error_in_words(tmp_path, plan):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(StoreError, match="cannot be written: Not a directory"),
        opened(tmp_path / "file" / "s", plan, False),
    ):
        pass


def test_a_failure_file_that_cannot_be_read_is_an_error_in_words(tmp_path, plan):
    with opened(tmp_path / "s", plan, resume=False):
        (tmp_path / "s" / "failed" / f"{plan.points[0].key}.json").write_text("{")
    with pytest.raises(StoreError, match="holds a file that cannot be read"):
        reopened(tmp_path, plan)


def test_a_folder_with_something_else_beside_a_lock_is_refused(tmp_path, plan):
    (tmp_path / "s").mkdir()
    for name in (".lock", "thesis.tex"):
        (tmp_path / "s" / name).write_text("")
    with pytest.raises(StoreError, match="must be new, empty, or hold a sweep"):
        reopened(tmp_path, plan)


def test_one_process_at_a_time_works_on_a_folder(store, tmp_path, plan):
    with pytest.raises(StoreError, match="another process works on this sweep; wait for it, or stop it"):
        reopened(tmp_path, plan)


def test_a_folder_that_was_let_go_may_be_opened_again(tmp_path, plan):
    reopened(tmp_path, plan)
    assert reopened(tmp_path, plan).waiting()


def test_a_failure_whose_file_is_gone_is_forgotten_all_the_same(store, plan):
    store.note(done(plan.points[2], kind="crash", reason="it broke"))
    (store.folder / "failed" / f"{plan.points[2].key}.json").unlink()
    store.forget_failures()
    assert store.failed == {}


def test_of_several_reasons_why_a_setting_cannot_be_run_the_first_is_kept(tmp_path):
    plan = plan_of({**BROKEN, "grid": {"radio.tx_power_dbm": [20, 500], "radio.range_m": [300, -1]}, "seeds": 1})
    with opened(tmp_path / "s", plan, resume=False) as store:
        store.refuse_broken()
    reasons = plan.broken[3].splitlines()
    assert len(reasons) > 1
    assert store.failed[plan.points[3].key]["reason"] == reasons[0]
