"""The HNSW index of v2xsim compared with hnswlib, usearch and brute force: same data, same process, one thread, in turns."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32, Int64

from v2xsim.perception.hnsw.index import Index

K, M, EF_CONSTRUCTION = 10, 16, 200
EFS = (10, 50, 200)
SETS = (
    ("clustered", 20_000, 16), ("uniform", 20_000, 16), ("clustered", 20_000, 64), ("uniform", 20_000, 32),
    ("clustered", 20_000, 128), ("clustered", 100_000, 64),
)  # fmt: skip
LIBRARIES = ("v2xsim", "hnswlib", "usearch")
QUERIES = 2000
_TURNS = 5


@dataclass(frozen=True)
class Row:
    """The results of one library on one data set.

    Attributes:
        library: Name of the library: v2xsim, hnswlib, usearch or brute force.
        data: Distribution of the data: clustered or uniform.
        n: Number of items in the index.
        dim: Number of entries of a vector.
        ef: Size of the candidate list of a search; 0 for brute force, which has none.
        recall: Share of the true 10 nearest items that are found, 0 to 1.
        qps: Queries per second, median of 5 turns.
        build_s: Time to insert all items.
    """

    library: str
    data: str
    n: int
    dim: int
    ef: int
    recall: float
    qps: float
    build_s: float


def made_data(
    kind: str, n: int, dim: int, seed: int
) -> tuple[Float32[np.ndarray, "n dim"], Float32[np.ndarray, "q dim"]]:
    """Return items and queries of one distribution.

    Args:
        kind: Distribution: "uniform" in a cube, or "clustered": clusters of about 200 items, standard deviation 0.15.
        n: Number of items.
        dim: Number of entries of a vector.
        seed: Seed of the random draws.
    """
    rng = np.random.default_rng(seed)
    count = n + QUERIES
    if kind == "uniform":
        points = rng.random((count, dim), dtype=np.float32)
    else:
        centre = rng.normal(size=(max(10, n // 200), dim))
        points = (centre[rng.integers(len(centre), size=count)] + 0.15 * rng.normal(size=(count, dim))).astype(
            np.float32
        )
    return points[:n], points[n:]


def brute_force(
    items: Float32[np.ndarray, "n dim"], queries: Float32[np.ndarray, "q dim"], k: int = K
) -> Int64[np.ndarray, "q k"]:
    """Return the `k` nearest items of each query, computed by a matrix product for each block of queries."""
    nearest = np.empty((len(queries), k), np.int64)
    square = np.einsum("ij,ij->i", items, items)
    block = max(1, 20_000_000 // len(items))
    for begin in range(0, len(queries), block):
        part = queries[begin : begin + block]
        nearest[begin : begin + len(part)] = np.argpartition(square - 2.0 * part @ items.T, k - 1, axis=1)[:, :k]
    return nearest


def absent() -> list[str]:
    """Return the names of the compared libraries that are not installed."""
    return [name for name in LIBRARIES if name != "v2xsim" and _maker(name) is None]


def all_rows(sets: tuple[tuple[str, int, int], ...] = SETS) -> Iterator[Row]:
    """Measure every library on every data set; yield the row of each library when its data set is finished."""
    warm = Index("l2", 8)
    warm.init_index()
    warm.add_items(np.random.default_rng(0).random((200, 8)))
    warm.knn_query(np.zeros((3, 8)), 3)
    for distribution, n, dim in sets:
        items, queries = made_data(distribution, n, dim, seed=n + dim)
        begun = time.perf_counter()
        true = brute_force(items, queries)
        plain_s = time.perf_counter() - begun
        made = [(name, maker) for name in LIBRARIES if (maker := _maker(name)) is not None]
        built: list[tuple[str, Callable[[int], Callable[[], np.ndarray]], float]] = []
        for name, maker in made:
            begun = time.perf_counter()
            searcher = maker(items, queries)
            built.append((name, searcher, time.perf_counter() - begun))
        for ef in EFS:
            taken: dict[str, list[float]] = {name: [] for name, _, _ in built}
            answers = {}
            # The libraries take turns, so that other load on the machine affects all of them alike.
            for _ in range(_TURNS):
                for name, searcher, _ in built:
                    ask = searcher(ef)
                    begun = time.perf_counter()
                    answers[name] = ask()
                    taken[name].append(time.perf_counter() - begun)
            for name, _, build_s in built:
                yield Row(
                    name,
                    distribution,
                    n,
                    dim,
                    ef,
                    recall(answers[name], true),
                    len(queries) / float(np.median(taken[name])),
                    build_s,
                )
        yield Row("brute force", distribution, n, dim, 0, 1.0, len(queries) / plain_s, 0.0)


def recall(answers: Int64[np.ndarray, "q k"], true: Int64[np.ndarray, "q k"]) -> float:
    """Return the share of the true nearest items that were found, 0 to 1."""
    return float((np.sort(answers, 1)[:, :, None] == true[:, None, :]).any(axis=2).mean())


def _maker(name: str) -> Callable[[Any, Any], Callable[[int], Callable[[], np.ndarray]]] | None:
    """Return a function that builds an index with a library, or None if the library is not installed."""
    try:
        return {"v2xsim": _ours, "hnswlib": _hnswlib, "usearch": _usearch}[name]()
    except ImportError:
        return None


def _ours() -> Callable[[Any, Any], Any]:
    def build(items: np.ndarray, queries: np.ndarray) -> Callable[[int], Callable[[], np.ndarray]]:
        index = Index("l2", items.shape[1])
        index.init_index(len(items), M=M, ef_construction=EF_CONSTRUCTION)
        index.add_items(items)

        def searcher(ef: int) -> Callable[[], np.ndarray]:
            index.set_ef(ef)
            return lambda: index.knn_query(queries, K)[0]

        return searcher

    return build


def _hnswlib() -> Callable[[Any, Any], Any]:
    import hnswlib

    def build(items: np.ndarray, queries: np.ndarray) -> Callable[[int], Callable[[], np.ndarray]]:
        index = hnswlib.Index("l2", items.shape[1])
        index.init_index(len(items), M=M, ef_construction=EF_CONSTRUCTION)
        index.set_num_threads(1)
        index.add_items(items)

        def searcher(ef: int) -> Callable[[], np.ndarray]:
            index.set_ef(ef)
            return lambda: np.asarray(index.knn_query(queries, K)[0], np.int64)

        return searcher

    return build


def _usearch() -> Callable[[Any, Any], Any]:
    from usearch.index import Index as Usearch

    def build(items: np.ndarray, queries: np.ndarray) -> Callable[[int], Callable[[], np.ndarray]]:
        index: Any = Usearch(
            ndim=items.shape[1], metric="l2sq", dtype="f32", connectivity=M, expansion_add=EF_CONSTRUCTION
        )
        index.add(np.arange(len(items)), items, threads=1)

        def searcher(ef: int) -> Callable[[], np.ndarray]:
            index.expansion_search = ef
            return lambda: np.asarray(index.search(queries, K, threads=1).keys, np.int64)

        return searcher

    return build
