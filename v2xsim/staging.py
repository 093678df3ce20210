"""Folders that appear complete or not at all, and folders for temporary files.

Each of these folders has a mark while it is written (`v2xsim.ownership`), so that nothing stays for good, however the process ends.
"""

import atexit
import ctypes
import errno
import os
import shutil
import tempfile
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from v2xsim.errors import TemporaryFilesError, UserError, reason_of
from v2xsim.ownership import BusyError, Left, Owned, clear, forget_kept, marks_in, take, wait_until_clear
from v2xsim.signals import undisturbed

_EXCHANGE = 2  # RENAME_EXCHANGE, linux/fs.h
_AT_FDCWD = -100  # linux/fcntl.h
# Time for which a folder is not replaced while another process draws into it.
_PATIENCE_S = 60.0
# Folders that this process has not released yet. If an exception ends the process between two lines of a `with` statement, nothing
# else remembers them.
_open: set[Owned] = set()


@contextmanager
def staged(
    folder: Path, check: Callable[[Path], None], error: type[UserError], *, keeps_rows: bool = False
) -> Iterator[Path]:
    """Yield an empty temporary folder; at the end of the block it is moved to its final path, in place of what is there.

    An earlier folder at the final path is replaced only then; it is kept if the block fails or is stopped.

    Args:
        folder: The final path; missing parent folders are made.
        check: Function that raises an error if what is at the final path must not be replaced. It is called with the path before
            the block and after it.
        error: Class of the errors that this function raises.
        keeps_rows: Whether an error in the block leaves the rows of a run that are in the temporary folder, as a kill does.

    Raises:
        UserError: If the final path cannot be written, or another process is writing it.
    """
    target = Path(os.path.realpath(folder))
    _refuse_special(target, folder, error)
    _refuse(folder, [left for left in _cleared_within(target) if not left.lives], error)
    check(target)
    made = [above for above in target.parents if not above.exists()]
    try:
        with _taken(target, folder, error) as owned:
            try:
                yield owned.folder
                _open_to_others(owned.folder)
                _refuse(folder, _cleared_within(target, _PATIENCE_S), error)
                check(target)
                _replace(owned, target, folder, error)
            except Exception as failure:
                if keeps_rows:
                    _leave_rows(owned, folder, failure)
                raise
    finally:
        for above in made:
            # If the block failed, the parent folders that were made for it are empty and are removed; otherwise they stay.
            with suppress(OSError):
                above.rmdir()


class Draft:
    """A temporary folder whose files are moved into another folder by `commit`.

    Attributes:
        folder: The temporary folder.
        target: Absolute path of the folder into which the files are moved.
    """

    def __init__(
        self, folder: Path, target: Path, shown: Path, error: type[UserError], last: str, owned: Owned | None
    ) -> None:
        self.folder, self.target, self._shown, self._error, self._last = folder, target, shown, error, last
        self._owned = owned

    def leave_rows(self, failure: BaseException) -> None:
        """Leave the rows of a run that are in the folder, as a kill does, after an error; note in the error where they are."""
        if self._owned is not None and isinstance(failure, Exception):
            _leave_rows(self._owned, self._shown, failure)

    def commit(self) -> None:
        """Move the files into the target folder, each in one step.

        With a last file, the temporary folder keeps all files until all are in the target folder: whoever is killed meanwhile leaves them there.

        Raises:
            UserError: If the folder cannot be written.
        """
        if self.folder == self.target:
            return
        target, last = self.target, self._last
        try:
            with undisturbed():
                # What killed runs left goes first: after the last file, the target folder has the newest run.
                forget_kept(target)
                if last:
                    (target / last).unlink(missing_ok=True)
                for path in sorted(self.folder.rglob("*"), key=lambda path: (path.name == last, path)):
                    final = target / path.relative_to(self.folder)
                    if path.is_dir():
                        final.mkdir(parents=True, exist_ok=True)
                    else:
                        final.parent.mkdir(parents=True, exist_ok=True)
                        (_twin(path) if last else path).replace(final)
        except OSError as trouble:
            raise self._error(f"{self._shown}: cannot be written: {reason_of(trouble)}") from None


@contextmanager
def drafted(folder: Path, error: type[UserError], last: str = "") -> Iterator[Draft]:
    """Yield an empty temporary folder, whose `commit` moves its files into a folder.

    Files of the same names are replaced then, other files of the folder stay. Nothing is moved if the block ends without `commit`. A
    folder that `staged` of this process yielded is its own temporary folder.

    Args:
        folder: The folder; it and missing parent folders are made.
        error: Class of the errors that this function raises.
        last: Name of the file that says that the others are complete. An earlier one is removed first, the new one is moved last.

    Raises:
        UserError: If the folder cannot be written, or another process is writing it.
    """
    target = Path(os.path.realpath(folder))
    if any(owned.folder == target for owned in _open):
        yield Draft(target, target, folder, error, last, None)
        return
    _refuse_unwritable(target, folder, error)
    with _taken(target, folder, error) as owned:
        yield Draft(owned.folder, target, folder, error, last, owned)


@contextmanager
def added(folder: Path, error: type[UserError], last: str = "") -> Iterator[Path]:
    """Yield an empty temporary folder; at the end of the block its files are moved into a folder, as `drafted` describes.

    Nothing is moved if the block fails or is stopped.
    """
    with drafted(folder, error, last) as draft:
        yield draft.folder
        draft.commit()


