"""Taking rows out of the graph, and joining what falls apart. Compiled.

The paper has no deletion, and its authors' program only marks items. Here, as in FreshDiskANN (Singh et al., arXiv
2105.09613, Algorithm 4), a row that pointed to what is taken out chooses anew among its other links and the links of
what it lost. Then the spanning tree, in pieces by now, is joined again along links between pieces.
"""

import numpy as np
from numba import njit

from v2xsim.perception.hnsw_arrays import DOOMED, ENTRY, FREE, TOP, opened
from v2xsim.perception.hnsw_build import select, tree_edges, write
from v2xsim.perception.hnsw_search import enter, next_stamp
from v2xsim.perception.hnsw_simd import distance, key_of


@njit(cache=True, nogil=True)
def purge(table, metric, rule):  # type: ignore[no-untyped-def]
    """Take doomed rows out of a desk's graph and free them; every other item stays reachable from every other."""
    graph, scratch = opened(table)
    visited, stamp = scratch.visited, scratch.stamp
    state, level, first, head = graph.state, graph.level, graph.first, graph.head
    most, m = graph.links.shape[1], graph.upper_links.shape[1]
    keys = np.empty(most * (most + 1) + 1, np.uint64)
    chosen = np.empty(most + 1, np.uint64)
    head[ENTRY], head[TOP] = -1, -1
    for row in range(len(state)):
        if state[row] == FREE or state[row] == DOOMED:
            continue
        if level[row] > head[TOP]:
            head[ENTRY], head[TOP] = row, level[row]
        graph.tree[row] = _mend(
            graph.vectors, graph.links, graph.degree, state, first, np.intp(0), row, np.intp(graph.tree[row]), metric, rule, most,
            visited, next_stamp(visited, stamp), keys, chosen,
        )  # fmt: skip
        for lc in range(1, level[row] + 1):
            _mend(
                graph.vectors, graph.upper_links, graph.upper_degree, state, first, np.intp(lc), row, np.intp(0), metric, rule, m,
                visited, next_stamp(visited, stamp), keys, chosen,
            )  # fmt: skip
    for row in range(len(state)):
        if state[row] == DOOMED:
            for lc in range(level[row]):
                graph.upper_degree[first[row] + lc] = 0
                graph.upper_links[first[row] + lc, :] = -1
            state[row], graph.degree[row], graph.tree[row] = FREE, 0, 0
            level[row], first[row] = 0, -1
            graph.links[row, :] = -1
            graph.vectors[row, :] = np.float32(0.0)
    join(graph, metric)


@njit(cache=True, nogil=True)
def _mend(  # type: ignore[no-untyped-def]
    vectors, links, degree, state, first, lc, row, edges, metric, rule, most, visited, stamp, keys, chosen
):
    """Choose a row's links anew if it lost some; return how many tree edges are left."""
    at = first[row] + lc - 1 if lc > 0 else row
    held, lost = degree[at], 0
    for i in range(held):
        lost += state[links[at, i]] == DOOMED
    if lost == 0:
        return edges
    n, left, width = 0, 0, vectors.shape[1]
    visited[row] = stamp
    for i in range(held):
        other = links[at, i]
        if state[other] != DOOMED:
            visited[other] = stamp
            key = key_of(distance(metric, vectors, other, vectors, row, width), other)
            if i < edges:
                key |= np.uint64(1)
                left += 1
            n, _ = enter(keys, n, len(keys), key)
    for i in range(held):
        if state[links[at, i]] == DOOMED:
            beyond = first[links[at, i]] + lc - 1 if lc > 0 else links[at, i]
            for j in range(degree[beyond]):
                other = links[beyond, j]
                if state[other] != DOOMED and visited[other] != stamp:
                    visited[other] = stamp
                    key = key_of(distance(metric, vectors, other, vectors, row, width), other)
                    n, _ = enter(keys, n, len(keys), key)
    write(links, degree, np.uintp(at), chosen, select(vectors, metric, keys, n, most, rule, chosen))
    return left


@njit(cache=True, nogil=True)
def join(graph, metric):  # type: ignore[no-untyped-def]
    """Join the pieces of the spanning tree: first along links between pieces, then each rest to the nearest row."""
    links, degree, tree, state, vectors = graph.links, graph.degree, graph.tree, graph.state, graph.vectors
    width, cap = vectors.shape[1], tree_edges(links.shape[1])
    piece = np.arange(len(state)).astype(np.int32)
    for row in range(len(state)):
        for i in range(tree[row]):
            piece[_root(piece, row)] = _root(piece, np.intp(links[row, i]))
    for row in range(len(state)):
        i = tree[row]
        while i < degree[row] and tree[row] < cap:
            other = links[row, i]
            if tree[other] < cap and _root(piece, row) != _root(piece, np.intp(other)):
                _tie(links, degree, tree, piece, np.intp(row), np.intp(other))
            i = max(i + 1, tree[row])
    if graph.head[ENTRY] < 0:
        return
    # Every piece has a row with room: a leaf.
    for row in range(len(state)):
        main = _root(piece, np.intp(graph.head[ENTRY]))
        if state[row] == FREE or tree[row] >= cap or _root(piece, row) == main:
            continue
        best, nearest = np.float32(np.inf), np.intp(-1)
        for other in range(len(state)):
            if state[other] != FREE and tree[other] < cap and _root(piece, np.intp(other)) == main:
                d = distance(metric, vectors, other, vectors, row, width)
                if d < best or nearest < 0:
                    best, nearest = d, other
        _tie(links, degree, tree, piece, np.intp(row), np.intp(nearest))


@njit(cache=True, nogil=True)
def pieces(links, tree, state):  # type: ignore[no-untyped-def]
    """Return into how many pieces the tree edges join the rows in use; one, unless an array was made by hand."""
    piece = np.arange(len(state)).astype(np.int32)
    count = 0
    for row in range(len(state)):
        count += state[row] != FREE
    for row in range(len(state)):
        for i in range(tree[row]):
            one, other = _root(piece, row), _root(piece, np.intp(links[row, i]))
            if one != other:
                piece[one] = other
                count -= 1
    return count


@njit(cache=True, nogil=True)
def _root(piece, row):  # type: ignore[no-untyped-def]
    """Return the row that names a piece, halving the path to it (Tarjan and van Leeuwen 1984)."""
    while piece[row] != row:
        piece[row] = piece[piece[row]]
        row = np.intp(piece[row])
    return row


@njit(cache=True, nogil=True)
def _tie(links, degree, tree, piece, row, other):  # type: ignore[no-untyped-def]
    """Make a tree edge of two rows, which joins their pieces."""
    _add_edge(links, degree, tree, row, other)
    _add_edge(links, degree, tree, other, row)
    piece[_root(piece, row)] = _root(piece, other)


@njit(cache=True, nogil=True)
def _add_edge(links, degree, tree, row, other):  # type: ignore[no-untyped-def]
    """Make `other` the next tree edge in a row, in place of the last link if there is no room."""
    place = -1
    for i in range(tree[row], degree[row]):
        if links[row, i] == other:
            place = i
    if place < 0:
        if degree[row] < links.shape[1]:
            degree[row] += 1
        place = degree[row] - 1
    links[row, place] = links[row, tree[row]]
    links[row, tree[row]] = other
    tree[row] += 1
