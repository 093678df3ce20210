"""Load a scenario from a file or by the name of a packaged one, and write it back as data."""

import json
import os
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from pydantic import ValidationError

from v2xsim.errors import reason_of
from v2xsim.scenario.automatic import with_automatic_values
from v2xsim.scenario.checks import cross_problems
from v2xsim.scenario.choices import parts_in, with_names, word_in
from v2xsim.scenario.describe import described_by
from v2xsim.scenario.errors import Document, Keys, ScenarioError, dotted
from v2xsim.scenario.explain import nearest, problems
from v2xsim.scenario.fields import AUTO, File, Section
from v2xsim.scenario.former_keys import SCENARIO, Moved, Renamed, with_present_keys, with_present_names
from v2xsim.scenario.hooks import HOOKS
from v2xsim.scenario.manifest_files import MANIFEST, ManifestError, manifest_at
from v2xsim.scenario.manifests import automatic_keys, document_in, manifest_in, places_in, with_keys, without_keys
from v2xsim.scenario.mistaken import Kind, refuse_other_content, refuse_other_file
from v2xsim.scenario.no_effect import without_effect
from v2xsim.scenario.overrides import with_overrides, with_values
from v2xsim.scenario.paths import with_paths
from v2xsim.scenario.plain import plain_data
from v2xsim.scenario.plugins import use_plugins
from v2xsim.scenario.schema import Scenario
from v2xsim.scenario.yamltext import read_yaml, write_yaml

# A script of 1,000 road users with 100 waypoints each fits into this size; larger traffic belongs into a trace (traffic.fcd).
LARGEST_FILE_BYTES = 2_000_000

# Names in messages for content that comes from no file.
_DICT = "dict"
_CHANGES = "with_"

_NO_PLACES: Mapping[Keys, str] = MappingProxyType({})

_S = TypeVar("_S", bound=Section)

PACKAGED = Path(__file__).resolve().parent.parent / "scenarios"
"""Folder of the scenarios that are installed with v2xsim."""


def load(path: str | Path | Mapping[str, Any], overrides: Sequence[str] = (), seed: int | None = None) -> Scenario:
    """Read and check a scenario.

    Args:
        path: A YAML file, or the name of a packaged scenario such as `demo` where no such file exists; or the manifest.json
            of a run, which is run again; or the content of a scenario itself: a dict of sections, whose relative paths count
            from the working folder.
        overrides: Values to set, each `dotted.key=value` with the value in YAML. A relative path in such a value is
            relative to the working folder; one in the file is relative to the file's folder.
        seed: Replaces `run.seed`.

    Raises:
        ScenarioError: If the file cannot be read, is not a valid scenario, or names files that do not exist.
    """
    document, folder = (
        (Document(_DICT, plain_data(path, _DICT)), Path()) if isinstance(path, Mapping) else document_of(path)
    )
    document = with_overrides(document, overrides, word_in(Scenario))
    if seed is not None:
        document = with_overrides(document, [f"run.seed={seed}"])
    return checked(document, folder)


def document_of(path: str | Path) -> tuple[Document, Path]:
    """Return the unchecked content of a scenario's file, and the folder to which its paths are relative."""
    file = find(path)
    manifest = manifest_in(file)
    if manifest is not None:
        document = document_in(manifest, str(path))
        place = places_in(file, str(path))
        return replace(document, data=as_written(manifest, str(path), place), place=place), file.parent
    _refuse_broken_manifest(file)
    return document_of_kind(file, str(path), Kind.SCENARIO), file.parent


def document_of_kind(file: Path, source: str, wanted: Kind) -> Document:
    """Return the unchecked content of a YAML file.

    Raises:
        ScenarioError: If the file cannot be read, or is plainly of another kind than wanted.
    """
    refuse_other_file(file, source, wanted)
    document = read_yaml(text_of(file, source), source)
    refuse_other_content(document.data, source, wanted)
    return document


def _refuse_broken_manifest(file: Path) -> None:
    """Raise an error if a file has the name of a run's manifest but holds neither one nor a scenario in JSON."""
    if file.name != MANIFEST or not file.is_file():
        return
    try:
        manifest_at(file)
    except ManifestError as error:
        try:
            is_scenario = "traffic" in json.loads(file.read_bytes())
        except (ValueError, RecursionError, TypeError):
            is_scenario = False
        if not is_scenario:
            raise ScenarioError(str(error)) from None


def as_written(manifest: Mapping[str, Any], source: str, place: Mapping[Keys, str] = _NO_PLACES) -> dict[str, Any]:
    """Return the content of a run's scenario without the values that follow from other keys, if they still follow.

    Args:
        manifest: Manifest of the run.
        source: Name of the manifest in messages.
        place: File and line of each key of the scenario, as far as they are known.
    """
    data: dict[str, Any] = deepcopy(manifest["scenario"])
    if not (keys := automatic_keys(manifest)):
        return data
    shorter = without_keys(data, keys)
    # Another version may compute other values.
    then, now = (resolved(recorded(part, source, place)) for part in (data, shorter))
    return shorter if now == then else data


