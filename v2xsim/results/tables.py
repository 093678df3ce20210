"""Tables of a run while they are filled; `v2xsim.results.columns` has the columns of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from v2xsim.results.columns import schema_of


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


# Types of values with one item for each row of a block; any other value holds for the whole block.
_MANY = frozenset((np.ndarray, list, Coded))


class Columns:
    """A table that is filled in blocks of rows.

    Args:
        table: Name of the table.

    Attributes:
        blocks: The columns of each block that is held, by name.
    """

    def __init__(self, table: str) -> None:
        self._table = table
        self.clear()

    def __len__(self) -> int:
        """Return the number of rows that are held."""
        return self._rows

    def add(self, **columns: Any) -> None:
        """Add a block of rows: for each column an array, all of equal length, or one value for the whole block."""
        # Looked up once, because a run may add thousands of small blocks in a second.
        rows = _length(columns)
        self.blocks.append(columns)
        self._lengths.append(rows)
        self._rows += rows

    def take(self) -> pa.Table:
        """Return the rows that were added since the last call, and forget them."""
        rows = self.finished()
        self.clear()
        return rows

    def detached(self) -> "Columns":
        """Return the rows that were added since the last call as a table of their own, and forget them here."""
        rows = Columns(self._table)
        rows.blocks, rows._lengths, rows._rows = self.blocks, self._lengths, self._rows
        self.clear()
        return rows

    def clear(self) -> None:
        """Forget all rows."""
        self.blocks: list[dict[str, Any]] = []
        self._lengths: list[int] = []
        self._rows = 0

    def finished(self) -> pa.Table:
        """Return all added rows as one Arrow table with the schema of this table."""
        schema = schema_of(self._table)
        arrays = [_column([block[item.name] for block in self.blocks], self._lengths, item.type) for item in schema]
        return pa.Table.from_arrays(arrays, schema=schema)


def _length(block: dict[str, Any]) -> int:
    """Return the number of rows of a block."""
    if _MANY.isdisjoint(map(type, block.values())):
        return 1
    return next(len(value) for value in block.values() if type(value) in _MANY)


_DTYPES = {
    pa.int64(): np.int64,
    pa.int32(): np.int32,
    pa.float32(): np.float32,
    pa.float64(): np.float64,
    pa.bool_(): np.bool_,
}


def _column(values: list[Any], lengths: list[int], kind: pa.DataType) -> pa.Array:
    """Return a column of all blocks.

    Args:
        values: The values of each block.
        lengths: Number of rows of each block.
        kind: Type of the column.
    """
    dtype: Any = _DTYPES.get(kind, object)
    if dtype is not object:
        return pa.array(_numbers(values, lengths, dtype), kind)
    if pa.types.is_dictionary(kind) and values:
        return _texts(values, lengths, kind)
    parts = [
        [part.texts[c] for c in part.code.tolist()] if isinstance(part, Coded) else part
        for part in _spread(values, lengths, dtype)
    ]
    return pa.array([item for part in parts for item in part], kind)


def _numbers(values: list[Any], lengths: list[int], dtype: Any) -> np.ndarray:
    """Return a column of numbers of all blocks."""
    # The types are few where the blocks are many, so no block is looked at one by one.
    types = set(map(type, values))
    if types.isdisjoint(_MANY):
        single = np.array(values, dtype)
        return single if set(lengths) <= {1} else np.repeat(single, lengths)
    if not types <= _MANY:
        values = _spread(values, lengths, dtype)
    return np.concatenate(values, dtype=dtype, casting="unsafe")


def _spread(values: list[Any], lengths: list[int], dtype: Any) -> list[Any]:
    """Return the values of each block, one for each row."""
    return [
        value if type(value) in _MANY else np.full(length, value, dtype)
        for value, length in zip(values, lengths, strict=True)
    ]


def _texts(values: list[Any], lengths: list[int], kind: pa.DataType) -> pa.Array:
    """Return an Arrow dictionary column with the texts of many rows; row groups leave out the texts that no row has."""
    if set(map(type, values)) == {Coded} and len({id(value.texts) for value in values}) == 1:
        texts = values[0].texts
        if len(texts) <= np.iinfo(np.int8).max:
            code = np.concatenate([value.code for value in values], dtype=np.int8, casting="unsafe")
            return pa.DictionaryArray.from_arrays(pa.array(code), pa.array(texts, pa.string()))
    number: dict[Any, int] = {}
    if all(isinstance(value, str) for value in values):
        codes = [np.repeat([number.setdefault(value, len(number)) for value in values], lengths)]
    else:
        codes = [
            _numbered(part.code, part.texts, number)
            if isinstance(part, Coded)
            else np.fromiter((number.setdefault(item, len(number)) for item in part), np.int64, len(part))
            for part in _spread(values, lengths, object)
        ]
    texts, code = pa.array(list(number), pa.string()), np.concatenate(codes)
    if len(texts) <= np.iinfo(np.int8).max:
        return pa.DictionaryArray.from_arrays(pa.array(code.astype(np.int8)), texts)
    # Too many words for the type of the column are an error of Arrow.
    return pa.DictionaryArray.from_arrays(pa.array(code), texts).cast(kind)


def _numbered(code: np.ndarray, texts: Sequence[str], number: dict[Any, int]) -> np.ndarray:
    """Return the numbers of texts in a dictionary that grows by those that it lacks.

    Args:
        code: Index of each row's text in `texts`.
        texts: The texts.
        number: The number of each text so far.
    """
    used = np.flatnonzero(np.bincount(code)).tolist()
    table = np.zeros(len(texts), np.int64)
    table[used] = [number.setdefault(texts[c], len(number)) for c in used]
    return table[code]
