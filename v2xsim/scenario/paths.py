"""Handling of the paths in a scenario: they are made absolute and must be readable files."""

import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from v2xsim.parts import Part, parameters_of
from v2xsim.scenario.errors import Document, Keys, Problem
from v2xsim.scenario.fields import Section

_S = TypeVar("_S", bound=Section)


def with_paths(section: _S, document: Document, folder: Path) -> tuple[_S, list[Problem]]:
    """Return a section with absolute paths, and the errors of its paths.

    Args:
        section: Section with the paths as written.
        document: Source of the section; has the file and line of each path.
        folder: Folder from which relative paths start.
    """
    wrong = []
    for keys, path in list(paths_of(section)):
        absolute = Path(os.path.abspath(document.folder(keys, folder) / path))
        if (trouble := trouble_with(absolute)) is not None:
            wrong.append(Problem(keys, f"must be a file that can be read, got {str(path)!r} ({absolute} {trouble})"))
        section = _replaced(section, keys, absolute)
    return section, wrong


def trouble_with(path: Path) -> str | None:
    """Return the reason why a path is not a readable file, or None if it is one."""
    try:
        if path.is_dir():
            return "is a directory"
        if not path.exists():
            return "does not exist"
        return None if path.is_file() and os.access(path, os.R_OK) else "cannot be read"
    except (OSError, ValueError) as error:
        return f"is no path: {error.strerror if isinstance(error, OSError) else error}"


def paths_of(section: BaseModel | Part, above: Keys = ()) -> Iterator[tuple[Keys, Path]]:
    """Yield the keys and the value of every path in a section and in the parts chosen in it."""
    names = [f.name for f in parameters_of(section)] if isinstance(section, Part) else list(type(section).model_fields)
    for name in names:
        value = getattr(section, name)
        if isinstance(value, Path):
            yield (*above, name), value
        elif isinstance(value, list | tuple):
            yield from (((*above, name, str(n)), item) for n, item in enumerate(value) if isinstance(item, Path))
        elif isinstance(value, BaseModel | Part):
            yield from paths_of(value, (*above, name))


def _replaced(section: Any, keys: Keys, value: Any) -> Any:
    held = getattr(section, keys[0])
    if isinstance(held, list | tuple):
        number = int(keys[1])
        inner: Any = type(held)((*held[:number], value, *held[number + 1 :]))
    else:
        inner = value if len(keys) == 1 else _replaced(held, keys[1:], value)
    if isinstance(section, Part):
        return dataclasses.replace(section, **{keys[0]: inner})  # type: ignore[type-var]
    # The method of pydantic itself, without checks: the value is a path again.
    return BaseModel.model_copy(section, update={keys[0]: inner})
