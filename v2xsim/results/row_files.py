"""Files of record batches: rows that are written at once, and can be read although the process that wrote them was killed."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from v2xsim.results.errors import ResultsError


class RowFile:
    """A file of record batches, open for more.

    Args:
        path: Path of the file.
        schema: Columns of the rows.

    Attributes:
        path: Path of the file.
        rows: Number of rows that were written.
    """

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.path, self.rows = path, 0
        # Without buffers of this process, so that what is written outlives it.
        self._file = pa.OSFile(str(path), "wb")
        self._writer = pa.ipc.new_stream(self._file, schema, options=pa.ipc.IpcWriteOptions(compression="lz4"))

    def add(self, rows: pa.Table) -> None:
        """Write some rows."""
        self._writer.write_table(rows)
        self.rows += rows.num_rows

    def close(self) -> None:
        """Close the file."""
        with self._file:
            self._writer.close()


def pieces_in(path: Path, rows: int | None = None) -> Iterator[pa.Table]:
    """Yield the record batches of a segment file as tables; an incomplete last one, of a process that was killed, is left out.

    Args:
        path: The file; if there is none, the table has no rows.
        rows: Number of rows after which the reading ends; None for all.
    """
    if not path.exists():
        return
    left = rows
    with pa.OSFile(str(path), "rb") as source:
        try:
            stream = pa.ipc.open_stream(source)
        except (pa.ArrowInvalid, OSError):
            return
        while left is None or left > 0:
            try:
                batch = stream.read_next_batch()
            except (StopIteration, pa.ArrowInvalid, OSError):
                return
            yield pa.Table.from_batches([batch if left is None else batch.slice(0, left)])
            left = None if left is None else left - batch.num_rows


def all_pieces_in(path: Path, rows: int, shown: Path) -> Iterator[pa.Table]:
    """Yield the record batches of a segment file that this process wrote.

    Args:
        path: The file; none is needed for a table without rows.
        rows: Number of rows that were written.
        shown: Path in messages.

    Raises:
        ResultsError: If another number of rows can be read; otherwise, the results would lack rows without a report.
    """
    found = 0
    for piece in pieces_in(path):
        found += piece.num_rows
        yield piece
    if found != rows:
        raise ResultsError(
            f"{shown}: of the {rows:,} rows in {path.name}, {found:,} can be read again; something else changed the file, or the disk is "
            "damaged"
        )
