"""Reading of a run's folder for the pictures: the manifest, and only those columns of tables that a picture needs."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Int

from v2xsim.errors import UserError
from v2xsim.results.columns import schema_of
from v2xsim.results.file_tables import groups_in
from v2xsim.results.manifest import FORMAT
from v2xsim.results.table_files import missing_tables, repair_of, trouble_with
from v2xsim.scenario.manifest_files import MANIFEST, ManifestError, manifest_of_folder
from v2xsim.version import __version__


class ViewError(UserError):
    """A folder cannot be drawn, or it does not hold the requested frame."""


class NothingToShowError(Exception):
    """A run has no data for a picture; the message states which data is missing."""


@dataclass(frozen=True)
class RunFolder:
    """The folder of a finished run.

    Attributes:
        path: Path of the folder.
        manifest: Content of the folder's manifest.json.
    """

    path: Path
    manifest: dict[str, Any]

    @property
    def name(self) -> str:
        """Name of the scenario; the folder's name if the manifest has no such name."""
        return str(self.setting("name", self.path.name))

    def setting(self, key: str, default: Any) -> Any:
        """Return the value of a dotted key in the run's resolved scenario; `default` if the key is missing."""
        value: Any = self.manifest.get("scenario")
        for part in key.split("."):
            if not isinstance(value, dict) or part not in value:
                return default
            value = value[part]
        return value

    def table(self, name: str, columns: list[str], conditions: list[tuple[str, str, Any]] | None = None) -> pa.Table:
        """Return some columns of a table of the run; they have no rows if the run did not write the table.

        Args:
            name: Name of the table, as in v2xsim.results.columns.COLUMNS.
            columns: Names of the columns to read.
            conditions: Conditions that the rows must meet, in the form of pyarrow's `filters`; None for all rows.

        Raises:
            NothingToShowError: If the table lacks a column.
            ViewError: If the table's file is missing, is not a Parquet file, or is not the one that the run wrote.
        """
        path = self.path / f"{name}.parquet"
        self._check(path, name)
        if not path.is_file():
            return pa.schema([schema_of(name).field(column) for column in columns]).empty_table()
        try:
            self._check_columns(path, columns)
            return pq.read_table(path, columns=columns, filters=conditions).unify_dictionaries().combine_chunks()
        except (pa.ArrowException, OSError) as error:
            raise self._unreadable(path, error) from error

    def groups(self, name: str, columns: list[str]) -> Iterator[pa.Table]:
        """Yield some columns of a table of the run, row group by row group, so that a table larger than memory can be drawn.

        Args:
            name: Name of the table.
            columns: Names of the columns to read.

        Raises:
            NothingToShowError: If the table lacks a column.
            ViewError: If the table's file is missing, is not a Parquet file, or is not the one that the run wrote.
        """
        path = self.path / f"{name}.parquet"
        self._check(path, name)
        if not path.is_file():
            return
        try:
            self._check_columns(path, columns)
            yield from groups_in(path, columns)
        except (pa.ArrowException, OSError) as error:
            raise self._unreadable(path, error) from error

    def _check_columns(self, path: Path, columns: list[str]) -> None:
        missing = sorted(set(columns) - set(pq.read_schema(path).names))
        if missing:
            raise NothingToShowError(
                f"{path.name} has no column {', '.join(missing)}: an earlier version wrote the run; run its scenario again"
            )

    def _unreadable(self, path: Path, error: Exception) -> ViewError:
        return ViewError(f"{path} cannot be read as a Parquet table ({error}); run the scenario again")

    def _check(self, path: Path, name: str) -> None:
        """Refuse a table of another run, and a folder that is not complete. Runs of earlier versions have no digests."""
        digests = self.manifest.get("tables")
        digest = digests.get(name) if isinstance(digests, dict) else None
        if digest is None:
            return
        state = path.stat() if path.exists() else None
        trouble = _trouble_with(path, digest, None if state is None else (state.st_mtime_ns, state.st_size))
        if trouble is not None:
            raise ViewError(f"{path}: {trouble}; {repair_of(self.path)}")

    def arrays(
        self, name: str, columns: list[str], conditions: list[tuple[str, str, Any]] | None = None
    ) -> dict[str, np.ndarray]:
        """Return some columns of a table as numpy arrays, by name; columns of texts become arrays of strings."""
        table = self.table(name, columns, conditions)
        return {column: _as_array(table.column(column)) for column in columns}


@lru_cache(maxsize=256)
def _trouble_with(path: Path, digest: str, state: tuple[int, int] | None) -> str | None:
    """Return why a file is not the one that the run wrote; each state of a file is read once."""
    return trouble_with(path, digest)


def words_of(column: pa.ChunkedArray) -> tuple[list[str], Int[np.ndarray, " rows"]]:
    """Return the distinct texts of a column, and for each row the index of its text among them."""
    array = pa.chunked_array([_one_chunk(column).dictionary_encode()]) if len(column) else column
    if not len(array):
        return [], np.zeros(0, np.int64)
    coded = array.chunk(0)
    return coded.dictionary.to_pylist(), coded.indices.to_numpy(zero_copy_only=False).astype(np.int64)


def _one_chunk(column: pa.ChunkedArray) -> pa.Array:
    joined = column.combine_chunks()
    return joined.chunk(0) if isinstance(joined, pa.ChunkedArray) else joined


def _as_array(column: pa.ChunkedArray) -> np.ndarray:
    if pa.types.is_dictionary(column.type):
        words, codes = words_of(column)
        return np.array(words, object)[codes] if words else np.zeros(0, object)
    return np.asarray(column.to_numpy())


def open_run(path: Path) -> RunFolder:
    """Return the finished run in a folder, with its manifest.

    Raises:
        ViewError: If the folder holds no finished run that this version can read.
    """
    try:
        manifest = manifest_of_folder(path)
    except ManifestError as error:
        raise ViewError(str(error)) from None
    source = path / MANIFEST
    _check_complete(source, manifest)
    _check_version(source, manifest)
    _check_tables(path, manifest)
    return RunFolder(path, manifest)


def _check_complete(source: Path, manifest: dict[str, Any]) -> None:
    if manifest.get("complete", True) is not True:
        raise ViewError(f"{source} reports that the run did not finish; run the scenario again")


def _check_tables(path: Path, manifest: dict[str, Any]) -> None:
    """Refuse a folder without some of the tables that the run wrote."""
    written = manifest.get("tables")
    missing = missing_tables(path, written if isinstance(written, dict) else ())
    if missing is not None:
        raise ViewError(f"{path}: {missing}, so the folder of the run is not complete; {repair_of(path)}")


def _check_version(source: Path, manifest: dict[str, Any]) -> None:
    # A manifest without a format counts as readable: it lacks nothing that a picture needs.
    layout = manifest.get("format", FORMAT)
    if not isinstance(layout, int) or layout > FORMAT:
        raise ViewError(f"{source} has folder format {layout!r}; this v2xsim reads up to {FORMAT}: install a newer one")
    versions = manifest.get("versions")
    made_by = versions.get("v2xsim") if isinstance(versions, dict) else None
    if isinstance(made_by, str) and _release(made_by) > _release(__version__):
        raise ViewError(
            f"{source} was written by v2xsim {made_by}, newer than this ({__version__}); install that version"
        )


def _release(version: str) -> tuple[int, int]:
    """Return major and minor number of a version text; folders stay readable within one minor version."""
    match = re.match(r"(\d+)\.(\d+)", version)
    return (int(match[1]), int(match[2])) if match else (0, 0)
