"""Build the graph: Algorithms 1, 3 and 4 of Malkov and Yashunin (TPAMI 2020; arXiv 1603.09320), compiled.

In the original algorithm, links are removed when a row has too many, and another row may lose the last link that leads
to it. Here this cannot happen, by a method of our own: some links on level 0 are edges of a spanning tree. A tree edge
is stored in the rows of both its ends and is never removed, so every item can be reached from every other. A row's tree
edges come first among its links.
"""

import numpy as np
from numba import njit

from v2xsim.perception.hnsw.arrays import ENTRY, TOP, opened
from v2xsim.perception.hnsw.search import descend, next_stamp, search_layer
from v2xsim.perception.hnsw.simd import distance, distance_of, fetch, key_of, row_of

TREE_EDGES = 3
"""Largest number of tree edges of a row.

With so few tree edges, well-connected rows lose hardly any other neighbours. With only two, the tree would be one long
path.
"""

HEURISTIC, SIMPLE = 0, 1
"""Rules for the selection of neighbours: Algorithm 4 without its two options (as in the authors' program), or Algorithm 3."""


@njit(cache=True, nogil=True)
def select(vectors, metric, keys, size, most, rule, chosen):  # type: ignore[no-untyped-def]
    """Choose at most `most` neighbours from sorted keys (Algorithms 3 and 4); return their number.

    The heuristic (Algorithm 4) takes a candidate only if it is nearer to the new item than to every neighbour already
    taken, so that links lead out of a cluster in all directions. Keys with their lowest bit set are tree edges and are
    always taken.
    """
    width = vectors.shape[1]
    one = np.uint64(1)
    owed = 0
    for i in range(size):
        owed += np.intp(keys[np.uintp(i)] & one)
    room = most - owed
    every = rule == SIMPLE or size < most
    turn_ties(keys, size)
    n = 0
    for i in range(size):
        key = keys[np.uintp(i)]
        taken = (key & one) != 0
        if not taken and room > 0:
            taken = True
            if not every:
                row, bound = row_of(key), distance_of(key)
                for j in range(n):
                    before = chosen[np.uintp(j)]
                    d = distance(metric, vectors, row, vectors, row_of(before), width)
                    # Take only one of several equal points; otherwise copies of a point would be linked only with each
                    # other.
                    if d < bound or (d == bound and d == distance_of(before)):
                        taken = False
                        break
            if taken:
                room -= 1
        if taken:
            chosen[np.uintp(n)] = key
            n += 1
            if n == most:
                break
    return n


@njit(cache=True, nogil=True)
def turn_ties(keys, size):  # type: ignore[no-untyped-def]
    """Put the newest row first among equal distances, so that copies of a point share the links that lead to them."""
    begin = 0
    for i in range(1, size + 1):
        if i == size or (keys[np.uintp(i)] ^ keys[np.uintp(begin)]) >> np.uint64(32) != 0:
            end = i - 1
            while begin < end:
                keys[np.uintp(begin)], keys[np.uintp(end)] = keys[np.uintp(end)], keys[np.uintp(begin)]
                begin, end = begin + 1, end - 1
            begin = i


@njit(cache=True, nogil=True)
def _connect(vectors, links, degree, at, row, metric, new, edges, in_tree, rule, keys, chosen):  # type: ignore[no-untyped-def]
    """Add a link to a row; if the row is full, choose its links again.

    Args:
        vectors: Vectors of all rows.
        links: Links of all rows of the level.
        degree: Number of links of each row of the level.
        at: Index of the row in `links`.
        row: The row that gets the link.
        metric: Metric of the distances.
        new: Key (distance and row) of the other end of the link.
        edges: Number of the row's tree edges; 0 above level 0.
        in_tree: Whether the new link is a tree edge.
        rule: HEURISTIC (Algorithm 4) or SIMPLE (Algorithm 3).
        keys: Working space.
        chosen: Working space.
    """
    width, most = vectors.shape[1], links.shape[1]
    at = np.uintp(at)
    held = degree[at]
    if held < most:
        degree[at] = held + 1
        links[at, np.uintp(held)] = row_of(new)
        if in_tree:
            links[at, np.uintp(held)] = links[at, np.uintp(edges)]
            links[at, np.uintp(edges)] = row_of(new)
        return
    one = np.uint64(1)
    keys[0] = new | one if in_tree else new
    for i in range(held):
        fetch(vectors, links[at, np.uintp(i)], width)
    for i in range(held):
        other = links[at, np.uintp(i)]
        key = key_of(distance(metric, vectors, other, vectors, row, width), other)
        if i < edges:
            key |= one
        j = i + 1
        while j > 0 and keys[np.uintp(j - 1)] > key:
            keys[np.uintp(j)] = keys[np.uintp(j - 1)]
            j -= 1
        keys[np.uintp(j)] = key
    write(links, degree, at, chosen, select(vectors, metric, keys, held + 1, most, rule, chosen))


