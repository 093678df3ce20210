"""The folder of a sweep: files of finished and failed points, and one table of all results.

`sweep.json` is the plan of the sweep.

`points/KEY.arrow` has the metrics of a finished point. The file appears complete or not at all.

`failed/KEY.json` has the reason why a point failed, and `logs/KEY.log` the point's printed output.

`runs/KEY/` is the run folder of a point, if the sweep keeps tables.

`results.parquet` has all metrics of all finished points, with the settings as columns. The content of this file does not
depend on the number of workers.

`notices.json` has the notices of the points, with the number of points that each concerns.

`failures.json` lists the failed points with their settings.

`timing.parquet` has the computing time and memory of each point. Computing times are not part of the results.

A point is finished when its file exists, so a sweep that was killed can continue where it stopped.
"""

import fcntl
import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from v2xsim.atomic import write_atomically
from v2xsim.errors import UserError, reason_of
from v2xsim.ownership import wait_until_clear
from v2xsim.scenario.load import unfilled
from v2xsim.study.continued import StoreError, check_inputs_since, dropped
from v2xsim.study.labels import counted
from v2xsim.study.outcome import Outcome
from v2xsim.study.plan import FORMAT, Plan, Point, content_of
from v2xsim.study.point import Job

MANIFEST = "sweep.json"
# With less free space than this, a file system counts as full and no point is started.
_LEAST_FREE_BYTES = 20_000_000
# Time to wait for points of a killed sweep that have not noticed it yet.
_PATIENCE_S = 10.0
# Names under which `write_atomically` writes the files of a sweep.
_DRAFT = re.compile(r"\.([0-9a-f]{24}\.(arrow|json|reason)|[a-z]+\.(json|parquet))\.\d+\.draft")


