"""The file `manifest.json` of a finished run: where it is, and what is wrong with it if it is not one."""

import json
from pathlib import Path
from typing import Any

from v2xsim.errors import UserError
from v2xsim.ownership import WHOLE, folders_for, has_rows, is_whole, kept_for

MANIFEST = WHOLE
"""Name of the file whose presence says that a run is complete."""
# A sweep's plan; sweeps and runs lie side by side.
_SWEEP = "sweep.json"
_REPAIR = "copy the folder again, or run the scenario again"


class ManifestError(UserError):
    """A file is not the manifest of a run, or a folder holds none."""


def manifest_of_folder(folder: Path) -> dict[str, Any]:
    """Return the manifest of the run in a folder.

    Raises:
        ManifestError: If the folder holds no finished run; the message says what it holds instead.
    """
    must = f"{folder}: must be the folder of a finished run"
    if not folder.is_dir():
        if not folder.exists():
            raise ManifestError(f"{must}; {begun(folder) or 'there is no such folder'}")
        is_part = folder.name == MANIFEST or folder.suffix == ".parquet"
        advice = f"name its folder, {folder.parent}" if is_part else "`v2xsim run` prints the folder at its end"
        raise ManifestError(f"{must}, got a file; {advice}")
    path = folder / MANIFEST
    if not path.exists():
        raise ManifestError(f"{must}; {_instead(folder)}")
    return manifest_at(path)


def begun(folder: Path) -> str:
    """Return that a run into a folder goes on or was killed, and what can be read of it; an empty text if there is none."""
    kept = kept_for(folder)
    if kept and is_whole(kept[-1], folder):
        return f"the finished run for it is still in {kept[-1]}, because its process was killed or moves it now; name that folder"
    if kept and has_rows(kept[-1], folder):
        return (
            f"a run into it goes on or was killed; v2xsim.open({str(folder)!r}, partial=True) opens what it has written"
        )
    return "a run into it goes on, or was killed, and has written no rows" if folders_for(folder) else ""


def _instead(folder: Path) -> str:
    """Return what a folder without a manifest seems to be."""
    if unfinished := begun(folder):
        return unfinished
    if (folder / _SWEEP).exists():
        return "it is the folder of a sweep, and a sweep with keep: tables has the folders of its runs in runs"
    tables = sorted(folder.glob("*.parquet"))
    if tables:
        return f"it has {len(tables)} tables but no {MANIFEST}, which `v2xsim run` writes last; {_REPAIR} if the run was stopped"
    if any(folder.glob(f"*/{MANIFEST}")):
        inside = sorted(path.parent for path in folder.glob(f"*/{MANIFEST}"))
        return f"it holds folders of runs: name one of them, such as {inside[0]}"
    return f"it has no {MANIFEST}, which `v2xsim run` writes last"


def manifest_at(path: Path) -> dict[str, Any]:
    """Return the manifest of a run from its file.

    Raises:
        ManifestError: If the file is missing, cut off, damaged, or something else.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ManifestError(f"{path}: must be the {MANIFEST} of a finished run; there is no such file") from None
    except IsADirectoryError:
        raise ManifestError(f"{path}: must be the {MANIFEST} of a finished run, got a folder") from None
    except OSError as error:
        raise ManifestError(f"{path}: cannot be read: {error.strerror}") from None
    # A machine that stops while it copies leaves files of zeros.
    if not content.strip(b"\0 \t\r\n"):
        raise ManifestError(f"{path}: is empty, so the folder was not copied completely; {_REPAIR}")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ManifestError(f"{path}: is damaged: it is no text in UTF-8; {_REPAIR}") from None
    try:
        manifest = json.loads(text)
    except RecursionError:
        raise ManifestError(f"{path}: is no manifest of a run: it is nested too deeply; {_REPAIR}") from None
    except json.JSONDecodeError as error:
        raise ManifestError(f"{path}: {_broken(error, text)}; {_REPAIR}") from None
    except ValueError:
        raise ManifestError(f"{path}: is damaged: it has a number that is too long; {_REPAIR}") from None
    if not isinstance(manifest, dict):
        raise ManifestError(f"{path}: is not the manifest of a run: it has no scenario, but is {_kind(manifest)}")
    if not isinstance(manifest.get("scenario"), dict):
        keys = ", ".join(map(str, list(manifest)[:4])) or "none"
        raise ManifestError(
            f"{path}: is not the manifest of a run: it has no scenario (its keys are {keys}); other programs use this name, too"
        )
    return manifest


def _broken(error: json.JSONDecodeError, text: str) -> str:
    """Return in words why a text is no JSON."""
    is_cut = error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated")
    if is_cut and text.lstrip().startswith("{"):
        return f"is cut off in line {text.count(chr(10)) + 1}, so the folder was not copied completely"
    return f"is damaged: it is no complete JSON (line {error.lineno}, column {error.colno})"


def _kind(value: object) -> str:
    return "a list" if isinstance(value, list) else "a single value"
