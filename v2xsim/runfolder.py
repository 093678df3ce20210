"""A run's folder: where it lies, what it may replace, and how it appears whole or not at all."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from v2xsim.errors import UserError

MANIFEST = "manifest.json"

# What runs and their pictures are made of. A folder that holds anything else also holds somebody's work.
_OWN_SUFFIXES = {".json", ".parquet", ".png", ".ply", ".pcd"}


class RunFolderError(UserError):
    """A folder cannot take a run, or holds none."""


def default_folder(name: str, seed: int) -> Path:
    """Return the folder of a run that was given none."""
    return Path("runs") / f"{name}-{seed}"


def finished(folder: Path) -> Path:
    """Return the folder if it holds a finished run.

    Raises:
        RunFolderError: If it does not.
    """
    if not folder.is_dir():
        raise RunFolderError(f"{folder}: must be the folder of a finished run; there is no such folder")
    if not _has_manifest(folder):
        raise RunFolderError(f"{folder}: must be the folder of a finished run; it has no {MANIFEST} of one")
    return folder


@contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """Lend an empty folder to write a run into; it takes its place when all is written.

    What lies at that place stays until then, and stays for good if the run fails or is stopped.

    Args:
        folder: The place. It may hold nothing, or a run and its pictures; the folders above are made.

    Raises:
        RunFolderError: If the place holds something else, or cannot be written.
    """
    place = Path(os.path.realpath(folder))
    _check_replaceable(place, folder)
    made = [above for above in place.parents if not above.exists()]
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        # Beside the place, on the same file system, so that the last step is a rename.
        staging = Path(tempfile.mkdtemp(prefix=f".{place.name[:100]}.", suffix=".partial", dir=place.parent))
    except OSError as error:
        raise RunFolderError(f"{folder}: cannot be written: {error.strerror}") from None
    try:
        yield staging
        _open_to_others(staging)
        _check_replaceable(place, folder)
        _swap(staging, place)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        for above in made:
            # Where the run failed, the folders made for it are empty; where it did not, they are not.
            with suppress(OSError):
                above.rmdir()


def _check_replaceable(place: Path, folder: Path) -> None:
    if Path.cwd().is_relative_to(place):
        raise RunFolderError(f"{folder}: must not be the working folder or one above it; name a new folder")
    try:
        if not os.path.lexists(place):
            return
        if not place.is_dir():
            raise RunFolderError(f"{folder}: must be a folder, got a file; name another with --out")
        entries = [path for path in place.rglob("*") if path.is_symlink() or not path.is_dir()]
    except OSError as error:
        raise RunFolderError(f"{folder}: cannot be read: {error.strerror}") from None
    if not entries:
        return
    if not _has_manifest(place):
        raise RunFolderError(f"{folder}: must be new, empty, or hold an earlier run; name another with --out")
    foreign = sorted(str(path.relative_to(place)) for path in entries if path.suffix not in _OWN_SUFFIXES)
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
    """Give a folder from mkdtemp, which only its owner may read, the rights that mkdir would have given it."""
    umask = os.umask(0)
    os.umask(umask)
    staging.chmod(0o777 & ~umask)


def _swap(staging: Path, place: Path) -> None:
    if not place.exists():
        staging.rename(place)
        return
    aside = staging.with_suffix(".replaced")
    place.rename(aside)
    staging.rename(place)
    shutil.rmtree(aside)
