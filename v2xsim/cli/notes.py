"""Warnings and notes on standard error: about keys without effect, and notices about inputs."""

from collections.abc import Iterable

import typer

from v2xsim.cli.layout import error_width, print_text
from v2xsim.notices import Notice


def print_notes(notes: Iterable[str]) -> None:
    """Print each note once, on standard error."""
    _print("note", notes)


def print_warnings(warnings: Iterable[str]) -> None:
    """Print each warning once, on standard error."""
    _print("warning", warnings)


def print_notices(notices: Iterable[Notice]) -> None:
    """Print each notice once, on standard error: what is probably wrong as a warning, and what is usual as a note."""
    notices = list(notices)
    _print("warning", (notice.text for notice in notices if notice.is_warning))
    _print("note", (notice.text for notice in notices if not notice.is_warning))


def _print(word: str, texts: Iterable[str]) -> None:
    for text in dict.fromkeys(texts):
        print_text(f"{word}: {text}", error_width(), color=typer.colors.YELLOW, err=True)
