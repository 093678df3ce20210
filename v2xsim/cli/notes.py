"""Notes about keys of a file that have no effect, and notices about inputs, printed on standard error."""

from collections.abc import Iterable

import typer


def print_notes(notes: Iterable[str]) -> None:
    """Print each note once, on standard error."""
    for note in dict.fromkeys(notes):
        typer.secho(f"note: {note}", fg=typer.colors.YELLOW, err=True)
