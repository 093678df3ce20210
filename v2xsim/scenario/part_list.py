"""The list of all parts that a scenario can choose, with their parameters, for `v2xsim parts` and docs/reference/parts.md."""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

import annotated_types
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from v2xsim.errors import UserError
from v2xsim.parts import Part, parts_of, show_files, visible_files
from v2xsim.scenario.choices import PartChoice, choices_in
from v2xsim.scenario.describe import Slot
from v2xsim.scenario.explain import nearest
from v2xsim.scenario.fields import AUTO, rule_of
from v2xsim.scenario.part_models import model_of
from v2xsim.scenario.plugins import loaded_together
from v2xsim.scenario.schema import Scenario

_LIMITS = {
    annotated_types.Ge: ("ge", "at_least"), annotated_types.Gt: ("gt", "above"),
    annotated_types.Le: ("le", "at_most"), annotated_types.Lt: ("lt", "below"),
}  # fmt: skip
_TYPES = {float: "number", int: "whole number", bool: "true or false", str: "text", Path: "path", type(None): "null"}


@dataclass(frozen=True)
class ListedParameter:
    """A parameter of a part.

    Attributes:
        name: Name of the parameter's key in YAML.
        type: Type of the value, in words.
        required: Whether a scenario must set the parameter, because it has no default.
        default: Value that is used if a scenario gives none, in JSON's form; `auto` if it follows from other keys.
        unit: Unit of the value; empty for a value without a unit.
        limits: Value of each limit, by its name: `at_least`, `above`, `at_most`, `below`.
        limits_text: Limits in words; empty if there are none.
        meaning: Meaning of the parameter, one sentence for users.
    """

    name: str
    type: str
    required: bool
    default: Any
    unit: str
    limits: Mapping[str, float]
    limits_text: str
    meaning: str


@dataclass(frozen=True)
class ListedPart:
    """A part and its parameters.

    Attributes:
        name: Name of the part in YAML.
        meaning: First paragraph of the docstring of the part's class.
        class_path: Module and name of the part's class.
        file: Path of the user's file that registers the part; None for a built-in part.
        parameters: Parameters of the part, in the order of the class's fields.
    """

    name: str
    meaning: str
    class_path: str
    file: str | None
    parameters: tuple[ListedParameter, ...]


@dataclass(frozen=True)
class ListedKind:
    """A kind of part, with all parts of that kind.

    Attributes:
        kind: Name of the kind in messages, such as "relay rule".
        key: Key in YAML at which a part of this kind is chosen.
        word: Key that holds the part's name beside its parameters, such as `rule`.
        default: Name of the part that is used if a scenario chooses none.
        base: Module and name of the base class of the kind.
        methods: Methods that a part can define, with their arguments; it must define at least one of them.
        home: Name of the package that holds the built-in parts.
        parts: Parts of this kind: first the built-in ones, then those of users.
    """

    kind: str
    key: str
    word: str
    default: str
    base: str
    methods: tuple[str, ...]
    home: str
    parts: tuple[ListedPart, ...]


def listed_kinds(wanted: str | None = None, files: Sequence[Path] = ()) -> list[ListedKind]:
    """Return every kind of part with its built-in parts and those of users' files.

    Args:
        wanted: The only kind to return, by its name (`relay rule`), its key (`cooperation.relay`) or the end of its key
            (`relay`); None for all kinds.
        files: Absolute paths of Python files with users' parts; their code is run.

    Raises:
        UserError: If there is no such kind, or a file cannot be loaded.
    """
    with _shown(files):
        kinds = [_listed(".".join(keys), choice) for keys, choice in choices_in(Scenario)]
    if wanted is None:
        return kinds
    matching = [kind for kind in kinds if _plain(wanted) in map(_plain, _names(kind))]
    if not matching:
        keys = [kind.key for kind in kinds]
        guess = nearest(wanted, [name for kind in kinds for name in _names(kind)])
        raise UserError(f"kind of part: must be one of {', '.join(keys)}, got {wanted!r}{guess}")
    return matching


@contextmanager
def _shown(files: Sequence[Path]) -> Iterator[None]:
    """Let only the parts of these users' files be chosen during a `with` block, and hide those of other files."""
    before = visible_files()
    show_files(frozenset(plugin.path for plugin in loaded_together(files)))
    try:
        yield
    finally:
        show_files(before)


def _names(kind: ListedKind) -> tuple[str, ...]:
    return kind.kind, kind.key, kind.key.rpartition(".")[2]


def _plain(name: str) -> str:
    return name.lower().replace("_", " ").replace("-", " ")


def _listed(key: str, choice: PartChoice) -> ListedKind:
    base, kind = choice.base, choice.base.kind
    methods = tuple(_signature(base, method) for method in kind.methods)
    parts = tuple(_part(cls) for cls in parts_of(base).values())
    return ListedKind(kind.name, key, kind.word, choice.default, _path(base), methods, kind.home, parts)


