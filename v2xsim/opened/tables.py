"""The tables of a finished run, each read from its file when it is used: as a whole, or row group by row group."""

import weakref
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from v2xsim.errors import in_command
from v2xsim.opened.errors import NoTableError, NotRecordedError, OpenError
from v2xsim.opened.parts import FileParts, Parts
from v2xsim.results.columns import COLUMNS, SINCE, schema_of
from v2xsim.results.file_tables import chosen_columns, groups_in, identity_of
from v2xsim.results.table_files import repair_of, trouble_with
from v2xsim.scenario.explain import nearest
from v2xsim.scenario.manifest_files import MANIFEST

# Tables up to this size are kept in memory once they were read.
_SMALL_BYTES = 32_000_000


class RunTables(Mapping[str, pa.Table]):
    """The tables of a run by name, as Arrow tables; `v2xsim.results.columns.COLUMNS` has the meaning of each column.

    Args:
        folder: Folder of the run.
        layout: Format of the folder, from its manifest. Tables that came with a later format are refused; columns that did are
            missing.
        digests: SHA-256 digest of the file of each table, from the manifest; a file with another content is refused.
    """

    def __init__(self, folder: Path, layout: int, digests: Mapping[str, str]) -> None:
        self._folder, self._layout, self._digests = folder, layout, digests
        # A large table stays in memory only as long as somebody else holds it.
        self._read: weakref.WeakValueDictionary[str, pa.Table] = weakref.WeakValueDictionary()
        self._small: dict[str, pa.Table] = {}
        # The identity of each file that was found to be that of the run: another run may replace the files later.
        self._sound: dict[str, tuple[int, ...]] = {}

    def __getitem__(self, name: str) -> pa.Table:
        self._check_name(name)
        table = self._read.get(name)
        if table is None:
            table = self._read[name] = self._whole(name)
            if table.nbytes <= _SMALL_BYTES:
                self._small[name] = table
        return table

    def groups(self, name: str, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """Yield the row groups of a table with some columns or all, so that a table larger than memory can be read.

        Args:
            name: Name of the table.
            columns: Names of the columns; None for all that the file has.

        Raises:
            OpenError: If there is no such table, or its file is missing, damaged, or holds another table.
            NoColumnError: If the table has no such column.
        """
        self._check_name(name)
        names = chosen_columns(name, columns)
        path = self._sound_path(name)
        try:
            yield from groups_in(path, names)
        except (OSError, pa.ArrowException):
            raise self._damaged(path) from None

    def parts(self, name: str) -> Parts:
        """Return the row groups in the file of a table, each read when it is used.

        Args:
            name: Name of the table.

        Raises:
            OpenError: If there is no such table, or its file is missing, damaged, or holds another table.
        """
        self._check_name(name)
        path = self._sound_path(name)
        return FileParts(path, self._damaged(path))

    def __contains__(self, name: object) -> bool:
        return name in COLUMNS and SINCE.get(str(name), 0) <= self._layout

    def __iter__(self) -> Iterator[str]:
        return (name for name in COLUMNS if name in self)

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __repr__(self) -> str:
        width = max(len(name) for name in self)
        rows = [f"  {name:<{width}}  {self._rows_text(name):>12}" for name in self]
        return "\n".join([f"{len(self)} tables of {self._folder} (rows)", *rows])

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.parquet"

    def _rows_text(self, name: str) -> str:
        try:
            return f"{pq.read_metadata(self._path(name)).num_rows:,}"
        except (OSError, pa.ArrowException):
            return "unreadable"

    def _check_name(self, name: str) -> None:
        if name not in COLUMNS:
            raise NoTableError(
                f"{self._folder}: has no table {name!r}{nearest(str(name), COLUMNS)}; there are {', '.join(COLUMNS)}"
            )
        if name not in self:
            raise NotRecordedError(
                f"{self._folder}: has no table {name!r}, which came with format {SINCE[name]}; this run has format {self._layout}: run it "
                f"again: v2xsim run {in_command(self._folder / MANIFEST)}"
            )

    def _whole(self, name: str) -> pa.Table:
        path = self._sound_path(name)
        try:
            return pq.read_table(path)
        except (OSError, pa.ArrowException):
            raise self._damaged(path) from None

    def _sound_path(self, name: str) -> Path:
        """Return the path of a table's file, once its content and columns are found to be those of the run.

        Raises:
            OpenError: If the file is missing, damaged, or holds another table.
        """
        path = self._path(name)
        identity = identity_of(path)
        if identity and self._sound.get(name) == identity:
            return path
        again = repair_of(self._folder)
        if (trouble := trouble_with(path, self._digests.get(name))) is not None:
            raise OpenError(f"{path}: {trouble}; {again}")
        try:
            schema = pq.read_schema(path)
        except (OSError, pa.ArrowException):
            raise self._damaged(path) from None
        for field in schema_of(name):
            if SINCE.get(f"{name}.{field.name}", 0) > self._layout:
                continue
            if field.name not in schema.names:
                raise OpenError(
                    f"{path}: must be the table {name!r} of a run; it has no column {field.name!r}; {again}"
                )
            found = schema.field(field.name).type
            if found != field.type:
                raise OpenError(
                    f"{path}: must be the table {name!r} of a run; its column {field.name!r} must be {field.type}, got {found}; {again}"
                )
        self._sound[name] = identity
        return path

    def _damaged(self, path: Path) -> OpenError:
        return OpenError(f"{path}: cannot be read as a Parquet table; it is damaged; {repair_of(self._folder)}")
