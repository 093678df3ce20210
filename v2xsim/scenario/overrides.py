"""Values that are set outside the file, such as `--set radio.tx_power_dbm=20`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from v2xsim.scenario.errors import Document, Keys, ScenarioError
from v2xsim.scenario.yamltext import read_yaml

OPTION = "--set "
Word = Callable[[Keys], str | None]
"""A function that returns, for the keys of a choice, the key that names the part, and None for other keys."""


def no_parts(keys: Keys) -> str | None:
    """Return None whatever the keys are; used as `word` for files in which no part is chosen."""
    return None


def with_overrides(document: Document, overrides: Sequence[str], word: Word = no_parts) -> Document:
    """Return a document with some values replaced. Unknown keys are not checked here, but later by the schema.

    Args:
        document: Content of the file.
        overrides: Values to set, each as `dotted.key=value` with the value in YAML. A number as key selects an item of a
            list.
        word: Function that returns, for keys at which a part is chosen, the key that holds the part's name, and None for
            other keys. If the file has only the part's name there, an override can still set a parameter.

    Raises:
        ScenarioError: If an override has no `=`, or leads through a value that has no keys.
    """
    data = document.data
    sources, base = dict(document.place), dict(document.base)
    given: dict[Keys, str] = {}
    written = dict(document.written)
    for override in overrides:
        name, equals, text = override.partition("=")
        option = f"{OPTION}{shortened(override)}"
        keys = tuple(name.strip().split("."))
        if not equals or not all(keys):
            raise ScenarioError(f"{option}: must be KEY=VALUE with a dotted key, such as radio.tx_power_dbm=20")
        if keys in given:
            raise ScenarioError(
                f"{option}: {name.strip()} is given twice, first in {given[keys]}; give one of the values"
            )
        given[keys] = option
        parsed = read_yaml(text, option)
        value = parsed.data
        _refuse_to_undo(option, keys, sources)
        data = _set(data, keys, value, option, (), word)
        sources = {known: source for known, source in sources.items() if known[: len(keys)] != keys}
        sources[keys], base[keys] = option, Path()
        written = {known: as_text for known, as_text in written.items() if known[: len(keys)] != keys}
        written |= {(*keys, *below): as_text for below, as_text in parsed.written.items()}
    return replace(document, data=data, place=sources, base=base, written=written)


def shortened(text: str) -> str:
    """Return the text of an option for a message: its beginning if it is long."""
    return text if len(text) <= 60 else text[:57] + "..."


def _refuse_to_undo(option: str, keys: Keys, sources: Mapping[Keys, str]) -> None:
    """Raise an error if an option replaces a section in which an earlier option has set a key.

    The earlier option would be lost without notice.
    """
    for known, source in sources.items():
        if len(known) > len(keys) and known[: len(keys)] == keys and source.startswith(OPTION):
            raise ScenarioError(f"{option}: must come before {source}, which sets a key in it")


def with_values(
    document: Document, values: Mapping[str, Any], where: str | Mapping[str, str], folder: Path, word: Word = no_parts
) -> Document:
    """Return a document with some values replaced by values that need no parsing, as a sweep sets them.

    Args:
        document: Content of the file.
        values: New values, by dotted key.
        where: Name of the source of the values in messages: one for all, or one for each key.
        folder: Folder from which relative paths among the values count.
        word: Function as in `with_overrides`.

    Raises:
        ScenarioError: If a key leads through a value that has no keys.
    """
    data, sources, base = document.data, dict(document.place), dict(document.base)
    written = dict(document.written)
    for name, value in values.items():
        keys = tuple(name.split("."))
        place = where if isinstance(where, str) else where[name]
        data = _set(data, keys, value, f"{place}: {name}", (), word)
        sources = {known: at for known, at in sources.items() if known[: len(keys)] != keys}
        sources[keys], base[keys] = place, folder
        written = {known: text for known, text in written.items() if known[: len(keys)] != keys}
    return replace(document, data=data, place=sources, base=base, written=written)


def _set(data: Any, keys: Keys, value: Any, option: str, above: Keys, word: Word) -> Any:
    """Return a copy of the data with one value replaced."""
    if not keys:
        return value
    key = keys[0]
    if data is None:
        data = {}
    if isinstance(data, str) and (name := word(above)) is not None:
        # If the file has `relay: hybrid` and the option sets a parameter of that part, turn the name into a section.
        data = {name: data}
    if isinstance(data, dict):
        return {**data, key: _set(data.get(key), keys[1:], value, option, (*above, key), word)}
    name = ".".join(above)
    if isinstance(data, list):
        if not key.isdecimal() or int(key) >= len(data):
            raise ScenarioError(
                f"{option}: {name} is a list of {len(data)}; name an item by 0 to {len(data) - 1}, got {key!r}"
            )
        number = int(key)
        return [*data[:number], _set(data[number], keys[1:], value, option, (*above, key), word), *data[number + 1 :]]
    raise ScenarioError(f"{option}: {name} holds a single value, so it has no key {key!r}")
