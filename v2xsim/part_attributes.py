"""Checks of the settings of a user's part, made when the part is created.

Settings are everything besides the main method: class attributes (such as `hysteresis`), properties (`check_us`), and methods
without arguments that return a plain value (`most_bytes`). The base class of the kind declares their types and limits. A
part may have a parameter with the name of a class attribute instead.
"""

import inspect
import math
import types
from difflib import get_close_matches
from enum import Enum
from numbers import Integral, Real
from typing import Annotated, Any, ClassVar, Literal, Union, get_args, get_origin, get_type_hints

from v2xsim.parts import Above, AtLeast, AtMost, Below, Limit, Part, base_of, parameters_of
from v2xsim.plugins import ask, call, wrong_answer


def check_attributes(part: Part) -> None:
    """Check the settings (attributes, properties, methods without arguments) of a user's part.

    Raises:
        PartError: If a setting has another type than the base class of the kind declares, is out of its limits, or
            raises an exception when read.
    """
    base = base_of(type(part))
    # A user's part can derive from a built-in part, whose declarations then count too. The base class of the kind comes
    # last, so that its declarations take precedence.
    built_in = [above for above in type(part).__mro__ if above.__module__.startswith("v2xsim.")]
    hints = {name: hint for above in built_in for name, hint in get_type_hints(above, include_extras=True).items()}
    for name, hint in hints.items():
        if get_origin(hint) is ClassVar and name not in ("kind", "name", "file"):
            _check(part, name, getattr(part, name), get_args(hint)[0], "must be")
    _check_spelling(type(part), [name for name in (*hints, *vars(base)) if not name.startswith("_")])
    for name, item in vars(base).items():
        if isinstance(item, property):
            hint = get_type_hints(item.fget, include_extras=True)["return"]
            _check(part, name, call(part, name, getattr, part, name), hint, "must be")
        elif (
            inspect.isfunction(item) and len(inspect.signature(item).parameters) == 1 and name not in part.kind.methods
        ):
            hint = get_type_hints(item, include_extras=True)["return"]
            _check(part, name, ask(part, name), hint, "must return")


def _check_spelling(cls: type[Part], known: list[str]) -> None:
    """Raise an error for a class attribute that looks like a misspelt setting, which would silently have no effect."""
    parameters = {field.name for field in parameters_of(cls)}
    for name, value in vars(cls).items():
        if (
            name.startswith("_")
            or name in parameters
            or name in known
            or callable(value)
            or isinstance(value, property)
        ):
            continue
        close = get_close_matches(name, known, n=1, cutoff=0.8)
        if close:
            part = cls.__new__(cls)
            raise wrong_answer(part, name, f"is no setting of a {cls.kind.name}; did you mean {close[0]!r}?")


def _check(part: Part, name: str, value: Any, hint: Any, must: str) -> None:
    if not _fits(value, hint):
        raise wrong_answer(part, name, f"{must} {_words(hint)}, got {value!r}")


def _fits(value: Any, hint: Any) -> bool:
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _fits(value, inner[0]) and all(_within(value, limit) for limit in inner[1:] if isinstance(limit, Limit))
    if origin is Literal:
        return value in inner
    if origin in (Union, types.UnionType):
        return any(_fits(value, member) for member in inner)
    if origin is tuple:
        return (
            isinstance(value, tuple | list)
            and len(value) == len(inner)
            and all(_fits(item, kind) for item, kind in zip(value, inner, strict=True))
        )
    if isinstance(value, bool):
        # bool is a subclass of int in Python, but a truth value is not meant as a number.
        return hint is bool
    if hint in (int, float):
        return isinstance(value, Integral if hint is int else Real) and math.isfinite(value)
    return value is None if hint is type(None) else isinstance(value, hint)


def _within(value: Any, limit: Limit) -> bool:
    if isinstance(limit, AtLeast | Above):
        return bool(value >= limit.limit if isinstance(limit, AtLeast) else value > limit.limit)
    return bool(value <= limit.limit if isinstance(limit, AtMost) else value < limit.limit)


def _words(hint: Any) -> str:
    """Return a text that names the values which a type accepts."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        words = {AtLeast: "at least", Above: "above", AtMost: "at most", Below: "below"}
        limits = [f"{words[type(limit)]} {limit.limit:g}" for limit in inner[1:] if isinstance(limit, Limit)]
        return " ".join([_words(inner[0]), *limits])
    if origin is Literal:
        return " or ".join(repr(value) for value in inner)
    if origin in (Union, types.UnionType):
        return " or ".join(_words(member) for member in inner)
    if origin is tuple:
        return f"{len(inner)} values, each {_words(inner[0])}"
    if isinstance(hint, type) and issubclass(hint, Enum):
        return f"one of {', '.join(f'{hint.__name__}.{member.name}' for member in hint)}"
    named = {bool: "True or False", int: "a whole number", float: "a finite number", str: "text", type(None): "None"}
    return named.get(hint, str(hint))
