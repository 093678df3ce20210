"""Every live item of an index can be reached: along the links themselves, and by asking for its own vector."""

import numpy as np
import pytest

from v2xsim.perception.hnsw.arrays import DOOMED, ENTRY, FREE, TOP
from v2xsim.perception.hnsw.index import Index

COUNT, DIM = 1200, 8


def uniform(rng):
    return rng.random((COUNT, DIM))


def clusters_far_apart(rng):
    """Five towns with nothing between them."""
    return rng.integers(0, 5, COUNT)[:, None] * 1e4 + rng.normal(size=(COUNT, DIM))


def one_cluster_after_the_other(rng):
    """In the order of their clusters, so that whole clusters come when every row they could link to is full."""
    return np.repeat(np.arange(6), COUNT // 6)[:, None] * 100.0 + 0.1 * rng.normal(size=(COUNT, DIM))


def many_alike(rng):
    """Thirty copies of each of forty points."""
    return np.repeat(rng.normal(size=(40, DIM)), 30, axis=0)[rng.permutation(COUNT)]


def hermits(rng):
    """Forty far from all and from one another, put in first, so that everybody else passes them by."""
    points = rng.normal(size=(COUNT, DIM))
    points[:40] *= 10.0 ** rng.uniform(2.0, 5.0, 40)[:, None]
    return points


def along_a_road(rng):
    """Sorted in one dimension: each new item is beyond all others."""
    return np.arange(COUNT)[:, None] * np.eye(1, DIM) + 1e-3 * rng.normal(size=(COUNT, DIM))


SHAPES = (uniform, clusters_far_apart, one_cluster_after_the_other, many_alike, hermits, along_a_road)


def unreached(made):
    """Rows in use to which no chain of links on level 0 leads from where searches begin."""
    graph = made.graph
    used = np.flatnonzero(graph.state != FREE)
    seen = np.zeros(len(graph.state), bool)
    edge = graph.head[:1] if len(used) else np.zeros(0, np.int64)
    while len(edge):
        seen[edge] = True
        links, held = graph.links[edge], np.arange(graph.links.shape[1]) < graph.degree[edge, None]
        near = np.unique(links[held])
        edge = near[~seen[near]]
    return sorted(set(used) - set(np.flatnonzero(seen)))


def astray(made):
    """Links on any level that lead to rows that are unused or not of that level."""
    graph, found = made.graph, []
    for row in np.flatnonzero(graph.state != FREE):
        for level in range(graph.level[row] + 1):
            at = graph.first[row] + level - 1
            links = (
                graph.links[row, : graph.degree[row]] if level == 0 else graph.upper_links[at, : graph.upper_degree[at]]
            )
            found += [
                (row, level, to) for to in links if graph.state[to] == FREE or graph.level[to] < level or to == row
            ]
    entry = graph.head[ENTRY]
    if entry >= 0 and not graph.level[entry] == graph.head[TOP] == graph.level.max():
        found.append((entry, "entry", graph.level.max()))
    return found


def not_found(made, vectors, ef=200):
    """Labels that asking for their own vectors does not bring up."""
    made.set_ef(ef)
    names = sorted(vectors)
    labels, _ = made.knn_query(np.stack([vectors[name] for name in names]), 30)
    return [name for name, found in zip(names, labels.tolist(), strict=True) if name not in found]


@pytest.mark.parametrize("m", [2, 4, 16])
@pytest.mark.parametrize("shape", SHAPES)
def test_links_lead_to_every_item_before_and_after_half_of_them_went_and_came_back(shape, m):
    rng = np.random.default_rng(3)
    points, made = shape(rng).astype(np.float32), Index("l2", DIM)
    made.init_index(M=m, ef_construction=40)
    made.add_items(points)
    assert unreached(made) == [] == astray(made)
    gone = rng.permutation(COUNT)[: COUNT // 2]
    for part in np.array_split(gone, 5):
        made.delete(part)
        assert unreached(made) == [] == astray(made)
    back = gone[: COUNT // 4]
    made.add_items(points[back], back)
    assert unreached(made) == [] == astray(made)


@pytest.mark.parametrize("shape", SHAPES)
def test_every_item_is_found_by_its_own_vector_before_and_after_half_of_them_went_and_came_back(shape):
    rng = np.random.default_rng(4)
    points, made = shape(rng).astype(np.float32), Index("l2", DIM)
    made.init_index(M=16, ef_construction=100)
    made.add_items(points)
    held = dict(enumerate(points))
    assert not_found(made, held) == []
    gone = rng.permutation(COUNT)[: COUNT // 2].tolist()
    made.delete(gone)
    assert not_found(made, {name: held[name] for name in set(held) - set(gone)}) == []
    made.add_items(points[gone], gone)
    assert not_found(made, held) == []


def test_ten_thousand_inserts_five_thousand_deletes_and_reinserts_leave_every_item_reachable():
    rng = np.random.default_rng(5)
    center = rng.normal(size=(60, 16))
    points = (center[rng.integers(60, size=10_000)] + 0.1 * rng.normal(size=(10_000, 16))).astype(np.float32)
    made = Index("l2", 16)
    made.init_index(M=16, ef_construction=100)
    made.add_items(points)
    gone = rng.permutation(10_000)[:5000]
    made.delete(gone[:2500])
    made.delete(gone[2500:])
    assert made.get_current_count() == 5000
    assert unreached(made) == []
    made.add_items(points[gone[:2500]] + np.float32(0.01), gone[:2500])
    points[gone[:2500]] += np.float32(0.01)
    assert unreached(made) == [] == astray(made)
    assert sorted(made.get_ids_list()) == sorted(set(range(10_000)) - set(gone[2500:].tolist()))
    assert not_found(made, {name: points[name] for name in made.get_ids_list()}) == []


def test_rows_that_wait_for_their_purge_are_passed_through():
    made = Index("l2", DIM)
    made.init_index(M=4)
    points = along_a_road(np.random.default_rng(6)).astype(np.float32)
    made.add_items(points)
    made.delete(range(100, 160))
    assert (made.graph.state == DOOMED).any()
    assert unreached(made) == []
    assert not_found(made, {name: points[name] for name in made.get_ids_list()}) == []
