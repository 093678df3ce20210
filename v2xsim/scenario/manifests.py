"""The scenario in the manifest of a finished run, so that the run can be run again; files that it read must be unchanged."""

import hashlib
import json
import platform
from collections.abc import Iterable, Mapping
from copy import deepcopy
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from v2xsim.scenario.errors import Document, Keys, ScenarioError
from v2xsim.scenario.steered import again_text
from v2xsim.scenario.yamltext import read_yaml
from v2xsim.version import __version__

LARGEST_MANIFEST_BYTES = 100_000_000
"""A manifest has one number per line, so it is many times as large as the scenario file."""

# Parsing with lines takes about a second for a million bytes.
_LARGEST_WITH_LINES_BYTES = 500_000


def manifest_in(file: Path) -> dict[str, Any] | None:
    """Return the manifest of a run that a file holds; None if the file holds anything else."""
    if file.suffix.lower() != ".json" or not file.is_file() or file.stat().st_size > LARGEST_MANIFEST_BYTES:
        return None
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    is_manifest = isinstance(content, dict) and "format" in content and isinstance(content.get("scenario"), dict)
    return content if is_manifest else None


def document_in(manifest: Mapping[str, Any], source: str) -> Document:
    """Return the scenario of a manifest, with a note if the run was made with other versions.

    Raises:
        ScenarioError: If a plug-in or an input file has changed since the run.
    """
    for role, name in (("plug-in", "plugins"), ("input file", "inputs")):
        for item in _listed(manifest, name, source):
            trouble = change_of(Path(str(item["path"])), str(item["sha256"]))
            if trouble is not None:
                raise ScenarioError(
                    f"{source}: the {role} {item['path']} {trouble}; put the former file back, or run the scenario from its own file"
                )
    other = _other_versions(manifest.get("versions"))
    notes = [f"{source}: made with {', '.join(other)}; results may differ"] if other else []
    if (steered := again_text(manifest)) is not None:
        notes.append(f"{source}: {steered}")
    return Document(source, deepcopy(manifest["scenario"]), notes=tuple(notes))


def places_in(file: Path, source: str) -> dict[Keys, str]:
    """Return file and line of each key of a manifest's scenario; nothing for a very large manifest, which takes long to parse."""
    if file.stat().st_size > _LARGEST_WITH_LINES_BYTES:
        return {}
    try:
        # JSON is YAML, apart from rare cases; without lines, messages still have file and key.
        places = read_yaml(file.read_text(encoding="utf-8"), source).place
    except (ScenarioError, OSError, ValueError):
        return {}
    return {keys[1:]: place for keys, place in places.items() if keys[0] == "scenario" and len(keys) > 1}


def change_of(path: Path, sha256: str) -> str | None:
    """Return in words how a file differs from the one that a run read; None if it is the same.

    Args:
        path: The file.
        sha256: Digest of its content at the time of the run.
    """
    try:
        now = sha256_of(path)
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return None if now == sha256 else f"has changed since the run (sha256 {sha256[:12]}, now {now[:12]})"


def sha256_of(path: Path) -> str:
    """Return the digest of a file's content."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def without_keys(data: Mapping[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    """Return a copy of a scenario's data without some dotted keys."""
    kept = deepcopy(dict(data))
    for key in keys:
        above, last = _section_of(kept, key)
        above.pop(last, None)
    return kept


def with_keys(data: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of a scenario's data with other values for some dotted keys, whose sections it has."""
    changed = deepcopy(dict(data))
    for key, value in values.items():
        above, last = _section_of(changed, key)
        above[last] = value
    return changed


def _section_of(data: dict[str, Any], key: str) -> tuple[dict[str, Any], str]:
    """Return the section that holds a dotted key, and the last part of the key; an empty section if the data has none."""
    *above, last = key.split(".")
    held: Any = data
    for name in above:
        held = held.get(name) if isinstance(held, dict) else None
    return held if isinstance(held, dict) else {}, last


def automatic_keys(manifest: Mapping[str, Any]) -> list[str]:
    """Return the keys of a manifest's scenario whose values followed from other keys."""
    keys = manifest.get("automatic", [])
    return [key for key in keys if isinstance(key, str)] if isinstance(keys, list) else []


def _listed(manifest: Mapping[str, Any], name: str, source: str) -> list[dict[str, Any]]:
    items = manifest.get(name, [])
    if not isinstance(items, list) or not all(
        isinstance(item, dict) and {"path", "sha256"} <= set(item) for item in items
    ):
        raise ScenarioError(f"{source}: {name} must be a list of paths with digests; is this the manifest of a run?")
    return items


def _other_versions(versions: Any) -> list[str]:
    """Return the libraries of a run that have another version now, each with both versions."""
    if not isinstance(versions, dict):
        return []
    return [f"{name} {then} (now {now})" for name, then in versions.items() if then != (now := _present(str(name)))]


def _present(name: str) -> str:
    if name == "v2xsim":
        return __version__
    if name == "python":
        return platform.python_version()
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
