"""Marks of the folders in which a process works, so that the folder of a process that was killed is recognised and removed.

A process that needs a folder until its work is complete first writes a mark beside it: `.out.1f2e3d4c.owner` for the folder
`.out.1f2e3d4c.partial`. The mark names the process and is locked while the process lives. The operating system releases the lock when
the process ends, for whatever reason. So a mark without a lock belongs to a process that was killed, and its folder is removed by the next
process that works at the same place. A folder in which a killed run left rows of its tables, or all its files, stays until another run has
written the same target or left rows for it, because it can still be read. Folders without a mark, marks of other users and marks from other machines are left alone.
"""

import errno
import fcntl
import json
import os
import re
import secrets
import shutil
import socket
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_OWNER, _PARTIAL, _ASIDE = ".owner", ".partial", ".replaced"
_MARK = re.compile(r"\.?.+\.[0-9a-f]{8}\.owner")
_SAYS = "folder of a process at work"
KEPT = Path("segments") / "run.json"
"""File in a folder whose content is of use after its process was killed: the rows that a run had written (`v2xsim.results.store`)."""
WHOLE = "manifest.json"
"""File in a folder with all files of a run, which are of use until they are in the final folder."""
_LARGEST_MARK_BYTES = 4096
# A process writes its mark within a moment, in which it is alone in the folder. So an empty mark that others see was left by a
# process that was killed in that moment. Where folders cannot be locked, this is sure only after a while.
_WRITTEN_WITHIN_S = 60.0
# Names may have 255 bytes; the rest is for the ending.
_LONGEST_NAME_BYTES = 200


@dataclass(frozen=True)
class Owned:
    """A folder that a process needs until its work is complete.

    Attributes:
        mark: Path of the mark, a locked file.
        lock: Descriptor of the open mark.
        folder: Path of the folder.
        target: Path of the file or folder that the process writes.
        pid: Number of the process.
    """

    mark: Path
    lock: int
    folder: Path
    target: Path
    pid: int

    @property
    def aside(self) -> Path:
        """Path beside the folder for an earlier folder that is being replaced."""
        return self.folder.with_suffix(_ASIDE)

    @property
    def has_rows(self) -> bool:
        """Whether the folder has rows of a run, or all its files, which are not in the final folder."""
        return has_rows(self.folder, self.target)

    def leave(self) -> None:
        """Leave the folder with its mark, as a process that is killed does."""
        if os.getpid() == self.pid:
            with suppress(OSError):
                os.close(self.lock)

    def release(self) -> None:
        """Remove the folder and its mark. A forked process must not do this for its parent, so nothing happens there."""
        if os.getpid() != self.pid:
            return
        _remove_folder(self.folder)
        shutil.rmtree(self.aside, ignore_errors=True)
        with suppress(OSError):
            # If the folder cannot be removed now, the mark stays with it, so that a later process removes both.
            if not os.path.lexists(self.folder):
                self.mark.unlink()
        with suppress(OSError):
            os.close(self.lock)


@dataclass(frozen=True)
class Owner:
    """The process that a mark names.

    Attributes:
        target: Name of the file or folder that the process writes.
        pid: Number of the process.
        host: Name of the machine.
        boot: Identifier of the machine's boot.
        begun: Start of the process, in ticks of the machine's clock since the boot.
        space: Identifier of the name space in which the number counts; containers have name spaces of their own.
    """

    target: str
    pid: int
    host: str
    boot: str
    begun: int
    space: str

    @property
    def here(self) -> bool:
        """Whether the process ran on this machine, in this boot or an earlier one."""
        return self.boot == _boot() or self.host == socket.gethostname()

    @property
    def runs(self) -> bool:
        """Whether the process may exist, by its number and its start; in another container it may."""
        return self.boot == _boot() and (self.space != _space() or _begun(self.pid) == self.begun)


class BusyError(Exception):
    """Another process writes the same file or folder. The message names the process."""


@dataclass(frozen=True)
class Left:
    """A mark that is not removed, because its process lives or nobody can know whether it does.

    Attributes:
        mark: Path of the mark.
        owner: The process.
        lives: Whether the process surely lives; otherwise it ran on another machine.
    """

    mark: Path
    owner: Owner
    lives: bool


