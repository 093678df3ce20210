"""Where the rows of a run's tables are kept while it goes on: in memory, or in segments on the disk."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from shutil import rmtree
from typing import Any, Protocol

import pyarrow as pa

from v2xsim.errors import reason_of
from v2xsim.results.columns import COLUMNS, schema_of
from v2xsim.results.errors import ResultsError
from v2xsim.results.file_tables import FileTables, write_groups
from v2xsim.results.listed import Listed
from v2xsim.results.row_groups import cut
from v2xsim.scenario.explain import nearest

SEGMENTS = "segments"
"""Folder with the rows of a run that has not ended, within the folder of the run."""
_METRICS = "metrics"
ABOUT, WRITTEN = "run.json", "written.jsonl"
"""Files in that folder: the manifest of the unfinished run, and the number of rows of each table at each time at which all were written."""


class Store(Protocol):
    """Keeps the rows of tables, in the order in which they are added."""

    def put(self, table: str, rows: pa.Table) -> None:
        """Add rows to a table."""

    def replace(self, table: str, rows: pa.Table) -> None:
        """Set all rows of a table, in place of earlier ones."""

    def written(self, time_us: int) -> None:
        """Note that all rows that were known at a simulated time have been added."""

    def join(self) -> None:
        """Make the final row groups of all tables but `metrics`; the metrics are computed from them."""

    def groups(self, table: str, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Yield the row groups of a table with some of its columns, after `join`."""

    def finish(self) -> Mapping[str, pa.Table]:
        """Return the tables; nothing is added any more."""

    def close(self) -> None:
        """Close files; nothing is added any more."""


