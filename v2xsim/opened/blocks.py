"""Rows of a table by the instant and the station to which they belong; the row groups of an instant are read when it is used."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa

from v2xsim.evaluation.metric import arrays_of
from v2xsim.opened.errors import OpenError
from v2xsim.opened.parts import Parts

NO_ROWS = slice(0, 0)
# Row groups of a table that stay in memory: an instant may lie in two, and frames of neighbouring instants are used together.
_KEPT_GROUPS = 3


class Blocks:
    """The rows of one instant: the columns as arrays, and the rows of each station, which follow each other.

    Args:
        columns: Columns as arrays, by name.
        station: Agent id of the station to which each row belongs.
        trouble: Text of the error if the rows of a station do not follow each other.
    """

    def __init__(self, columns: Mapping[str, np.ndarray], station: np.ndarray, trouble: str) -> None:
        self._columns = columns
        starts = np.flatnonzero(np.append(True, np.diff(station) != 0)[: len(station)])
        ends = np.append(starts, len(station))[1:]
        named = zip(station[starts].tolist(), starts.tolist(), ends.tolist(), strict=True)
        self._rows = {key: slice(start, end) for key, start, end in named}
        if len(self._rows) != len(starts):
            raise OpenError(trouble)

    @property
    def stations(self) -> list[int]:
        """The stations that have rows."""
        return list(self._rows)

    def rows(self, station: int) -> slice:
        """Return the rows of a station; no rows if it has none."""
        return self._rows.get(station, NO_ROWS)

    def column(self, name: str) -> np.ndarray:
        """Return a column of all stations."""
        return self._columns[name]

    def columns(self, rows: slice, *names: str) -> list[np.ndarray]:
        """Return some columns of some rows."""
        return [self._columns[name][rows] for name in names]

    def matrix(self, rows: slice, *names: str) -> np.ndarray:
        """Return some columns of some rows as the columns of one array."""
        return np.column_stack(self.columns(rows, *names))


class Instants:
    """The rows of a table by instant. Only the row groups that hold the rows of an instant are read.

    Args:
        parts: The row groups of the table; its rows must be in order of time.
        keys: Names of the columns of the instant and of the station.
        columns: Names of the other columns.
        source: Path of the run, for messages.
    """

    def __init__(self, parts: Parts, keys: tuple[str, str], columns: tuple[str, ...], source: Path) -> None:
        self._parts, self._keys, self._columns = parts, keys, columns
        self._trouble = f"{source}: rows with equal {' and '.join(keys)} must follow each other, in order of time; was a table sorted?"
        self._bounds = parts.instants(keys[0])
        if (np.diff(self._bounds.ravel()) < 0).any():
            raise OpenError(self._trouble)
        self._group = lru_cache(_KEPT_GROUPS)(self._read)
        # All egos with a frame at an instant use its rows.
        self.at = lru_cache(2)(self._at)

    def _at(self, time_us: int) -> Blocks:
        """Return the rows of an instant."""
        begin = int(np.searchsorted(self._bounds[:, 1], time_us, "left"))
        end = int(np.searchsorted(self._bounds[:, 0], time_us, "right"))
        parts = [self._rows_in(part, time_us) for part in range(begin, end)] or [self._arrays(self._parts.none())]
        columns = (
            parts[0] if len(parts) == 1 else {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        )
        return Blocks(columns, columns[self._keys[1]], self._trouble)

    def _rows_in(self, part: int, time_us: int) -> dict[str, np.ndarray]:
        """Return the rows of an instant in a row group."""
        columns = self._group(part)
        first, end = np.searchsorted(columns[self._keys[0]], [time_us, time_us + 1])
        return {name: column[first:end] for name, column in columns.items()}

    def _read(self, part: int) -> dict[str, np.ndarray]:
        columns = self._arrays(self._parts.read(part, (*self._keys, *self._columns)))
        if (np.diff(columns[self._keys[0]]) < 0).any():
            raise OpenError(self._trouble)
        return columns

    def _arrays(self, table: pa.Table) -> dict[str, np.ndarray]:
        names = (*self._keys, *self._columns)
        return dict(zip(names, arrays_of(table, *names), strict=True))
