"""The arrays of the index: their layout in memory, resizing, and passing them to compiled code by address.

Unpacking eighteen arrays in a call takes 4 µs, half of the time of a search. Passing one array with their addresses
takes 0.4 µs.
"""

# mypy: ignore-errors

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float32, Int32, Int64, UInt8, UInt64
from numba import carray, njit

from v2xsim.perception.hnsw.simd import LANES, pointer

FREE, LIVE, MARKED, DOOMED = 0, 1, 2, 3
"""States of a row.

FREE: the row is unused. LIVE: it has an item. MARKED: it has an item that is marked as deleted. DOOMED: its item is
deleted, but searches still pass through the row.
"""

ENTRY, TOP = 0, 1
"""Entries of Graph.head: the row where searches begin (-1 for none), and the level of this row."""

# Size in bytes of a cache line of usual processors.
_LINE_BYTES = 64


class Graph(NamedTuple):
    """The index as flat arrays; the first axis is the row of an item.

    Attributes:
        vectors: Vector of each row, padded with zeros to whole SIMD steps.
        links: Rows of the neighbours on level 0; the first `tree` links of a row are edges of the spanning tree
            (hnsw.build).
        degree: Number of neighbours of each row on level 0.
        tree: Number of spanning-tree edges of each row.
        level: Highest level of each item.
        first: Row of `upper_links` that has level 1 of each item; level 2 is the next row.
        upper_links: Rows of the neighbours on the levels from 1 on.
        upper_degree: Number of neighbours in each row of `upper_links`.
        state: FREE, LIVE, MARKED or DOOMED, for each row.
        label: Label that the user gave each item; -1 for an unused row.
        head: Row where searches begin, and the highest level.
    """

    vectors: Float32[np.ndarray, "rows width"]
    links: Int32[np.ndarray, "rows most"]
    degree: Int32[np.ndarray, " rows"]
    tree: Int32[np.ndarray, " rows"]
    level: Int32[np.ndarray, " rows"]
    first: Int32[np.ndarray, " rows"]
    upper_links: Int32[np.ndarray, "upper M"]
    upper_degree: Int32[np.ndarray, " upper"]
    state: UInt8[np.ndarray, " rows"]
    label: Int64[np.ndarray, " rows"]
    head: Int64[np.ndarray, " 2"]


class Scratch(NamedTuple):
    """Working space of a search.

    Attributes:
        visited: Stamp of the last search that visited each row.
        stamp: Stamp of the current search.
        pool: Keys of the best rows found, sorted by distance.
        heap: Keys of rows to expand, used when some rows are passed through but not returned.
        fresh: Neighbours that this search visits for the first time.
        query: The query vector, padded with zeros.
    """

    visited: UInt8[np.ndarray, " rows"]
    stamp: Int64[np.ndarray, " 1"]
    pool: UInt64[np.ndarray, " ef"]
    heap: UInt64[np.ndarray, " rows"]
    fresh: Int32[np.ndarray, " most"]
    query: Float32[np.ndarray, "1 width"]


class Desk(NamedTuple):
    """A graph with the working space of one search at a time; the addresses are valid while the object lives.

    Attributes:
        graph: The graph that is searched.
        scratch: Working space of a search.
        table: Sizes and addresses of the arrays, as `opened` reads them.
    """

    graph: Graph
    scratch: Scratch
    table: Int64[np.ndarray, " entries"]


def padded(dim: int) -> int:
    """Return the number of floats of a vector padded to whole SIMD steps."""
    return -(-dim // LANES) * LANES


def aligned(shape: tuple[int, ...], dtype: Any, fill: int = 0) -> np.ndarray:
    """Return an array whose memory starts on a cache line."""
    size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    memory = np.zeros(size + _LINE_BYTES, np.uint8)
    begin = -memory.ctypes.data % _LINE_BYTES
    array = memory[begin : begin + size].view(dtype).reshape(shape)
    if fill:
        array[...] = fill
    return array


def empty_graph(dim: int, m: int, rows: int, upper: int) -> Graph:
    """Return a graph without items."""
    return Graph(
        vectors=aligned((rows, padded(dim)), np.float32),
        links=aligned((rows, 2 * m), np.int32, -1),
        degree=np.zeros(rows, np.int32),
        tree=np.zeros(rows, np.int32),
        level=np.zeros(rows, np.int32),
        first=np.full(rows, -1, np.int32),
        upper_links=aligned((upper, m), np.int32, -1),
        upper_degree=np.zeros(upper, np.int32),
        state=np.zeros(rows, np.uint8),
        label=np.full(rows, -1, np.int64),
        head=np.array([-1, -1], np.int64),
    )


def resized(graph: Graph, rows: int, upper: int) -> Graph:
    """Return the graph with other numbers of rows; rows that are cut off must be unused."""
    grown = empty_graph(graph.vectors.shape[1], graph.upper_links.shape[1], rows, upper)
    for name, old, new in zip(Graph._fields, graph, grown, strict=True):
        count = len(new) if name == "head" else min(len(old), len(new))
        new[:count] = old[:count]
    return grown


def desk(graph: Graph, ef: int) -> Desk:
    """Return a graph with working space for a search that keeps the `ef` best rows."""
    rows, width = graph.vectors.shape
    scratch = Scratch(
        np.zeros(rows, np.uint8), np.zeros(1, np.int64), np.zeros(ef, np.uint64), np.empty(rows, np.uint64),
        np.zeros(graph.links.shape[1], np.int32), np.zeros((1, width), np.float32),
    )  # fmt: skip
    sizes = (rows, width, graph.links.shape[1], *graph.upper_links.shape, ef)
    table = np.array([*sizes, *(array.ctypes.data for array in (*graph, *scratch))], np.int64)
    return Desk(graph, scratch, table)


@njit(cache=True, nogil=True)
def opened(table):
    """Return the graph and the working space whose addresses are in a desk's table."""
    rows, width, most, upper, m, ef = table[0], table[1], table[2], table[3], table[4], table[5]
    graph = Graph(
        carray(pointer(table[6], np.float32), (rows, width)),
        carray(pointer(table[7], np.int32), (rows, most)),
        carray(pointer(table[8], np.int32), (rows,)),
        carray(pointer(table[9], np.int32), (rows,)),
        carray(pointer(table[10], np.int32), (rows,)),
        carray(pointer(table[11], np.int32), (rows,)),
        carray(pointer(table[12], np.int32), (upper, m)),
        carray(pointer(table[13], np.int32), (upper,)),
        carray(pointer(table[14], np.uint8), (rows,)),
        carray(pointer(table[15], np.int64), (rows,)),
        carray(pointer(table[16], np.int64), (2,)),
    )
    scratch = Scratch(
        carray(pointer(table[17], np.uint8), (rows,)),
        carray(pointer(table[18], np.int64), (1,)),
        carray(pointer(table[19], np.uint64), (ef,)),
        carray(pointer(table[20], np.uint64), (rows,)),
        carray(pointer(table[21], np.int32), (most,)),
        carray(pointer(table[22], np.float32), (1, width)),
    )
    return graph, scratch
