"""Printing of measurement rows: as a table for people, or as JSON or comma-separated values for programs."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from v2xsim.cli.layout import Column, print_csv, print_stacked, terminal_width

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Row = Mapping[str, object]

# Columns that identify a row stay in the table even if all rows have the same value.
_ALWAYS_COLUMNS = ("module", "device")


def reported(title: str, rows: "Iterable[DataclassInstance]") -> list[Row]:
    """Return rows as mappings, and print each on standard error as soon as it is measured.

    The measurement of a row can take an hour; if the command is interrupted, the printed rows are not lost.
    """
    known: list[Row] = []
    for row in rows:
        known.append(asdict(row))
        typer.echo(f"{title}: {', '.join(f'{name} {short(value)}' for name, value in known[-1].items())}", err=True)
    return known


def print_rows(title: str, rows: Sequence[Row], as_json: bool, as_csv: bool = False) -> None:
    """Print rows as a table, as one JSON object, or as comma-separated values."""
    if as_json:
        print_json(rows)
    elif as_csv:
        print_csv(rows)
    else:
        print_table(title, rows)


def print_json(rows: Sequence[Row]) -> None:
    """Print rows as one JSON object on one line."""
    typer.echo(json.dumps({"rows": rows}, allow_nan=False))


def print_table(title: str, rows: Sequence[Row], formats: Mapping[str, str] | None = None, merge: bool = True) -> None:
    """Print a table; in a terminal that is too narrow, columns that do not fit follow below.

    Args:
        title: Text above the table.
        rows: At least one row; all rows have the same columns.
        formats: Python format specification of each column, such as ".0%"; `short` formats all other columns.
        merge: Whether a column with the same value in all rows is printed only once, after the title.
    """
    first, formats = rows[0], formats or {}
    same = [
        name for name, value in first.items()
        if merge and name not in _ALWAYS_COLUMNS and len(rows) > 1 and all(row[name] == value for row in rows)
    ]  # fmt: skip
    typer.echo(": ".join(filter(None, [title, ", ".join(f"{name} {short(first[name])}" for name in same)])))
    columns = [name for name in first if name not in same]
    words = [isinstance(first[name], str) for name in columns]
    print_stacked(
        [
            Column(
                name.replace("_", " "),
                [format(row[name], formats[name]) if name in formats else short(row[name]) for row in rows],
                left=is_word,
                # Words at the beginning of a row identify it, and the first column always does.
                rank=0 if all(words[: number + 1]) or number == 0 else 1,
            )
            for number, (name, is_word) in enumerate(zip(columns, words, strict=True))
        ],
        terminal_width(),
    )


def short(value: object) -> str:
    """Return a value as a short text: numbers with thousands separators, and with three decimals if below 100; a dash where there is none."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3f}"
    if isinstance(value, list | tuple):
        return " ".join(short(part) for part in value)
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