class Store:
    """The folder of one sweep; only one process at a time may have it open."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        self.folder, self.plan = folder, plan
        known = {point.key for point in plan.points}
        self.finished = {path.stem for path in (folder / "points").glob("*.arrow")} & known
        self.failed: dict[str, dict[str, Any]] = {}
        for path in (folder / "failed").glob("*.json"):
            # If a point that failed was run again and the sweep was killed just then, both files exist: the result counts.
            if path.stem in known - self.finished:
                self.failed[path.stem] = json.loads(path.read_text())
        self._dates = {Path(path): _date(Path(path)) for path in plan.inputs}

    def waiting(self) -> list[Point]:
        """Return the points that have neither a result nor a failure."""
        return [p for p in self.plan.points if p.key not in self.finished and p.key not in self.failed]

    def job(self, point: Point, memory_bytes: int) -> Job:
        """Return the job with which a process runs a point.

        Args:
            point: The point.
            memory_bytes: Memory limit of the process if the sweep file has no `memory_gb`; 0 for no limit.
        """
        self._check_inputs()
        scenario = self.plan.scenario_of(point)
        file = self.plan.file
        return Job(
            point.key, unfilled(scenario), str(self._result(point.key)),
            str(self.folder / "runs" / point.key) if file.keep == "tables" else "", str(self._log(point.key)),
            str(self.folder / "logs" / f"{point.key}.reason"), file.threads, file.timeout_s or 0.0,
            int(file.memory_gb * 1e9) if file.memory_gb else memory_bytes, self.plan.plugins,
        )  # fmt: skip

    def note(self, outcome: Outcome) -> None:
        """Store the outcome of a point.

        Raises:
            StoreError: If the outcome cannot be stored, and others could not be stored either; or if an input file has changed.
        """
        if not (self.folder / MANIFEST).exists():
            raise StoreError(f"{self.folder}: was moved or removed while the sweep ran; results cannot be stored there")
        # A full disk is not the point's fault: stop the sweep instead of marking all further points as failed.
        if outcome.kind == "disk":
            raise StoreError(f"{outcome.reason}; finished points are kept: free some space and continue with --resume")
        if outcome.done:
            try:
                self._check_inputs()
            except StoreError:
                # Nobody knows whether the point read the file before or after the change.
                self._result(outcome.key).unlink(missing_ok=True)
                raise
        with _said(self.folder):
            if outcome.done:
                self.finished.add(outcome.key)
                (self.folder / "failed" / f"{outcome.key}.json").unlink(missing_ok=True)
                self._drop_empty_log(outcome.key)
            else:
                self._fail(outcome.key, outcome.kind, outcome.reason)
            line = {
                "key": outcome.key,
                "wall_s": outcome.wall_s,
                "cpu_s": outcome.cpu_s,
                "peak_bytes": outcome.peak_bytes,
            }
            # The file grows line by line, so that a kill loses at most the last line.
            with (self.folder / "timing.jsonl").open("a") as stream:
                stream.write(json.dumps(line) + "\n")

    def forget_failures(self) -> set[str]:
        """Let the failed points run again, and return their keys.

        Their records stay until they have ended, so that a sweep that is killed meanwhile still knows what failed.
        """
        keys = set(self.failed)
        self.failed.clear()
        return keys

    def forget(self, gone: set[str]) -> None:
        """Remove failures and logs of points that the plan no longer has."""
        for key in gone:
            (self.folder / "failed" / f"{key}.json").unlink(missing_ok=True)
            self._log(key).unlink(missing_ok=True)

    def failures(self) -> list[dict[str, Any]]:
        """Return the failed points in the plan's order, with their settings."""
        return [
            {
                "point": point.index, "setting": point.setting, "seed": point.seed, "settings": self.plan.settings[point.setting],
                **self.failed[point.key], "log": f"logs/{point.key}.log",
            }
            for point in self.plan.points
            if point.key in self.failed
        ]  # fmt: skip

    def tidy(self) -> None:
        """Remove what points left that were killed: files that were being written, reasons that nobody read, and empty logs.

        Only files of this sweep's own names are removed.
        """
        for part in (".", "points", "failed", "logs"):
            for draft in (self.folder / part).glob(".*.draft"):
                if _DRAFT.fullmatch(draft.name):
                    draft.unlink(missing_ok=True)
        for point in self.plan.points:
            (self.folder / "logs" / f"{point.key}.reason").unlink(missing_ok=True)
            if point.key in self.finished:
                self._drop_empty_log(point.key)
                (self.folder / "failed" / f"{point.key}.json").unlink(missing_ok=True)
        # Points that were killed end within a moment of the sweep that started them.
        for place in (self.folder / "runs", Path(tempfile.gettempdir())):
            wait_until_clear(place, _PATIENCE_S if place.parent == self.folder else 0.0)
        # The next line must not continue one that a kill has cut.
        timing = self.folder / "timing.jsonl"
        if timing.exists() and (content := timing.read_bytes()) and not content.endswith(b"\n"):
            with timing.open("a") as stream:
                stream.write("\n")

    def _check_inputs(self) -> None:
        """Raise an error if a file that the points read has changed since the sweep was planned."""
        for path, date in self._dates.items():
            now = _date(path)
            if now == date:
                continue
            if not path.exists() or content_of(path) != self.plan.inputs[str(path)]:
                raise StoreError(
                    f"{path}: must not change while a sweep runs; put it back and continue with --resume, or name another folder with --out"
                )
            self._dates[path] = now

    def _drop_empty_log(self, key: str) -> None:
        log = self._log(key)
        if log.exists() and log.stat().st_size == 0:
            log.unlink()

    def _result(self, key: str) -> Path:
        return self.folder / "points" / f"{key}.arrow"

    def _log(self, key: str) -> Path:
        return self.folder / "logs" / f"{key}.log"

    def _fail(self, key: str, kind: str, reason: str) -> None:
        failure = {"kind": kind, "reason": reason}
        write_atomically(self.folder / "failed" / f"{key}.json", json.dumps(failure).encode())
        self.failed[key] = failure


