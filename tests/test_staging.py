"""Folders that appear complete or not at all, however the process ends."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from v2xsim import staging
from v2xsim.errors import UserError
from v2xsim.ownership import take
from v2xsim.staging import Scratch, added, staged


def anything(_target):
    """Let whatever is there be replaced."""


def names(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_the_folder_appears_complete_and_with_the_usual_permissions(tmp_path):
    with staged(tmp_path / "new" / "out", anything, UserError) as folder:
        (folder / "a").write_text("1")
        assert not (tmp_path / "new" / "out").exists()
    assert names(tmp_path) == ["new", "new/out", "new/out/a"]
    assert (tmp_path / "new" / "out").stat().st_mode & 0o777 == (tmp_path / "new").stat().st_mode & 0o777


def write_half(folder):
    (folder / "a.png").write_text("half")
    raise RuntimeError


def test_an_error_names_the_final_path(tmp_path):
    def fail():
        with staged(tmp_path / "out", anything, UserError) as folder, added(folder, UserError) as inner:
            raise UserError(f"{inner}/links.parquet: no room")

    with pytest.raises(UserError) as caught:
        fail()
    assert str(caught.value) == f"{tmp_path}/out/links.parquet: no room"


def test_what_fails_leaves_no_folder_and_no_parents(tmp_path):
    with pytest.raises(RuntimeError), staged(tmp_path / "new" / "out", anything, UserError) as folder:
        write_half(folder)
    assert names(tmp_path) == []


def test_rows_that_a_run_left_stay_until_another_has_left_rows_or_ended(tmp_path):
    def fail(*files):
        with staged(tmp_path / "out", anything, UserError, keeps_rows=True) as folder:
            (folder / "segments").mkdir()
            for name in files:
                (folder / "segments" / name).write_text("")
            raise RuntimeError

    for rows, left in ((["states-0.arrows"], "states"), (["links-0.arrows"], "links"), ([], "links")):
        with pytest.raises(RuntimeError):
            fail("run.json", *rows)
        assert [path.name for path in tmp_path.rglob("*.arrows")] == [f"{left}-0.arrows"]
    with staged(tmp_path / "out", anything, UserError):
        pass
    assert names(tmp_path) == ["out"]


@pytest.mark.parametrize("exchanges", [True, False])
def test_an_earlier_folder_is_replaced_at_the_end(tmp_path, monkeypatch, exchanges):
    if not exchanges:
        monkeypatch.setattr(staging, "_exchanged", lambda *_: False)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old").write_text("")
    with staged(tmp_path / "out", anything, UserError) as folder:
        (folder / "new").write_text("")
        assert (tmp_path / "out" / "old").exists()
    assert names(tmp_path) == ["out", "out/new"]


def test_the_earlier_folder_is_there_at_every_instant(tmp_path, monkeypatch):
    """Killed between any two calls of the system, a run has lost neither the earlier folder nor the new one."""
    (tmp_path / "out").mkdir()
    seen = []
    for name in ("rename", "rmdir"):
        usual = getattr(os, name)

        def watched(*arguments, usual=usual, **options):
            seen.append((tmp_path / "out").exists())
            return usual(*arguments, **options)

        monkeypatch.setattr(os, name, watched)
    with staged(tmp_path / "out", anything, UserError):
        pass
    assert seen
    assert all(seen)


def test_two_do_not_write_one_folder_at_the_same_time(tmp_path):
    with (
        staged(tmp_path / "out", anything, UserError),
        pytest.raises(
            UserError, match=f"is being written by process {os.getpid()} on .*; wait for it, or name another"
        ),
        staged(tmp_path / "out", anything, UserError),
    ):
        pass
    assert names(tmp_path) == ["out"]


def test_a_link_leads_to_the_same_folder(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "out")
    with (
        staged(tmp_path / "out", anything, UserError),
        pytest.raises(UserError, match="is being written"),
        staged(tmp_path / "link", anything, UserError),
    ):
        pass


def test_the_working_folder_is_not_replaced(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for folder in (".", "..", tmp_path / "here"):
        with (
            pytest.raises(UserError, match="must not be the working folder"),
            staged(Path(folder), anything, UserError),
        ):
            pass


def test_a_folder_that_cannot_be_written_is_one_message(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(UserError, match=r"out: cannot be written: (Not a directory|File exists)"),
        staged(tmp_path / "file" / "out", anything, UserError),
    ):
        pass


def test_a_parent_folder_that_is_removed_meanwhile_costs_no_results(tmp_path):
    with staged(tmp_path / "runs" / "out", anything, UserError) as folder:
        for path in [*folder.parent.glob(".*.owner")]:
            path.unlink()
        folder.rmdir()
        folder.parent.rmdir()
        folder.mkdir(parents=True)
        (folder / "a").write_text("")
    assert names(tmp_path) == ["runs", "runs/out", "runs/out/a"]


def test_who_draws_into_a_folder_is_waited_for_before_it_is_replaced(tmp_path, monkeypatch):
    monkeypatch.setattr(staging, "_PATIENCE_S", 0.2)
    (tmp_path / "out" / "pictures").mkdir(parents=True)
    drawing = take(tmp_path / "out", "pictures")
    with (
        pytest.raises(UserError, match=f"process {os.getpid()} on .* writes into it"),
        staged(tmp_path / "out", anything, UserError),
    ):
        pass
    drawing.release()
    with staged(tmp_path / "out", anything, UserError):
        pass
    assert names(tmp_path) == ["out"]


def test_who_has_soon_drawn_into_a_folder_does_not_hinder_its_replacement(tmp_path):
    (tmp_path / "out" / "pictures").mkdir(parents=True)
    drawing = take(tmp_path / "out", "pictures")
    ends = threading.Timer(0.3, drawing.release)
    ends.start()
    with staged(tmp_path / "out", anything, UserError):
        pass
    ends.join()
    assert names(tmp_path) == ["out"]


def test_files_are_added_to_those_that_are_there(tmp_path):
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "a.png").write_text("old")
    (tmp_path / "pictures" / "mine.png").write_text("mine")
    with added(tmp_path / "pictures", UserError) as folder:
        (folder / "clouds").mkdir()
        (folder / "clouds" / "c.ply").write_text("c")
        (folder / "a.png").write_text("new")
    assert names(tmp_path / "pictures") == ["a.png", "clouds", "clouds/c.ply", "mine.png"]
    assert (tmp_path / "pictures" / "a.png").read_text() == "new"


def test_the_file_that_says_that_all_is_complete_comes_last(tmp_path, monkeypatch):
    """Killed between any two files, the folder never holds an earlier manifest with later tables."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "manifest.json").write_text("old")
    seen = []
    usual = Path.replace

    def watched(path, target):
        seen.append((target.name, (tmp_path / "run" / "manifest.json").exists()))
        return usual(path, target)

    monkeypatch.setattr(Path, "replace", watched)
    with added(tmp_path / "run", UserError, last="manifest.json") as folder:
        for name in ("a.parquet", "manifest.json", "z.parquet"):
            (folder / name).write_text("new")
    assert seen == [("a.parquet", False), ("z.parquet", False), ("manifest.json", False)]
    assert (tmp_path / "run" / "manifest.json").read_text() == "new"