def _signature(base: type[Part], method: str) -> str:
    arguments = list(inspect.signature(getattr(base, method)).parameters)[1:]
    return f"{method}({', '.join(arguments)})"


def _path(cls: type[Part]) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def _part(cls: type[Part]) -> ListedPart:
    fields = {name: info for name, info in model_of(cls).model_fields.items() if name != cls.kind.word}
    # Python gives a dataclass without a docstring its signature as docstring, which is not a meaning.
    written = inspect.cleandoc(cls.__doc__ or "")
    first = "" if written.startswith(f"{cls.__name__}(") else " ".join(written.split("\n\n")[0].split())
    file = str(cls.file) if cls.file is not None else None
    path = cls.__qualname__ if file else _path(cls)
    return ListedPart(cls.name, first, path, file, tuple(listed_field(name, info) for name, info in fields.items()))


def listed_field(name: str, info: FieldInfo) -> ListedParameter:
    """Return what a field of the schema, or of a part's model, takes.

    Args:
        name: Name of the key in YAML.
        info: Declaration of the field.
    """
    slot = Slot(info.annotation, info)
    extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    limits = {
        word: float(getattr(item, attribute))
        for item in info.metadata
        for limit_type, (attribute, word) in _LIMITS.items()
        if isinstance(item, limit_type)
    }
    default = None if info.is_required() else to_jsonable_python(info.get_default(call_default_factory=True))
    meaning, rule = (info.description or "").removesuffix(f" [{extra.get('unit')}]"), rule_of(info)
    return ListedParameter(
        name, type_words(info.annotation), info.is_required(), default if rule is None else AUTO, slot.unit, limits, slot.limits,
        meaning if rule is None else f"{meaning}; auto is {rule}",
    )  # fmt: skip


def type_words(annotation: Any) -> str:
    """Return a text that names the type of value which a parameter takes."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join(str(value) for value in inner)
    if origin in (Union, UnionType):
        return " or ".join(type_words(member) for member in inner)
    if origin is tuple and Ellipsis not in inner:
        return f"list of {len(inner)}"
    if origin in (tuple, list):
        return "list"
    return _TYPES.get(annotation, getattr(annotation, "__name__", str(annotation)))


def as_text(value: Any) -> str:
    """Return the default of a parameter as text in YAML's form."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, list | tuple):
        return f"[{', '.join(as_text(item) for item in value)}]"
    return f"{value:g}" if isinstance(value, float) else str(value)


def as_markdown(kinds: Sequence[ListedKind]) -> str:
    """Return the reference page of all kinds and parts, in Markdown."""
    lines = [
        "# Parts",
        "",
        "The models and rules that a scenario can choose by name (*parts*), with all their parameters. To write a part of your own, see",
        "[own_parts.md](../own_parts.md). This page is generated by `v2xsim parts --markdown > docs/reference/parts.md`.",
        "",
        *overview(kinds),
    ]
    for kind in kinds:
        lines += ["", *_section(kind)]
    return "\n".join(lines) + "\n"


def overview(kinds: Sequence[ListedKind]) -> Iterator[str]:
    """Yield the lines of the Markdown table of kinds."""
    yield "| key in YAML | kind, and the key for the part's name | base class | method | built-in parts |"
    yield "|---|---|---|---|---|"
    for kind in kinds:
        methods = " or ".join(f"`{method}`" for method in kind.methods)
        names = ", ".join(f"`{part.name}`" for part in kind.parts)
        yield f"| `{kind.key}` | {kind.kind}, `{kind.word}` | `{kind.base}` | {methods} | {names} |"


def _section(kind: ListedKind) -> Iterator[str]:
    yield f"## {kind.kind[:1].upper()}{kind.kind[1:]}: `{kind.key}`"
    yield ""
    yield f"Default: `{kind.default}`."
    yield ""
    yield "| part | what it does |"
    yield "|---|---|"
    for part in kind.parts:
        yield f"| `{part.name}` | {cell(part.meaning)} |"
    rows = [(part, parameter) for part in kind.parts for parameter in part.parameters]
    if not rows:
        return
    yield ""
    yield "| part | parameter | type | default | unit | limits | meaning |"
    yield "|---|---|---|---|---|---|---|"
    for part, parameter in rows:
        default = "required" if parameter.required else as_text(parameter.default)
        limits = parameter.limits_text or "-"
        yield (
            f"| `{part.name}` | `{parameter.name}` | {cell(parameter.type)} | {cell(default)} | {parameter.unit or '-'} | "
            f"{limits} | {cell(parameter.meaning)} |"
        )


def cell(text: str) -> str:
    """Return a text as it stands in a cell of a Markdown table."""
    return text.replace("|", "\\|")
