"""Tables of a run while they are filled; `v2xsim.results.columns` has the columns of each."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from v2xsim.results.columns import schema_of


@dataclass
class Columns:
    """A table that is filled in blocks of rows."""

    table: str
    blocks: list[dict[str, Any]] = field(default_factory=list)
    _rows: int = 0

    def __len__(self) -> int:
        """Return the number of rows that are held."""
        return self._rows

    def add(self, **columns: Any) -> None:
        """Add a block of rows: for each column an array, all of equal length, or one value for the whole block."""
        self.blocks.append(columns)
        self._rows += _length(columns)

    def take(self) -> pa.Table:
        """Return the rows that were added since the last call, and forget them."""
        rows = self.finished()
        self.clear()
        return rows

    def clear(self) -> None:
        """Forget all rows."""
        self.blocks, self._rows = [], 0

    def finished(self) -> pa.Table:
        """Return all added rows as one Arrow table with the schema of this table."""
        schema = schema_of(self.table)
        lengths = [_length(block) for block in self.blocks]
        arrays = [_column(self.blocks, lengths, item.name, item.type) for item in schema]
        return pa.Table.from_arrays(arrays, schema=schema)


def _length(block: dict[str, Any]) -> int:
    """Return the number of rows of a block."""
    return max([len(value) for value in block.values() if isinstance(value, np.ndarray | list)] or [1])


_DTYPES = {
    pa.int64(): np.int64,
    pa.int32(): np.int32,
    pa.float32(): np.float32,
    pa.float64(): np.float64,
    pa.bool_(): np.bool_,
}


@dataclass(frozen=True)
class Coded:
    """A text column stored as numbers: many rows with a few distinct texts.

    Attributes:
        code: Index of each row's text in `texts`.
        texts: The distinct texts.
    """

    code: np.ndarray
    texts: Sequence[str]

    def __len__(self) -> int:
        return len(self.code)


def _column(blocks: list[dict[str, Any]], lengths: list[int], name: str, kind: pa.DataType) -> pa.Array:
    dtype: Any = _DTYPES.get(kind, object)
    parts: list[Any] = []
    for block, length in zip(blocks, lengths, strict=True):
        value = block[name]
        parts.append(value if isinstance(value, np.ndarray | list | Coded) else np.full(length, value, dtype))
    if dtype is not object:
        joined = np.concatenate(parts) if parts else np.zeros(0)
        return pa.array(joined.astype(dtype), kind)
    if pa.types.is_dictionary(kind) and parts:
        return _texts(parts, kind)
    parts = [[part.texts[c] for c in part.code.tolist()] if isinstance(part, Coded) else part for part in parts]
    rows = [item for part in parts for item in part]
    return pa.array(rows, kind)


def _texts(parts: list[Any], kind: pa.DataType) -> pa.Array:
    """Return an Arrow dictionary column with the texts of many rows; distinct texts are numbered in order of appearance."""
    number: dict[Any, int] = {}
    codes = []
    for part in parts:
        if isinstance(part, Coded):
            used = np.unique(part.code)
            table = np.zeros(len(part.texts), np.int32)
            table[used] = [number.setdefault(part.texts[c], len(number)) for c in used]
            codes.append(table[part.code])
        else:
            codes.append(np.fromiter((number.setdefault(item, len(number)) for item in part), np.int32, len(part)))
    return pa.DictionaryArray.from_arrays(pa.array(np.concatenate(codes)), pa.array(list(number), pa.string())).cast(
        kind
    )
