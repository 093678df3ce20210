"""The files of a run's tables: what is wrong with one that was not copied completely, or is of another run."""

from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from v2xsim.errors import in_command
from v2xsim.scenario.manifest_files import MANIFEST
from v2xsim.scenario.manifests import change_of

# Largest number of missing tables that a message names.
_MOST_NAMED = 6


def trouble_with(path: Path, digest: str | None) -> str | None:
    """Return in words why a file is not the table that a run wrote; None if it is.

    Args:
        path: The file.
        digest: SHA-256 digest of the file that the run wrote; None if it is not known.
    """
    if not path.exists():
        return "is missing, so the folder of the run is not complete"
    try:
        pq.read_metadata(path)
    except (OSError, pa.ArrowException):
        # Arrow's own message names byte positions of its format, which help nobody to repair the folder.
        return "cannot be read as a Parquet table; it is damaged or cut off"
    return None if digest is None else change_of(path, digest)


def missing_tables(folder: Path, names: Iterable[str]) -> str | None:
    """Return in words which of the tables that a run wrote its folder lacks; None if it has all.

    Args:
        folder: Folder of the run.
        names: Names of the tables that the run wrote.
    """
    written = list(names)
    missing = [name for name in written if not (folder / f"{name}.parquet").exists()]
    if not missing:
        return None
    shown = ", ".join(missing[:_MOST_NAMED]) + (", ..." if len(missing) > _MOST_NAMED else "")
    return f"{len(missing)} of its {len(written)} tables {'is' if len(missing) == 1 else 'are'} missing ({shown})"


def repair_of(folder: Path) -> str:
    """Return what a user can do about a folder of a run that is not complete."""
    return f"copy the folder again, or run it again: v2xsim run {in_command(folder / MANIFEST)}"
