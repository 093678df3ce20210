"""The files that a scenario lists under `plugins`: loaded before anything else in it is checked."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from v2xsim.parts import PartError, parts_from, show_files
from v2xsim.plugins import Plugin, load_plugin
from v2xsim.scenario.choices import model_of, rebuild
from v2xsim.scenario.errors import Document, Problem
from v2xsim.scenario.fields import Section

KEY = "plugins"
# Sections at the top of a kind of file, and the files whose parts their schema holds.
_built_for: dict[type[Section], frozenset[Path]] = {}


def use_plugins(document: Document, folder: Path, section: type[Section]) -> tuple[Plugin, ...]:
    """Load the files that a document lists, and let it choose their parts and no other user's.

    Args:
        document: What the file says, unchecked.
        folder: Where relative paths count from.
        section: What stands at the top of the file.

    Returns:
        The files as loaded, in the order of the list.

    Raises:
        ScenarioError: If a file is not there, cannot be loaded, or a part in it is wrong.
    """
    listed = document.data.get(KEY, []) if isinstance(document.data, Mapping) else []
    if KEY not in section.model_fields or not isinstance(listed, list) or not all(isinstance(p, str) for p in listed):
        # Whatever is wrong with the list itself is for the schema to say.
        listed = []
    paths = [
        Path(os.path.abspath(document.folder((KEY, str(number)), folder) / said)) for number, said in enumerate(listed)
    ]
    # First, so that two of them cannot register the same name.
    show_files(frozenset(paths))
    loaded: list[Plugin] = []
    for number, (said, path) in enumerate(zip(listed, paths, strict=True)):
        keys = (KEY, str(number))
        if not path.is_file():
            reason = "is a directory" if path.is_dir() else "does not exist"
            raise document.error(
                [Problem(keys, f"must be a Python file with a part in it, got {said!r} ({path} {reason})")]
            )
        try:
            plugin = _with_models(path)
        except PartError as error:
            raise document.error([Problem(keys, str(error))]) from error
        if plugin in loaded:
            raise document.error([Problem(keys, f"must be listed once, got {said!r} twice")])
        loaded.append(plugin)
    _rebuilt(section, loaded)
    return tuple(loaded)


def choose_from(paths: Sequence[Path], section: type[Section]) -> None:
    """Load files, and let whatever is read or described next choose their parts.

    Args:
        paths: Python files.
        section: What stands at the top of the kind of file that is read or described.

    Raises:
        PartError: If a file cannot be loaded, or a part in it is wrong.
    """
    loaded = [_with_models(Path(os.path.abspath(path))) for path in paths]
    show_files(frozenset(plugin.path for plugin in loaded))
    _rebuilt(section, loaded)


def _with_models(path: Path) -> Plugin:
    """Load a file and check the parameters of its parts."""
    plugin = load_plugin(path)
    for cls in parts_from(path):
        model_of(cls)
    return plugin


def _rebuilt(section: type[Section], loaded: list[Plugin]) -> None:
    """Build the section's schema for the parts that can be chosen now, where it is not built for them yet."""
    # The content counts too: a file that has changed registers other classes.
    now = frozenset(plugin.path / plugin.sha256 for plugin in loaded)
    if _built_for.get(section, frozenset()) != now:
        rebuild(section)
        _built_for[section] = now
