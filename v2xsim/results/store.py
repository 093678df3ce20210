"""Where the rows of a run's tables are kept while it goes on: in memory, or in files on the disk."""

import json
from abc import ABC, abstractmethod
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
from v2xsim.results.file_tables import FileTables, chosen_columns, groups_in, write_groups
from v2xsim.results.growing_file import GrowingFile
from v2xsim.results.listed import Listed
from v2xsim.results.row_files import RowFile, all_pieces_in
from v2xsim.results.row_groups import Cutter, cut
from v2xsim.scenario.explain import nearest
from v2xsim.scenario.manifests import sha256_of

SEGMENTS = "segments"
"""Folder with the rows of a run that has not ended, within the folder of the run."""
_METRICS = "metrics"
ABOUT, WRITTEN = "run.json", "written.jsonl"
"""Files in that folder: the manifest of the unfinished run, and the number of rows of each table at each time at which all were written."""


class Store(Protocol):
    """Keeps the rows of tables, in the order in which they are added."""

    def put(self, table: str, rows: pa.Table) -> list[pa.Table]:
        """Add rows to a table, and return the row groups that they complete."""

    def replace(self, table: str, rows: pa.Table) -> None:
        """Set all rows of a table, in place of earlier ones."""

    def written(self, time_us: int) -> None:
        """Note that all rows that were known at a simulated time have been added."""

    def join(self) -> Mapping[str, Sequence[pa.Table]]:
        """Make the last row groups of all tables but `metrics`, and return them; the metrics are computed from the row groups."""

    def groups(self, table: str, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Yield the row groups of a table with some of its columns, after `join`."""

    def finish(self) -> Mapping[str, pa.Table]:
        """Return the tables; nothing is added any more."""

    def close(self) -> None:
        """Close files; nothing is added any more."""


class _GroupStore(ABC):
    """Cuts the rows of tables into row groups as they come."""

    def __init__(self) -> None:
        self._cutters = {table: Cutter(table) for table in COLUMNS}
        self._replaced: dict[str, pa.Table] = {}

    def put(self, table: str, rows: pa.Table) -> list[pa.Table]:
        """Add rows to a table, and return the row groups that they complete."""
        groups = list(self._cutters[table].add(rows))
        for group in groups:
            self._keep(table, group)
        return groups

    def replace(self, table: str, rows: pa.Table) -> None:
        """Set all rows of a table, in place of earlier ones."""
        self._replaced[table] = rows

    def join(self) -> Mapping[str, Sequence[pa.Table]]:
        """Make the last row groups of all tables but `metrics`, and return them; the metrics are computed from the row groups."""
        last = {table: self._last(table) for table in COLUMNS if table != _METRICS}
        self._end(last)
        return last

    @abstractmethod
    def _keep(self, table: str, group: pa.Table) -> None:
        """Keep a row group to which no row is added any more."""

    @abstractmethod
    def _end(self, last: Mapping[str, Sequence[pa.Table]]) -> None:
        """Keep the last row groups of some tables, to which nothing is added any more; a table without other rows has none."""

    def _last(self, table: str) -> list[pa.Table]:
        return list(cut([self._replaced[table]], table) if table in self._replaced else self._cutters[table].rest())


class MemoryStore(_GroupStore):
    """Keeps tables in memory."""

    def __init__(self) -> None:
        super().__init__()
        self._groups: dict[str, list[pa.Table]] = {table: [] for table in COLUMNS}

    def written(self, time_us: int) -> None:
        """Do nothing: what is in memory is lost with the process."""

    def groups(self, table: str, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Yield the row groups of a table with some of its columns, after `join`."""
        for group in self._groups[table]:
            yield group.select(list(columns))

    def finish(self) -> Mapping[str, pa.Table]:
        """Return the tables."""
        self._end({_METRICS: self._last(_METRICS)})
        return MemoryTables({
            name: pa.concat_tables(groups) if groups else schema_of(name).empty_table()
            for name, groups in self._groups.items()
        })  # fmt: skip

    def close(self) -> None:
        """Do nothing: there are no files."""

    def _keep(self, table: str, group: pa.Table) -> None:
        self._groups[table].append(group)

    def _end(self, last: Mapping[str, Sequence[pa.Table]]) -> None:
        for table, groups in last.items():
            self._groups[table] += groups


class SegmentStore(_GroupStore):
    """Writes tables into a folder while a run goes on: full row groups into the Parquet files, other rows into files of record batches.

    What was written can be read after the process was killed (`v2xsim.open(folder, partial=True)`).

    Args:
        folder: Folder of the run; nothing else writes into it.
        about: The manifest of the run, as far as it is known at the start.
        threads: Number of threads that complete the Parquet files, one file each at a time.
        shown: Path of the folder in messages; by default that of the folder.
    """

    def __init__(self, folder: Path, about: Mapping[str, Any], threads: int = 1, shown: Path | None = None) -> None:
        super().__init__()
        self._folder, self._segments, self._threads = folder, folder / SEGMENTS, threads
        self._shown = folder if shown is None else shown
        self._files: dict[str, GrowingFile] = {}
        self._digests: dict[str, str] = {}
        # Number of rows of each table in full row groups, and the file with the rows after them.
        self._grouped, self._tails = dict.fromkeys(COLUMNS, 0), dict[str, RowFile]()
        with _disk(self._shown):
            self._segments.mkdir()
            new = self._segments / f"{ABOUT}.new"
            new.write_text(json.dumps(about) + "\n", encoding="utf-8")
            new.replace(self._segments / ABOUT)

    def written(self, time_us: int) -> None:
        """Write the rows that are in no row group yet, and note the number of rows of each table at a simulated time."""
        rows = {table: self._grouped[table] + len(cutter) for table, cutter in self._cutters.items()}
        with _disk(self._shown):
            for table, cutter in self._cutters.items():
                if len(cutter):
                    self._write_tail(table, cutter)
            for table, replacing in self._replaced.items():
                self._write_replacing(table, replacing)
                rows[table] = replacing.num_rows
            with (self._segments / WRITTEN).open("a", encoding="utf-8") as lines:
                lines.write(json.dumps({"time_us": time_us, "rows": rows}) + "\n")

    def groups(self, table: str, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Yield the row groups of a table with some of its columns, after `join`."""
        return FileTables(self._folder).groups(table, columns)

    def finish(self) -> FileTables:
        """Write the table `metrics`, and return the tables. The folder counts as that of a run that has not ended until `end_segments`."""
        self._end({_METRICS: self._last(_METRICS)})
        return FileTables(self._folder, self._digests)

    def close(self) -> None:
        """Close the files, whatever their state; nothing is added any more."""
        closing = [file.close for file in self._files.values()] + [file.close for file in self._tails.values()]
        for close in closing:
            with suppress(OSError):
                close()

    def _keep(self, table: str, group: pa.Table) -> None:
        with _disk(self._shown):
            if table not in self._files:
                self._files[table] = GrowingFile(self._path(table), footers_of(self._segments, table), table)
            self._files[table].add(group)
            self._grouped[table] += group.num_rows
            self._drop_tail(table)

    def _end(self, last: Mapping[str, Sequence[pa.Table]]) -> None:
        # The longest file first, so that no thread is left alone with it at the end.
        tables = sorted(last, key=lambda table: self._grouped[table], reverse=True)
        with ThreadPoolExecutor(self._threads) as pool:
            # An exception in a thread is raised when its result is asked for.
            self._digests |= dict(
                zip(tables, pool.map(lambda table: self._ended(table, last[table]), tables), strict=True)
            )

    def _ended(self, table: str, last: Sequence[pa.Table]) -> str:
        """Complete the Parquet file of a table, and return its digest."""
        if table in self._files:
            for group in last:
                self._keep(table, group)
            with _disk(self._shown):
                return self._files[table].end()
        with _disk(self._shown):
            # While the rows are also elsewhere, there is no file of this name that is not complete.
            new = self._segments / f"{table}.new"
            write_groups(last, new, table)
            digest = sha256_of(new)
            new.replace(self._path(table))
            self._drop_tail(table)
            replaced_in(self._segments, table).unlink(missing_ok=True)
        return digest

    def _write_tail(self, table: str, cutter: Cutter) -> None:
        if table not in self._tails:
            self._tails[table] = RowFile(tail_of(self._segments, table, self._grouped[table]), schema_of(table))
        tail = self._tails[table]
        # What is on the disk needs no memory until the row group is full.
        for piece in cutter.moved(lambda: all_pieces_in(tail.path, tail.rows, self._shown)):
            tail.add(piece)

    def _drop_tail(self, table: str) -> None:
        """Remove the rows of a table from the file of those that are in no row group, once they are in one."""
        if table in self._tails:
            tail = self._tails.pop(table)
            tail.close()
            tail.path.unlink()

    def _write_replacing(self, table: str, rows: pa.Table) -> None:
        new = self._segments / f"{table}.new"
        file = RowFile(new, rows.schema)
        file.add(rows)
        file.close()
        new.replace(replaced_in(self._segments, table))

    def _path(self, table: str) -> Path:
        return self._folder / f"{table}.parquet"


class MemoryTables(Listed[str, pa.Table]):
    """The tables of a run in memory, by name."""

    def groups(self, table: str, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """Yield the row groups of a table with some of its columns or all, as from the folder of a run."""
        whole = self[table]
        names = chosen_columns(table, columns)
        for group in cut([whole], table):
            yield group if names is None else group.select(names)


class MetricsAlone(MemoryTables):
    """The table `metrics` of a run that kept no other table."""

    def _hint(self, key: object) -> str:
        """Return why a table is not there."""
        return nearest(str(key), COLUMNS) if key not in COLUMNS else ": the run kept only its metrics (tables=False)"


class MetricStore(_GroupStore):
    """Keeps no table but `metrics`, and until the end those whose row groups may be needed again, in a folder.

    Args:
        folder: Folder for temporary files.
        used: Names of the tables from which metrics are computed; only their rows become row groups.
        kept: Names of the tables whose row groups may be needed again (`groups`).
    """

    def __init__(self, folder: Path, used: Collection[str], kept: Collection[str]) -> None:
        super().__init__()
        self._folder, self._used, self._kept = folder, frozenset(used) | {_METRICS}, frozenset(kept)
        self._files: dict[str, GrowingFile] = {}

    def put(self, table: str, rows: pa.Table) -> list[pa.Table]:
        """Add rows to a table, if metrics need it, and return the row groups that they complete."""
        return super().put(table, rows) if table in self._used else []

    def replace(self, table: str, rows: pa.Table) -> None:
        """Do nothing: no metric needs a table that is replaced."""

    def written(self, time_us: int) -> None:
        """Do nothing: the rows are of no use without the run."""

    def groups(self, table: str, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Yield the row groups of a table that is kept with some of its columns, after `join`."""
        path = self._path(table)
        return groups_in(path, columns) if path.exists() else iter(())

    def finish(self) -> Mapping[str, pa.Table]:
        """Return the table `metrics`."""
        return MetricsAlone({_METRICS: pa.concat_tables([schema_of(_METRICS).empty_table(), *self._last(_METRICS)])})

    def close(self) -> None:
        """Close the files, whatever their state; nothing is added any more."""
        for file in self._files.values():
            with suppress(OSError):
                file.close()

    def _keep(self, table: str, group: pa.Table) -> None:
        if table not in self._kept:
            return
        with _disk(self._folder):
            if table not in self._files:
                self._files[table] = GrowingFile(self._path(table), footers_of(self._folder, table), table)
            self._files[table].add(group)

    def _end(self, last: Mapping[str, Sequence[pa.Table]]) -> None:
        for table, groups in last.items():
            for group in groups:
                self._keep(table, group)
        with _disk(self._folder):
            for file in self._files.values():
                file.end()

    def _path(self, table: str) -> Path:
        return self._folder / f"{table}.parquet"


def footers_of(segments: Path, table: str) -> Path:
    """Return the path of the footers of the row groups of a table whose Parquet file is not complete."""
    return segments / f"{table}.footers"


def tail_of(segments: Path, table: str, rows: int) -> Path:
    """Return the path of the rows of a table after its full row groups, which have some number of rows."""
    return segments / f"{table}-{rows}.arrows"


def replaced_in(segments: Path, table: str) -> Path:
    """Return the path of the rows of a table that are replaced as a whole."""
    return segments / f"{table}.arrows"


def end_segments(folder: Path) -> None:
    """Remove what says that the run of a folder has not ended, if there is any."""
    if (folder / SEGMENTS).exists():
        # First the file by which the run counts as one that has not ended: whoever is killed here leaves the finished run.
        (folder / SEGMENTS / ABOUT).unlink(missing_ok=True)
        rmtree(folder / SEGMENTS)


class _disk:  # noqa: N801  # a context manager that reads like a word
    """Turn an error of the disk into an error that names the folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            raise ResultsError(f"{self._folder}: results cannot be written: {reason_of(error)}") from error
