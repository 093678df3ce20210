"""What git knows of a file, and of the checkout from which v2xsim runs: the last commit, its time, and whether the content is that of the commit.

Without git, or outside a repository, nothing is known, and nothing fails. The time of a commit is the one that its author's machine gave.
"""

import os
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

_PATIENCE_S = 20.0
_PACKAGE = Path(__file__).resolve().parents[1]
# Folders of the checkout from which code and packaged scenarios come; a new file there may be in use, too.
_CODE = ("v2xsim", "comms", "perception", "gpu", "viz", "scenarios")


class InGit(StrEnum):
    """What git knows of a file."""

    COMMITTED = "committed"
    CHANGED = "changed since its last commit"
    UNTRACKED = "in a repository, but not committed"
    UNKNOWN = "not in git"


@dataclass(frozen=True)
class FileState:
    """What git knows of a file.

    Attributes:
        state: What it knows.
        commit: Last commit that changed the file; empty without one.
        committed: Time of this commit in UTC; empty without one.
        path: Path of the file in its repository; empty if it is not tracked.
    """

    state: InGit
    commit: str = ""
    committed: str = ""
    path: str = ""


@dataclass(frozen=True)
class CodeState:
    """The checkout from which v2xsim runs.

    Attributes:
        commit: Its commit; empty for an installed copy, or without git.
        changed: Number of files with code or packaged scenarios that differ from the commit, or are not in it.
    """

    commit: str = ""
    changed: int = 0


def file_state(path: Path) -> FileState:
    """Return what git knows of a file."""
    path = Path(os.path.abspath(path))
    folder, name = path.parent, path.name
    if _git(folder, "rev-parse", "--is-inside-work-tree") != "true":
        return FileState(InGit.UNKNOWN)
    tracked = _git(folder, "ls-files", "--full-name", "--error-unmatch", "--", name)
    last = _git(folder, "log", "-1", "--format=%H %ct", "--", name)
    if tracked is None or not last:
        return FileState(InGit.UNTRACKED)
    commit, seconds = last.split()
    # Also what is only staged differs from the commit.
    same = _git(folder, "diff", "--quiet", "HEAD", "--", name) is not None
    time = utc(datetime.fromtimestamp(int(seconds), UTC))
    return FileState(InGit.COMMITTED if same else InGit.CHANGED, commit, time, tracked)


def code_state() -> CodeState:
    """Return the checkout from which v2xsim runs."""
    root = _PACKAGE.parent
    # An installed copy may lie in somebody else's repository, which does not track it.
    if _git(root, "ls-files", "--error-unmatch", "--", "v2xsim/version.py") is None:
        return CodeState()
    commit = _git(root, "rev-parse", "HEAD")
    changed = _git(root, "status", "--porcelain", "--untracked-files=all", "--", *_CODE)
    return CodeState() if commit is None or changed is None else CodeState(commit, len(changed.splitlines()))


def utc(time: datetime) -> str:
    """Return a time in UTC as text, to the second."""
    return time.isoformat(timespec="seconds").replace("+00:00", "Z")


def _git(folder: Path, *arguments: str) -> str | None:
    """Return what git prints, without blanks at its ends; None if it fails or is missing."""
    own = {"LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0"}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")} | own
    try:
        # A repository may name a program of its own as its monitor of files; nothing of it shall run.
        command = ["git", "-c", "core.fsmonitor=false", "-C", str(folder), "--literal-pathspecs", *arguments]
        ran = subprocess.run(command, capture_output=True, timeout=_PATIENCE_S, env=environment, check=False)
    except (OSError, subprocess.SubprocessError):
        return None
    return ran.stdout.decode("utf-8", "replace").strip() if ran.returncode == 0 else None
