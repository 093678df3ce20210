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

    def detached(self) -> "Columns":
        """Return the rows that were added since the last call as a table of their own, and forget them here."""
        rows = Columns(self.table, self.blocks, self._rows)
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
    values = [block[name] for block in blocks]
    if dtype is not object:
        if not values:
            return pa.array(np.zeros(0, dtype), kind)
        if not any(isinstance(value, np.ndarray | list) for value in values):
            # One value for each block; thousands of small arrays would take much longer.
            return pa.array(np.repeat(np.array(values, dtype), lengths), kind)
        return pa.array(np.concatenate(_spread(values, lengths, dtype)).astype(dtype), kind)
    if pa.types.is_dictionary(kind) and values:
        return _texts(values, lengths, kind)
    parts = [
        [part.texts[c] for c in part.code.tolist()] if isinstance(part, Coded) else part
        for part in _spread(values, lengths, dtype)
    ]
    return pa.array([item for part in parts for item in part], kind)


def _spread(values: list[Any], lengths: list[int], dtype: Any) -> list[Any]:
    """Return the values of each block, one for each row."""
    return [
        value if isinstance(value, np.ndarray | list | Coded) else np.full(length, value, dtype)
        for value, length in zip(values, lengths, strict=True)
    ]


def _texts(values: list[Any], lengths: list[int], kind: pa.DataType) -> pa.Array:
    """Return an Arrow dictionary column with the texts of many rows."""
    number: dict[Any, int] = {}
    first = values[0]
    if isinstance(first, Coded) and all(isinstance(v, Coded) and v.texts is first.texts for v in values):
        codes = [_numbered(np.concatenate([value.code for value in values]), first.texts, number)]
    elif all(isinstance(value, str) for value in values):
        codes = [np.repeat([number.setdefault(value, len(number)) for value in values], lengths)]
    else:
        codes = [
            _numbered(part.code, part.texts, number)
            if isinstance(part, Coded)
            else np.fromiter((number.setdefault(item, len(number)) for item in part), np.int64, len(part))
            for part in _spread(values, lengths, object)
        ]
    texts = pa.array(list(number), pa.string())
    return pa.DictionaryArray.from_arrays(pa.array(np.concatenate(codes)), texts).cast(kind)


def _numbered(code: np.ndarray, texts: Sequence[str], number: dict[Any, int]) -> np.ndarray:
    """Return the numbers of texts in a dictionary that grows by those that it lacks.

    Args:
        code: Index of each row's text in `texts`.
        texts: The texts.
        number: The number of each text so far.
    """
    used = np.unique(code)
    table = np.zeros(len(texts), np.int64)
    table[used] = [number.setdefault(texts[c], len(number)) for c in used]
    return table[code]