@njit(cache=True, nogil=True)
def write(links, degree, at, chosen, n):  # type: ignore[no-untyped-def]
    """Write the chosen keys as a row's links, tree edges first; the rest of the row becomes -1."""
    one = np.uint64(1)
    k = 0
    for wanted in (one, np.uint64(0)):
        for i in range(n):
            if chosen[np.uintp(i)] & one == wanted:
                links[np.uintp(at), np.uintp(k)] = row_of(chosen[np.uintp(i)])
                k += 1
    for i in range(n, links.shape[1]):
        links[np.uintp(at), np.uintp(i)] = -1
    degree[np.uintp(at)] = n


@njit(cache=True, nogil=True)
def with_room(links, tree, row):  # type: ignore[no-untyped-def]
    """Return a row that can take a tree edge.

    The search follows the tree from `row` without turning back, so it ends at a leaf at the latest; a leaf has room.
    """
    before = -1
    while tree[row] >= TREE_EDGES:
        after = links[row, 0] if links[row, 0] != before else links[row, 1]
        before, row = row, np.intp(after)
    return row


@njit(cache=True, nogil=True)
def insert(table, rows, metric, m, ef, rule):  # type: ignore[no-untyped-def]
    """Insert rows whose vectors and levels are already set (Algorithm 1).

    Args:
        table: Table of a `Desk`; its graph is changed in place.
        rows: Rows to insert, in this order.
        metric: Metric of the distances.
        m: Number of neighbours chosen for a new item.
        ef: Number of best rows that a search keeps (ef_construction in the paper). A larger number gives better links
            and takes longer.
        rule: HEURISTIC (Algorithm 4) or SIMPLE (Algorithm 3).
    """
    graph, scratch = opened(table)
    vectors, links, degree, tree, first = graph.vectors, graph.links, graph.degree, graph.tree, graph.first
    upper_links, upper_degree, head = graph.upper_links, graph.upper_degree, graph.head
    visited, stamps, pool, query = scratch.visited, scratch.stamp, scratch.pool, scratch.query
    longest = links.shape[1] + 2
    keys, chosen, edge_keys = np.zeros(longest, np.uint64), np.zeros(longest, np.uint64), np.zeros(longest, np.uint64)
    width, flag = vectors.shape[1], np.uint64(1)
    for r in range(len(rows)):
        row, level = np.intp(rows[r]), np.intp(graph.level[rows[r]])
        if head[ENTRY] < 0:
            head[ENTRY], head[TOP] = row, level
            continue
        for i in range(width):
            query[0, i] = vectors[row, i]
        entry, top = head[ENTRY], head[TOP]
        start = key_of(distance(metric, vectors, entry, query, 0, width), entry)
        start, _ = descend(vectors, upper_links, upper_degree, first, metric, query, start, top, max(level + 1, 1))
        for lc in range(min(level, top), -1, -1):
            layer, layer_degree = (upper_links, upper_degree) if lc > 0 else (links, degree)
            stamp = next_stamp(visited, stamps)
            size, _ = search_layer(vectors, layer, layer_degree, first, lc, metric, start, ef, stamp, scratch)
            for i in range(size):
                pool[np.uintp(i)] &= ~flag
            start = pool[0]
            n = select(vectors, metric, pool, size, m, rule, edge_keys)
            parent = -1
            if lc == 0:
                # Add a tree edge to the nearest row found that has room, else to a row along the tree, even if this was
                # not chosen as a neighbour.
                other = with_room(links, tree, row_of(pool[0]))
                for i in range(size):
                    if tree[row_of(pool[i])] < TREE_EDGES:
                        other = row_of(pool[i])
                        break
                for i in range(n):
                    if row_of(edge_keys[i]) == other:
                        parent = i
                if parent < 0:
                    parent, n = n, n + 1
                    edge_keys[parent] = key_of(distance(metric, vectors, other, query, 0, width), other)
                edge_keys[parent] |= flag
            write(layer, layer_degree, np.uintp(first[row] + lc - 1 if lc > 0 else row), edge_keys, n)
            for i in range(n):
                other = row_of(edge_keys[i])
                new = key_of(distance_of(edge_keys[i]), row)
                at = first[other] + lc - 1 if lc > 0 else other
                edges = tree[other] if lc == 0 else 0
                _connect(vectors, layer, layer_degree, at, other, metric, new, edges, i == parent, rule, keys, chosen)
            if lc == 0:
                tree[row] += 1
                tree[row_of(edge_keys[parent])] += 1
        if level > top:
            head[ENTRY], head[TOP] = row, level