@contextmanager
def opened(folder: Path, plan: Plan, resume: bool) -> Iterator[Store]:
    """Open the folder of a sweep: a new one for the plan, or an existing one with its finished points.

    Args:
        folder: Path of the folder.
        plan: Plan to run; it must have the finished points of the plan that created the folder, and may have more. Settings of
            which a point failed may be missing.
        resume: Whether to continue a sweep in an existing folder.

    Raises:
        StoreError: If the folder holds other files, another process works on it, or it cannot be written.
    """
    with _said(folder):
        if folder.exists() and not folder.is_dir():
            raise StoreError(f"{folder}: must be a folder, got a file; name another with --out")
        if (
            folder.exists()
            and not (folder / MANIFEST).exists()
            and any(not _left_by_a_beginning(path) for path in folder.iterdir())
        ):
            raise StoreError(f"{folder}: must be new, empty, or hold a sweep; name another with --out")
        _check_room(folder)
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("w")
    with lock:
        try:
            # The operating system releases the lock when the process ends, for whatever reason.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StoreError(f"{folder}: another process works on this sweep; wait for it, or stop it") from None
        with _said(folder):
            begun = manifest_of(folder) if (folder / MANIFEST).exists() else {}
            done = len(list((folder / "points").glob("*.arrow"))) if begun else 0
            # A plan without any finished point can be replaced, unless a newer version wrote it.
            if done and not resume:
                raise StoreError(
                    f"{folder}: holds a sweep with {counted(done, 'point')} finished; continue with --resume, or name another with --out"
                )
            if begun and resume:
                check_inputs_since(folder, plan, begun)
            gone = (
                dropped(folder, plan, begun, {path.stem for path in (folder / "points").glob("*.arrow")})
                if done
                else set()
            )
            write_atomically(folder / MANIFEST, as_json(plan.manifest()))
            for part in ("points", "failed", "logs"):
                (folder / part).mkdir(exist_ok=True)
            store = Store(folder, plan)
            store.forget(gone)
            store.tidy()
        yield store


def check_continues(folder: Path, plan: Plan) -> None:
    """Raise an error if a plan cannot continue the sweep in a folder, as `opened` does, but write nothing."""
    begun = manifest_of(folder)
    check_inputs_since(folder, plan, begun)
    if done := {path.stem for path in (folder / "points").glob("*.arrow")}:
        dropped(folder, plan, begun, done)


def _left_by_a_beginning(path: Path) -> bool:
    """Return whether a file is one that a sweep leaves which is killed before its plan is written."""
    return path.name == ".lock" or _DRAFT.fullmatch(path.name) is not None


def _date(path: Path) -> tuple[int, int]:
    """Return size and date of a file; zeros if it does not exist."""
    try:
        about = path.stat()
    except OSError:
        return 0, 0
    return about.st_size, about.st_mtime_ns


def as_json(content: Any) -> bytes:
    """Return data as the content of a JSON file."""
    return (json.dumps(content, indent=1, sort_keys=True) + "\n").encode()


def manifest_of(folder: Path) -> dict[str, Any]:
    """Return the plan that created a folder.

    Raises:
        StoreError: If the plan cannot be read, or a newer version of v2xsim wrote it.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise StoreError(
            f"{folder / MANIFEST}: cannot be read: {error}; copy the folder again, or begin the sweep in another folder"
        ) from None
    if (
        not isinstance(manifest, Mapping)
        or manifest.get("kind") != "sweep"
        or not isinstance(manifest.get("format"), int)
    ):
        raise StoreError(f"{folder / MANIFEST}: is not a plan of a sweep")
    if manifest["format"] > FORMAT:
        raise StoreError(
            f"{folder}: made by a newer version: format {manifest['format']}, this one reads {FORMAT}; update v2xsim"
        )
    return dict(manifest)


def _check_room(folder: Path) -> None:
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    about = os.statvfs(there)
    free = about.f_bavail * about.f_frsize
    if free < _LEAST_FREE_BYTES:
        raise StoreError(
            f"{folder}: the disk is full ({free / 1e6:.1f} MB free); free some space, or name another with --out"
        )


@contextmanager
def _said(folder: Path) -> Iterator[None]:
    """Turn errors of the file system into errors that a user can act on."""
    try:
        yield
    except OSError as error:
        raise StoreError(f"{folder}: cannot be written: {reason_of(error)}") from None
    except ValueError as error:
        if isinstance(error, UserError):
            raise
        raise StoreError(f"{folder}: holds a file that cannot be read: {error}") from None
