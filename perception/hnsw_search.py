"""Searching the graph: Algorithms 2 and 5 of Malkov and Yashunin (TPAMI 42(4), 2020; arXiv 1603.09320), compiled.

Algorithm 2 keeps a heap of candidates and a heap of the best `ef` found. A candidate worse than all of a full second heap
is never expanded, so one sorted pool of the best `ef` keys, each marked once it is expanded, visits the same rows in the same
order; it costs one binary search and one block move per find. Where rows are passed through but not returned (deleted
or filtered out) the two differ, and `knn_filtered` keeps the candidates in a heap of their own.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Int32, Int64, UInt8, UInt64
from numba import njit

from v2xsim.perception.hnsw_simd import distance, distance_of, fetch, key_of, make_room, row_of

FREE, LIVE, MARKED, DOOMED = 0, 1, 2, 3
"""States of a row: unused; holds an item; its item is marked as deleted; its item is gone but the graph still passes through."""

ENTRY, TOP = 0, 1
"""Places in Graph.head: the row where searches begin, -1 for none, and its level."""


class Graph(NamedTuple):
    """The index as flat arrays, rows of items first.

    Attributes:
        vectors: Padded with zeros to whole SIMD steps.
        links: Neighbours on level 0; the first `tree` of a row are edges of the spanning tree (hnsw_build).
        degree: Neighbours on level 0.
        tree: Tree edges.
        level: Highest level of an item.
        first: Row of `upper_links` that holds level 1; level 2 is the next one.
        upper_links: Neighbours on levels from 1 on.
        upper_degree: How many.
        state: FREE, LIVE, MARKED or DOOMED.
        label: The user's name for an item, -1 for none.
        head: Entry row and top level.
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
    """What a search writes to.

    Attributes:
        visited: Stamp of the last search that met a row.
        stamp: The running stamp.
        pool: Best keys found, sorted.
        fresh: Neighbours not met before.
        query: The query, padded.
    """

    visited: UInt8[np.ndarray, " rows"]
    stamp: Int64[np.ndarray, " 1"]
    pool: UInt64[np.ndarray, " ef"]
    fresh: Int32[np.ndarray, " most"]
    query: Float32[np.ndarray, "1 width"]


@njit(cache=True, nogil=True)
def next_stamp(visited, stamp):  # type: ignore[no-untyped-def]
    """Return a stamp that no row carries; the array is cleared once in 255 searches."""
    if stamp[0] >= 255:
        visited[:] = 0
        stamp[0] = 0
    stamp[0] += 1
    return np.uint8(stamp[0])


@njit(cache=True, nogil=True)
def descend(vectors, upper_links, upper_degree, first, metric, query, key, top, level):  # type: ignore[no-untyped-def]
    """Return the key of the nearest row found by greedy steps on levels `top` down to `level`, and distances computed."""
    width, most = vectors.shape[1], upper_links.shape[1]
    row, best, count = row_of(key), distance_of(key), 0
    for lc in range(top, level - 1, -1):
        moved = True
        while moved:
            moved = False
            at = np.uintp(first[np.uintp(row)] + lc - 1)
            degree = upper_degree[at]
            for i in range(degree):
                fetch(vectors, upper_links[at, np.uintp(i)], width)
            count += degree
            for i in range(degree):
                other = upper_links[at, np.uintp(i)]
                d = distance(metric, vectors, other, query, 0, width)
                if d < best:
                    best, row, moved = d, np.intp(other), True
            if moved and lc > 0:
                fetch(upper_links, first[np.uintp(row)] + lc - 1, most)
    return key_of(best, row), count


@njit(cache=True, nogil=True)
def search_layer(  # type: ignore[no-untyped-def]
    vectors, links, degree, first, level, metric, query, start, ef, visited, stamp, pool, fresh
):
    """Fill the pool with the `ef` nearest keys found on a level (Algorithm 2); return how many, and distances computed."""
    width, most = vectors.shape[1], links.shape[1]
    pool[0] = start
    visited[np.uintp(row_of(start))] = stamp
    size, cursor, count = 1, 0, 0
    worst = np.float32(np.inf)
    one = np.uint64(1)
    while cursor < size:
        key = pool[np.uintp(cursor)]
        cursor += 1
        if key & one:
            continue
        pool[np.uintp(cursor - 1)] = key | one
        row = np.uintp(row_of(key))
        if level > 0:
            row = np.uintp(first[row] + level - 1)
        n = 0
        for i in range(degree[row]):
            other = links[row, np.uintp(i)]
            if visited[np.uintp(other)] != stamp:
                visited[np.uintp(other)] = stamp
                fetch(vectors, other, width)
                fresh[np.uintp(n)] = other
                n += 1
        count += n
        for j in range(n):
            other = fresh[np.uintp(j)]
            d = distance(metric, vectors, other, query, 0, width)
            if d >= worst:
                continue
            key = key_of(d, other)
            low, high = np.uintp(0), np.uintp(size)
            while low < high:
                middle = (low + high) >> np.uintp(1)
                if pool[middle] < key:
                    low = middle + np.uintp(1)
                else:
                    high = middle
            if size < ef:
                size += 1
            make_room(pool, np.intp(low), size - 1)
            pool[low] = key
            if size == ef:
                worst = distance_of(pool[np.uintp(size - 1)])
            if np.intp(low) <= cursor:
                if level == 0:
                    fetch(links, other, most)
                cursor = min(cursor, np.intp(low))
    return size, count