class MemoryStore:
    """Keeps tables in memory."""

    def __init__(self) -> None:
        self._pieces: dict[str, list[pa.Table]] = {name: [] for name in COLUMNS}

    def put(self, table: str, rows: pa.Table) -> None:
        """Add rows to a table."""
        self._pieces[table].append(rows)

    def replace(self, table: str, rows: pa.Table) -> None:
        """Set all rows of a table, in place of earlier ones."""
        self._pieces[table] = [rows]

    def written(self, time_us: int) -> None:
        """Do nothing: what is in memory is lost with the process."""

    def join(self) -> None:
        """Make the final row groups of all tables."""
        for table, pieces in self._pieces.items():
            self._pieces[table] = list(cut(pieces, table))

    def groups(self, table: str, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Yield the row groups of a table with some of its columns, after `join`."""
        for group in self._pieces[table]:
            yield group.select(list(columns))

    def finish(self) -> Mapping[str, pa.Table]:
        """Return the tables."""
        return Listed({
            name: pa.concat_tables(groups) if groups else schema_of(name).empty_table()
            for name, groups in self._pieces.items()
        })  # fmt: skip

    def close(self) -> None:
        """Do nothing: there are no files."""


class SegmentStore:
    """Writes rows into a folder at once, one file of record batches for each table. At the end, each becomes a Parquet file.

    What was written can be read after the process was killed (`v2xsim.open(folder, partial=True)`).

    Args:
        folder: Folder of the run; nothing else writes into it.
        about: The manifest of the run, as far as it is known at the start.
        threads: Number of threads that make the Parquet files, one file each at a time.
        shown: Path of the folder in messages; by default that of the folder.
    """

    def __init__(self, folder: Path, about: Mapping[str, Any], threads: int = 1, shown: Path | None = None) -> None:
        self._folder, self._segments, self._threads = folder, folder / SEGMENTS, threads
        self._shown = folder if shown is None else shown
        self._streams = _Streams(self._segments, self._shown)
        with _disk(self._shown):
            self._segments.mkdir()
            (self._segments / ABOUT).write_text(json.dumps(about) + "\n", encoding="utf-8")

    def put(self, table: str, rows: pa.Table) -> None:
        """Add rows to a table."""
        self._streams.put(table, rows)

    def replace(self, table: str, rows: pa.Table) -> None:
        """Set all rows of a table, in place of earlier ones."""
        with _disk(self._shown):
            path = self._streams.path(table)
            new = path.with_suffix(".new")
            stream = _Stream(new, rows.schema)
            stream.add(rows)
            stream.close()
            new.replace(path)
        self._streams.rows[table] = rows.num_rows

    def written(self, time_us: int) -> None:
        """Note that all rows that were known at a simulated time have been added."""
        with _disk(self._shown), (self._segments / WRITTEN).open("a", encoding="utf-8") as lines:
            lines.write(json.dumps({"time_us": time_us, "rows": self._streams.rows}) + "\n")

    def join(self) -> None:
        """Write the Parquet files of all tables but `metrics`."""
        self._streams.end()
        tables = [table for table in COLUMNS if table != _METRICS]
        # The longest file first, so that no thread is left alone with it at the end.
        tables.sort(key=self._streams.size_bytes, reverse=True)
        with ThreadPoolExecutor(self._threads) as pool:
            # An exception in a thread is raised when its result is asked for.
            list(pool.map(self._write, tables))

    def groups(self, table: str, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Yield the row groups of a table with some of its columns, after `join`."""
        return FileTables(self._folder).groups(table, columns)

    def finish(self) -> FileTables:
        """Write the table `metrics`, and return the tables. The folder counts as that of a run that has not ended until `end_segments`."""
        self._streams.end()
        self._write(_METRICS)
        return FileTables(self._folder)

    def close(self) -> None:
        """Close the files, whatever their state; nothing is added any more."""
        with suppress(ResultsError):
            self._streams.end()

    def _write(self, table: str) -> None:
        """Write the Parquet file of a table, and remove its segments."""
        with _disk(self._shown):
            write_groups(cut(self._streams.pieces(table), table), self._folder / f"{table}.parquet", table)
            self._streams.path(table).unlink(missing_ok=True)


class MetricsAlone(Listed[str, pa.Table]):
    """The table `metrics` of a run that kept no other table."""

    def _hint(self, key: object) -> str:
        """Return why a table is not there."""
        return nearest(str(key), COLUMNS) if key not in COLUMNS else ": the run kept only its metrics (tables=False)"


class MetricStore:
    """Writes only the tables from which metrics are computed into a folder; at the end, only the table `metrics` is left.

    Args:
        folder: Folder for temporary files.
        tables: Names of the tables from which metrics are computed.
    """

    def __init__(self, folder: Path, tables: Collection[str]) -> None:
        self._tables, self._streams = frozenset(tables), _Streams(folder, folder)
        self._metrics = schema_of(_METRICS).empty_table()

    def put(self, table: str, rows: pa.Table) -> None:
        """Add rows to a table, if metrics need it."""
        if table == _METRICS:
            self._metrics = rows
        elif table in self._tables:
            self._streams.put(table, rows)

    def replace(self, table: str, rows: pa.Table) -> None:
        """Do nothing: no metric needs a table that is replaced."""

    def written(self, time_us: int) -> None:
        """Do nothing: the rows are of no use without the run."""

    def join(self) -> None:
        """Close the files."""
        self._streams.end()

    def groups(self, table: str, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Yield the row groups of a table with some of its columns, after `join`."""
        for group in cut(self._streams.pieces(table), table):
            yield group.select(list(columns))

    def finish(self) -> Mapping[str, pa.Table]:
        """Return the table `metrics`."""
        return MetricsAlone({_METRICS: self._metrics})

    def close(self) -> None:
        """Close the files, whatever their state; nothing is added any more."""
        with suppress(ResultsError):
            self._streams.end()


def end_segments(folder: Path) -> None:
    """Remove what says that the run of a folder has not ended, if there is any."""
    if (folder / SEGMENTS).exists():
        # First the file without which nothing is opened: whoever is killed here leaves no run without rows.
        (folder / SEGMENTS / ABOUT).unlink(missing_ok=True)
        rmtree(folder / SEGMENTS)


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


class _Stream:
    """A file of record batches, open for more."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        # Without buffers of this process, so that what is written outlives it.
        self._file = pa.OSFile(str(path), "wb")
        self._writer = pa.ipc.new_stream(self._file, schema, options=pa.ipc.IpcWriteOptions(compression="lz4"))

    def add(self, rows: pa.Table) -> None:
        self._writer.write_table(rows)

    def close(self) -> None:
        with self._file:
            self._writer.close()


class _Streams:
    """The files of record batches of several tables in one folder.

    Args:
        folder: The folder.
        shown: Path of the folder in messages.

    Attributes:
        rows: Number of rows that were written of each table.
    """

    def __init__(self, folder: Path, shown: Path) -> None:
        self._folder, self._shown = folder, shown
        self._open: dict[str, _Stream] = {}
        self.rows = dict.fromkeys(COLUMNS, 0)

    def put(self, table: str, rows: pa.Table) -> None:
        """Add rows to a table."""
        if rows.num_rows == 0:
            return
        with _disk(self._shown):
            if table not in self._open:
                self._open[table] = _Stream(self.path(table), rows.schema)
            self._open[table].add(rows)
        self.rows[table] += rows.num_rows

    def pieces(self, table: str) -> Iterator[pa.Table]:
        """Yield all rows of a table, in the pieces in which they came."""
        return all_pieces_in(self.path(table), self.rows[table], self._shown)

    def end(self) -> None:
        """Close all files."""
        with _disk(self._shown):
            while self._open:
                self._open.popitem()[1].close()

    def path(self, table: str) -> Path:
        """Return the path of a table's file."""
        return self._folder / f"{table}.arrows"

    def size_bytes(self, table: str) -> int:
        """Return the size of a table's file; 0 if there is none."""
        return self.path(table).stat().st_size if self.path(table).exists() else 0


class _disk:  # noqa: N801  # a context manager that reads like a word
    """Turn an error of the disk into an error that names the folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            raise ResultsError(f"{self._folder}: results cannot be written: {reason_of(error)}") from error
