"""The folder of a run: its default path, the check that no other files are overwritten, and its atomic appearance."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from v2xsim.errors import UserError

MANIFEST = "manifest.json"

# File types that runs and their pictures consist of. A folder with any other file holds work of the user.
_OWN_SUFFIXES = {".json", ".parquet", ".png", ".ply", ".pcd"}


class RunFolderError(UserError):
    """A run cannot be written into a folder, or a folder holds no finished run."""


def default_folder(name: str, seed: int) -> Path:
    """Return the default folder of a run."""
    return Path("runs") / f"{name}-{seed}"


def finished(folder: Path) -> Path:
    """Check that a folder holds a finished run, and return the folder.

    Raises:
        RunFolderError: If the folder holds no finished run.
    """
    if not folder.is_dir():
        raise RunFolderError(f"{folder}: must be the folder of a finished run; there is no such folder")
    if not _has_manifest(folder):
        raise RunFolderError(f"{folder}: must be the folder of a finished run; it has no {MANIFEST} of one")
    return folder


@contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """Yield an empty temporary folder into which a run is written; at the end it is moved to the final path.

    An earlier run at the final path is replaced only then; it is kept if the new run fails or is stopped.

    Args:
        folder: The final path. The folder may be empty or hold a run and its pictures; missing parent folders are made.

    Raises:
        RunFolderError: If the final folder holds other files, or cannot be written.
    """
    target = Path(os.path.realpath(folder))
    _check_replaceable(target, folder)
    made = [above for above in target.parents if not above.exists()]
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        # The temporary folder lies beside the final path, on the same file system, so that the last step is a single rename.
        staging = Path(tempfile.mkdtemp(prefix=f".{target.name[:100]}.", suffix=".partial", dir=target.parent))
    except OSError as error:
        raise RunFolderError(f"{folder}: cannot be written: {error.strerror}") from None
    try:
        yield staging
        _open_to_others(staging)
        _check_replaceable(target, folder)
        _swap(staging, target)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        for above in made:
            # If the run failed, the parent folders that were made for it are empty and are removed; otherwise they stay.
            with suppress(OSError):
                above.rmdir()


def _check_replaceable(target: Path, folder: Path) -> None:
    if Path.cwd().is_relative_to(target):
        raise RunFolderError(f"{folder}: must not be the working folder or one above it; name a new folder")
    try:
        if not os.path.lexists(target):
            return
        if not target.is_dir():
            raise RunFolderError(f"{folder}: must be a folder, got a file; name another with --out")
        entries = [path for path in target.rglob("*") if path.is_symlink() or not path.is_dir()]
    except OSError as error:
        raise RunFolderError(f"{folder}: cannot be read: {error.strerror}") from None
    if not entries:
        return
    if not _has_manifest(target):
        raise RunFolderError(f"{folder}: must be new, empty, or hold an earlier run; name another with --out")
    foreign = sorted(str(path.relative_to(target)) for path in entries if path.suffix not in _OWN_SUFFIXES)
    if foreign:
        raise RunFolderError(
            f"{folder}: holds {foreign[0]!r}, which no run wrote; move it away, or name another with --out"
        )


def _has_manifest(folder: Path) -> bool:
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(manifest, dict) and {"scenario", "seed"} <= set(manifest)


def _open_to_others(staging: Path) -> None:
    """Give a folder the usual permissions of a new folder; mkdtemp made it readable by its owner only."""
    umask = os.umask(0)
    os.umask(umask)
    staging.chmod(0o777 & ~umask)


def _swap(staging: Path, target: Path) -> None:
    if not target.exists():
        staging.rename(target)
        return
    aside = staging.with_suffix(".replaced")
    target.rename(aside)
    staging.rename(target)
    shutil.rmtree(aside)
