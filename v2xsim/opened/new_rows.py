"""Rows of a table that are made while a run is evaluated again: in memory, or in a temporary file if there are many."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from v2xsim.errors import TemporaryFilesError
from v2xsim.results.columns import schema_of
from v2xsim.results.row_files import all_pieces_in
from v2xsim.results.row_groups import GROUP_ROWS
from v2xsim.results.tables import Columns
from v2xsim.staging import Scratch

HELD_ROWS = 1_048_576
"""Number of rows beyond which those in memory go to a temporary file."""


class NewRows:
    """A table that is filled in blocks of rows and can be read again and again.

    Args:
        table: Name of the table.
    """

    def __init__(self, table: str) -> None:
        self._table = table
        self._columns = Columns(table)
        self._pieces: list[pa.Table] = []
        self._folder: Scratch | None = None
        self._writer: pa.RecordBatchStreamWriter | None = None
        self._written = 0

    def __len__(self) -> int:
        """Return the number of rows in memory."""
        return len(self._columns) + sum(piece.num_rows for piece in self._pieces)

    def columns(self) -> Columns:
        """Return the table to which the next rows are added.

        Raises:
            TemporaryFilesError: If the file cannot be written.
        """
        # Arrays of one tick have a hundred bytes each besides their values.
        if len(self._columns) >= GROUP_ROWS:
            self._pieces.append(self._columns.take())
        if len(self) >= HELD_ROWS:
            self._write()
        return self._columns

    def pieces(self) -> Iterator[pa.Table]:
        """Yield all rows in order, in pieces of bounded size."""
        if self._folder is not None:
            yield from all_pieces_in(_path(self._folder), self._written, Path(self._folder.name))
        yield from self._pieces
        yield self._columns.finished()

    def _write(self) -> None:
        if self._folder is None:
            self._folder = Scratch("rows")
        try:
            if self._writer is None:
                self._writer = pa.ipc.new_stream(pa.OSFile(str(_path(self._folder)), "wb"), schema_of(self._table))
            for piece in self._pieces:
                self._writer.write_table(piece)
                self._written += piece.num_rows
        except OSError as trouble:
            raise TemporaryFilesError(_path(self._folder), trouble) from None
        self._pieces = []


def _path(folder: Scratch) -> Path:
    return Path(folder.name) / "rows.arrows"