class Scratch:
    """A folder for temporary files, removed by `cleanup`, at the end of the process, or after a kill by the next process.

    Attributes:
        name: Path of the folder.
    """

    def __init__(self, purpose: str) -> None:
        """Make the folder, in the system's folder for temporary files.

        Args:
            purpose: Word in the folder's name.
        """
        with undisturbed():
            # Each is of its own target: two processes never need the same one.
            try:
                owned = take(Path(tempfile.gettempdir()), f"v2xsim-{purpose}", hidden=False, shared=True)
            except OSError as trouble:
                raise TemporaryFilesError(tempfile.gettempdir(), trouble) from None
            self.name = str(owned.folder)
            self._release = weakref.finalize(self, owned.release)

    def cleanup(self) -> None:
        """Remove the folder."""
        with undisturbed():
            self._release()

    def __enter__(self) -> str:
        return self.name

    def __exit__(self, *_: object) -> None:
        self.cleanup()


@contextmanager
def _taken(target: Path, folder: Path, error: type[UserError]) -> Iterator[Owned]:
    """Make a marked folder beside the target, on the same file system, so that it can be moved in one step."""
    with undisturbed():
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            owned = take(target.parent, target.name)
        except BusyError as busy:
            raise error(
                f"{folder}: is being written by {busy}; wait for it, or name another folder with --out"
            ) from None
        except OSError as trouble:
            raise error(f"{folder}: cannot be written: {reason_of(trouble)}") from None
        _open.add(owned)
    try:
        yield owned
    except UserError as trouble:
        # The user knows the final path only.
        trouble.args = (str(trouble).replace(str(owned.folder), str(folder)),)
        raise
    finally:
        with undisturbed():
            if owned in _open:
                _open.discard(owned)
                owned.release()


def _leave_rows(owned: Owned, folder: Path, failure: Exception) -> None:
    """Leave a folder with the rows of a run, if there are any, and note in the error how to read them."""
    with undisturbed():
        if owned in _open and owned.has_rows:
            _open.discard(owned)
            forget_kept(Path(os.path.realpath(folder)))
            owned.leave()
            failure.add_note(
                f"what the run had written stays until another run has written the folder; v2xsim.open({str(folder)!r}, partial=True) reads it"
            )


def _refuse_special(target: Path, folder: Path, error: type[UserError]) -> None:
    try:
        if Path.cwd().is_relative_to(target):
            raise error(f"{folder}: must not be the working folder or one above it; name a new folder")
    except FileNotFoundError:
        raise error("the working folder does not exist any more; change to another one") from None
    if target.is_mount():
        raise error(f"{folder}: is where a file system is mounted, which cannot be replaced; name a folder in it")


def _refuse_unwritable(target: Path, folder: Path, error: type[UserError]) -> None:
    """Refuse a path into which no file can be moved at the end, before hours of work are lost."""
    try:
        if not target.exists():
            return
    except OSError as trouble:
        raise error(f"{folder}: cannot be written: {reason_of(trouble)}") from None
    if not target.is_dir():
        raise error(f"{folder}: must be a folder, got a file; move it away, or name another one")
    if not os.access(target, os.W_OK | os.X_OK):
        raise error(f"{folder}: cannot be written: {os.strerror(errno.EACCES)}; name another folder")
    if target.is_mount():
        raise error(
            f"{folder}: is where a file system is mounted, into which no files can be moved in one step; name a folder in it"
        )


def _open_to_others(staging: Path) -> None:
    """Give a folder the usual permissions of a new folder; at first only its owner may read it."""
    umask = os.umask(0)
    os.umask(umask)
    with suppress(FileNotFoundError):
        staging.chmod(0o777 & ~umask)


def _cleared_within(target: Path, patience_s: float = 0.0) -> list[Left]:
    """Remove what killed processes left inside a folder, such as half-drawn pictures; return the marks that remain.

    Args:
        target: The folder.
        patience_s: Time to wait for processes that write into the folder now.
    """
    if not target.is_dir():
        return []
    until, remaining = time.monotonic() + patience_s, []
    for inner in [target, *(path for path in target.rglob("*") if path.is_dir() and not path.is_symlink())]:
        if marks_in(inner):
            wait_until_clear(inner, until - time.monotonic())
            remaining += clear(inner)
    return remaining


def _refuse(folder: Path, remaining: list[Left], error: type[UserError]) -> None:
    for left in remaining:
        raise error(
            f"{folder}: process {left.owner.pid} on {left.owner.host} writes into it ({left.mark.name}); wait for it, or name "
            "another folder with --out"
        )


def _twin(path: Path) -> Path:
    """Return the path of a second link to a file beside it; of a copy where the file system has no links."""
    twin = path.with_name(f"{path.name}.moved")
    try:
        os.link(path, twin)
    except OSError:
        shutil.copy2(path, twin)
    return twin


def _replace(owned: Owned, target: Path, folder: Path, error: type[UserError]) -> None:
    try:
        with undisturbed():
            # What killed runs left goes first: after the swap, the target folder has the newest run.
            forget_kept(target)
            _swap(owned, target)
    except OSError as trouble:
        raise error(f"{folder}: cannot be replaced: {reason_of(trouble)}") from None


def _swap(owned: Owned, target: Path) -> None:
    """Move a folder to its final path. What was there is removed later, with the folder's mark."""
    if not os.path.lexists(target):
        owned.folder.rename(target)
    elif not _exchanged(owned.folder, target):
        target.rename(owned.aside)
        try:
            owned.folder.rename(target)
        except OSError:
            owned.aside.rename(target)
            raise


def _exchanged(one: Path, other: Path) -> bool:
    """Let two folders change places in one step; return whether the system can do that."""
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError):
        return False
    return bool(renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _EXCHANGE) == 0)


@atexit.register
def _release_all() -> None:
    for owned in tuple(_open):
        owned.release()
