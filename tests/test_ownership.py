"""Marks of folders at work: a living process keeps its folder, a dead one's is removed, and nobody else's is touched."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from v2xsim import ownership
from v2xsim.ownership import BusyError, belongs_to_a_mark, clear, kept_for, left_from_elsewhere, take, wait_until_clear

HOLDER = """
import sys, time
from pathlib import Path
from v2xsim.ownership import take
owned = take(Path(sys.argv[1]), sys.argv[2])
(owned.folder / "half.parquet").write_bytes(b"half")
print(owned.folder, flush=True)
time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """A process that holds a folder for the target `out`."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path), "out"], stdout=subprocess.PIPE, text=True)
    process.stdout.readline()
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def no_locks(*_):
    raise OSError(95, "Operation not supported")


def mark_of(folder):
    return next(path for path in folder.iterdir() if path.suffix == ".owner")


def changed(mark, **said):
    mark.write_text(json.dumps(json.loads(mark.read_text()) | said))


def test_a_folder_that_is_released_leaves_nothing(tmp_path):
    owned = take(tmp_path, "out")
    (owned.folder / "a").write_text("")
    owned.release()
    assert list(tmp_path.iterdir()) == []


def test_the_second_who_wants_to_write_the_same_is_refused_with_the_first_ones_number(tmp_path, holder):
    with pytest.raises(BusyError, match=f"process {holder.pid} on {socket.gethostname()}"):
        take(tmp_path, "out")
    take(tmp_path, "other").release()
    assert len(list(tmp_path.iterdir())) == 2


def test_two_of_one_process_do_not_write_the_same_either(tmp_path):
    owned = take(tmp_path, "out")
    with pytest.raises(BusyError):
        take(tmp_path, "out")
    owned.release()


def test_the_folder_of_a_killed_process_is_removed_by_the_next(tmp_path, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert len(list(tmp_path.iterdir())) == 2
    owned = take(tmp_path, "something-else")
    assert {path.name for path in tmp_path.iterdir()} == {owned.mark.name, owned.folder.name}
    owned.release()


def kept(tmp_path, *files):
    """Return the folder of a run for the target `out` that was killed after it had written files."""
    owned = take(tmp_path, "out")
    (owned.folder / "segments").mkdir()
    for name in ("run.json", *files):
        (owned.folder / "segments" / name).write_text("")
    owned.leave()
    return owned.folder


def test_rows_of_a_killed_run_stay_when_the_next_one_ends_without_any(tmp_path):
    rows = kept(tmp_path, "links-0.arrows")
    owned = take(tmp_path, "out")
    (owned.folder / "segments").mkdir()
    (owned.folder / "segments" / "run.json").write_text("")
    assert kept_for(tmp_path / "out") == [owned.folder, rows]
    owned.release()
    assert kept_for(tmp_path / "out") == [rows]


def test_of_killed_runs_only_the_newest_rows_stay(tmp_path):
    for _ in range(3):
        newest = kept(tmp_path, "links-0.arrows")
    kept(tmp_path)
    take(tmp_path, "out").release()
    assert kept_for(tmp_path / "out") == [newest]
    assert len(list(tmp_path.iterdir())) == 2


def test_the_files_of_a_finished_run_stay_until_they_are_moved(tmp_path):
    owned = take(tmp_path, "out")
    (owned.folder / "manifest.json").write_text("")
    owned.leave()
    take(tmp_path, "something-else").release()
    take(tmp_path, "out").release()
    assert kept_for(tmp_path / "out") == [owned.folder]


def test_an_earlier_run_that_was_replaced_does_not_stay(tmp_path):
    owned = take(tmp_path, "out")
    (owned.folder / "manifest.json").write_text("")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "manifest.json").write_text("")
    os.utime(owned.folder / "manifest.json", ns=(0, 0))
    owned.leave()
    assert kept_for(tmp_path / "out") == []
    assert clear(tmp_path) == []
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_the_folder_of_a_living_process_stays(tmp_path, holder):
    assert [left.lives for left in clear(tmp_path)] == [True]
    assert any(path.name == "half.parquet" for path in tmp_path.rglob("*"))


def test_a_machine_that_started_again_has_no_living_process_of_before(tmp_path, holder):
    holder.kill()
    holder.wait()
    changed(mark_of(tmp_path), boot="the boot before")
    assert clear(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_the_folder_of_another_machine_stays_and_is_reported(tmp_path, holder):
    holder.kill()
    holder.wait()
    changed(mark_of(tmp_path), boot="another", host="elsewhere")
    (sentence,) = left_from_elsewhere(tmp_path)
    assert "on elsewhere; if that has ended, remove the folder" in sentence
    assert any(path.name == "half.parquet" for path in tmp_path.rglob("*"))
    # It does not hinder: whether that process lives is unknown.
    take(tmp_path, "out").release()


@pytest.mark.parametrize(
    "content",
    ["", "{}", "[]", "mine", '{"v2xsim": "another thing", "target": "out", "pid": 1, "host": "h", "boot": "b", "begun": 1, "space": ""}',
     '{"v2xsim": "folder of a process at work", "target": "../up", "pid": 1, "host": "h", "boot": "b", "begun": 1, "space": ""}'],
)  # fmt: skip
def test_what_only_looks_like_a_mark_is_left_alone_with_its_folder(tmp_path, content):
    (tmp_path / ".out.0123abcd.owner").write_text(content)
    (tmp_path / ".out.0123abcd.partial").mkdir()
    (tmp_path / ".out.0123abcd.partial" / "thesis.tex").write_text("years of work")
    take(tmp_path, "out").release()
    assert (tmp_path / ".out.0123abcd.partial" / "thesis.tex").exists()


def test_a_partial_folder_without_a_mark_is_left_alone(tmp_path):
    (tmp_path / ".out.x7f3k2.partial").mkdir()
    (tmp_path / ".out.0123abcd.partial").mkdir()
    take(tmp_path, "out").release()
    assert len(list(tmp_path.iterdir())) == 2


def test_a_link_in_place_of_the_folder_is_not_followed(tmp_path, holder):
    holder.kill()
    holder.wait()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years of work")
    folder = mark_of(tmp_path).with_suffix(".partial")
    (folder / "half.parquet").unlink()
    folder.rmdir()
    folder.symlink_to(tmp_path / "mine")
    clear(tmp_path)
    assert (tmp_path / "mine" / "thesis.tex").exists()


def test_marks_of_other_users_are_left_alone(tmp_path, holder, monkeypatch):
    holder.kill()
    holder.wait()
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    clear(tmp_path)
    monkeypatch.undo()
    assert any(path.name == "half.parquet" for path in tmp_path.rglob("*"))


def test_an_empty_mark_is_of_a_process_that_was_killed_before_it_wrote_it(tmp_path):
    mark = tmp_path / ".out.0123abcd.owner"
    mark.write_text("")
    clear(tmp_path)
    assert not mark.exists()


def test_without_locks_an_empty_mark_is_removed_when_nobody_can_be_writing_it(tmp_path, monkeypatch):
    monkeypatch.setattr(ownership.fcntl, "flock", no_locks)
    mark = tmp_path / ".out.0123abcd.owner"
    mark.write_text("")
    clear(tmp_path)
    assert mark.exists()
    os.utime(mark, (time.time() - 100, time.time() - 100))
    clear(tmp_path)
    assert not mark.exists()


def test_an_earlier_folder_that_was_moved_away_when_the_process_was_killed_returns(tmp_path, holder):
    holder.kill()
    holder.wait()
    aside = mark_of(tmp_path).with_suffix(".replaced")
    aside.mkdir()
    (aside / "manifest.json").write_text("earlier")
    clear(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (tmp_path / "out" / "manifest.json").read_text() == "earlier"


def test_without_locks_the_number_and_the_start_of_the_process_decide(tmp_path, holder, monkeypatch):
    monkeypatch.setattr(ownership.fcntl, "flock", no_locks)
    assert [left.lives for left in clear(tmp_path)] == [True]
    with pytest.raises(BusyError):
        take(tmp_path, "out")
    changed(mark_of(tmp_path), begun=1, space="that of another container")
    assert [left.lives for left in clear(tmp_path)] == [True]
    changed(mark_of(tmp_path), begun=1, space=ownership._space())
    assert clear(tmp_path) == []


def test_who_waits_goes_on_as_soon_as_the_other_has_ended(tmp_path, holder):
    holder.send_signal(signal.SIGKILL)
    begun = time.monotonic()
    wait_until_clear(tmp_path, 30.0)
    assert time.monotonic() - begun < 10
    assert list(tmp_path.iterdir()) == []


def test_files_of_a_marked_folder_are_known_as_such(tmp_path, holder):
    half = next(tmp_path.rglob("half.parquet"))
    assert belongs_to_a_mark(half)
    assert belongs_to_a_mark(mark_of(tmp_path))
    assert not belongs_to_a_mark(tmp_path / "out" / "half.parquet")


def test_a_name_of_255_bytes_is_no_trouble(tmp_path):
    name = "ä" * 127
    owned = take(tmp_path, name)
    with pytest.raises(BusyError):
        take(tmp_path, name)
    owned.release()
