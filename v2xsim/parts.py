"""The registry of parts: models and rules that a scenario can choose by name, built in or from a user's own file.

This module imports the standard library only.

A part is a frozen dataclass. Its fields are its parameters; the name of each ends with its unit. A part derives from
the base class of its kind, defines the method that the kind demands, and registers under a name:

    @part("tallest")
    @dataclass(frozen=True)
    class Tallest(RelayRule):
        least_m: Annotated[float, AtLeast(0), "Antennas below this height are not considered"] = 0.0

        def score(self, view: RelayView) -> Float[np.ndarray, "pairs stations"]: ...

The scenario's schema, its checks and the documentation read parameters, limits and meanings from the class. Each
built-in part is one file in the home package of its kind; a new file there is found without editing a list. The files
are loaded when the names of the kind are first needed, so a module that defines a part must not import torch or numba
at its top.
"""

import dataclasses
import inspect
import pkgutil
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from v2xsim.errors import UserError

_NAME = re.compile(r"[a-z][a-z0-9_]{0,59}")
# YAML reads these words as null or truth values, so a scenario could not choose a part by such a name.
_NO_TEXT = ("true", "false", "null")
PLUGIN_MODULE = "v2xsim_plugin_"
"""Prefix of the names of modules made from users' files."""


class PartError(UserError):
    """A part does not meet the demands of its kind. The message states the demand, what was found, and how to repair it."""


@dataclass(frozen=True)
class AtLeast:
    """A limit on a parameter: its value must be at least `limit`."""

    limit: float


@dataclass(frozen=True)
class Above:
    """A limit on a parameter: its value must be above `limit`."""

    limit: float


@dataclass(frozen=True)
class AtMost:
    """A limit on a parameter: its value must be at most `limit`."""

    limit: float


@dataclass(frozen=True)
class Below:
    """A limit on a parameter: its value must be below `limit`."""

    limit: float


@dataclass(frozen=True)
class Unit:
    """Unit of a parameter whose name does not end with the unit."""

    name: str


@dataclass(frozen=True)
class Auto:
    """A parameter whose default follows from other keys of the scenario.

    Attributes:
        rule: The default in words, such as "as many as fit into the channel".
    """

    rule: str


Limit = AtLeast | Above | AtMost | Below


@dataclass(frozen=True)
class Kind:
    """Properties shared by all parts of one kind.

    Attributes:
        name: Name of the kind in messages, such as "relay rule".
        word: Key in YAML that holds the part's name beside its parameters, such as `rule` in `{rule: hybrid, weight:
            0.3}`.
        methods: Names of the methods that a part of this kind can define; it must define at least one.
        home: Package whose modules hold the built-in parts.
    """

    name: str
    word: str
    methods: tuple[str, ...]
    home: str


class Part:
    """Common base class of all parts; the base class of each kind derives from it.

    Attributes:
        kind: Kind of the part; set by the base class of the kind.
        name: Name of the part in scenarios; set by the decorator `part`.
        file: Path of the user's file that registers the part; None for a built-in part.
    """

    kind: ClassVar[Kind]
    name: ClassVar[str] = ""
    file: ClassVar[Path | None] = None

    def does_many(self, one: str, many: str) -> bool:
        """Return whether a method for many inputs at once can be called instead of the method of the kind.

        A user's part has none: its method is called for one input at a time, and each result is checked. Nor has a class that
        defines the method of the kind in another way than the class from which it inherits the method for many.

        Args:
            one: Name of the method of the kind, such as `detect`.
            many: Name of the method that gives, for many inputs, the same results as `one` for each.
        """
        if self.file is not None:
            return False
        return next((many in vars(cls) for cls in type(self).__mro__ if one in vars(cls) or many in vars(cls)), False)


_P = TypeVar("_P", bound=Part)

# Parts by kind, then by file (None for built-in parts) and name: two files may use the same name if no scenario lists both.
# Parts of a user's file stay here as long as the file's latest content is loaded.
_registered: dict[str, dict[tuple[Path | None, str], type[Part]]] = {}
_loaded_homes: set[str] = set()
# Files whose parts can be chosen now: those that the scenario being read lists.
_visible: frozenset[Path] = frozenset()


