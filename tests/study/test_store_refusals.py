"""Folders that a sweep does not take up: of others, of another plan, full, unreadable, or locked."""

import os
from types import SimpleNamespace

import pytest

from tests.study.opened_sweeps import begun, reopened
from tests.study.small_sweeps import done, finish, planned
from v2xsim.study.continued import StoreError
from v2xsim.study.store import as_json, manifest_of, opened


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


def test_a_folder_with_finished_points_is_taken_up_only_when_asked(tmp_path, plan):
    begun(tmp_path, plan)
    with pytest.raises(StoreError, match="holds a sweep with 1 point finished; continue with --resume"):
        reopened(tmp_path, plan, resume=False)


def test_seeds_and_settings_with_results_must_stay_in_the_plan(tmp_path, plan):
    begun(tmp_path, plan, finished=4)
    with pytest.raises(
        StoreError, match=r"2 of its 4 finished points .* \(the seed 2 was removed\); put back what was"
    ):
        reopened(tmp_path, planned(seeds=1))
    with pytest.raises(StoreError, match=r'\(the setting cooperation.relay="hybrid" was removed\)'):
        reopened(tmp_path, planned(grid={"cooperation.relay": ["none"]}))
    with pytest.raises(StoreError, match=r"4 of its 4 .*the scenario, its files, or the values under set have changed"):
        reopened(tmp_path, planned(set={"radio.mcs": 3}))


def test_points_that_never_ran_may_leave_the_plan(tmp_path, plan):
    begun(tmp_path, plan)
    assert len(reopened(tmp_path, planned(seeds=1)).finished) == 1


@pytest.mark.parametrize("relays", [["none"], ["none", "midpoint"]])
def test_a_setting_whose_points_failed_may_be_corrected_or_removed(tmp_path, plan, relays):
    with opened(tmp_path / "s", plan, resume=False) as store:
        for point in plan.points[:3]:
            finish(store, point, 0.5)
        store.note(done(plan.points[3], kind="crash", reason="no memory"))
    store = reopened(tmp_path, planned(grid={"cooperation.relay": relays}))
    assert len(store.finished) == 2
    assert len(store.waiting()) == 2 * (len(relays) - 1)
    assert not list((tmp_path / "s" / "failed").iterdir())


def test_a_failed_point_does_not_excuse_other_values_for_all_points(tmp_path, plan):
    with opened(tmp_path / "s", plan, resume=False) as store:
        finish(store, plan.points[0], 0.5)
        store.note(done(plan.points[1], kind="crash", reason="no memory"))
    with pytest.raises(StoreError, match="1 of its 1 finished point is not in this plan"):
        reopened(tmp_path, planned(set={"radio.mcs": 3}))


def test_a_folder_that_another_version_began_says_so(tmp_path, plan):
    begun(tmp_path, plan)
    said = manifest_of(tmp_path / "s")
    said["versions"] = {"v2xsim": "0.0.1"}
    said["points"] = [{"setting": 0, "seed": 1, "key": "gone"}]
    (tmp_path / "s" / "points" / "gone.arrow").write_bytes(b"")
    (tmp_path / "s" / "sweep.json").write_bytes(as_json(said))
    with pytest.raises(StoreError, match=r"1 of its 2 finished points .*v2xsim 0\.0\.1 began it, this is"):
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
