"""Compiled code that removes rows from the graph and reconnects the remaining pieces.

The paper on HNSW has no deletion, and its authors' program only marks items. Here, as in FreshDiskANN (Singh et al.,
arXiv 2105.09613, Algorithm 4), a row that had a link to a removed row chooses new links among those of the removed row.
Unlike in FreshDiskANN, it keeps its other links, and the new neighbours get links back to it. The spanning tree may be
in pieces after this; it is joined again along links between the pieces.
"""

import numpy as np
from numba import njit

from v2xsim.perception.hnsw.arrays import DOOMED, ENTRY, FREE, TOP, opened
from v2xsim.perception.hnsw.build import HEURISTIC, TREE_EDGES
from v2xsim.perception.hnsw.search import enter, next_stamp
from v2xsim.perception.hnsw.simd import distance, distance_of, key_of, row_of


@njit(cache=True, nogil=True)
def purge(table, metric, rule):  # type: ignore[no-untyped-def]
    """Remove the rows of deleted items from a graph and free them; every remaining item stays reachable from every other."""
    graph, scratch = opened(table)
    state, level, first, head = graph.state, graph.level, graph.first, graph.head
    room = np.empty(graph.links.shape[1] ** 2, np.uint64)
    gained = np.zeros((2, len(state)), np.int32)
    gained_above = np.zeros((2, len(graph.upper_degree)), np.int32)
    head[ENTRY], head[TOP] = -1, -1
    for row in range(len(state)):
        if state[row] == FREE or state[row] == DOOMED:
            continue
        if level[row] > head[TOP]:
            head[ENTRY], head[TOP] = row, level[row]
        graph.tree[row] = _mend(
            graph.vectors, graph.links, graph.degree, state, first, np.intp(0), row, graph.tree[row], metric, rule,
            scratch, room, gained,
        )  # fmt: skip
        for lc in range(1, level[row] + 1):
            _mend(
                graph.vectors, graph.upper_links, graph.upper_degree, state, first, np.intp(lc), row, np.int32(0), metric,
                rule, scratch, room, gained_above,
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
        elif state[row] != FREE:
            _return(graph.links, graph.degree, first, np.intp(0), row, gained)
            for lc in range(1, level[row] + 1):
                _return(graph.upper_links, graph.upper_degree, first, np.intp(lc), row, gained_above)
    join(graph, metric)


@njit(cache=True, nogil=True)
def _mend(  # type: ignore[no-untyped-def]
    vectors, links, degree, state, first, lc, row, edges, metric, rule, scratch, keys, gained
):
    """Replace the links that a row lost; return the number of its remaining tree edges.

    The row keeps its remaining links, so that rows do not lose links over time. Candidates are the neighbours of the
    removed rows. If there are too few candidates, then for each candidate that is itself removed, its neighbours become
    candidates too, so that gaps of any width are closed. The heuristic takes candidates that are nearer to the row than
    to any of its neighbours (Algorithm 4).
    """
    at, most, width = first[row] + lc - 1 if lc > 0 else row, links.shape[1], vectors.shape[1]
    visited, stamp, gone = scratch.visited, next_stamp(scratch.visited, scratch.stamp), scratch.heap
    held, kept, left, n, lost = degree[at], 0, edges, 0, 0
    visited[row] = stamp
    for i in range(held):
        other = links[at, i]
        if state[other] == DOOMED:
            visited[other] = stamp
            gone[np.uintp(lost)] = other
            lost += 1
            left -= i < edges
        else:
            visited[other] = stamp
            links[at, kept] = other
            kept += 1
    if kept == held:
        return left
    for i in range(len(gone)):
        if i == lost or (i >= held - kept and n >= most):
            break
        beyond = first[gone[i]] + lc - 1 if lc > 0 else np.intp(gone[i])
        for j in range(degree[beyond]):
            other = links[beyond, j]
            if visited[other] != stamp:
                visited[other] = stamp
                if state[other] == DOOMED:
                    gone[np.uintp(lost)] = other
                    lost += 1
                else:
                    key = key_of(distance(metric, vectors, other, vectors, row, width), other)
                    n, _ = enter(keys, n, len(keys), key)
    gained[0, at] = kept
    for i in range(n):
        if kept == most:
            break
        other, bound, taken = np.intp(row_of(keys[i])), distance_of(keys[i]), True
        if rule == HEURISTIC:
            for j in range(kept):
                if distance(metric, vectors, other, vectors, links[at, j], width) < bound:
                    taken = False
                    break
        if taken:
            links[at, kept] = other
            kept += 1
    gained[1, at], degree[at] = kept, kept
    links[at, kept:] = -1
    return left


@njit(cache=True, nogil=True)
def _return(links, degree, first, lc, row, gained):  # type: ignore[no-untyped-def]
    """Add the reverse of a row's new links wherever the other row has room."""
    at = first[row] + lc - 1 if lc > 0 else row
    for i in range(gained[0, at], gained[1, at]):
        other = links[at, i]
        there = first[other] + lc - 1 if lc > 0 else other
        known = degree[there] == links.shape[1]
        for j in range(degree[there]):
            known = known or links[there, j] == row
        if not known:
            links[there, degree[there]] = row
            degree[there] += 1


@njit(cache=True, nogil=True)
def join(graph, metric):  # type: ignore[no-untyped-def]
    """Join the pieces of the spanning tree.

    First it uses links between pieces; then it links each remaining piece to its nearest row.
    """
    links, degree, tree, state, vectors = graph.links, graph.degree, graph.tree, graph.state, graph.vectors
    width = vectors.shape[1]
    piece = np.arange(len(state)).astype(np.int32)
    for row in range(len(state)):
        for i in range(tree[row]):
            piece[_root(piece, row)] = _root(piece, np.intp(links[row, i]))
    for row in range(len(state)):
        i = tree[row]
        while i < degree[row] and tree[row] < TREE_EDGES:
            other = links[row, i]
            if tree[other] < TREE_EDGES and _root(piece, row) != _root(piece, np.intp(other)):
                _tie(links, degree, tree, piece, np.intp(row), np.intp(other))
            i = max(i + 1, tree[row])
    if graph.head[ENTRY] < 0:
        return
    # Every piece has a leaf, and a leaf has room for a tree edge.
    for row in range(len(state)):
        while (
            state[row] != FREE
            and tree[row] < TREE_EDGES
            and _root(piece, row) != _root(piece, np.intp(graph.head[ENTRY]))
        ):
            best, nearest, own_root = np.float32(np.inf), np.intp(-1), _root(piece, row)
            for other in range(len(state)):
                if state[other] != FREE and tree[other] < TREE_EDGES and _root(piece, other) != own_root:
                    d = distance(metric, vectors, other, vectors, row, width)
                    if d < best or nearest < 0:
                        best, nearest = d, other
            _tie(links, degree, tree, piece, row, nearest)


@njit(cache=True, nogil=True)
def pieces(links, tree, state):  # type: ignore[no-untyped-def]
    """Return the number of pieces that the tree edges form over the rows in use.

    The result is always 1, unless the arrays were manipulated.
    """
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
    """Return the root row of a piece, and halve the path to it (Tarjan and van Leeuwen 1984)."""
    while piece[row] != row:
        piece[row] = piece[piece[row]]
        row = np.intp(piece[row])
    return row


@njit(cache=True, nogil=True)
def _tie(links, degree, tree, piece, row, other):  # type: ignore[no-untyped-def]
    """Add a tree edge between two rows, which joins their pieces."""
    _add_edge(links, degree, tree, row, other)
    _add_edge(links, degree, tree, other, row)
    piece[_root(piece, row)] = _root(piece, other)


@njit(cache=True, nogil=True)
def _add_edge(links, degree, tree, row, other):  # type: ignore[no-untyped-def]
    """Make `other` the next tree edge of a row; if the row is full, the edge replaces the row's last link."""
    link_index = -1
    for i in range(tree[row], degree[row]):
        if links[row, i] == other:
            link_index = i
    if link_index < 0:
        if degree[row] < links.shape[1]:
            degree[row] += 1
        link_index = degree[row] - 1
    links[row, link_index] = links[row, tree[row]]
    links[row, tree[row]] = other
    tree[row] += 1