def from_data(data: Any, source: str = "scenario", folder: str | Path = ".", notes: tuple[str, ...] = ()) -> Scenario:
    """Check a scenario that is already plain data, such as `resolved` returns.

    Args:
        data: Content of the scenario: maps, lists and single values.
        source: Name for the data in messages.
        folder: Folder from which relative paths start.
        notes: Notes of the scenario besides those about its keys.
    """
    # A copy, because the scenario keeps the data, and the caller may change it.
    return checked(Document(source, deepcopy(data), notes=notes), Path(folder))


def changed(scenario: Scenario, document: Document | None, changes: Sequence[Mapping[str, Any]]) -> Scenario:
    """Return a scenario with some values replaced, after the same checks as for a file.

    Args:
        scenario: The scenario.
        document: The content from which it was made; None for one that a program made or changed.
        changes: New values, by dotted key.

    Raises:
        ScenarioError: If the result is not a valid scenario, or one change would undo another.
    """
    values: dict[str, Any] = {}
    for name, value in ((name, value) for part in changes for name, value in part.items()):
        if not isinstance(name, str) or not all(name.split(".")):
            raise ScenarioError(f"{_CHANGES}: must have dotted keys such as 'radio.tx_power_dbm', got {name!r}")
        if name in values:
            raise ScenarioError(f"{_CHANGES}: {name} must be given once, got it twice")
        for earlier in values:
            if earlier.startswith(f"{name}."):
                raise ScenarioError(f"{_CHANGES}: {name} would undo the change of {earlier}; give only one of them")
        values[name] = plain_data(value, _CHANGES, tuple(name.split(".")))
    if document is None:
        # What nobody set follows from the other keys again.
        held = without_keys(scenario.model_dump(mode="json", exclude_unset=True), scenario.automatic)
        document = Document("scenario", held)
    return checked(with_values(document, values, _CHANGES, Path.cwd(), word_in(Scenario)), Path())


def recorded(data: Any, source: str, place: Mapping[Keys, str] = _NO_PLACES) -> Scenario:
    """Return the scenario of a finished run; files that it names, such as a trace, need not exist any more.

    Args:
        data: The resolved scenario, as the run's manifest has it.
        source: Name for the data in messages.
        place: File and line of each key, as far as they are known.

    Raises:
        ScenarioError: If the data is not a valid scenario, or a file with parts in it cannot be loaded.
    """
    document = Document(source, deepcopy(data), dict(place))
    scenario, _ = with_paths(_validated(document, Scenario, Path(), SCENARIO), document, Path())
    if wrong := cross_problems(scenario):
        raise document.error(wrong)
    scenario._document = replace(document, base={(): Path.cwd()})
    return scenario


def check_keys_together(scenario: Scenario) -> None:
    """Raise an error if keys of a scenario contradict each other; each key by itself is already valid.

    Raises:
        ScenarioError: If keys contradict each other.
    """
    # A section made with `model_construct` may hold anything instead of a part; the checks below would fail on it.
    tuple(parts_in(scenario))
    if wrong := cross_problems(scenario):
        raise Document("scenario", None).error(wrong)


HOOKS.changed, HOOKS.check_keys_together = changed, check_keys_together


def resolved(scenario: Scenario) -> dict[str, Any]:
    """Return every key of a scenario, defaults included, as JSON-compatible data that `from_data` reads back."""
    return scenario.model_dump(mode="json")


def unfilled(scenario: Scenario) -> dict[str, Any]:
    """Return every key of a scenario as `resolved` does, but not those whose values follow from other keys.

    Read back, these follow again, also if another key is changed.
    """
    return without_keys(resolved(scenario), scenario.automatic)


def to_yaml(scenario: Scenario) -> str:
    """Return every key of a scenario as a YAML file that `load` reads back; values that follow from other keys are `auto`."""
    return write_yaml(with_keys(resolved(scenario), dict.fromkeys(scenario.automatic, AUTO)))


def packaged() -> list[str]:
    """Return the names of the scenarios that come with v2xsim."""
    return sorted(file.stem for file in PACKAGED.glob("*.yaml"))


def find(path: str | Path) -> Path:
    """Return the scenario file for a path, or for the name of a packaged scenario."""
    file = Path(path)
    try:
        there = os.path.lexists(file)
    except ValueError:
        raise ScenarioError(f"{str(path)!r}: must be a path, got one with a NUL character") from None
    if there:
        return file
    if str(path) in packaged():
        return PACKAGED / f"{path}.yaml"
    names = packaged()
    bare = file.name == str(path)
    listed = f"; packaged scenarios are {', '.join(names)}" if names and bare else ""
    raise ScenarioError(f"{path}: must be an existing file{listed}{_nearest_file(file, names if bare else [])}")


