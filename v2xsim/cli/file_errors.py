"""Sentences about errors of the system: files that cannot be used, and output that cannot be printed."""

import os
import sys
from typing import TextIO

from v2xsim.errors import reason_of


def sentence_of(error: OSError) -> str:
    """Return what cannot be used, why, and what to do.

    If it is the output of the command, nothing more is printed there, because each further try would fail as well.
    """
    if error.filename is not None:
        named = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else f"file {error.filename}"
        return f"{named}: {reason_of(error)}"
    if (refused := _refused(sys.stdout, probe=True)) is not None:
        return _unprinted(refused)
    return f"a file cannot be written or read: {reason_of(error)}"


def flushed() -> str:
    """Print what is left of the output; return the sentence about what hinders it, or nothing.

    Raises:
        BrokenPipeError: If nobody reads the output any more.
    """
    error = _refused(sys.stdout)
    if isinstance(error, BrokenPipeError):
        raise error
    return "" if error is None else _unprinted(error)


def _unprinted(error: OSError) -> str:
    return f"the output cannot be printed: {reason_of(error)}; the files and folders that the command had finished stay"


def _refused(stream: TextIO | None, probe: bool = False) -> OSError | None:
    """Return why what is left in a stream cannot be written; then the stream leads nowhere from now on.

    Args:
        stream: Standard output.
        probe: Whether to try with the end of a line, too, because a text that could not be written is not in the stream any more.
    """
    if stream is None or stream.closed:
        return None
    try:
        if probe:
            stream.write("\n")
        stream.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return error
    return None