@njit(cache=True, nogil=True)
def knn(graph, metric, queries, k, ef, scratch, labels, distances, counts):  # type: ignore[no-untyped-def]
    """Answer queries (Algorithm 5) in an index where every row is live."""
    vectors, links, degree, first = graph.vectors, graph.links, graph.degree, graph.first
    upper_links, upper_degree, label = graph.upper_links, graph.upper_degree, graph.label
    visited, stamps, pool, fresh, query = scratch
    width, dim = vectors.shape[1], queries.shape[1]
    entry, top = graph.head[ENTRY], graph.head[TOP]
    for q in range(len(queries)):
        for i in range(dim):
            query[0, i] = queries[q, i]
        start = key_of(distance(metric, vectors, entry, query, 0, width), entry)
        start, steps = descend(vectors, upper_links, upper_degree, first, metric, query, start, top, 1)
        stamp = next_stamp(visited, stamps)
        size, count = search_layer(
            vectors, links, degree, first, 0, metric, query, start, ef, visited, stamp, pool, fresh
        )
        counts[q] = 1 + steps + count
        for i in range(min(k, size)):
            labels[q, i] = label[row_of(pool[i])]
            distances[q, i] = distance_of(pool[i])


@njit(cache=True, nogil=True)
def knn_filtered(graph, metric, queries, k, ef, passes, scratch, heap, labels, distances, counts):  # type: ignore[no-untyped-def]
    """Answer queries (Algorithm 5), passing through rows that must not be returned.

    Args:
        graph: The index.
        metric: Of the distances.
        queries: One a row.
        k: Answers wanted.
        ef: Size of the pool.
        passes: Whether a row may be returned: one line for all queries or one for each.
        scratch: Written to.
        heap: Candidates, as many as there are rows.
        labels: Filled.
        distances: Filled.
        counts: Distances computed, filled.
    """
    vectors, links, degree, label = graph.vectors, graph.links, graph.degree, graph.label
    visited, stamps, pool, fresh, query = scratch
    width, dim, ef = vectors.shape[1], queries.shape[1], np.intp(ef)
    entry, top = graph.head[ENTRY], graph.head[TOP]
    for q in range(len(queries)):
        line = q if len(passes) > 1 else 0
        for i in range(dim):
            query[0, i] = queries[q, i]
        start = key_of(distance(metric, vectors, entry, query, 0, width), entry)
        start, count = descend(
            vectors, graph.upper_links, graph.upper_degree, graph.first, metric, query, start, top, 1
        )
        stamp = next_stamp(visited, stamps)
        heap[0], waiting, size = start, 1, 0
        begin = row_of(start)
        visited[begin] = stamp
        if passes[line, begin]:
            pool[0], size = start, 1
        while waiting > 0:
            nearest = heap[0]
            if size == ef and nearest > pool[size - 1]:
                break
            # The last candidate sinks from the top of the heap.
            waiting -= 1
            last, hole = heap[waiting], 0
            while 2 * hole + 1 < waiting:
                child = 2 * hole + 1
                if child + 1 < waiting and heap[child + 1] < heap[child]:
                    child += 1
                if last <= heap[child]:
                    break
                heap[hole] = heap[child]
                hole = child
            heap[hole] = last
            row, n = row_of(nearest), 0
            for i in range(degree[row]):
                other = links[row, i]
                if visited[other] != stamp:
                    visited[other] = stamp
                    fetch(vectors, other, width)
                    fresh[n] = other
                    n += 1
            count += n
            for j in range(n):
                other = fresh[j]
                key = key_of(distance(metric, vectors, other, query, 0, width), other)
                if size == ef and key > pool[size - 1]:
                    continue
                hole, waiting = waiting, waiting + 1
                while hole > 0 and key < heap[(hole - 1) >> 1]:
                    heap[hole] = heap[(hole - 1) >> 1]
                    hole = (hole - 1) >> 1
                heap[hole] = key
                if passes[line, other]:
                    low = np.intp(np.searchsorted(pool[:size], key))
                    if size < ef:
                        size += 1
                    make_room(pool, low, size - 1)
                    pool[low] = key
        counts[q] = 1 + count
        for i in range(min(k, size)):
            labels[q, i] = label[row_of(pool[i])]
            distances[q, i] = distance_of(pool[i])


@njit(cache=True, nogil=True)
def knn_exact(vectors, label, metric, queries, k, passes, query, pool, labels, distances, counts):  # type: ignore[no-untyped-def]
    """Answer queries by comparing with every row that may be returned; arguments as in `knn_filtered`."""
    width, dim = vectors.shape[1], queries.shape[1]
    rows = np.empty(passes.shape[1], np.int32)
    passing = 0
    for q in range(len(queries)):
        line = q if len(passes) > 1 else 0
        if q == 0 or len(passes) > 1:
            passing = 0
            for row in range(passes.shape[1]):
                if passes[line, row]:
                    rows[passing] = row
                    passing += 1
        for i in range(dim):
            query[0, i] = queries[q, i]
        size, worst = 0, np.uint64(0xFFFFFFFFFFFFFFFF)
        for i in range(passing):
            other = rows[np.uintp(i)]
            key = key_of(distance(metric, vectors, other, query, 0, width), other)
            if key >= worst:
                continue
            low = np.intp(np.searchsorted(pool[:size], key))
            if size < k:
                size += 1
            make_room(pool, low, size - 1)
            pool[low] = key
            if size == k:
                worst = pool[size - 1]
        counts[q] = passing
        for i in range(size):
            labels[q, i] = label[row_of(pool[i])]
            distances[q, i] = distance_of(pool[i])
