"""The folder of a run: its default path, and the check that nothing but an earlier run is replaced."""

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from v2xsim import staging
from v2xsim.errors import UserError, reason_of
from v2xsim.ownership import belongs_to_a_mark
from v2xsim.scenario.describe import all_keys
from v2xsim.scenario.manifest_files import MANIFEST, ManifestError, manifest_of_folder
from v2xsim.scenario.schema import Scenario

REPORT_MARK = ".v2xsim-report"
"""Name of the file that marks the folder of a report; it lists the files of the report."""

# Files that runs and their pictures consist of, by folder. A folder with any other file holds work of the user.
_OWN_FILES = {"": {".parquet"}, "pictures": {".png"}, "pictures/clouds": {".ply", ".pcd"}}
_OWN_NAMES = {MANIFEST, "timing.json"}
# Longest part of a folder's name that lists settings; the name stays readable in a listing.
_LONGEST_SETTINGS = 80
_UNSAFE = r"[^A-Za-z0-9_.,=+-]+"
# Keys that the name of the folder has in another place, or that do not change results.
_NOT_LISTED = {"name", "description", "run.seed"}


class RunFolderError(UserError):
    """A run cannot be written into a folder, or a folder holds no finished run."""


def default_folder(scenario: Scenario, settings: Mapping[str, str] | None = None) -> Path:
    """Return the default folder of a run: its name has the scenario, the seed, and the values that the user set.

    Args:
        scenario: Scenario of the run.
        settings: Values that the user set on the command line, as written, by dotted key.
    """
    listed = {key: value for key, value in sorted((settings or {}).items()) if key not in _NOT_LISTED}
    name = f"{scenario.name}-{scenario.run.seed}" + (f"-{_shown(listed)}" if listed else "")
    return Path("runs") / re.sub(_UNSAFE, "_", name)


def _shown(listed: Mapping[str, str]) -> str:
    """Return settings as part of a folder's name; if it does not have them completely, it ends with a digest of them."""
    known = [".".join(keys) for keys, _ in all_keys()]
    short = ",".join(f"{_short(key, known)}={value}" for key, value in listed.items())
    safe = re.sub(_UNSAFE, "_", short)
    if safe == short and len(safe) <= _LONGEST_SETTINGS:
        return safe
    return f"{safe[:_LONGEST_SETTINGS].rstrip('_.,=')}-{_digest(','.join(f'{key}={value}' for key, value in listed.items()))}"


def _short(key: str, known: Sequence[str]) -> str:
    """Return the shortest end of a dotted key that no other key of the schema has."""
    if key not in known:
        return key
    parts = key.split(".")
    ends = (".".join(parts[first:]) for first in range(len(parts) - 1, 0, -1))
    return next((end for end in ends if sum(other.endswith(f".{end}") for other in set(known)) == 1), key)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def finished(folder: Path) -> Path:
    """Check that a folder holds a finished run, and return the folder.

    Raises:
        RunFolderError: If the folder holds no finished run.
    """
    try:
        manifest_of_folder(folder)
    except ManifestError as error:
        raise RunFolderError(str(error)) from None
    return folder


@contextmanager
def staged(folder: Path, *, keeps_rows: bool = False) -> Iterator[Path]:
    """Yield an empty temporary folder into which a run is written; at the end it is moved to the final path.

    An earlier run at the final path is replaced only then; it is kept if the new run fails or is stopped. Two runs cannot write one folder
    at the same time.

    Args:
        folder: The final path. The folder may be empty or hold a run with its pictures and its report; missing parent folders are made.
        keeps_rows: Whether an error in the block leaves the rows that the run had written, as a kill does.

    Raises:
        RunFolderError: If the final folder holds other files, another process writes it, or it cannot be written.
    """
    with staging.staged(
        folder, lambda target: _check_replaceable(target, folder), RunFolderError, keeps_rows=keeps_rows
    ) as temporary:
        yield temporary


def _check_replaceable(target: Path, folder: Path) -> None:
    try:
        if not os.path.lexists(target):
            return
        if not target.is_dir():
            raise RunFolderError(f"{folder}: must be a folder, got a file; name another with --out")
        entries = [path for path in target.rglob("*") if path.is_symlink() or not path.is_dir()]
        entries = [path for path in entries if not belongs_to_a_mark(path)]
        if not entries:
            return
        if not _has_manifest(target):
            raise RunFolderError(f"{folder}: must be new, empty, or hold an earlier run; name another with --out")
        foreign = sorted(str(path.relative_to(target)) for path in entries if not _is_own(path, target))
    except OSError as error:
        raise RunFolderError(f"{folder}: cannot be read: {reason_of(error)}") from None
    if foreign:
        raise RunFolderError(
            f"{folder}: holds {foreign[0]!r}, which no run wrote; move it away, or name another with --out"
        )


def _is_own(path: Path, target: Path) -> bool:
    """Return whether a file in the folder of a run was written by a run, by `view` or by `report`."""
    if path.is_symlink():
        return False
    place = path.parent.relative_to(target)
    if path.suffix in _OWN_FILES.get("" if place == Path() else place.as_posix(), set()):
        return True
    if place == Path():
        return path.name in _OWN_NAMES
    report = target / place.parts[0]
    return path.relative_to(report).as_posix() in files_of_report(report)


def files_of_report(folder: Path) -> set[str]:
    """Return the files of a report by their paths in its folder, the mark included; nothing if the folder has no mark."""
    try:
        mark: Any = json.loads((folder / REPORT_MARK).read_text(encoding="utf-8"))
        return {REPORT_MARK, *map(str, mark["files"])} if mark["v2xsim"] == "report" else set()
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return set()


def _has_manifest(folder: Path) -> bool:
    return bool(_manifest_in(folder))


def _manifest_in(folder: Path) -> dict[str, Any]:
    """Return the manifest of a finished run; nothing if the folder holds none."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return manifest if isinstance(manifest, dict) and {"scenario", "seed"} <= set(manifest) else {}
