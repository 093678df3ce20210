"""Runs opened as data: tables, metrics, frames, clouds, further evaluations, and replays."""

from pathlib import Path

from v2xsim.opened.clouds import Cloud
from v2xsim.opened.errors import NoTableError, NotRecordedError, OpenError
from v2xsim.opened.evaluation import Evaluation
from v2xsim.opened.frames import Frame, Frames
from v2xsim.opened.run import Run

__all__ = ["Cloud", "Evaluation", "Frame", "Frames", "NoTableError", "NotRecordedError", "OpenError", "Run", "open"]


def open(folder: Path | str, *, partial: bool = False) -> Run:  # noqa: A001  # users write v2xsim.open
    """Open a finished run, or what an unfinished run has written.

    Args:
        folder: Folder that `v2xsim run` or `Results.write` wrote.
        partial: Whether to open the rows of a run that was killed, or that still goes on. If there is no such run for the folder, the
            finished run in it is opened. What a killed run wrote stays until another run into the same folder has ended or left rows of its own.

    Returns:
        The run; its tables are read when they are used.

    Raises:
        OpenError: If the folder holds no run, or one that this version cannot read.
    """
    return Run(folder, partial=partial)
