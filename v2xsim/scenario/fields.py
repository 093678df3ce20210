"""How a scenario field is declared: a default, a unit, a sentence, limits."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Section(BaseModel):
    """A part of a scenario: frozen, and closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def quantity(default: Any, unit: str, description: str, **limits: Any) -> Any:
    """Return a field whose unit and meaning reach the JSON Schema. `...` as default makes it required."""
    return Field(default, description=f"{description} [{unit}]", json_schema_extra={"unit": unit}, **limits)


def choice(default: Any, description: str, **limits: Any) -> Any:
    """Return a field that has no unit: a name, a path, a switch or a list of them."""
    return Field(default, description=description, json_schema_extra={"unit": "none"}, **limits)
