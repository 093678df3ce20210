"""Folders that a study may be read from: what they are, and what is wrong with the files in them."""

import fcntl
import json
from pathlib import Path
from typing import Any

from v2xsim.errors import UserError
from v2xsim.runfolder import REPORT_MARK
from v2xsim.scenario.manifest_files import MANIFEST as RUN_MANIFEST
from v2xsim.scenario.manifest_files import begun
from v2xsim.scenario.mistaken import named_by_file
from v2xsim.study.store import MANIFEST as SWEEP_MANIFEST

# Largest number of folders that a message names.
_MOST_NAMED = 3

STUDY_MANIFEST = "study.json"
"""File in the folder of a study that lists what was run; each family is a folder beside it."""


class StudyError(UserError):
    """A folder holds no study that can be read."""


def damaged(path: Path, why: object, repair: str) -> StudyError:
    """Return the error for a file that cannot be read as what it should be.

    Args:
        path: The file.
        why: What is wrong with it.
        repair: What the user can do.
    """
    return StudyError(f"{path}: is damaged: {str(why).strip() or 'it cannot be read'}; {repair}")


def json_in(path: Path, repair: str) -> Any:
    """Return the content of a JSON file.

    Raises:
        StudyError: If the file cannot be read or is no complete JSON.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise damaged(path, "it is no text in UTF-8", repair) from None
    except OSError as error:
        raise StudyError(f"{path}: cannot be read: {error.strerror or error}; {repair}") from None
    if not text.strip():
        raise damaged(path, "it is empty", repair)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise damaged(path, f"it is no complete JSON ({error})", repair) from None


def no_study(path: Path) -> StudyError:
    """Return the error for a path that is no folder of a sweep or of a run, with what it seems to be instead."""
    must = f"{path}: must be the folder of a sweep or of a run"
    if path.is_file():
        if path.name in (SWEEP_MANIFEST, RUN_MANIFEST):
            return StudyError(f"{must}, got a file in it; name the folder, {path.parent}")
        return StudyError(f"{must}, got a file; {named_by_file(path)}")
    if unfinished := begun(path):
        return StudyError(f"{must} that has ended; {unfinished}")
    if not path.is_dir():
        return StudyError(f"{must}; there is no such folder")
    lacks = f"it has neither {SWEEP_MANIFEST} nor {RUN_MANIFEST}"
    if (path / REPORT_MARK).exists():
        return StudyError(f"{must}, got that of a report; name the folder above, {path.parent}")
    if any(path.glob("*.parquet")) or (path / "points").is_dir():
        return StudyError(
            f"{must}; {lacks}, but files of one, so it was copied in part: copy the folder again, or run it again"
        )
    inside = sorted(p.parent for name in (SWEEP_MANIFEST, RUN_MANIFEST) for p in path.glob(f"*/{name}"))
    if inside:
        more = f" and {len(inside) - _MOST_NAMED} more" if len(inside) > _MOST_NAMED else ""
        return StudyError(
            f"{must}; {lacks}, but folders of such: name one of {', '.join(map(str, inside[:_MOST_NAMED]))}{more}"
        )
    return StudyError(f"{must}; {lacks}")


def is_running(folder: Path) -> bool:
    """Return whether a process is working on the sweep in a folder now."""
    try:
        with (folder / ".lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
