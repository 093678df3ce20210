"""A decorator for commands that receive all their options as one record."""

from collections.abc import Callable
from functools import wraps
from inspect import signature
from typing import Any, TypeVar

Record = TypeVar("Record")


def takes_fields_of(
    record: Callable[..., Record],
) -> Callable[[Callable[[Record], None]], Callable[..., None]]:
    """Return a decorator for a command with many options: Typer sees a parameter for each field of a record.

    Args:
        record: A frozen dataclass. Its fields have the annotations and defaults of a Typer command's parameters.
    """

    def decorated(command: Callable[[Record], None]) -> Callable[..., None]:
        @wraps(command)
        def callback(**values: Any) -> None:
            command(record(**values))

        # Typer reads the parameters from the signature.
        fields = signature(record)
        callback.__signature__ = fields  # type: ignore[attr-defined]
        callback.__annotations__ = {name: field.annotation for name, field in fields.parameters.items()}
        return callback

    return decorated
