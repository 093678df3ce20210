"""Row groups: the bounded pieces in which tables are written and read, so that no table needs to fit into memory."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from v2xsim.results.columns import schema_of

GROUP_ROWS = 65_536
"""Largest number of rows of a row group."""
GROUP_ITEMS = 4_194_304
"""Number of items in lists and columns of bytes with which a row group is full, also if it has fewer rows."""


def cut(pieces: Iterable[pa.Table], table: str) -> Iterator[pa.Table]:
    """Yield the rows of some pieces of a table as row groups, which depend on the rows alone and not on the pieces.

    Args:
        pieces: The rows, in order, in pieces of any length.
        table: Name of the table.
    """
    held: list[pa.Table] = []
    rows = items = 0
    for piece in pieces:
        counts = _items(piece)
        first = 0
        while first < piece.num_rows:
            last, full = _end(counts, first, GROUP_ROWS - rows, GROUP_ITEMS - items)
            held.append(piece.slice(first, last - first))
            rows += last - first
            items += int(counts[last] - counts[first])
            if full:
                yield _group(held, table)
                held, rows, items = [], 0, 0
            first = last
    if held:
        yield _group(held, table)


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
    used, first = np.unique(codes, return_index=True)
    order = used[np.argsort(first)]
    number = np.zeros(len(array.dictionary), np.int8)
    number[order] = np.arange(len(order), dtype=np.int8)
    return pa.DictionaryArray.from_arrays(pa.array(number[codes]), array.dictionary.take(pa.array(order))).cast(kind)