def part(name: str) -> Callable[[type[_P]], type[_P]]:
    """Register a class as a part under a name.

    Args:
        name: Name in scenarios, of small letters, digits and `_`; it must be unique within the kind, among built-in
            parts and the parts of all files that a scenario lists.

    Raises:
        PartError: If the class is not a frozen dataclass derived from the base class of a kind, lacks the kind's
            method, or the name is taken.
    """
    given: object = name
    if isinstance(given, type):
        raise PartError(f'@part must give a name, such as @part("{given.__name__.lower()}")')

    def register(cls: type[_P]) -> type[_P]:
        _check(cls, name)
        file = None if cls.__module__.startswith("v2xsim.") else _file_of(cls)
        if file is not None:
            # Load the built-in parts first: their names are taken even if no scenario has used them yet.
            _load_home(cls.kind)
        registered = _registered.setdefault(cls.kind.name, {})
        taken = registered.get((None, name)) or registered.get((file, name))
        if taken is not None and not _runs_again(cls, taken):
            raise name_taken(cls.kind, name, taken.file)
        cls.name, cls.file = name, file
        registered[file, name] = cls
        return cls

    return register


def name_taken(kind: Kind, name: str, file: Path | None) -> PartError:
    """Return an error which states that another part already has this name.

    Args:
        kind: Kind of the part.
        name: Name that the part should get.
        file: The user's file that registers the other part; None for a built-in part.
    """
    owner = "a built-in part" if file is None else f"registered by {file}"
    return PartError(f"the {kind.name} {name!r} must have a name of its own; {name!r} is {owner}")


def parts_of(base: type[_P]) -> Mapping[str, type[_P]]:
    """Return the parts of a kind that a scenario can choose now, by name: first the built-in parts, then those of users.

    Args:
        base: Base class of the kind, such as `RelayRule`.
    """
    _load_home(base.kind)
    registered: dict[tuple[Path | None, str], Any] = _registered.get(base.kind.name, {})
    choosable = [
        (file is not None, name, cls) for (file, name), cls in registered.items() if file is None or file in _visible
    ]
    return {name: cls for _, name, cls in sorted(choosable, key=lambda item: item[:2])}


def hidden_part(base: type[Part], name: str) -> Path | None:
    """Return the user's file that registers a part which cannot be chosen now, because the scenario does not list the file.

    Args:
        base: Base class of the kind of part.
        name: Name of the part.

    Returns:
        Path of the file, or None if no such file has been loaded.
    """
    registered = _registered.get(base.kind.name, {})
    # The file that was loaded last comes first: an earlier file with the same part may be long out of use.
    return next((file for file, other in reversed(registered) if other == name and file not in (None, *_visible)), None)


def visible_files() -> frozenset[Path]:
    """Return the users' files whose parts can be chosen now."""
    return _visible


def show_files(files: frozenset[Path]) -> None:
    """Let scenarios choose the parts of these users' files, and of no other users' files."""
    global _visible
    _visible = files


def forget_file(file: Path) -> None:
    """Remove the parts of a user's file from the registry."""
    for registered in _registered.values():
        for key in [key for key in registered if key[0] == file]:
            del registered[key]


def parts_from(file: Path) -> list[type[Part]]:
    """Return the parts that a user's file has registered."""
    return [cls for registered in _registered.values() for cls in registered.values() if cls.file == file]


def parameters_of(cls: "type[Part] | Part") -> tuple["dataclasses.Field[Any]", ...]:
    """Return the fields of a part that a scenario may set: those that are arguments of its constructor."""
    return tuple(field for field in dataclasses.fields(cls) if field.init)  # type: ignore[arg-type]


def base_of(cls: type[Part]) -> type[Part]:
    """Return the base class of a part's kind."""
    return next(above for above in reversed(cls.__mro__) if "kind" in vars(above) and above is not Part)


