"""How a field of a scenario is declared: default, unit, meaning, limits."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

from v2xsim.plugins import Plugin


class Section(BaseModel):
    """A section of a scenario: frozen, and closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class File(Section):
    """The top of a kind of file that chooses parts."""

    _loaded_plugins: tuple[Plugin, ...] = PrivateAttr(())
    _notes: tuple[str, ...] = PrivateAttr(())

    def __eq__(self, other: object) -> bool:
        """Return whether another file has the same content; positions in the file, and so the notes, do not count."""
        return type(self) is type(other) and self.__dict__ == other.__dict__

    __hash__ = None  # type: ignore[assignment]

    @property
    def loaded_plugins(self) -> tuple[Plugin, ...]:
        """The files of `plugins` as they were loaded, each with the digest of the code that was run."""
        return self._loaded_plugins

    @property
    def notes(self) -> tuple[str, ...]:
        """The keys that have no effect, one sentence each."""
        return self._notes


def quantity(default: Any, unit: str, description: str, **limits: Any) -> Any:
    """Return a field whose unit and meaning reach the JSON Schema. A default of `...` makes it required."""
    return Field(default, description=f"{description} [{unit}]", json_schema_extra={"unit": unit}, **limits)


def choice(default: Any, description: str, **limits: Any) -> Any:
    """Return a field that has no unit: a name, a path, a switch or a list of them."""
    return Field(default, description=description, json_schema_extra={"unit": "none"}, **limits)
