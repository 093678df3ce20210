"""Functions and base classes with which the schema declares its fields: default, unit, meaning and limits."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

from v2xsim.plugins import Plugin


class Section(BaseModel):
    """Base class of the sections of a scenario: they are frozen, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class File(Section):
    """Base class for the top level of a file in which parts can be chosen."""

    _loaded_plugins: tuple[Plugin, ...] = PrivateAttr(())
    _notes: tuple[str, ...] = PrivateAttr(())

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


def quantity(default: Any, unit: str, description: str, **limits: Any) -> Any:
    """Return a schema field for a number; its unit and meaning appear in the JSON Schema.

    Args:
        default: Default value; `...` makes the field required.
        unit: Unit of the number.
        description: Meaning of the key, for users.
        limits: Limits in pydantic's form, such as `ge=0`.
    """
    return Field(default, description=f"{description} [{unit}]", json_schema_extra={"unit": unit}, **limits)


def choice(default: Any, description: str, **limits: Any) -> Any:
    """Return a schema field without a unit: a name, a path, a switch or a list of them; arguments as in `quantity`."""
    return Field(default, description=description, json_schema_extra={"unit": "none"}, **limits)
