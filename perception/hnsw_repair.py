"""Taking rows out of the graph, and joining what falls apart. Compiled.

The paper has no deletion, and its authors' program only marks items. Here, as in FreshDiskANN (Singh et al., arXiv
2105.09613, Algorithm 4), a row that pointed to what is taken out chooses anew among its other links and the links of
what it lost. Then the spanning tree, in pieces by now, is joined again along links between pieces.
"""

import numpy as np
from numba import njit

from v2xsim.perception.hnsw_build import select, tree_edges, write
from v2xsim.perception.hnsw_search import DOOMED, ENTRY, FREE, TOP, next_stamp
from v2xsim.perception.hnsw_simd import distance, key_of


@njit(cache=True, nogil=True)
def purge(graph, metric, rule, visited, stamp):  # type: ignore[no-untyped-def]
    """Take doomed rows out of the graph and free them; every other item stays reachable from every other."""
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
            graph.vectors, graph.links, graph.degree, state, first, 0, row, graph.tree[row], metric, rule, most,
            visited, next_stamp(visited, stamp), keys, chosen,
        )  # fmt: skip
        for lc in range(1, level[row] + 1):
            _mend(
                graph.vectors, graph.upper_links, graph.upper_degree, state, first, lc, row, 0, metric, rule, m,
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
            keys[n] = key_of(distance(metric, vectors, other, vectors, row, width), other)
            if i < edges:
                keys[n] |= np.uint64(1)
                left += 1
            n += 1
    for i in range(held):
        if state[links[at, i]] == DOOMED:
            beyond = first[links[at, i]] + lc - 1 if lc > 0 else links[at, i]
            for j in range(degree[beyond]):
                other = links[beyond, j]
                if state[other] != DOOMED and visited[other] != stamp:
                    visited[other] = stamp
                    keys[n] = key_of(distance(metric, vectors, other, vectors, row, width), other)
                    n += 1
    keys[:n].sort()
    write(links, degree, at, chosen, select(vectors, metric, keys, n, most, rule, chosen))
    return left


@njit(cache=True, nogil=True)
def join(graph, metric):  # type: ignore[no-untyped-def]
    """Join the pieces of the spanning tree: first along links between pieces, then each rest to the nearest row."""
    links, degree, tree, state, vectors = graph.links, graph.degree, graph.tree, graph.state, graph.vectors
    width, cap = vectors.shape[1], tree_edges(links.shape[1])
    piece = np.arange(len(state)).astype(np.int32)
    for row in range(len(state)):
        for i in range(tree[row]):
            piece[_root(piece, row)] = _root(piece, links[row, i])
    for row in range(len(state)):
        i = tree[row]
        while i < degree[row] and tree[row] < cap:
            other = links[row, i]
            if tree[other] < cap and _root(piece, row) != _root(piece, other):
                _add_edge(links, degree, tree, row, other)
                _add_edge(links, degree, tree, other, row)
                piece[_root(piece, row)] = _root(piece, other)
            i = max(i + 1, tree[row])
    if graph.head[ENTRY] < 0:
        return
    # Every piece has a row with room: a leaf.
    for row in range(len(state)):
        main = _root(piece, graph.head[ENTRY])
        if state[row] == FREE or tree[row] >= cap or _root(piece, row) == main:
            continue
        best, nearest = np.float32(np.inf), -1
        for other in range(len(state)):
            if state[other] != FREE and tree[other] < cap and _root(piece, other) == main:
                d = distance(metric, vectors, other, vectors, row, width)
                if d < best or nearest < 0:
                    best, nearest = d, other
        _add_edge(links, degree, tree, row, nearest)
        _add_edge(links, degree, tree, nearest, row)
        piece[_root(piece, row)] = main


@njit(cache=True, nogil=True)
def _root(piece, row):  # type: ignore[no-untyped-def]
    """Return the row that names a piece, halving the path to it (Tarjan and van Leeuwen 1984)."""
    while piece[row] != row:
        piece[row] = piece[piece[row]]
        row = piece[row]
    return row


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
