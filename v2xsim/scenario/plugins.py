"""Loading of the Python files listed under the key `plugins`, before the rest of the scenario is checked."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from v2xsim.parts import PartError, name_taken, parts_from, show_files
from v2xsim.plugins import Plugin, load_again, load_plugin
from v2xsim.scenario.choices import rebuild
from v2xsim.scenario.errors import Document, Problem
from v2xsim.scenario.explain import shown
from v2xsim.scenario.fields import Section
from v2xsim.scenario.part_models import model_of, place_of_class
from v2xsim.scenario.paths import trouble_with

KEY = "plugins"
# For each kind of file: the plug-in files (with digests) for which its schema has been built.
_built_for: dict[type[Section], frozenset[Path]] = {}


def use_plugins(document: Document, folder: Path, section: type[Section]) -> tuple[Plugin, ...]:
    """Load the plug-in files that a document lists, and let it choose their parts but not those of other plug-in files.

    Args:
        document: Unchecked content of the file.
        folder: Folder from which relative paths start.
        section: Schema of the top level of the file.

    Returns:
        The files as loaded, in the order of the list.

    Raises:
        ScenarioError: If a plug-in file is missing, cannot be loaded, or a part in it is wrong.
    """
    loaded: list[Plugin] = []
    for number, listed_path in enumerate(_listed(document, section)):
        keys = (KEY, str(number))
        path = Path(os.path.abspath(document.folder(keys, folder) / listed_path))
        if (trouble := trouble_with(path)) is not None:
            raise document.error(
                [Problem(keys, f"must be a Python file with a part in it, got {shown(listed_path)} ({path} {trouble})")]
            )
        try:
            plugin = _with_models(path)
        except PartError as error:
            raise document.error([Problem(keys, str(error))]) from error
        if any(other.path == path for other in loaded):
            raise document.error([Problem(keys, f"must be listed once, got {shown(listed_path)} twice")])
        try:
            _check_names(path, [other.path for other in loaded])
        except PartError as error:
            raise document.error([Problem(keys, str(error))]) from None
        loaded.append(plugin)
    show_files(frozenset(plugin.path for plugin in loaded))
    _rebuilt(section, loaded)
    return tuple(loaded)


def choose_from(paths: Sequence[Path], section: type[Section]) -> None:
    """Load plug-in files, and make their parts available to the next file that is read or described.

    Args:
        paths: Python files.
        section: Schema of the top level of the file that is read or described.

    Raises:
        PartError: If a file cannot be loaded, or a part in it is wrong.
    """
    loaded = loaded_together(paths)
    show_files(frozenset(plugin.path for plugin in loaded))
    _rebuilt(section, loaded)


def run_files_again() -> None:
    """Let the next scenario that is read have parts of its own of each plug-in file: they share no variable with those of earlier scenarios."""
    load_again()
    # Also if the digests are the same, the classes are others.
    _built_for.clear()


def loaded_together(paths: Sequence[Path]) -> list[Plugin]:
    """Load plug-in files whose parts can be chosen together, and return them.

    Raises:
        PartError: If a file cannot be loaded, a part in it is wrong, or two files register the same name.
    """
    loaded: list[Plugin] = []
    for path in dict.fromkeys(Path(os.path.abspath(path)) for path in paths):
        plugin = _with_models(path)
        _check_names(path, [other.path for other in loaded])
        loaded.append(plugin)
    return loaded


def _with_models(path: Path) -> Plugin:
    """Load a plug-in file and check that the parameters of its parts are declared correctly."""
    plugin = load_plugin(path)
    for cls in parts_from(path):
        model_of(cls)
    return plugin


def _listed(document: Document, section: type[Section]) -> list[str]:
    """Return the plug-in files that a document lists.

    Raises:
        ScenarioError: If the value is not a list of paths.
    """
    if KEY not in section.model_fields or not isinstance(document.data, Mapping) or KEY not in document.data:
        return []
    listed = document.data[KEY]
    if not isinstance(listed, list):
        raise document.error(
            [Problem((KEY,), f"must be a list of Python files such as [my_part.py], got {shown(listed)}")]
        )
    wrong = [
        Problem((KEY, str(number)), f"must be the path of a Python file, got {shown(item)}")
        for number, item in enumerate(listed)
        if not isinstance(item, str)
    ]
    if wrong:
        raise document.error(wrong)
    return listed


def _check_names(path: Path, others: list[Path]) -> None:
    """Raise an error if a plug-in file registers a name that another file of the same list registers too."""
    taken = {(cls.kind.name, cls.name): other for other in others for cls in parts_from(other)}
    for cls in parts_from(path):
        if (cls.kind.name, cls.name) in taken:
            error = name_taken(cls.kind, cls.name, taken[cls.kind.name, cls.name])
            raise PartError(f"{place_of_class(cls)}: {error}")


def _rebuilt(section: type[Section], loaded: list[Plugin]) -> None:
    """Build the schema of a section for the parts that can be chosen now, unless this has been done already."""
    # Digests are compared too: a file that has changed registers other classes under the same path.
    now = frozenset(plugin.path / plugin.sha256 for plugin in loaded)
    if _built_for.get(section, frozenset()) != now:
        rebuild(section)
        _built_for[section] = now
