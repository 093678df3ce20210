"""Functions and base classes with which the schema declares its fields: default, unit, meaning and limits."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, PrivateAttr, ValidationError
from pydantic.fields import FieldInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from v2xsim.plugins import Plugin
from v2xsim.scenario.hooks import HOOKS

_S = TypeVar("_S", bound="Section")

AUTO = "auto"
"""Value of a key in YAML that leaves it to the program, for keys whose default follows from other keys."""


@dataclass(frozen=True)
class Automatic:
    """Marks a field whose default follows from other keys (`v2xsim.scenario.automatic`).

    Attributes:
        rule: The default in words.
    """

    rule: str

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Return the JSON Schema of the field: the word `auto`, or a value."""
        return {"anyOf": [{"const": AUTO, "description": f"auto: {self.rule}"}, handler(schema)]}


def rule_of(info: FieldInfo | None) -> str | None:
    """Return in words how the default of a field follows from other keys; None for a field with a fixed default."""
    return (
        next((item.rule for item in info.metadata if isinstance(item, Automatic)), None) if info is not None else None
    )


class Section(BaseModel):
    """Base class of the sections of a scenario: they are frozen, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def model_copy(self: _S, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> _S:
        """Return a copy with some values replaced, after the checks of this section; pydantic's own method checks nothing.

        Args:
            update: New values, by key of this section.
            deep: Whether sections inside this one are copied too.

        Raises:
            ScenarioError: If a key is unknown or a value is not allowed.
        """
        copy = super().model_copy(deep=deep)
        if not update:
            return copy
        fields = type(self).model_fields
        values = {**{name: getattr(copy, name) for name in copy.model_fields_set}, **update}
        # A file may call a key otherwise than its field.
        values = {fields[name].alias or name if name in fields else name: value for name, value in values.items()}
        try:
            checked = type(self).model_validate(values)
        except ValidationError as error:
            raise HOOKS.section_error(error, type(self), values) from None
        copy.__dict__.update(checked.__dict__)
        copy.__pydantic_fields_set__.update(update)
        return copy

    def copy(self: _S, **options: Any) -> _S:
        """Return `model_copy` with the same arguments; pydantic's method of this name is out of use and checks nothing."""
        return self.model_copy(**options)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Return the JSON Schema of the section, with the default `auto` for fields whose default follows from other keys."""
        described = handler.resolve_ref_schema(handler(schema))
        for name, info in cls.model_fields.items():
            if rule_of(info) is not None:
                described["properties"][name]["default"] = AUTO
        return described


class File(Section):
    """Base class for the top level of a file in which parts can be chosen."""

    _loaded_plugins: tuple[Plugin, ...] = PrivateAttr(())
    _notes: tuple[str, ...] = PrivateAttr(())
    _automatic: dict[str, Any] = PrivateAttr(default_factory=dict)

    def __eq__(self, other: object) -> bool:
        """Return whether another file has the same content; line numbers, and so the notes, are not compared."""
        return type(self) is type(other) and self.__dict__ == other.__dict__

    __hash__ = None  # type: ignore[assignment]

    @property
    def loaded_plugins(self) -> tuple[Plugin, ...]:
        """The loaded files of the key `plugins`, each with the digest of the code that was run."""
        return self._loaded_plugins

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes about the keys that have no effect, one sentence for each."""
        return self._notes

    @property
    def automatic(self) -> dict[str, Any]:
        """The value of each key that is not written and follows from other keys, by dotted key."""
        return dict(self._automatic)


def quantity(default: Any, unit: str, description: str, **limits: Any) -> Any:
    """Return a schema field for a number; its unit and meaning appear in the JSON Schema.

    Args:
        default: Default value; `...` makes the field required.
        unit: Unit of the number.
        description: Meaning of the key, for users.
        limits: Limits in pydantic's form, such as `ge=0`.
    """
    return Field(default, description=f"{description} [{unit}]", json_schema_extra={"unit": unit}, **limits)


def automatic(default: Any, rule: str, unit: str, description: str, **limits: Any) -> Any:
    """Return a schema field for a number whose default follows from other keys (`v2xsim.scenario.automatic`).

    Args:
        default: The usual value, which holds for sections that Python code makes.
        rule: The default in words, as in "the default is ...".
        unit: Unit of the number.
        description: Meaning of the key, for users.
        limits: Limits in pydantic's form, such as `ge=0`.
    """
    info: FieldInfo = quantity(default, unit, description, **limits)
    return as_automatic(info, rule)


def as_automatic(info: Any, rule: str) -> Any:
    """Return a field with the mark of a default that follows from other keys."""
    info.metadata.append(Automatic(rule))
    return info


def choice(default: Any, description: str, **limits: Any) -> Any:
    """Return a schema field without a unit: a name, a path, a switch or a list of them; arguments as in `quantity`."""
    return Field(default, description=description, json_schema_extra={"unit": "none"}, **limits)
