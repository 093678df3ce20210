"""The tables of a run as Parquet files: written row group by row group, and read when they are used."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from v2xsim.results.columns import COLUMNS, schema_of
from v2xsim.results.errors import NoColumnError, ResultsError
from v2xsim.scenario.explain import nearest

# Columns with their smallest and largest value in each row group: the readers find an instant, a kept frame and the extent by them.
_BOUNDED = ("frame", "x_m", "y_m")
# Tables in whose numbers of 64 bits the first bytes are alike in neighbouring rows.
_SMOOTH = ("clouds", "states", "parts", "stations")
# Whole numbers that change in every row of their table, where all others change with each packet.
_CHANGING = {"packets": ["rx"], "heard": ["sender"]}
# Measured numbers of few distinct values.
_COARSE = {"heard": {"snr_db", "share"}}


def writer_options(table: str) -> dict[str, Any]:
    """Return how the columns of a table are stored, as arguments of `ParquetWriter`.

    Measured numbers hardly repeat: a list of the distinct ones (a dictionary) takes most of the time of writing, and more space than the
    numbers themselves, unless they are rounded. Where neighbouring rows are alike, the first bytes of all numbers are stored together, then the second bytes.
    Whole numbers that are equal in many rows after each other need no dictionary either: compression alone takes half the time.
    """
    schema = schema_of(table)
    coarse = _COARSE.get(table, set())
    measured = [field for field in schema if pa.types.is_floating(field.type) and field.name not in coarse]
    split = [field.name for field in measured if field.type == pa.float32() or table in _SMOOTH]
    whole = [field.name for field in schema if pa.types.is_integer(field.type)]
    plain = {field.name for field in measured} | (set(whole) - set(_CHANGING.get(table, whole)))
    return {
        "compression": "zstd", "use_byte_stream_split": split,
        "use_dictionary": [name for name in schema.names if name not in plain],
        "write_statistics": [name for name in schema.names if name.endswith("_us") or name in _BOUNDED],
    }  # fmt: skip


def write_groups(groups: Iterable[pa.Table], path: Path, table: str) -> None:
    """Write the row groups of a table into a Parquet file."""
    with pq.ParquetWriter(path, schema_of(table), **writer_options(table)) as writer:
        for group in groups:
            writer.write_table(group, row_group_size=group.num_rows)


def chosen_columns(table: str, columns: Iterable[str] | None) -> list[str] | None:
    """Return the names of the columns that a user chose of a table, each once; None for all.

    Raises:
        NoColumnError: If the table has no such column, or the names are one text in place of several. Readers of Parquet files leave out
            columns that are not there.
    """
    if columns is None:
        return None
    if isinstance(columns, str):
        raise NoColumnError(
            f"columns of {table!r}: must be a list of names, such as [{columns!r}], got the text {columns!r}"
        )
    names = list(dict.fromkeys(columns))
    known = schema_of(table).names
    for name in names:
        if name not in known:
            raise NoColumnError(
                f"table {table!r} has no column {name!r}{nearest(str(name), known)}; it has {', '.join(known)}"
            )
    return names


def groups_in(path: Path, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """Yield the row groups of a Parquet file, with some columns or with all."""
    with pq.ParquetFile(path) as file:
        for number in range(file.num_row_groups):
            yield file.read_row_group(number, columns=None if columns is None else list(columns))


class FileTables(Mapping[str, pa.Table]):
    """The tables of a run in its folder; each is read from its file when it is used, and not kept.

    Args:
        folder: Folder of the run.
        digests: SHA-256 digests of the files of tables, as far as they are known.

    Attributes:
        folder: Folder of the run.
        digests: As given.

    Raises:
        ResultsError: If a table is read after its file was changed or removed.
    """

    def __init__(self, folder: Path, digests: Mapping[str, str] | None = None) -> None:
        self.folder, self.digests = folder, dict(digests or {})
        self._files: dict[str, tuple[int, ...]] = {}

    def __getitem__(self, table: str) -> pa.Table:
        return pq.read_table(self._path(table))

    def moved(self, folder: Path) -> None:
        """Note that the files are in another folder now, and that they are complete."""
        self.folder = folder
        self._files = {table: identity_of(folder / f"{table}.parquet") for table in COLUMNS}

    def __iter__(self) -> Iterator[str]:
        return iter(COLUMNS)

    def __len__(self) -> int:
        return len(COLUMNS)

    def __repr__(self) -> str:
        width = max(map(len, COLUMNS))
        lines = [f"{name:<{width}}  table of {self.rows(name):,} rows" for name in COLUMNS]
        return "\n".join(lines)

    def rows(self, table: str) -> int:
        """Return the number of rows of a table."""
        return int(pq.read_metadata(self._path(table)).num_rows)

    def groups(self, table: str, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """Yield the row groups of a table with some of its columns or all."""
        path = self._path(table)
        return groups_in(path, chosen_columns(table, columns))

    def _path(self, table: str) -> Path:
        if table not in COLUMNS:
            raise KeyError(f"there is no table {table!r}{nearest(str(table), COLUMNS)}; there are {', '.join(COLUMNS)}")
        path = self.folder / f"{table}.parquet"
        if self._files and identity_of(path) != self._files[table]:
            raise ResultsError(
                f"{path}: is not the file that this run wrote any more: it was changed, moved or removed; open the folder of the run with v2xsim.open"
            )
        return path


def identity_of(path: Path) -> tuple[int, ...]:
    """Return numbers that change when a file is replaced or written again; none if there is no file."""
    try:
        about = path.stat()
    except OSError:
        return ()
    return about.st_ino, about.st_size, about.st_mtime_ns