def _nearest_file(file: Path, names: list[str]) -> str:
    """Return a hint at the scenario file with the most similar name, or the packaged scenario; empty if there is none."""
    there = file.parent if file.parent.is_dir() else Path()
    files = {name: str(file.parent / one.name) for one in sorted(there.glob("*.y*ml")) for name in (one.name, one.stem)}
    # A file of the user's own counts more than a packaged scenario.
    hint = nearest(file.name, files) or nearest(file.stem, files)
    if not hint:
        return nearest(file.name, names)
    name = hint.removeprefix("; did you mean '").removesuffix("'?")
    return f"; did you mean {files[name]!r}?"


def load_section(
    path: str | Path,
    section: type[_S],
    wanted: Kind,
    moved: tuple[Moved, ...] = (),
    names: tuple[Renamed, ...] = (),
) -> _S:
    """Read and check a YAML file of another kind than a scenario, with messages of the same form.

    Args:
        path: The file.
        section: Schema of the top level of the file.
        wanted: Kind of the file.
        moved: Keys of earlier versions that are parameters of parts now, and that such files may still use.
        names: Keys of earlier versions that have other names now.
    """
    return section_in(document_of_kind(Path(path), str(path), wanted), Path(path).parent, section, moved, names)


def section_in(
    document: Document,
    folder: Path,
    section: type[_S],
    moved: tuple[Moved, ...] = (),
    names: tuple[Renamed, ...] = (),
) -> _S:
    """Check the content of a file of another kind than a scenario; arguments as in `load_section`."""
    document, notes = with_present_names(document, names)
    loaded, missing = with_paths(_validated(document, section, folder, moved), document, folder)
    if missing:
        raise document.error(missing)
    if isinstance(loaded, File):
        loaded._notes = (*notes, *loaded.notes)
    return loaded


def text_of(file: Path, source: str) -> str:
    """Return the text of a scenario file; raise a ScenarioError if the file cannot be a scenario."""
    if file.exists() and not file.is_file():
        raise ScenarioError(f"{source}: must be a regular file")
    try:
        with file.open("rb") as stream:
            content = stream.read(LARGEST_FILE_BYTES + 1)
    except OSError as error:
        raise ScenarioError(f"{source}: cannot be read: {reason_of(error)}") from None
    if len(content) > LARGEST_FILE_BYTES:
        raise ScenarioError(
            f"{source}: must be at most {LARGEST_FILE_BYTES:,} bytes; put many road users into a trace (traffic.fcd)"
        )
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ScenarioError(f"{source}: must be text in UTF-8, got UTF-16; save it as UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ScenarioError(
            f"{source}:{line}: must be text in UTF-8, got byte 0x{content[error.start]:02x}; save it as UTF-8"
        ) from None


def _validated(document: Document, section: type[_S], folder: Path = Path(), moved: tuple[Moved, ...] = ()) -> _S:
    data = document.data
    needed = [name for name, info in section.model_fields.items() if info.is_required()] or list(section.model_fields)
    file_kind = "scenario" if section is Scenario else "file"
    if data is None or data == {}:
        raise ScenarioError(f"{document.source}: is empty; a {file_kind} needs at least a `{needed[0]}` section")
    if not isinstance(data, dict):
        got = "a list" if isinstance(data, list) else "a single value"
        raise ScenarioError(f"{document.source}: must be a {file_kind} of sections such as `{needed[0]}:`, got {got}")
    # The schema must know the user's parts before anything is checked.
    plugins = use_plugins(document, folder, section)
    present = with_present_keys(with_names(data, section), section, moved)
    wrong = present.wrong
    data, automatic = with_automatic_values(present.data, section)
    # The user may have written the former name of a key; messages about the present key then name that line.
    at = {new: document.place[old] for new, old in present.came_from.items() if old in document.place}
    document = replace(document, place={**document.place, **at})
    try:
        # The data is checked as JSON, because pydantic's strict mode then accepts a list as a tuple, but no text as a number.
        checked = section.model_validate_json(json.dumps(data), strict=True)
    except ValidationError as error:
        with described_by(section, data):
            raise document.error([*wrong, *problems(error, data)]) from None
    if wrong:
        raise document.error(wrong)
    if isinstance(checked, File):
        checked._loaded_plugins, checked._automatic = plugins, automatic
        checked._notes = tuple(f"{document.where(keys)}: {dotted(keys)} {message}" for keys, message in present.unused)
    return checked


def checked(document: Document, folder: Path) -> Scenario:
    """Return a document as a checked scenario.

    Raises:
        ScenarioError: If the document is not a valid scenario.
    """
    scenario, missing = with_paths(_validated(document, Scenario, folder, SCENARIO), document, folder)
    wrong = [*missing, *cross_problems(scenario)]
    if wrong:
        raise document.error(wrong)
    notes = [f"{document.where(note.keys)}: {dotted(note.keys)} {note.says}" for note in without_effect(scenario)]
    scenario._notes = (*document.notes, *scenario.notes, *notes)
    # The folders are made absolute, because the working folder may be another one when values are changed.
    base = {keys: Path(os.path.abspath(path)) for keys, path in document.base.items()}
    scenario._document = replace(document, base={(): Path(os.path.abspath(folder)), **base})
    return scenario
