"""The row groups of a table, each read when it is used, with the first and the last instant of each."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from jaxtyping import Int64

from v2xsim.evaluation.metric import arrays_of
from v2xsim.opened.errors import OpenError


class Parts(Protocol):
    """The row groups of a table."""

    def read(self, part: int, columns: Sequence[str]) -> pa.Table:
        """Return some columns of a row group."""

    def none(self) -> pa.Table:
        """Return the table without its rows."""

    def instants(self, column: str) -> Int64[np.ndarray, "parts 2"]:
        """Return the smallest and the largest value of a column of times in each row group."""


def rows_at(parts: Parts, column: str, value: int) -> pa.Table:
    """Return the rows of a table in which a column of whole numbers has a value; only row groups that can hold such rows are read."""
    none = parts.none()
    bounds = parts.instants(column)
    holding = np.flatnonzero((bounds[:, 0] <= value) & (value <= bounds[:, 1])).tolist()
    groups = (parts.read(part, none.column_names) for part in holding)
    return pa.concat_tables([none, *(group.filter(pc.equal(group.column(column), value)) for group in groups)])


class PartTables(Protocol):
    """The tables of an opened run: whole, by row group in order, or by row group in any order."""

    def __getitem__(self, name: str, /) -> pa.Table:
        """Return a whole table."""

    def groups(self, name: str, columns: Sequence[str], /) -> Iterator[pa.Table]:
        """Yield the row groups of a table with some columns."""

    def parts(self, name: str, /) -> Parts:
        """Return the row groups of a table, each read when it is used."""


class FileParts:
    """The row groups of a table in a Parquet file, which stays open.

    Args:
        path: The file.
        damaged: Error to raise if it cannot be read.
    """

    def __init__(self, path: Path, damaged: OpenError) -> None:
        self._damaged = damaged
        self._instants: dict[str, np.ndarray] = {}
        try:
            self._file = pq.ParquetFile(path)
        except (OSError, pa.ArrowException):
            raise damaged from None

    def read(self, part: int, columns: Sequence[str]) -> pa.Table:
        """Return some columns of a row group."""
        try:
            return self._file.read_row_group(part, columns=list(columns))
        except (OSError, pa.ArrowException):
            raise self._damaged from None

    def none(self) -> pa.Table:
        """Return the table without its rows."""
        return self._file.schema_arrow.empty_table()

    def instants(self, column: str) -> Int64[np.ndarray, "parts 2"]:
        """Return the smallest and the largest value of a column of times in each row group, from the file's statistics."""
        if column not in self._instants:
            self._instants[column] = self._bounds(column)
        return self._instants[column]

    def _bounds(self, column: str) -> Int64[np.ndarray, "parts 2"]:
        number, bounds = self._file.schema_arrow.get_field_index(column), []
        for part in range(self._file.num_row_groups):
            known = self._file.metadata.row_group(part).column(number).statistics
            if known is None or not known.has_min_max:
                bounds.append(_bounds(self.read(part, (column,)), column))
            else:
                bounds.append((known.min, known.max))
        return np.array(bounds, np.int64).reshape(-1, 2)


class StreamParts:
    """The row groups of a table that can only be read in order.

    Args:
        groups: Function that yields the row groups with some columns.
        none: The table without its rows.
    """

    def __init__(self, groups: Callable[[Sequence[str]], Iterator[pa.Table]], none: pa.Table) -> None:
        self._groups, self._none = groups, none
        self._instants: dict[str, np.ndarray] = {}
        self._next, self._columns = 0, tuple[str, ...]()
        self._left: Iterator[pa.Table] = iter(())

    def read(self, part: int, columns: Sequence[str]) -> pa.Table:
        """Return some columns of a row group; to read an earlier group than the last one, reading starts at the first row again."""
        if part < self._next or tuple(columns) != self._columns:
            self._next, self._columns, self._left = 0, tuple(columns), self._groups(columns)
        while True:
            group = next(self._left)
            self._next += 1
            if self._next > part:
                return group

    def none(self) -> pa.Table:
        """Return the table without its rows."""
        return self._none

    def instants(self, column: str) -> Int64[np.ndarray, "parts 2"]:
        """Return the smallest and the largest value of a column of times in each row group."""
        if column not in self._instants:
            bounds = [_bounds(group, column) for group in self._groups((column,))]
            self._instants[column] = np.array(bounds, np.int64).reshape(-1, 2)
        return self._instants[column]


def _bounds(group: pa.Table, column: str) -> tuple[int, int]:
    (values,) = arrays_of(group, column)
    return int(values.min()), int(values.max())
