"""Finds where the values of a sweep are written: file and line in a sweep file, or the option of the command line."""

from typing import Any

from v2xsim.scenario.errors import Document, Keys
from v2xsim.study.axes import Setting, canonical
from v2xsim.study.sweepfile import SweepFile


class Places:
    """The place of each value of a sweep, by key and value."""

    def __init__(self, document: Document, file: SweepFile) -> None:
        self._document, self._file = document, file
        self._values = {
            (key, canonical(value)): ("grid", key, str(number))
            for key, values in file.grid.items()
            for number, value in reversed(list(enumerate(values)))
        }
        self._rows = {canonical(row): str(number) for number, row in reversed(list(enumerate(file.rows)))}
        self._listed = tuple(file.rows[0]) if file.rows else ()

    def fixed(self) -> dict[str, str]:
        """Return the place of each value that holds for all settings."""
        return {key: _of_block(self._document.where(("set", key)), "set") for key in self._file.fixed}

    def varied(self, row: int, setting: Setting) -> dict[str, str]:
        """Return the place of each varied value of a setting, with the setting's number."""
        listed = self._rows.get(canonical({key: setting[key] for key in self._listed}), "0")
        return {key: named(self._document.where(self._keys(key, value, listed)), row) for key, value in setting.items()}

    def _keys(self, key: str, value: Any, listed: str) -> Keys:
        if key in self._file.grid:
            return self._values.get((key, canonical(value)), ("grid", key))
        if key in self._listed:
            return ("list", listed, key)
        in_random = self._file.random is not None and key in self._file.random.keys
        return ("random" if in_random else "sobol", "keys", key)


def named(place: str, row: int) -> str:
    """Return the name of a setting in messages."""
    return f"{place}: setting {row}"


def without_name(text: str, row: int) -> tuple[str | None, str]:
    """Return the place and the rest of a text that begins with the name of a setting; None for a text that does not."""
    place, name, rest = text.partition(f": setting {row}: ")
    return (place, rest) if name and "\n" not in place else (None, text)


def _of_block(place: str, block: str) -> str:
    """Return a place with the name of a block; an option of the command line has it already."""
    return place if place.startswith("--") else f"{place}: {block}"
