"""Rows of a table by the instant or the ego frame to which they belong: rows of one frame follow each other."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa

from v2xsim.evaluation.metric import arrays_of
from v2xsim.opened.errors import OpenError

NO_ROWS = slice(0, 0)


class Blocks:
    """The columns of a table as arrays, and the rows of each block of rows that agree in some key columns.

    Args:
        table: The table.
        keys: Names of the key columns, of whole numbers.
        source: Path of the run, for messages.
    """

    def __init__(self, table: pa.Table, keys: tuple[str, ...], source: Path) -> None:
        self._table = table
        self._columns: dict[str, np.ndarray] = {}
        values = np.stack(arrays_of(table, *keys)) if table.num_rows else np.zeros((len(keys), 0), np.int64)
        changes = np.flatnonzero((np.diff(values, axis=1) != 0).any(axis=0)) + 1
        starts = np.concatenate([[0], changes]) if table.num_rows else np.zeros(0, np.int64)
        ends = np.append(starts, table.num_rows)[1:]
        named = zip(map(tuple, values[:, starts].T.tolist()), starts.tolist(), ends.tolist(), strict=True)
        self._rows: dict[tuple[int, ...], slice] = {key: slice(start, end) for key, start, end in named}
        if len(self._rows) != len(starts):
            raise OpenError(
                f"{source}: rows with equal {' and '.join(keys)} must follow each other; was a table sorted?"
            )

    @property
    def keys(self) -> Mapping[tuple[int, ...], slice]:
        """Rows of each block, by the values of its key columns."""
        return self._rows

    def rows(self, *key: int) -> slice:
        """Return the rows of a block; no rows if there is no such block."""
        return self._rows.get(key, NO_ROWS)

    def column(self, name: str) -> np.ndarray:
        """Return a column of the whole table."""
        if name not in self._columns:
            (self._columns[name],) = arrays_of(self._table, name)
        return self._columns[name]

    def columns(self, rows: slice, *names: str) -> list[np.ndarray]:
        """Return some columns of a block."""
        return [self.column(name)[rows] for name in names]

    def matrix(self, rows: slice, *names: str) -> np.ndarray:
        """Return some columns of a block as the columns of one array."""
        return np.column_stack(self.columns(rows, *names))
