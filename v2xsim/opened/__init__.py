"""Finished runs, opened as data: tables, metrics, frames, clouds, further evaluations, and replays."""

from pathlib import Path

from v2xsim.opened.clouds import Cloud
from v2xsim.opened.errors import NoTableError, NotRecordedError, OpenError
from v2xsim.opened.evaluation import Evaluation
from v2xsim.opened.frames import Frame, Frames
from v2xsim.opened.run import Run

__all__ = ["Cloud", "Evaluation", "Frame", "Frames", "NoTableError", "NotRecordedError", "OpenError", "Run", "open"]


def open(folder: Path | str, *, partial: bool = False) -> Run:  # noqa: A001  # users write v2xsim.open
    """Open a finished run.

    Args:
        folder: Folder that `v2xsim run` or `Results.write` wrote.
        partial: Whether a run that has not ended is opened, if there is one: a run that was killed, or one that still goes on. A finished
            run in the folder is opened only if there is none. What a killed run wrote stays until a run is written into the same folder
            again.

    Returns:
        The run; its tables are read when they are used.

    Raises:
        OpenError: If the folder holds no finished run, or one that this version cannot read.
    """
    return Run(folder, partial=partial)
