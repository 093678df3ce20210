"""How a scenario field is declared: a default, a unit, a sentence, limits."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

from v2xsim.plugins import Plugin


class Section(BaseModel):
    """A part of a scenario: frozen, and closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class File(Section):
    """What stands at the top of a file that chooses parts."""

    _loaded_plugins: tuple[Plugin, ...] = PrivateAttr(())
    _notes: tuple[str, ...] = PrivateAttr(())

    def __eq__(self, other: object) -> bool:
        """Return whether another file says the same; where it says it, and so the notes, does not count."""
        return type(self) is type(other) and self.__dict__ == other.__dict__

    __hash__ = None  # type: ignore[assignment]

    @property
    def loaded_plugins(self) -> tuple[Plugin, ...]:
        """The files of `plugins` as they were loaded, with the digest of what was run."""
        return self._loaded_plugins

    @property
    def notes(self) -> tuple[str, ...]:
        """What the file says without effect, one sentence each."""
        return self._notes


def quantity(default: Any, unit: str, description: str, **limits: Any) -> Any:
    """Return a field whose unit and meaning reach the JSON Schema. `...` as default makes it required."""
    return Field(default, description=f"{description} [{unit}]", json_schema_extra={"unit": unit}, **limits)


def choice(default: Any, description: str, **limits: Any) -> Any:
    """Return a field that has no unit: a name, a path, a switch or a list of them."""
    return Field(default, description=description, json_schema_extra={"unit": "none"}, **limits)