def test_nothing_is_added_by_what_fails(tmp_path):
    (tmp_path / "pictures").mkdir()
    with pytest.raises(RuntimeError), added(tmp_path / "pictures", UserError) as folder:
        write_half(folder)
    assert names(tmp_path) == ["pictures"]


@pytest.mark.parametrize(
    ("owner", "name", "answer", "message"),
    [
        (os, "access", False, "cannot be written: Permission denied"),
        (Path, "is_mount", True, "is where a file system is mounted"),
    ],
)
def test_a_folder_into_which_nothing_can_be_moved_is_refused_before_the_work(
    tmp_path, monkeypatch, owner, name, answer, message
):
    monkeypatch.setattr(owner, name, lambda *_: answer)
    with pytest.raises(UserError, match=f"{tmp_path}: {message}"), added(tmp_path, UserError):
        pytest.fail("the work has begun")


def test_a_name_that_is_too_long_is_one_message(tmp_path):
    with (
        pytest.raises(UserError, match="cannot be written: File name too long"),
        added(tmp_path / ("n" * 300), UserError),
    ):
        pass


def test_a_file_in_place_of_a_folder_is_refused_before_the_work(tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(UserError, match="out: must be a folder, got a file"), added(tmp_path / "out", UserError):
        pytest.fail("the work has begun")
    assert (tmp_path / "out").read_text() == "mine"


def test_a_scratch_folder_is_gone_afterwards(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with Scratch("sumo") as one, Scratch("sumo") as other:
        assert one != other
        assert len(names(tmp_path)) == 4
    assert names(tmp_path) == []


def test_a_full_disk_for_temporary_files_is_one_message(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with pytest.raises(UserError, match=r"must have room for temporary files.*TMPDIR"):
        Scratch("sumo")


SCRATCHES = """
import sys, time
from v2xsim.staging import Scratch
scratch = Scratch("sumo")
open(scratch.name + "/console.txt", "w").write("half")
if sys.argv[1] == "dies":
    print(flush=True)
    time.sleep(60)
"""


def test_the_scratch_folder_of_a_killed_process_is_removed_by_the_next(tmp_path):
    env = os.environ | {"TMPDIR": str(tmp_path)}
    process = subprocess.Popen([sys.executable, "-c", SCRATCHES, "dies"], stdout=subprocess.PIPE, env=env)
    process.stdout.readline()
    process.kill()
    process.communicate()
    assert len(names(tmp_path)) == 3
    subprocess.run([sys.executable, "-c", SCRATCHES, "lives"], env=env, check=True)
    assert names(tmp_path) == []


WRITES = """
import sys, time
from pathlib import Path
from v2xsim.errors import UserError
from v2xsim.signals import exit_code, ignore_signals, stop_at_signals
from v2xsim.staging import staged
stop_at_signals()
try:
    with staged(Path(sys.argv[1]) / "out", lambda _: None, UserError) as folder:
        for number in range(100):
            (folder / str(number)).write_text("")
        print(flush=True)
        time.sleep(60)
except KeyboardInterrupt as stop:
    ignore_signals()
    sys.exit(exit_code(stop))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGXCPU, signal.SIGUSR1])
def test_a_second_signal_while_cleaning_up_changes_nothing(tmp_path, number):
    process = subprocess.Popen(
        [sys.executable, "-c", WRITES, str(tmp_path)],
        stdout=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    process.stdout.readline()
    for _ in range(5):
        process.send_signal(number)
        time.sleep(0.001)
    process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert names(tmp_path) == []
