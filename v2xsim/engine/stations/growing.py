"""Columns that grow at their ends and are cut off at their starts, for what arrives and is forgotten in the order of time."""

import numpy as np


class GrowingColumns:
    """Columns of one length. They take the memory of at most about twice the largest number of rows in use.

    Args:
        empty: An array without rows for each column, of its type and shape.
    """

    def __init__(self, *empty: np.ndarray) -> None:
        self._columns = [np.zeros((64, *one.shape[1:]), one.dtype) for one in empty]
        self._begin = self._end = 0

    def __len__(self) -> int:
        return self._end - self._begin

    def add(self, count: int, *values: np.ndarray | int | float) -> None:
        """Append rows.

        Args:
            count: Number of rows.
            values: Values of each column, one for each row or one for all rows.
        """
        end = self._end + count
        if end > len(self._columns[0]):
            self._make_room(count)
            end = self._end + count
        for column, value in zip(self._columns, values, strict=True):
            column[self._end : end] = value
        self._end = end

    def cut(self, rows: int) -> None:
        """Remove the first rows."""
        self._begin += rows

    def columns(self) -> list[np.ndarray]:
        """Return the columns; they are valid until rows are added."""
        return [column[self._begin : self._end] for column in self._columns]

    def _make_room(self, count: int) -> None:
        """Move the rows to the start of arrays with enough room, so that this is done once for many rows."""
        used = len(self)
        for k, column in enumerate(self._columns):
            roomy = np.zeros((max(64, 2 * (used + count)), *column.shape[1:]), column.dtype)
            roomy[:used] = column[self._begin : self._end]
            self._columns[k] = roomy
        self._begin, self._end = 0, used
