"""Tables as plain text: complete if the output is a file or a pipe, and with a choice of columns in a narrow terminal.

A cell is never cut, since a number that ends in an ellipsis is no number.
"""

import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import typer

_GAP = "  "


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        name: Head of the column.
        cells: Text of each row.
        left: Whether the cells are words, which start at the left.
        rank: Order in which columns are left out of a table that is too wide, the highest first; 0 for never. In a table
            that goes on below, columns of rank 0 are repeated.
    """

    name: str
    cells: Sequence[str]
    left: bool = False
    rank: int = 0

    @property
    def width(self) -> int:
        """Number of characters of the widest cell."""
        return max(map(len, (self.name, *self.cells)))

    def line(self, row: int | None) -> str:
        """Return a cell with the width of the column; None for the head."""
        text = self.name if row is None else self.cells[row]
        return text.ljust(self.width) if self.left else text.rjust(self.width)


def terminal_width() -> int | None:
    """Return the number of characters of a line on standard output; None if it is a file or a pipe, which has no width."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def print_columns(columns: Sequence[Column], width: int | None) -> None:
    """Print a table; columns that do not fit are left out in the order of their ranks, and named below the table.

    Args:
        columns: The columns; all have the same number of rows.
        width: Number of characters of a line; None for no limit.
    """
    kept = list(columns)
    while width is not None and _width(kept) > width and (optional := [c for c in kept if c.rank]):
        kept.remove(max(optional, key=lambda column: column.rank))
    _print(kept)
    if len(kept) < len(columns):
        names = ", ".join(column.name for column in columns if column not in kept)
        typer.echo(
            f"left out for the width of {width} characters: {names}; {_width(columns)} characters, --csv or --json show all"
        )


def print_stacked(columns: Sequence[Column], width: int | None) -> None:
    """Print a table; columns that do not fit follow in further tables below, each of which begins with the first columns.

    Args:
        columns: The columns; all have the same number of rows. Those of rank 0 at the beginning identify a row.
        width: Number of characters of a line; None for no limit.
    """
    heads: list[Column] = []
    for column in columns[:-1]:
        if column.rank:
            break
        heads.append(column)
    parts = [list(heads)]
    for column in columns[len(heads) :]:
        if width is not None and len(parts[-1]) > len(heads) and _width([*parts[-1], column]) > width:
            parts.append(list(heads))
        parts[-1].append(column)
    for number, part in enumerate(parts):
        if number:
            typer.echo(f"\nfurther columns, {number + 1} of {len(parts)}:")
        _print(part)


def print_csv(rows: Sequence[Mapping[str, object]]) -> None:
    """Print rows as comma-separated values, all columns and all rows."""
    from v2xsim.study.csvtext import csv_text

    typer.echo(csv_text(rows), nl=False)


def _width(columns: Sequence[Column]) -> int:
    return sum(column.width for column in columns) + len(_GAP) * (len(columns) - 1)


def _print(columns: Sequence[Column]) -> None:
    for row in (None, *range(len(columns[0].cells))):
        typer.echo(_GAP.join(column.line(row) for column in columns).rstrip())
