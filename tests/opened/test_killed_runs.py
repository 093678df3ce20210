"""Runs that are killed at their end: at each step of the file system, what is there is a whole run, or opens as one that has not ended."""

import os
import re
import shutil
from pathlib import Path

import pytest
from small_runs import same, scenario

import v2xsim
from v2xsim import simulate, staging
from v2xsim.engine.recording import recording
from v2xsim.opened import OpenError
from v2xsim.results import growing_file, row_groups, store
from v2xsim.results.columns import COLUMNS
from v2xsim.results.row_files import RowFile
from v2xsim.runfolder import staged
from v2xsim.scenario.manifests import sha256_of

SETTINGS, EARLIER, NEW = "cooperation.fusion=early", 3, 4
# Each changes files: removing a whole folder is a step for each file in it.
STEPS = [(os, name) for name in ("rename", "replace", "link", "unlink", "rmdir", "mkdir", "chmod")]
STEPS += [
    (Path, "write_text"), (staging, "_exchanged"), (growing_file, "_write_all"), (store, "write_groups"), (RowFile, "add"),
]  # fmt: skip


class Steps:
    """What can be read of a folder before each step that changes files beside it or in it, from the end of a run on.

    A kill leaves all files as they are, so it leaves the same.
    """

    def __init__(self, folder, wholes, monkeypatch):
        self.seen, self._folder, self._wholes, self._last, self._is_on = [], folder, wholes, set(), False
        # Rows are written at every tick.
        monkeypatch.setattr(recording, "_HELD_S", -1.0)
        results_of = simulate.results_of

        def ended(*arguments):
            self._is_on = True
            return results_of(*arguments)

        monkeypatch.setattr(simulate, "results_of", ended)
        for owner, name in STEPS:
            monkeypatch.setattr(owner, name, self._watched(getattr(owner, name)))

    def _watched(self, usual):
        def watched(*arguments, **options):
            if self._is_on:
                self._is_on = False
                try:
                    self.look()
                except OSError as error:
                    # The step itself may ignore errors of the system.
                    raise AssertionError(error) from error
                self._is_on = True
            return usual(*arguments, **options)

        return watched

    def look(self):
        """Read the folder, and of a run that has not ended the tables of which a file has changed since the last time."""
        files = {path: path.stat() for path in self._folder.parent.rglob("*")}
        state = {(path, about.st_ino, about.st_size, about.st_mtime_ns) for path, about in files.items()}
        changed = {re.split(r"[-.]", path.name)[0] for path, *_ in state ^ self._last}
        self._last = state
        if changed:
            self.seen.append(read(self._folder, self._wholes, COLUMNS if "written" in changed else changed))


def in_folder(run, folder):
    """Run as `v2xsim run` does: all files get into the folder at once."""
    with staged(folder, keeps_rows=True) as at:
        v2xsim.run(run, out=at, threads=1)


def file_by_file(run, folder):
    """Run as a program does: files of an earlier run are replaced, others stay."""
    v2xsim.run(run, out=folder, threads=1)


@pytest.fixture(scope="module")
def wholes(tmp_path_factory):
    """Return two runs by seed. Their tables have several row groups, some of which are written before the end."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(row_groups, "GROUP_ROWS", 300)
        folders = {seed: tmp_path_factory.mktemp("whole") for seed in (EARLIER, NEW)}
        for seed, folder in folders.items():
            v2xsim.run(scenario(SETTINGS, f"run.seed={seed}"), out=folder)
        yield {seed: v2xsim.open(folder) for seed, folder in folders.items()}


def is_whole(run, whole):
    """Return whether an opened run has all files of another one."""
    digests = whole.manifest["tables"]
    return run.manifest["tables"] == digests and all(
        sha256_of(run.folder / f"{name}.parquet") == digest for name, digest in digests.items()
    )


def is_beginning(run, whole, changed):
    """Return whether the tables of a run that has not ended are the first rows of those of another one, as far as they have changed."""
    tables, names = whole.tables, set(run.tables)
    return {"states", "packets", "detections"} <= names and all(
        same(run.tables[name], tables[name].slice(0, run.tables[name].num_rows))
        for name in (names - {"agents"}) & set(changed)
    )


def read(folder, wholes, changed):
    """Return the seed of the finished run in a folder, and whether what opens as unfinished is finished; check both."""
    there = None
    if (folder / "manifest.json").exists():
        there = v2xsim.open(folder).manifest["seed"]
        assert is_whole(v2xsim.open(folder), wholes[there])
    else:
        with pytest.raises(OpenError, match=r"is still in|goes on or was killed"):
            v2xsim.open(folder)
    run = v2xsim.open(folder, partial=True)
    assert is_whole(run, wholes[NEW]) if run.is_complete else is_beginning(run, wholes[NEW], changed)
    return there, run.is_complete


@pytest.mark.parametrize(("way", "earlier"), [(in_folder, False), (in_folder, True), (file_by_file, True)])
def test_a_kill_at_any_step_of_the_end_leaves_a_whole_run_or_one_that_opens_as_unfinished(
    tmp_path, monkeypatch, wholes, way, earlier
):
    folder = tmp_path / "place" / "run"
    folder.parent.mkdir()
    if earlier:
        shutil.copytree(wholes[EARLIER].folder, folder)
    with monkeypatch.context() as watching:
        steps = Steps(folder, wholes, watching)
        way(scenario(SETTINGS, f"run.seed={NEW}"), folder)
    steps.look()
    before = EARLIER if earlier else None
    # First the rows alone, then the finished run beside the folder, then in it.
    states = [(before, False), (before if way is in_folder else None, True), (NEW, True)]
    if earlier and way is file_by_file:
        states.insert(1, (before, True))
    assert list(dict.fromkeys(steps.seen)) == states
    assert [path.name for path in folder.parent.iterdir()] == ["run"]
