"""A Parquet file that gets row groups while a run goes on, and whose row groups can be read before it is complete.

A Parquet file ends with a footer, which says where each column of each row group is; without it, nothing can be read. So each row group
also gets a footer of its own, in a second file. At the end, they become the footer of the whole file, and no row is read again.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from io import RawIOBase
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from v2xsim.results.columns import schema_of
from v2xsim.results.errors import ResultsError
from v2xsim.results.file_tables import writer_options

_MAGIC = b"PAR1"
# Number of bytes of the number before each footer.
_LENGTH = 8
# What is written of a row group is collected up to this size, so that Python is called a few times and not for each page.
_COLLECTED_BYTES = 4_194_304
# Bytes that stand for what earlier row groups take in the file. Nobody reads them, so the system gives them no memory.
_EARLIER = pa.py_buffer(bytearray(16_777_216))


class GrowingFile:
    """A Parquet file of a table, open for more row groups. Its bytes are those of a file that is written at once.

    Args:
        path: Path of the file.
        footers: Path of the file with the footers of the row groups so far.
        table: Name of the table.

    Raises:
        OSError: If a file cannot be written; also from the other methods.
    """

    def __init__(self, path: Path, footers: Path, table: str) -> None:
        self._table, self._footers_path = table, footers
        self._digest = hashlib.sha256()
        self._groups = 0
        with ExitStack() as opened:
            # Without buffers of this process, so that what is written outlives it. A file without footers counts as complete, so they
            # come first.
            self._footers = opened.enter_context(footers.open("wb", buffering=0))
            self._file = opened.enter_context(path.open("wb", buffering=0))
            self._write(_MAGIC)
            self._end = len(_MAGIC)
            self._opened = opened.pop_all()

    def add(self, group: pa.Table) -> None:
        """Write a row group."""
        footer: list[bytes | pa.Buffer] = []
        sink = _Sink()
        position = pa.PythonFile(sink, mode="w")
        collected = pa.BufferedOutputStream(position, _COLLECTED_BYTES)
        with pq.ParquetWriter(collected, schema_of(self._table), **writer_options(self._table)) as writer:
            collected.flush()
            # A writer begins at position 0. Footers have positions in the whole file, so the writer is moved there.
            for skipped in range(len(_MAGIC), self._end, len(_EARLIER)):
                position.write(_EARLIER[: min(len(_EARLIER), self._end - skipped)])
            sink.receive = self._write
            writer.write_table(group, row_group_size=group.num_rows)
            collected.flush()
            self._end = position.tell()
            sink.receive = footer.append
        collected.flush()
        content = b"".join(footer)
        _write_all(self._footers, len(content).to_bytes(_LENGTH, "little") + content)
        self._groups += 1

    def end(self) -> str:
        """Write the footer of the file, close it, and return the SHA-256 digest of its content.

        Raises:
            ResultsError: If not all footers can be read again; otherwise, the file would lack rows without a report.
        """
        self._footers.close()
        whole = pa.BufferOutputStream()
        metadata = metadata_in(self._footers_path)
        found = 0 if metadata is None else metadata.num_row_groups
        if metadata is None or found != self._groups:
            raise ResultsError(
                f"{self._footers_path}: of the footers of {self._groups:,} row groups, {found:,} can be read again; something else changed the "
                "file, or the disk is damaged"
            )
        metadata.write_metadata_file(whole)
        self._write(memoryview(whole.getvalue())[len(_MAGIC) :])
        self.close()
        self._footers_path.unlink()
        return self._digest.hexdigest()

    def close(self) -> None:
        """Close the files, whatever their state."""
        self._opened.close()

    def _write(self, content: bytes | memoryview | pa.Buffer) -> None:
        left = memoryview(content)
        self._digest.update(left)
        _write_all(self._file, left)


def _write_all(file: RawIOBase, content: bytes | memoryview) -> None:
    """Write some bytes. On a disk that is nearly full, the system writes a part of them, and has an error for the next part."""
    left = memoryview(content)
    while len(left):
        left = left[file.write(left) or 0 :]


class _Sink:
    """What a writer writes to: a function that receives the bytes, or nobody."""

    closed = False
    receive: "Callable[[bytes | pa.Buffer], object] | None" = None

    def write(self, content: bytes | pa.Buffer) -> int:
        if self.receive is not None:
            self.receive(content)
        return len(content)

    def writable(self) -> bool:
        return True

    def readable(self) -> bool:
        return False

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass


def metadata_in(footers: Path) -> pq.FileMetaData | None:
    """Return the description of the row groups whose footers are in a file; None if there is no complete footer.

    A footer that a process was writing when it was killed is left out.
    """
    whole: pq.FileMetaData | None = None
    with footers.open("rb") as file:
        while len(length := file.read(_LENGTH)) == _LENGTH:
            content = file.read(int.from_bytes(length, "little"))
            if len(content) < int.from_bytes(length, "little"):
                break
            one = pq.read_metadata(pa.BufferReader(_MAGIC + content))
            if whole is None:
                whole = one
            else:
                whole.append_row_groups(one)
    return whole


def groups_so_far(path: Path, footers: Path, columns: "list[str] | None" = None) -> Iterator[pa.Table]:
    """Yield the row groups of a file that is not complete, with some columns or all.

    Args:
        path: Path of the file.
        footers: Path of the file with the footers of its row groups.
        columns: Names of the columns; None for all.
    """
    metadata = metadata_in(footers)
    if metadata is None:
        return
    with pq.ParquetFile(path, metadata=metadata) as file:
        for number in range(file.num_row_groups):
            yield file.read_row_group(number, columns=columns)
