"""Row groups: the bounded pieces in which tables are written and read, so that no table needs to fit into memory."""

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from v2xsim.results.columns import schema_of

GROUP_ROWS = 65_536
"""Largest number of rows of a row group."""
GROUP_ITEMS = 4_194_304
"""Number of items in lists and columns of bytes with which a row group is full, also if it has fewer rows."""
# Number of pieces that are held before they are joined: small pieces take more memory than their rows.
_MOST_PIECES = 32


class Cutter:
    """Cuts the rows of a table, which come in pieces, into row groups. These depend on the rows alone and not on the pieces.

    Args:
        table: Name of the table.
    """

    def __init__(self, table: str) -> None:
        self._table = table
        # The rows that are in no row group yet: the first ones may be elsewhere, and the others are in these pieces.
        self._elsewhere: Callable[[], Iterable[pa.Table]] = tuple
        self._held: list[pa.Table] = []
        self._rows = self._items = 0

    def __len__(self) -> int:
        """Return the number of rows that are in no row group yet."""
        return self._rows

    def add(self, piece: pa.Table) -> Iterator[pa.Table]:
        """Yield the row groups that the next rows complete."""
        counts = _items(piece)
        first = 0
        while first < piece.num_rows:
            last, full = _end(counts, first, GROUP_ROWS - self._rows, GROUP_ITEMS - self._items)
            self._held.append(piece.slice(first, last - first) if full else _own(piece, first, last))
            if len(self._held) > _MOST_PIECES:
                self._held = [pa.concat_tables(self._held).unify_dictionaries().combine_chunks()]
            self._rows += last - first
            self._items += int(counts[last] - counts[first])
            if full:
                yield from self.rest()
            first = last

    def rest(self) -> Iterator[pa.Table]:
        """Yield the last row group, if there are rows in none yet."""
        if self._rows:
            group = _group([*self._elsewhere(), *self._held], self._table)
            self._elsewhere, self._held, self._rows, self._items = tuple, [], 0, 0
            yield group

    def moved(self, elsewhere: Callable[[], Iterable[pa.Table]]) -> list[pa.Table]:
        """Give up the rows that are in no row group yet, but for those that were moved before, and return them in pieces.

        Args:
            elsewhere: Function that yields all moved rows again, once a row group needs them.
        """
        held, self._held, self._elsewhere = self._held, [], elsewhere
        return held


def cut(pieces: Iterable[pa.Table], table: str) -> Iterator[pa.Table]:
    """Yield the rows of some pieces of a table as row groups.

    Args:
        pieces: The rows, in order, in pieces of any length.
        table: Name of the table.
    """
    cutter = Cutter(table)
    for piece in pieces:
        yield from cutter.add(piece)
    yield from cutter.rest()


def _own(piece: pa.Table, first: int, last: int) -> pa.Table:
    """Return a copy of some rows of a piece.

    What a row group still waits for is held long. It must not hold the whole piece as well, nor the many small arrays from which the piece
    was made: memory between these could not be used again.
    """
    return piece.take(pa.array(np.arange(first, last)))


def _items(piece: pa.Table) -> np.ndarray:
    """Return the number of items in all lists and columns of bytes before each row; the last entry counts all rows."""
    counts = np.zeros(piece.num_rows + 1, np.int64)
    for column in piece.columns:
        if pa.types.is_list(column.type):
            counts[1:] += np.cumsum(pc.list_value_length(column).to_numpy())
        elif pa.types.is_binary(column.type):
            counts[1:] += np.cumsum(pc.binary_length(column).to_numpy())
    return counts


def _end(counts: np.ndarray, first: int, rows: int, items: int) -> tuple[int, bool]:
    """Return the row after the last one that belongs to the group, and whether the group is full.

    Args:
        counts: Items before each row.
        first: The first row.
        rows: Number of rows that the group may still get.
        items: Number of items with which the group is full.
    """
    by_items = int(np.searchsorted(counts, counts[first] + items, "left"))
    last = min(len(counts) - 1, first + rows, max(by_items, first + 1))
    return last, last == first + rows or bool(counts[last] - counts[first] >= items)


def _group(parts: Sequence[pa.Table], table: str) -> pa.Table:
    """Return the rows of some parts as one group; a dictionary lists the words of the group in order of appearance."""
    joined = pa.concat_tables(parts).unify_dictionaries().combine_chunks()
    schema = schema_of(table)
    columns = [
        _by_appearance(joined.column(field.name), field.type)
        if pa.types.is_dictionary(field.type)
        else joined.column(field.name)
        for field in joined.schema
    ]
    return pa.Table.from_arrays(columns, schema=pa.schema([schema.field(name) for name in joined.column_names]))


def _by_appearance(column: pa.ChunkedArray, kind: pa.DataType) -> pa.Array:
    """Return a dictionary column whose dictionary has only the words that occur, in order of their first row."""
    array = column.chunk(0) if column.num_chunks else pa.array([], column.type)
    codes = array.indices.to_numpy()
    used = np.flatnonzero(np.bincount(codes, minlength=len(array.dictionary)))
    # There are few words.
    order = used[np.argsort([int((codes == code).argmax()) for code in used])] if len(used) else used
    if np.array_equal(order, np.arange(len(array.dictionary))):
        return array.cast(kind)
    number = np.zeros(len(array.dictionary), np.int8)
    number[order] = np.arange(len(order), dtype=np.int8)
    return pa.DictionaryArray.from_arrays(pa.array(number[codes]), array.dictionary.take(pa.array(order))).cast(kind)
