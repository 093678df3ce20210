"""Look-up of a key in the schema: its section, its unit, its limits, and the other keys of its section."""

import types
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Annotated, Any, Union, get_args, get_origin

import annotated_types
from pydantic.fields import FieldInfo

from v2xsim.scenario.choices import PartChoice, choice_in
from v2xsim.scenario.errors import Keys
from v2xsim.scenario.fields import Section
from v2xsim.scenario.schema import Scenario

_explained: ContextVar[tuple[type[Section], Any]] = ContextVar("explained", default=(Scenario, None))


@contextmanager
def described_by(root: type[Section], data: Any = None) -> Iterator[None]:
    """Make the functions of this module explain the keys of one file, during a `with` block.

    Args:
        root: Schema of the top level of the file.
        data: Content of the file; it shows which part was chosen, and so which parameters are valid keys.
    """
    token = _explained.set((root, data))
    try:
        yield
    finally:
        _explained.reset(token)


def root() -> type[Section]:
    """Return the schema of the top level of the file that is being explained."""
    return _explained.get()[0]


@dataclass(frozen=True)
class Slot:
    """A position in a scenario, with its type and its value.

    Attributes:
        annotation: Type that the schema demands at this position.
        info: Declaration of the schema's field; None for an entry of a list or a map.
        data: Value in the file that is being explained; None if it is unknown.
    """

    annotation: Any
    info: FieldInfo | None = None
    data: Any = None

    @property
    def choice(self) -> PartChoice | None:
        """The marker `PartChoice` of the field if a part is chosen at this position; else None."""
        return choice_in(self.info)

    @property
    def parts(self) -> list[type[Section]]:
        """The models of the parts that can be chosen here: only that of the part that the data names, or all of them."""
        if self.choice is None:
            return []
        models = self.choice.models()
        named = self.data.get(self.choice.word) if isinstance(self.data, dict) else self.data
        return [models[named]] if isinstance(named, str) and named in models else list(models.values())

    @property
    def unit(self) -> str:
        """Unit as shown in messages; empty if the value has no unit."""
        extra = self.info.json_schema_extra if self.info else None
        unit = extra.get("unit") if isinstance(extra, dict) else None
        return unit if isinstance(unit, str) and unit not in ("1", "none") else ""

    @property
    def section(self) -> type[Section] | None:
        """Schema of the section at this position; for a choice of a part, that of the part; None if no section belongs here."""
        if self.choice is not None:
            return self.parts[0] if len(self.parts) == 1 else None
        return next((a for a in members_of(self.annotation) if isinstance(a, type) and issubclass(a, Section)), None)

    @property
    def length(self) -> int | None:
        """Number of values if a list of fixed length belongs here; else None."""
        for member in members_of(self.annotation):
            if get_origin(member) is tuple and Ellipsis not in get_args(member):
                return len(get_args(member))
        return None

    @property
    def limits(self) -> str:
        """Limits on the number at this position, in words; empty if there are none."""
        words = {
            annotated_types.Gt: "above",
            annotated_types.Ge: "at least",
            annotated_types.Lt: "below",
            annotated_types.Le: "at most",
        }
        texts = []
        for item in self.info.metadata if self.info else ():
            for limit_name, word in words.items():
                if isinstance(item, limit_name):
                    texts.append(f"{word} {_limit(item):g}")
        return " and ".join(texts) + (f" {self.unit}" if texts and self.unit else "")


def slot(keys: Keys) -> Slot | None:
    """Return the position in the schema to which keys lead, or None if the schema has no such key."""
    section, data = _explained.get()
    slots = [Slot(section, None, data)]
    for key in keys:
        slots = [below for above in slots for below in _below(above, key)]
    return slots[0] if slots else None


def all_keys(section: type[Section] = Scenario, above: Keys = ()) -> Iterator[tuple[Keys, FieldInfo]]:
    """Yield every field of a section and of the sections inside it, with its keys; `*` stands for an entry of a list or map."""
    for name, info in section.model_fields.items():
        keys = (*above, name)
        yield keys, info
        choice = choice_in(info)
        for model in choice.models().values() if choice is not None else ():
            yield from all_keys(model, keys)
        for inner, star in _sections(info.annotation):
            yield from all_keys(inner, (*keys, *star))


def _sections(annotation: Any) -> Iterator[tuple[type[Section], Keys]]:
    for member in members_of(annotation):
        if isinstance(member, type) and issubclass(member, Section):
            yield member, ()
        elif get_origin(member) in (list, tuple, dict):
            for part in get_args(member):
                for section, star in _sections(part):
                    yield section, ("*", *star)


def members_of(annotation: Any) -> list[Any]:
    """Return the member types of a union, also of unions inside it; for any other type, that type alone.

    The metadata of an `Annotated` type is left out: its first argument counts as the type.
    """
    if get_origin(annotation) is Annotated:
        return members_of(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return [member for part in get_args(annotation) for member in members_of(part)]
    return [annotation]


def _below(above: Slot, key: str) -> Iterator[Slot]:
    data = _inside(above.data, key)
    if above.choice is not None:
        for model in above.parts:
            if key in model.model_fields:
                yield Slot(model.model_fields[key].annotation, model.model_fields[key], data)
        return
    for member in members_of(above.annotation):
        arguments = get_args(member)
        if isinstance(member, type) and issubclass(member, Section):
            if key in member.model_fields:
                yield Slot(member.model_fields[key].annotation, member.model_fields[key], data)
        elif (get_origin(member) is list and key.isdigit()) or (
            get_origin(member) is tuple and key.isdigit() and len(arguments) == 2 and arguments[1] is Ellipsis
        ):
            yield Slot(arguments[0], None, data)
        elif get_origin(member) is tuple and key.isdigit() and int(key) < len(arguments):
            yield Slot(arguments[int(key)], None, data)
        elif get_origin(member) is dict:
            yield Slot(arguments[1], None, data)


def _inside(data: Any, key: str) -> Any:
    if isinstance(data, dict):
        return data.get(key)
    return data[int(key)] if isinstance(data, list) and key.isdigit() and int(key) < len(data) else None


def _limit(item: Any) -> float:
    return next(float(getattr(item, name)) for name in ("gt", "ge", "lt", "le") if hasattr(item, name))
