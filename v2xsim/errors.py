"""Errors that a user can act on: the command line prints their text without a traceback and exits with code 2."""

import errno
import shlex
from pathlib import PurePath

_REPAIRS = {
    errno.ENOSPC: "free some space, or name a place on another disk",
    errno.EDQUOT: "your quota is used up: free some space, or name a place on another disk",
    errno.EFBIG: "the limit on the size of files is reached: raise it (ulimit -f), or name a place on another disk",
    errno.EROFS: "the file system can only be read: name a place on another one",
    errno.EACCES: "change its permissions, or name another place",
    errno.EPERM: "change its permissions, or name another place",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ENOTDIR: "a part of the path is a file: name another path",
    errno.EISDIR: "it is a folder: name a file",
    errno.ELOOP: "its symbolic links lead in a circle: name another path",
    errno.EMFILE: "too many files are open: raise the limit (ulimit -n)",
    errno.ENFILE: "too many files are open on this machine: end other programs",
    errno.EIO: "the disk does not work: name a place on another one",
    errno.ENOENT: "a part of the path does not exist (any more): make it, or name another path",
}


def in_command(path: str | PurePath) -> str:
    """Return a path as a word of a command that a message gives to be copied into a shell."""
    text = str(path)
    return shlex.quote(f"./{text}" if text.startswith("-") else text)


def reason_of(error: OSError) -> str:
    """Return why the system refused a file, and what to do, such as "File name too long; choose a shorter name"."""
    reason = error.strerror or str(error) or type(error).__name__
    return f"{reason}; {_REPAIRS[error.errno]}" if error.errno in _REPAIRS else reason


class UserError(ValueError):
    """A request of the user cannot be fulfilled. The message states what must hold, what the user gave, and what to do."""


class StorageError(UserError):
    """A file cannot be written because of the place that it is in, whatever the scenario is."""


class TemporaryFilesError(StorageError):
    """Temporary files cannot be written."""

    def __init__(self, path: str | PurePath, trouble: OSError) -> None:
        """State which path the system refused, why, and how to name another folder."""
        super().__init__(
            f"{path}: must have room for temporary files, but cannot be written: {reason_of(trouble)}; the environment variable TMPDIR names "
            "another folder"
        )