def _load_home(kind: Kind) -> None:
    """Import all modules of a kind's home package, each of which registers its part."""
    if kind.home in _loaded_homes:
        return
    package = import_module(kind.home)
    for module in sorted(info.name for info in pkgutil.iter_modules(package.__path__)):
        import_module(f"{kind.home}.{module}")
    # This comes last: if a module fails to load, the next call must try again and not work with an incomplete list.
    _loaded_homes.add(kind.home)


def _file_of(cls: type[Part]) -> Path:
    module = sys.modules.get(cls.__module__)
    return Path(getattr(module, "__file__", None) or f"<{cls.__module__}>")


def _runs_again(cls: type[Part], taken: type[Part]) -> bool:
    """Return whether a class replaces an earlier one because its notebook cell or module was run again."""
    same = (taken.__module__, taken.__qualname__) == (cls.__module__, cls.__qualname__)
    # The parts of a plug-in are removed before its file runs again, so two classes with the same name in it are an error.
    return same and not cls.__module__.startswith(PLUGIN_MODULE)


def _check(cls: type[Part], name: str) -> None:
    above = cls.__mro__[1:] if isinstance(cls, type) and issubclass(cls, Part) else ()
    kinds = [
        vars(base)["kind"]
        for base in above
        if isinstance(vars(base).get("kind"), Kind) and base.__module__.startswith("v2xsim.")
    ]
    kind = kinds[0] if len(kinds) == 1 else None
    if kind is None:
        raise PartError(
            f"@part({name!r}) must stand above a class that derives from the base class of one kind of part, such as RelayRule; "
            f"{getattr(cls, '__name__', cls)!r} does not"
        )
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise PartError(
            f"the name of a {kind.name} must be of small letters, digits and '_' and begin with a letter, got {name!r}"
        )
    if name in _NO_TEXT:
        raise PartError(
            f"the name of a {kind.name} must not be a word that YAML takes for something else, got {name!r}"
        )
    if "__dataclass_params__" not in vars(cls):
        raise PartError(
            f"the {kind.name} {name!r} must be a dataclass: write @dataclass(frozen=True) between @part and class {cls.__name__}"
        )
    if not cls.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        raise PartError(f"the {kind.name} {name!r} must be frozen: write @dataclass(frozen=True)")
    if cls.kind is not kind:
        raise PartError(f"the {kind.name} {name!r} must not have a `kind` of its own")
    taken = (kind.word, "name", "kind", "file", *kind.methods)
    for field in dataclasses.fields(cls):  # type: ignore[arg-type]
        if field.name in taken:
            raise PartError(
                f"the {kind.name} {name!r} must give its parameter {field.name!r} another name: this one is taken"
            )
        if field.name.startswith("_"):
            raise PartError(f"the {kind.name} {name!r}: a parameter's name must not begin with '_', got {field.name!r}")
    _check_method(cls, kind, name)


def _check_method(cls: type[Part], kind: Kind, name: str) -> None:
    base = base_of(cls)
    wanted = " or ".join(f"{method}(self, view)" for method in kind.methods)
    own = [m for m in kind.methods if getattr(cls, m, None) is not getattr(base, m, None)]
    if not own:
        raise PartError(f"the {kind.name} {name!r} must define {wanted}; class {cls.__name__} does not")
    more = [m for m, item in vars(base).items() if inspect.isfunction(item) and getattr(cls, m) is not item]
    for method in dict.fromkeys([*own, *more]):
        function = inspect.getattr_static(cls, method)
        expected = inspect.signature(getattr(base, method))
        if not inspect.isfunction(function):
            raise PartError(f"the {kind.name} {name!r} must define {method} as a method, got {type(function).__name__}")
        try:
            inspect.signature(function).bind(*expected.parameters)
        except TypeError as error:
            given = ", ".join(inspect.signature(function).parameters)
            raise PartError(
                f"the {kind.name} {name!r}: {method} must take ({', '.join(expected.parameters)}), got ({given}): {error}"
            ) from None