def take(parent: Path, target: str, *, hidden: bool = True, shared: bool = False) -> Owned:
    """Make a folder for this process in a parent folder, with its mark; first remove what killed processes left there.

    Of killed runs of the same target, the rows of one stay until `forget_kept`.

    Args:
        parent: Folder in which the new folder is made.
        target: Name of the file or folder that the process writes.
        hidden: Whether the name of the folder begins with a dot.
        shared: Whether several processes may use the same target name at the same time.

    Raises:
        BusyError: If a living process writes the same target.
        OSError: If the folder cannot be made.
    """
    with _alone_in(parent) as alone:
        for left in _cleared(parent, alone):
            if left.lives and left.owner.target == target and not shared:
                raise BusyError(f"process {left.owner.pid} on {left.owner.host}")
        kept = kept_for(parent / target)
        for folder in kept[:-1] if kept and has_rows(kept[-1], parent / target) else kept:
            _examined(folder.with_suffix(_OWNER), alone, target)
        short = os.fsencode(target)[:_LONGEST_NAME_BYTES].decode("utf-8", "ignore")
        name = f"{'.' if hidden else ''}{short}.{secrets.token_hex(4)}"
        mark = parent / f"{name}{_OWNER}"
        lock = os.open(mark, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        owned = Owned(mark, lock, parent / f"{name}{_PARTIAL}", parent / target, os.getpid())
        try:
            with suppress(OSError):  # Some network file systems have no locks; then the number of the process decides.
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.write(lock, _own_mark(target))
            # After a power loss, the mark must not be empty while its folder exists.
            os.fsync(lock)
            owned.folder.mkdir(mode=0o700)
        except BaseException:
            owned.release()
            raise
        return owned


def forget_kept(target: Path) -> None:
    """Remove what killed runs left for a target."""
    with _alone_in(target.parent) as alone:
        _cleared(target.parent, alone, target.name)


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Let no other process work in a folder during a block, where the file system can lock folders.

    Raises:
        BusyError: If another process works in the folder.
    """
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                raise BusyError(str(folder)) from None
        yield
    finally:
        os.close(lock)


def clear(parent: Path) -> list[Left]:
    """Remove the folders that killed processes of this user left in a folder; return the marks that remain."""
    if not marks_in(parent):
        return []
    with _alone_in(parent) as alone:
        return _cleared(parent, alone)


def left_from_elsewhere(parent: Path) -> list[str]:
    """Return a sentence about each folder that a process of another machine left, or is still writing."""
    return [
        f"{left.mark.with_suffix(_PARTIAL)}: is of process {left.owner.pid} on {left.owner.host}; if that has ended, remove the folder "
        f"and {left.mark.name}"
        for left in clear(parent)
        if not left.lives
    ]


def kept_for(target: Path) -> list[Path]:
    """Return the folders beside a target with rows of runs, or all their files, of killed and of living processes.

    The newest that has rows is the last; those without rows come first.
    """
    target, newest = Path(os.path.realpath(target)), {}
    for folder in folders_for(target):
        # A run that goes on may end and remove its folder now.
        with suppress(OSError):
            if _is_kept(folder, target):
                newest[folder] = (has_rows(folder, target), folder.stat().st_mtime_ns)
    return sorted(newest, key=newest.__getitem__)


def folders_for(target: Path) -> list[Path]:
    """Return the folders beside a target in which processes work for it, or worked until they were killed."""
    target = Path(os.path.realpath(target))
    owners = {mark.with_suffix(_PARTIAL): _read(mark) for mark in marks_in(target.parent)}
    return [folder for folder, owner in owners.items() if owner is not None and owner.target == target.name]


def _is_kept(folder: Path, target: Path) -> bool:
    """Return whether a folder holds a run that has not ended, or one that has and is not in the final folder."""
    return (folder / KEPT).exists() or is_whole(folder, target)


def is_whole(folder: Path, target: Path) -> bool:
    """Return whether a folder has all files of a run that ended later than the one in the final folder.

    A process that is killed just after it has replaced an earlier run leaves that one in its folder.
    """
    with suppress(OSError):
        ended = (folder / WHOLE).stat().st_mtime_ns
        return not (target / WHOLE).exists() or ended > (target / WHOLE).stat().st_mtime_ns
    return False


def has_rows(folder: Path, target: Path) -> bool:
    """Return whether a run has written rows into a folder, or all its files, which are not in the final folder."""
    with suppress(OSError):
        rows = ((folder / KEPT.parent).glob("*.arrows"), folder.glob("*.parquet"))
        return any(map(any, rows)) if (folder / KEPT).exists() else is_whole(folder, target)
    return False


def _cleared(parent: Path, alone: bool, target: str | None = None) -> list[Left]:
    return [left for mark in marks_in(parent) if (left := _examined(mark, alone, target)) is not None]


def wait_until_clear(parent: Path, patience_s: float) -> None:
    """Remove what killed processes left in a folder, and wait for living ones a limited time."""
    until = time.monotonic() + patience_s
    while any(left.lives for left in clear(parent)) and time.monotonic() < until:
        time.sleep(0.05)


def marks_in(folder: Path) -> list[Path]:
    """Return the marks in a folder; they are recognised by their names only."""
    try:
        with os.scandir(folder) as entries:
            return sorted(
                folder / entry.name
                for entry in entries
                if _MARK.fullmatch(entry.name) and entry.is_file(follow_symlinks=False)
            )
    except OSError:
        return []


def belongs_to_a_mark(path: Path) -> bool:
    """Return whether a path is a mark or lies in the folder of a mark."""
    for part in (path, *path.parents):
        if part.suffix in (_OWNER, _PARTIAL, _ASIDE) and _read(part.with_suffix(_OWNER)) is not None:
            return True
    return False


def _examined(mark: Path, alone: bool, target: str | None) -> Left | None:
    """Remove a mark and its folder if its process is dead; return what stays, None if the mark is gone or not one of this user.

    Args:
        mark: Path of the mark.
        alone: Whether no other process can be writing a mark in this folder now.
        target: Name of the file or folder for which nothing is kept; what a killed run kept for another one stays.
    """
    try:
        lock = os.open(mark, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        about = os.fstat(lock)
        if about.st_uid != os.geteuid() or not stat.S_ISREG(about.st_mode):
            return None
        if about.st_size == 0:
            old = time.time() - about.st_mtime > _WRITTEN_WITHIN_S
            if (alone or old) and not os.path.lexists(mark.with_suffix(_PARTIAL)):
                mark.unlink(missing_ok=True)
            return None
        owner = _parsed(os.read(lock, _LARGEST_MARK_BYTES))
        if owner is None:
            return None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES) or owner.runs:
                return Left(mark, owner, lives=True)
        # A lock that is free on this machine may be held on another one: not all network file systems share locks.
        if not owner.here:
            return Left(mark, owner, lives=False)
        if owner.target == target or not _is_kept(mark.with_suffix(_PARTIAL), mark.parent / owner.target):
            _remove(mark, owner)
        return None
    finally:
        os.close(lock)


def _remove(mark: Path, owner: Owner) -> None:
    """Remove the folder of a dead process, then its mark."""
    folder, aside = mark.with_suffix(_PARTIAL), mark.with_suffix(_ASIDE)
    for path in (folder, aside):
        if os.path.lexists(path) and (path.is_symlink() or not path.is_dir() or path.stat().st_uid != os.geteuid()):
            return
    target = mark.parent / owner.target
    if aside.exists() and not os.path.lexists(target):
        # The process was killed between moving the earlier folder away and moving the new one to its place.
        aside.rename(target)
    for path in (folder, aside):
        _remove_folder(path)
        if os.path.lexists(path):
            return
    mark.unlink(missing_ok=True)


def _remove_folder(folder: Path) -> None:
    """Remove a folder, first the files by which its content counts as readable."""
    for name in (KEPT, WHOLE):
        with suppress(OSError):
            (folder / name).unlink()
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _alone_in(parent: Path) -> Iterator[bool]:
    """Let no other process of v2xsim make marks in a folder during a block; yield whether the file system can do that."""
    try:
        folder = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except PermissionError:
        # A folder that may be written but not listed.
        yield False
        return
    try:
        until = time.monotonic() + 5.0
        while True:
            try:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
                alone = True
                break
            except OSError as error:
                alone = False
                # Whoever else locks the folder may hold it for long, and some file systems cannot lock folders: go on without.
                if error.errno not in (errno.EWOULDBLOCK, errno.EACCES) or time.monotonic() > until:
                    break
                time.sleep(0.01)
        yield alone
    finally:
        os.close(folder)


def _own_mark(target: str) -> bytes:
    pid = os.getpid()
    mark = {
        "v2xsim": _SAYS, "target": target, "pid": pid, "begun": _begun(pid), "host": socket.gethostname(), "boot": _boot(),
        "space": _space(),
    }  # fmt: skip
    return (json.dumps(mark) + "\n").encode()


def _read(mark: Path) -> Owner | None:
    try:
        if mark.is_symlink() or mark.stat().st_uid != os.geteuid():
            return None
        return _parsed(mark.read_bytes()[:_LARGEST_MARK_BYTES])
    except OSError:
        return None


def _parsed(content: bytes) -> Owner | None:
    try:
        data: Any = json.loads(content)
        if data["v2xsim"] != _SAYS:
            return None
        target = str(data["target"])
        if os.sep in target or target in ("", ".", ".."):
            return None
        return Owner(
            target, int(data["pid"]), str(data["host"]), str(data["boot"]), int(data["begun"]), str(data["space"])
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _space() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def _begun(pid: int) -> int:
    """Return the start of a process in ticks since the boot; 0 if there is no such process, or the system does not tell."""
    try:
        # The name of the program, in brackets, may hold any character.
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return 0
