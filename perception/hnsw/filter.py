"""Compiled search in which some rows must not be returned: marked, deleted or filtered out.

If only a few rows may be returned, the query is compared with each of them. The query is compared with single rows if
p^2 <= n M ef, where p of n rows may be returned, because a graph search expands about ef n / p rows with about M new
neighbours each.
"""

# mypy: ignore-errors

import numpy as np
from numba import njit

from v2xsim.perception.hnsw.arrays import ENTRY, TOP, opened
from v2xsim.perception.hnsw.search import descend, enter, give, next_stamp, take
from v2xsim.perception.hnsw.simd import distance, fetch, key_of, row_of


@njit(cache=True, nogil=True)
def among(live, label, mask):
    """Return whether each row is live and its label passes the filter, with one line per line of the filter."""
    passes = np.zeros((len(mask), len(live)), np.bool_)
    for line in range(len(mask)):
        for row in range(len(live)):
            if live[row] and label[row] < mask.shape[1]:
                passes[line, row] = mask[line, label[row]]
    return passes


@njit(cache=True, nogil=True)
def one_by_one(allowed, rows, m, ef, k):
    """Return whether to compare the query with each allowed row: if it is cheaper, or if all allowed rows are answers."""
    return allowed <= k or allowed * allowed <= rows * m * ef


@njit(cache=True, nogil=True)
def knn_among(table, metric, queries, ef, m, passes, labels, distances, counts):
    """Answer queries when some rows must not be returned; each query is answered in the cheaper of the two ways.

    Args:
        table: Table of a `Desk`.
        metric: Metric of the distances.
        queries: Query vectors, one per row.
        ef: Number of best rows that a search keeps: at least the number of answers, or the number of rows if that is
            smaller.
        m: Number of neighbours chosen for a new item.
        passes: Whether each row may be returned: one line for all queries, or one line per query.
        labels: Output: labels of the answers.
        distances: Output: distances of the answers.
        counts: Output: number of distances computed for each query.

    Returns:
        The row of the first query with an entry that is not finite, or -1 if there is none.
    """
    graph, scratch = opened(table)
    rows = np.empty(passes.shape[1], np.int32)
    allowed = 0
    for q in range(len(queries)):
        if not take(queries, q, metric, scratch.query):
            return q
        line = passes[q if len(passes) > 1 else 0]
        if q == 0 or len(passes) > 1:
            allowed = 0
            for row in range(len(line)):
                if line[row]:
                    rows[allowed] = row
                    allowed += 1
        if one_by_one(allowed, len(line), m, ef, labels.shape[1]):
            size, counts[q] = compare(graph, scratch, metric, rows[:allowed], min(ef, labels.shape[1]))
        else:
            size, counts[q] = walk(graph, scratch, metric, line, ef)
        give(scratch.pool, size, graph.label, labels, distances, q)
    return -1


@njit(cache=True, nogil=True)
def compare(graph, scratch, metric, rows, most):
    """Fill the pool with the nearest of the given rows, at most `most`.

    The result is their number and the number of distances computed.
    """
    vectors, pool, query = graph.vectors, scratch.pool, scratch.query
    width, size, worst = vectors.shape[1], 0, np.uint64(0xFFFFFFFFFFFFFFFF)
    for i in range(len(rows)):
        other = rows[np.uintp(i)]
        key = key_of(distance(metric, vectors, other, query, 0, width), other)
        if key >= worst:
            continue
        size, _ = enter(pool, size, most, key)
        if size == most:
            worst = pool[size - 1]
    return size, len(rows)


@njit(cache=True, nogil=True)
def walk(graph, scratch, metric, passes, ef):
    """Fill the pool by Algorithm 5, passing through rows that must not be returned; return the same as `compare`."""
    vectors, links, degree = graph.vectors, graph.links, graph.degree
    visited, stamps, pool, heap, fresh, query = scratch
    width, entry, top = vectors.shape[1], graph.head[ENTRY], graph.head[TOP]
    ef = np.intp(ef)
    start = key_of(distance(metric, vectors, entry, query, 0, width), entry)
    start, count = descend(
        vectors, graph.upper_links, graph.upper_degree, graph.first, metric, query, start, top, np.intp(1)
    )  # fmt: skip
    stamp = next_stamp(visited, stamps)
    heap[0], waiting, size = start, 1, 0
    begin = row_of(start)
    visited[begin] = stamp
    if passes[begin]:
        pool[0], size = start, 1
    worst = np.uint64(0xFFFFFFFFFFFFFFFF)
    while waiting > 0:
        nearest = heap[0]
        if nearest > worst:
            break
        waiting -= 1
        sink(heap, waiting)
        row, n = np.uintp(row_of(nearest)), 0
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
            key = key_of(distance(metric, vectors, other, query, 0, width), other)
            if key > worst:
                continue
            hole, waiting = waiting, waiting + 1
            while hole > 0 and key < heap[np.uintp((hole - 1) >> 1)]:
                heap[np.uintp(hole)] = heap[np.uintp((hole - 1) >> 1)]
                hole = (hole - 1) >> 1
            heap[np.uintp(hole)] = key
            if passes[np.uintp(other)]:
                size, _ = enter(pool, size, ef, key)
                if size == ef:
                    worst = pool[size - 1]
    return size, 1 + count


@njit(cache=True, nogil=True)
def sink(heap, waiting):
    """Remove the first key of a heap: move the last key to the top and sift it down."""
    last, hole = heap[np.uintp(waiting)], 0
    while 2 * hole + 1 < waiting:
        child = 2 * hole + 1
        if child + 1 < waiting and heap[np.uintp(child + 1)] < heap[np.uintp(child)]:
            child += 1
        if last <= heap[np.uintp(child)]:
            break
        heap[np.uintp(hole)] = heap[np.uintp(child)]
        hole = child
    heap[np.uintp(hole)] = last
