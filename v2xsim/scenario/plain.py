"""Conversion of values of a Python program to the plain data of a scenario file."""

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from pydantic import BaseModel

from v2xsim.parts import Part
from v2xsim.scenario.choices import as_data
from v2xsim.scenario.errors import Keys, ScenarioError, dotted
from v2xsim.scenario.yamltext import DEEPEST, LONGEST_NUMBER


def plain_data(value: Any, source: str, keys: Keys = ()) -> Any:
    """Return a value as plain data: maps with text as keys, lists, text, numbers, truth values and None.

    Paths become text, tuples and arrays become lists, numpy numbers become Python numbers, and sections and parts become
    their content.

    Args:
        value: Value of a Python program.
        source: Name of the source of the value in messages.
        keys: Keys that lead to the value.

    Raises:
        ScenarioError: If the value, or one inside it, is of a type that a scenario file cannot hold.
    """
    if len(keys) > DEEPEST:
        raise ScenarioError(f"{source}: nested more than {DEEPEST} deep; does a value contain itself?")
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json", exclude_unset=True)
    elif isinstance(value, Part):
        value = as_data(value)
    elif not isinstance(value, str | bytes) and hasattr(value, "tolist"):
        # Arrays and numbers of numpy, without importing numpy.
        value = value.tolist()
    if isinstance(value, Mapping):
        return _map(value, source, keys)
    if isinstance(value, list | tuple):
        return [plain_data(item, source, (*keys, str(number))) for number, item in enumerate(value)]
    if isinstance(value, PurePath):
        return str(value)
    if value is None or isinstance(value, bool | float):
        return value
    for kind in (int, str):
        # Members of an enumeration count as the number or the text that they are.
        if isinstance(value, kind):
            plain = kind(value) if kind is int else str.__str__(value)
            if isinstance(plain, int) and abs(plain) >= 10**LONGEST_NUMBER:
                raise _error(source, keys, f"must be a number of at most {LONGEST_NUMBER} digits")
            return plain
    raise _error(
        source, keys, f"must be a dict, a list, text, a number, true, false or None, got {type(value).__name__}"
    )


def _map(value: Mapping[Any, Any], source: str, keys: Keys) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for key, item in value.items():
        # A whole number as key, as in `lidars.per_vehicle`, is text in a file.
        name = str(key) if isinstance(key, int) and not isinstance(key, bool) else key
        if not isinstance(name, str):
            raise _error(source, keys, f"a key must be text, got {type(key).__name__}")
        if name in data:
            raise _error(source, (*keys, name), "this key is there twice, as text and as a number")
        data[name] = plain_data(item, source, (*keys, name))
    return data


def _error(source: str, keys: Keys, says: str) -> ScenarioError:
    name = dotted(keys)
    return ScenarioError(f"{source}: {name + ': ' if name else ''}{says}")
