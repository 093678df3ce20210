"""Tables and sentences as plain text: complete if the output is a file or a pipe, and fitted to the width of a terminal.

A cell is never cut, since a number that ends in an ellipsis is no number. A narrow terminal gets fewer columns, and a very narrow
one a line for each cell.
"""

import shutil
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

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


def error_width() -> int | None:
    """Return the number of characters of a line on standard error; None if it is a file or a pipe."""
    return shutil.get_terminal_size().columns if sys.stderr.isatty() else None


def print_text(
    text: str, width: int | None, *, bold: bool = False, color: str | None = None, err: bool = False
) -> None:
    """Print a paragraph; a terminal gets lines that end between words.

    Args:
        text: The paragraph.
        width: Number of characters of a line; None for no limit.
        bold: Whether a terminal shows the text in bold.
        color: Colour of the text in a terminal.
        err: Whether to print on standard error.
    """
    # Further lines of a paragraph that is indented begin farther to the right.
    indent = len(text) - len(text.lstrip())
    lines = [text]
    if width is not None:
        hanging = " " * (indent + 2) if indent else ""
        lines = textwrap.wrap(text, width, subsequent_indent=hanging, break_long_words=False, break_on_hyphens=False)
    for line in lines:
        typer.secho(line, bold=bold or None, fg=color, err=err)


def print_columns(columns: Sequence[Column], width: int | None) -> tuple[str, ...]:
    """Print a table, and return the names of the columns that are not in it.

    Columns that do not fit are left out in the order of their ranks, and named below the table. If even those of rank 0 do
    not fit, every cell gets a line of its own, and nothing is left out.

    Args:
        columns: The columns; all have the same number of rows.
        width: Number of characters of a line; None for no limit.
    """
    kept = list(columns)
    while width is not None and _width(kept) > width and (optional := [c for c in kept if c.rank]):
        kept.remove(max(optional, key=lambda column: column.rank))
    if width is not None and _width(kept) > width:
        _print_cells(columns, width)
        return ()
    _print(kept)
    left_out = tuple(column.name for column in columns if column not in kept)
    if left_out:
        print_text(
            f"Left out at {width} characters: {', '.join(left_out)}. A terminal of {_width(columns)} characters, --csv and --json show "
            "all columns.",
            width,
        )
    return left_out


def print_stacked(columns: Sequence[Column], width: int | None) -> None:
    """Print a table; columns that do not fit follow in further tables below, each of which begins with the first columns.

    Args:
        columns: The columns; all have the same number of rows. Those of rank 0 at the beginning identify a row. If one column
            does not fit beside them, every cell gets a line of its own.
        width: Number of characters of a line; None for no limit.
    """
    heads: list[Column] = []
    for column in columns[:-1]:
        if column.rank:
            break
        heads.append(column)
    if width is not None and any(_width([*heads, column]) > width for column in columns[len(heads) :]):
        _print_cells(columns, width)
        return
    parts = [list(heads)]
    for column in columns[len(heads) :]:
        if width is not None and len(parts[-1]) > len(heads) and _width([*parts[-1], column]) > width:
            parts.append(list(heads))
        parts[-1].append(column)
    for number, part in enumerate(parts):
        if number:
            typer.echo(f"\nfurther columns, {number + 1} of {len(parts)}:")
        _print(part)


def print_markdown(text: str, width: int | None) -> None:
    """Print a Markdown page: as it is without a width, otherwise with tables and paragraphs that fit into a terminal."""
    if width is None:
        typer.echo(text)
        return
    for is_table, group in groupby(text.splitlines(), lambda line: line.startswith("|")):
        if not is_table:
            for line in group:
                print_text(line, width) if line else typer.echo()
            continue
        heads, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in group)
        columns = [
            Column(head, [row[n] for row in rows], left=not _are_numbers(row[n] for row in rows), rank=min(n, 1))
            for n, head in enumerate(heads)
        ]
        print_stacked(columns, width)


def print_csv(rows: Sequence[Mapping[str, object]]) -> None:
    """Print rows as comma-separated values, all columns and all rows."""
    from v2xsim.study.csvtext import csv_text

    typer.echo(csv_text(rows), nl=False)


def _are_numbers(cells: Iterable[str]) -> bool:
    return all(cell in ("-", "never") or cell[:1].isdigit() or cell[:1] in "+-" for cell in cells if cell)


def _print_cells(columns: Sequence[Column], width: int) -> None:
    """Print a table with a line for each cell: the first column, and below it the other columns with their names."""
    first, *others = columns
    for row, head in enumerate(first.cells):
        print_text(head.strip(), width)
        for column in others:
            if cell := column.cells[row].strip():
                print_text(f"  {column.name}: {cell}", width)


def _width(columns: Sequence[Column]) -> int:
    return sum(column.width for column in columns) + len(_GAP) * (len(columns) - 1)


def _print(columns: Sequence[Column]) -> None:
    for row in (None, *range(len(columns[0].cells))):
        typer.echo(_GAP.join(column.line(row) for column in columns).rstrip())
