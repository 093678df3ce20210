"""Search the graph: Algorithms 2 and 5 of Malkov and Yashunin (TPAMI 42(4), 2020; arXiv 1603.09320), compiled.

Algorithm 2 keeps a heap of candidates and a heap of the best `ef` rows. Algorithm 2 never expands a candidate that is
worse than all rows of a full second heap. So one sorted pool of the best `ef` keys, each marked when it is expanded,
visits the same rows in the same order; inserting a row takes one binary search and one block move. If some rows are
passed through but not returned (deleted or filtered out), candidates and best rows differ, and `hnsw.filter` keeps the
candidates in a separate heap.
"""

import numpy as np
from numba import njit

from v2xsim.perception.hnsw.arrays import ENTRY, TOP, opened
from v2xsim.perception.hnsw.simd import COSINE, distance, distance_of, fetch, key_of, make_room, row_of

LARGEST = 1e16
"""Largest magnitude of an entry, such that sums of squares stay finite in 32 bits up to 800,000 entries."""


@njit(cache=True, nogil=True)
def next_stamp(visited, stamp):  # type: ignore[no-untyped-def]
    """Return a stamp that no row has yet; the array of stamps is cleared once in 255 searches."""
    if stamp[0] >= 255:
        visited[:] = 0
        stamp[0] = 0
    stamp[0] += 1
    return np.uint8(stamp[0])


@njit(cache=True, nogil=True)
def enter(pool, size, most, key):  # type: ignore[no-untyped-def]
    """Insert a key into a sorted pool of at most `most` keys; if the pool is full, its last key is dropped.

    The result is the new size of the pool and the position of the key.
    """
    low, high = np.uintp(0), np.uintp(size)
    while low < high:
        middle = (low + high) >> np.uintp(1)
        if pool[middle] < key:
            low = middle + np.uintp(1)
        else:
            high = middle
    if size < most:
        size += 1
    make_room(pool, np.intp(low), size - 1)
    pool[low] = key
    return size, np.intp(low)


@njit(cache=True, nogil=True)
def descend(vectors, upper_links, upper_degree, first, metric, query, key, top, level):  # type: ignore[no-untyped-def]
    """Return the key of the nearest row found by greedy steps on the levels from `top` down to `level`.

    The number of distances computed is returned too.
    """
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
    vectors, links, degree, first, level, metric, start, ef, stamp, scratch
):
    """Fill the pool with the `ef` nearest keys found on a level (Algorithm 2).

    The query must be in the working space. The result is the number of keys and the number of distances computed.
    """
    width, most = vectors.shape[1], links.shape[1]
    visited, pool, fresh, query = scratch.visited, scratch.pool, scratch.fresh, scratch.query
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
            size, low = enter(pool, size, ef, key)
            if size == ef:
                worst = distance_of(pool[np.uintp(size - 1)])
            if low <= cursor:
                if level == 0:
                    fetch(links, other, most)
                cursor = low
    return size, count


@njit(cache=True, nogil=True)
def take(queries, q, metric, query):  # type: ignore[no-untyped-def]
    """Copy a query into padded working space; for the cosine metric, scale it to unit length.

    The result is whether all entries are finite and not too large.
    """
    good, square = True, 0.0
    for i in range(queries.shape[1]):
        x = queries[q, i]
        # NaN fails every comparison, so this test finds it too.
        good = good and abs(x) <= LARGEST
        query[0, i] = x
    if metric == COSINE:
        for i in range(queries.shape[1]):
            square += np.float64(query[0, i]) * np.float64(query[0, i])
        length = max(np.sqrt(square), 1e-30)
        for i in range(queries.shape[1]):
            query[0, i] = np.float32(query[0, i] / length)
    return good


@njit(cache=True, nogil=True)
def give(pool, size, label, labels, distances, q):  # type: ignore[no-untyped-def]
    """Write the first keys of a pool as a query's answers; missing answers get label -1 and distance infinity."""
    size = min(size, labels.shape[1])
    for i in range(size):
        labels[q, i] = label[row_of(pool[np.uintp(i)])]
        distances[q, i] = distance_of(pool[np.uintp(i)])
    for i in range(size, labels.shape[1]):
        labels[q, i] = -1
        distances[q, i] = np.inf


@njit(cache=True, nogil=True)
def knn(table, metric, queries, ef, labels, distances, counts):  # type: ignore[no-untyped-def]
    """Answer queries (Algorithm 5) in an index that is not empty and in which every row may be returned.

    Args:
        table: Table of a `Desk`.
        metric: Metric of the distances.
        queries: Query vectors, one per row.
        ef: Number of best rows that a search keeps, at least the number of answers.
        labels: Output: labels of the answers.
        distances: Output: distances of the answers.
        counts: Output: number of distances computed for each query.

    Returns:
        The row of the first query with an entry that is not finite, or -1 if there is none.
    """
    graph, scratch = opened(table)
    vectors, links, degree, first = graph.vectors, graph.links, graph.degree, graph.first
    upper_links, upper_degree = graph.upper_links, graph.upper_degree
    visited, stamps, pool, query = scratch.visited, scratch.stamp, scratch.pool, scratch.query
    width, entry, top = vectors.shape[1], graph.head[ENTRY], graph.head[TOP]
    for q in range(len(queries)):
        if not take(queries, q, metric, query):
            return q
        start = key_of(distance(metric, vectors, entry, query, 0, width), entry)
        start, steps = descend(vectors, upper_links, upper_degree, first, metric, query, start, top, np.intp(1))
        stamp = next_stamp(visited, stamps)
        size, count = search_layer(vectors, links, degree, first, np.intp(0), metric, start, ef, stamp, scratch)
        counts[q] = 1 + steps + count
        give(pool, size, graph.label, labels, distances, q)
    return -1
