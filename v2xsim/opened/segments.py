"""The tables of a run that has not ended: what it had written when it was killed, or has written so far."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import takewhile
from pathlib import Path

import pyarrow as pa

from v2xsim.errors import reason_of
from v2xsim.opened.errors import NoTableError, NotRecordedError, OpenError
from v2xsim.opened.parts import Parts, StreamParts
from v2xsim.ownership import KEPT, kept_for
from v2xsim.results.columns import COLUMNS, schema_of
from v2xsim.results.file_tables import chosen_columns, groups_in
from v2xsim.results.growing_file import groups_so_far
from v2xsim.results.row_files import pieces_in
from v2xsim.results.row_groups import cut
from v2xsim.results.store import WRITTEN, footers_of, replaced_in, tail_of
from v2xsim.scenario.explain import nearest

# A run that goes on moves rows from one file to another; whoever reads in between finds them at the next attempt.
_ATTEMPTS = 3
# The table that a run replaces as a whole, perhaps after the last noted time. Earlier versions had a file of this kind for each table.
_REPLACED = "agents"
# The tables that are written at the end of a run.
_LAST = ("metrics", "episodes")


def unfinished(folder: Path) -> Path | None:
    """Return the folder with the rows of a run that has not ended, or whose files were not moved; None if there is none.

    Args:
        folder: Folder for which the run was started, or the folder with its rows itself.
    """
    folder = folder.resolve()
    if (folder / KEPT).exists():
        return folder
    kept = kept_for(folder)
    return kept[-1] if kept else None


class SegmentTables(Mapping[str, pa.Table]):
    """The tables of a run that has not ended, by name: all rows up to the last time at which all rows were written.

    A table of which nothing was written yet is none of them: it is not empty, but unknown.

    Args:
        kept: Folder in which the rows are (`unfinished`).

    Attributes:
        until_us: Simulated time up to which the tables have all rows; None if nothing was written yet.

    Raises:
        OpenError: If it cannot be read up to which time rows were written.
    """

    def __init__(self, kept: Path) -> None:
        self._folder = kept
        self._rows, self.until_us = _last_written(kept / KEPT.parent / WRITTEN)

    def __getitem__(self, table: str) -> pa.Table:
        groups = list(self.groups(table))
        return pa.concat_tables(groups) if groups else schema_of(table).empty_table()

    def groups(self, table: str, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """Yield the row groups of a table with some columns or all.

        Args:
            table: Name of the table.
            columns: Names of the columns; None for all.

        Raises:
            NotRecordedError: If nothing of the table was written yet.
            OpenError: If there is no such table, or its rows cannot be read.
            NoColumnError: If the table has no such column.
        """
        self._check_written(table)
        names = chosen_columns(table, columns)
        rows, found = self._rows[table], 0
        wanted = schema_of(table) if names is None else pa.schema([schema_of(table).field(name) for name in names])
        for _ in range(_ATTEMPTS):
            before = 0
            with suppress(OSError, pa.ArrowException):
                for group in self._groups(table, rows, names):
                    if not group.schema.equals(wanted):
                        break
                    new = group.slice(min(max(found - before, 0), group.num_rows))
                    before += group.num_rows
                    found += new.num_rows
                    if new.num_rows:
                        yield new
            if found >= rows:
                return
        raise OpenError(self._lacking(table, found))

    def parts(self, table: str) -> Parts:
        """Return the row groups of a table, each read when it is used. Reading an earlier group again starts at the first row."""
        return StreamParts(lambda columns: self.groups(table, columns), schema_of(table).empty_table())

    def __contains__(self, table: object) -> bool:
        return table in COLUMNS and self.until_us is not None and (table not in _LAST or self._rows[str(table)] > 0)

    def __iter__(self) -> Iterator[str]:
        return (table for table in COLUMNS if table in self)

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __repr__(self) -> str:
        width = max(map(len, COLUMNS))
        lines = [f"  {name:<{width}}  {self._rows[name]:>12,}" for name in self]
        return "\n".join([f"{len(self)} tables of {self._folder}, which is not complete (rows)", *lines])

    def _check_written(self, table: str) -> None:
        if table not in COLUMNS:
            raise NoTableError(
                f"{self._folder}: has no table {table!r}{nearest(str(table), COLUMNS)}; there are {', '.join(COLUMNS)}"
            )
        if self.until_us is None:
            raise NotRecordedError(
                f"{self._folder}: must have rows to be read, but the run has written none; if it goes on, open it again later"
            )
        if table not in self:
            raise NotRecordedError(
                f"{self._folder}: has no table {table!r} yet, which a run writes at its end; evaluate().tables[{table!r}] is that of what was written"
            )

    def _lacking(self, table: str, found: int) -> str:
        """Return why rows of a table cannot be read."""
        if not (self._folder / KEPT).exists():
            return f"{self._folder}: the run has ended since it was opened, or another one was begun; open its folder again"
        return f"{self._folder}: its table {table!r} must have {self._rows[table]:,} rows, but only {found:,} can be read; it is damaged"

    def _groups(self, table: str, rows: int, columns: list[str] | None) -> Iterator[pa.Table]:
        """Yield the row groups of a table, and after them the rows that were in none."""
        segments, file = self._folder / KEPT.parent, self._folder / f"{table}.parquet"
        footers, replaced = footers_of(segments, table), replaced_in(segments, table)
        if replaced.exists():
            pieces = pieces_in(replaced, None if table == _REPLACED else rows)
            yield from _with(columns, cut(_of(table, pieces), table))
            return
        left = rows
        # Without footers of its row groups, a file is complete.
        groups = (
            groups_so_far(file, footers, columns)
            if footers.exists()
            else groups_in(file, columns)
            if file.exists()
            else iter(())
        )
        grouped = 0
        for group in groups:
            grouped += group.num_rows
            if left >= group.num_rows:
                yield group
            elif left > 0:
                yield from cut([group.slice(0, left)], table)
            left -= min(left, group.num_rows)
        yield from _with(columns, cut(_of(table, pieces_in(tail_of(segments, table, grouped), left)), table))


def _with(columns: list[str] | None, groups: Iterator[pa.Table]) -> Iterator[pa.Table]:
    return groups if columns is None else (group.select(columns) for group in groups)


def _of(table: str, pieces: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Yield pieces as long as they have the columns of a table; a file of another table has not."""
    return takewhile(lambda piece: piece.schema.equals(schema_of(table)), pieces)


def _last_written(path: Path) -> tuple[dict[str, int], int | None]:
    """Return the number of rows of each table at the last time at which everything was written, and that time.

    Raises:
        OpenError: If no line can be read, although there are some.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return dict.fromkeys(COLUMNS, 0), None
    except OSError as error:
        raise OpenError(f"{path}: cannot be read: {reason_of(error)}") from None
    # The last line has no end if the process was killed while it wrote it.
    for line in reversed(lines[:-1]):
        with suppress(ValueError, KeyError, TypeError, OverflowError, RecursionError):
            last = json.loads(line)
            return {name: int(last["rows"][name]) for name in COLUMNS}, int(last["time_us"])
    if len(lines) > 1:
        raise OpenError(
            f"{path}: is damaged: it must have the number of rows of each table; copy the folder again, or run the scenario again"
        )
    return dict.fromkeys(COLUMNS, 0), None
