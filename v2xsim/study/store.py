"""The folder of a sweep: files of finished and failed points, and one table of all results.

`sweep.json` is the plan of the sweep.

`points/KEY.arrow` has the metrics of a finished point. The file appears complete or not at all.

`failed/KEY.json` has the reason why a point failed, and `logs/KEY.log` the point's printed output.

`runs/KEY/` is the run folder of a point, if the sweep keeps tables.

`results.parquet` has all metrics of all finished points, with the settings as columns. The content of this file does not
depend on the number of workers.

`failures.json` lists the failed points with their settings.

`timing.parquet` has the computing time and memory of each point. Computing times are not part of the results.

A point is finished when its file exists, so a sweep that was killed can continue where it stopped.
"""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from v2xsim.atomic import write_atomically
from v2xsim.errors import UserError
from v2xsim.scenario.load import resolved
from v2xsim.study.outcome import Outcome
from v2xsim.study.plan import FORMAT, Plan, Point
from v2xsim.study.point import Job

MANIFEST = "sweep.json"
# With less free space than this, a file system counts as full and no point is started.
_LEAST_FREE_BYTES = 20_000_000


class StoreError(UserError):
    """A sweep cannot be written into a folder, or the folder holds another sweep."""


class Store:
    """The folder of one sweep; only one process at a time may have it open."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        self.folder, self.plan = folder, plan
        known = {point.key for point in plan.points}
        self.finished = {path.stem for path in (folder / "points").glob("*.arrow")} & known
        self.failed: dict[str, dict[str, Any]] = {}
        for path in (folder / "failed").glob("*.json"):
            if path.stem in known:
                self.failed[path.stem] = json.loads(path.read_text())

    def waiting(self) -> list[Point]:
        """Return the points that have neither a result nor a failure."""
        return [p for p in self.plan.points if p.key not in self.finished and p.key not in self.failed]

    def job(self, point: Point, memory_bytes: int) -> Job:
        """Return the job with which a process runs a point.

        Args:
            point: The point.
            memory_bytes: Memory limit of the process if the sweep file has no `memory_gb`; 0 for no limit.
        """
        scenario = self.plan.scenario_of(point)
        assert scenario is not None
        file = self.plan.file
        return Job(
            point.key, resolved(scenario), str(self.folder / "points" / f"{point.key}.arrow"),
            str(self.folder / "runs" / point.key) if file.keep == "tables" else "", str(self._log(point.key)),
            str(self.folder / "logs" / f"{point.key}.reason"), file.threads, file.timeout_s or 0.0,
            int(file.memory_gb * 1e9) if file.memory_gb else memory_bytes, self.plan.plugins,
        )  # fmt: skip

    def note(self, outcome: Outcome) -> None:
        """Store the outcome of a point.

        Raises:
            StoreError: If the outcome cannot be stored; other outcomes then could not be stored either.
        """
        if not (self.folder / MANIFEST).exists():
            raise StoreError(f"{self.folder}: was moved or removed while the sweep ran; results cannot be stored there")
        # A full disk is not the point's fault: stop the sweep instead of marking all further points as failed.
        if outcome.kind == "disk":
            raise StoreError(f"{outcome.reason}; finished points are kept: free some space and continue with --resume")
        with _said(self.folder):
            if outcome.done:
                self.finished.add(outcome.key)
                if (log := self._log(outcome.key)).exists() and log.stat().st_size == 0:
                    log.unlink()
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

    def refuse_broken(self) -> None:
        """Record all points whose setting cannot be run as failed."""
        with _said(self.folder):
            for point in self.plan.points:
                if point.setting in self.plan.broken and point.key not in self.failed:
                    reason = self.plan.broken[point.setting]
                    self._log(point.key).write_text(reason + "\n", encoding="utf-8")
                    self._fail(point.key, "scenario", reason.splitlines()[0])

    def forget_failures(self) -> None:
        """Delete the records of failures, so that the failed points run again."""
        with _said(self.folder):
            for key in list(self.failed):
                (self.folder / "failed" / f"{key}.json").unlink(missing_ok=True)
                del self.failed[key]

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
        plan: Plan to run; it must have all points of the plan that created the folder, and may have more.
        resume: Whether to continue a sweep in an existing folder.

    Raises:
        StoreError: If the folder holds other files, another process works on it, or it cannot be written.
    """
    with _said(folder):
        if folder.exists() and not folder.is_dir():
            raise StoreError(f"{folder}: must be a folder, got a file; name another with --out")
        begun = (folder / MANIFEST).exists()
        if (
            not begun
            and folder.exists()
            and any(path.name != ".lock" and path.suffix != ".draft" for path in folder.iterdir())
        ):
            raise StoreError(f"{folder}: must be new, empty, or hold a sweep; name another with --out")
        # A plan without any finished or failed point can be replaced, unless a newer version wrote it.
        done = len(list((folder / "points").glob("*.arrow"))) if begun and manifest_of(folder) else 0
        if done and not resume:
            raise StoreError(
                f"{folder}: holds a sweep with {done} points finished; continue with --resume, or name another with --out"
            )
        if done:
            _check_same(folder, plan)
        for part in ("points", "failed", "logs"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        _check_room(folder)
        lock = (folder / ".lock").open("w")
    with lock:
        try:
            # The operating system releases the lock when the process ends, for whatever reason.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StoreError(f"{folder}: another process works on this sweep; wait for it, or stop it") from None
        with _said(folder):
            write_atomically(folder / MANIFEST, as_json(plan.manifest()))
            # Remove incomplete files of points that were killed while writing.
            for draft in (folder / "points").glob(".*.draft"):
                draft.unlink(missing_ok=True)
            store = Store(folder, plan)
        yield store


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
        raise StoreError(f"{folder / MANIFEST}: cannot be read: {error}") from None
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


def _check_same(folder: Path, plan: Plan) -> None:
    manifest = manifest_of(folder)
    before = {str(point["key"]) for point in manifest.get("points", [])}
    gone = before - {point.key for point in plan.points}
    if not gone:
        return
    plugins = manifest.get("plugins", {})
    changed = [path for path, digest in plan.plugins.items() if plugins.get(path, digest) != digest]
    if changed:
        raise StoreError(
            f"{changed[0]}: has changed since the sweep in {folder} began (sha256 {plugins[changed[0]][:12]}, now "
            f"{plan.plugins[changed[0]][:12]}), so {len(gone)} of its points are of another study; put the file back, or name another "
            "folder with --out"
        )
    made_by = manifest.get("versions", {}).get("v2xsim")
    current = plan.manifest()["versions"]["v2xsim"]
    why = (
        f"v2xsim {made_by} began it, this is {current}"
        if made_by != current
        else "the scenario, its files, or the values have changed since"
    )
    raise StoreError(
        f"{folder}: {len(gone)} of its {len(before)} points are not in this plan ({why}); name another folder with --out"
    )


def _check_room(folder: Path) -> None:
    about = os.statvfs(folder)
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
        raise StoreError(f"{folder}: cannot be written: {error.strerror or error}") from None
    except ValueError as error:
        if isinstance(error, UserError):
            raise
        raise StoreError(f"{folder}: holds a file that cannot be read: {error}") from None
