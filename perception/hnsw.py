"""An index of vectors that finds near neighbours in about logarithmic time, with the methods that hnswlib's users know.

Hierarchical navigable small worlds: Malkov and Yashunin, TPAMI 42(4), 2020 (arXiv 1603.09320). What differs from
hnswlib, on purpose: capacity grows by itself; answers that do not exist are label -1 at distance infinity and never an
exception; every live item stays reachable (`hnsw_build`); `delete` and `expire` free space (`hnsw_repair`); few
passing rows are searched exactly; one seed gives one index, bit for bit, so building takes one thread; labels come
back as int64.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float32, Float64, Int64

from v2xsim.errors import UserError
from v2xsim.perception.hnsw_build import HEURISTIC, SIMPLE, insert
from v2xsim.perception.hnsw_input import Filter, labels_from, metric_of, passing, vectors_from, whole
from v2xsim.perception.hnsw_repair import purge
from v2xsim.perception.hnsw_search import DOOMED, FREE, LIVE, MARKED, Graph, Scratch, knn, knn_exact, knn_filtered
from v2xsim.perception.hnsw_store import empty_graph, from_bytes, graph_from, padded, resized, to_bytes

_HIGHEST = 31
_PURGE_SHARE = 8
_PURGE_LEAST = 64


class Index:
    """An HNSW index.

    Args:
        space: l2 (squared), ip or cosine.
        dim: Entries of a vector.
    """

    def __init__(self, space: str, dim: int) -> None:
        self.space, self.dim = space, whole("dim", dim, 1)
        self._metric = metric_of(space)
        self._graph: Graph | None = None
        self.ef, self.num_threads = 10, 1

    def init_index(
        self,
        max_elements: int = 0,
        M: int = 16,
        ef_construction: int = 200,
        random_seed: int = 100,
        allow_replace_deleted: bool = False,
        selection: Literal["heuristic", "simple"] = "heuristic",
    ) -> None:
        """Set up an empty index.

        Args:
            max_elements: Room to begin with; it grows.
            M: Neighbours chosen for a new item; twice as many are kept on level 0.
            ef_construction: Size of the pool when an item is inserted.
            random_seed: Of the levels.
            allow_replace_deleted: Whether new items may take the place of marked ones.
            selection: Algorithm 4 or 3 of the paper.
        """
        if selection not in ("heuristic", "simple"):
            raise UserError(f"selection must be heuristic or simple, got {selection!r}")
        self.M = whole("M", M, 2, 1024)
        self.ef_construction = max(whole("ef_construction", ef_construction, 1), self.M)
        self.seed = whole("random_seed", random_seed, 0, 2**63)
        self.max_elements = whole("max_elements", max_elements, 0)
        self.allow_replace_deleted = bool(allow_replace_deleted)
        self._rule = SIMPLE if selection == "simple" else HEURISTIC
        self._used = self._upper_used = self._drawn = self._following = self._marked = self._doomed = 0
        self._rows: dict[int, int] = {}
        self._free: list[int] = []
        self._scratch: list[Scratch] = []
        self._graph = empty_graph(self.dim, self.M, self.max_elements, self.max_elements // self.M)
        self._expires = np.full(self.max_elements, np.inf)
        self.distances_computed: Int64[np.ndarray, " queries"] = np.zeros(0, np.int64)

    @property
    def graph(self) -> Graph:
        """The arrays, to look at."""
        if self._graph is None:
            raise UserError("the index must be set up first: call init_index or load_index")
        return self._graph

    @property
    def element_count(self) -> int:
        """Items, marked ones included."""
        return len(self._rows) if self._graph is not None else 0

    def get_current_count(self) -> int:
        """Return the number of items, marked ones included."""
        return self.element_count

    def get_max_elements(self) -> int:
        """Return the number of items there is room for at the moment."""
        return self.max_elements if self._graph is not None else 0

    def __len__(self) -> int:
        return self.element_count

    def set_ef(self, ef: int) -> None:
        """Set the size of the pool of a query; at least k is taken."""
        self.ef = whole("ef", ef, 1)

    def set_num_threads(self, num_threads: int) -> None:
        """Set the threads that answer a batch of queries."""
        self.num_threads = whole("num_threads", num_threads, 1, 1024)

    def get_ids_list(self) -> list[int]:
        """Return all labels, marked ones included, in the order of their rows."""
        label = self.graph.label[: self._used]
        return [int(name) for name in label[label >= 0]]

    def _row(self, label: Any) -> int:
        row = self._rows.get(int(label)) if isinstance(label, (int, np.integer)) else None
        if row is None:
            raise UserError(f"label {label!r} is not in the index, which holds {self.element_count} items")
        return row

    def _rows_of(self, ids: Any) -> list[int]:
        rows = [self._row(name) for name in np.atleast_1d(np.asarray(ids)).tolist()]
        if len(set(rows)) < len(rows):
            raise UserError("labels must differ; one comes more than once")
        return rows

    def get_items(self, ids: Any, return_type: Literal["numpy", "list"] = "numpy") -> Any:
        """Return the vectors of labels, normalised if the space is the cosine."""
        rows = [self._row(name) for name in np.atleast_1d(np.asarray(ids)).tolist()]
        hidden = [self.graph.label[row] for row in rows if self.graph.state[row] == MARKED]
        if hidden:
            raise UserError(f"label {int(hidden[0])} is marked as deleted; unmark_deleted brings it back")
        if return_type not in ("numpy", "list"):
            raise UserError(f"return_type must be numpy or list, got {return_type!r}")
        vectors = self.graph.vectors[np.array(rows, np.int64), : self.dim]
        return vectors if return_type == "numpy" else vectors.tolist()

    def resize_index(self, new_size: int) -> None:
        """Make room for a number of items."""
        self.graph  # noqa: B018 (raises if there is none)
        if new_size < self.element_count:
            raise UserError(f"new_size must be at least the {self.element_count} items held, got {new_size}")
        self.max_elements = whole("new_size", new_size, 0)
        self._purge()
        self._resize(max(self.max_elements, self._used), self._upper_used)

    def _resize(self, rows: int, upper: int) -> None:
        self._graph = resized(self.graph, rows, upper)
        expires = np.full(rows, np.inf)
        count = min(rows, len(self._expires))
        expires[:count] = self._expires[:count]
        self._expires, self._scratch = expires, []

    # Adding ---------------------------------------------------------------------------------------------------------

    def add_items(
        self,
        data: Any,
        ids: Any = None,
        num_threads: int = -1,
        replace_deleted: bool = False,
        expires: float | Sequence[float] | Float64[np.ndarray, " n"] = np.inf,
    ) -> None:
        """Insert vectors; one whose label is known takes the place of the old one and is linked anew.

        Args:
            data: One a row.
            ids: Labels, from 0 on; those after the highest so far if left out.
            num_threads: Not used: one seed shall give one index.
            replace_deleted: Whether items marked as deleted make room, the lowest rows first. Needs allow_replace_deleted.
            expires: Time from which on `expire` takes the item out, of each or of all.
        """
        graph = self.graph
        vectors = vectors_from(data, self.dim, self.space)
        labels = labels_from(ids, len(vectors), self._following)
        until = np.asarray(expires, np.float64)
        if until.shape not in ((), (len(vectors),)) or np.isnan(until).any():
            raise UserError(f"expires must be one time, or one for each of the {len(vectors)} vectors, and not NaN")
        if replace_deleted and not self.allow_replace_deleted:
            raise UserError("replace_deleted needs an index set up with allow_replace_deleted=True")
        if not len(vectors):
            return
        names = labels.tolist()
        self._doom([row for row in (self._rows.get(name) for name in names) if row is not None])
        if replace_deleted and self._marked:
            marked = np.flatnonzero(graph.state[: self._used] == MARKED)
            self._doom(marked[: len(names)].tolist())
            self._purge()
        self._purge_if_due()
        rows = self._taken(len(names))
        graph = self._graph = self._with_levels(rows)
        graph.vectors[rows, : self.dim] = vectors
        graph.state[rows], graph.label[rows] = LIVE, labels
        self._expires[rows] = until
        self._rows.update(zip(names, rows.tolist(), strict=True))
        self._following = max(self._following, int(labels.max()) + 1)
        scratch = self._scratch_for(self.ef_construction)
        keys, chosen, mine = (np.zeros(2 * self.M + 2, np.uint64) for _ in range(3))
        insert(graph, rows, self._metric, self.M, self.ef_construction, self._rule, scratch, keys, chosen, mine)
        self._scratch.append(scratch)

    def _taken(self, count: int) -> np.ndarray:
        """Return rows for new items, freed ones first, with room made."""
        reused = [self._free.pop() for _ in range(min(count, len(self._free)))]
        more = count - len(reused)
        rows = np.array(reused + list(range(self._used, self._used + more)), np.int32)
        self._used += more
        held = len(self._rows) + count
        if held > self.max_elements:
            self.max_elements = max(held, self.max_elements + self.max_elements // 2)
        if self._used > len(self.graph.state):
            self._resize(max(self.max_elements, self._used + self._used // _PURGE_SHARE), len(self.graph.upper_degree))
        return rows

    def _with_levels(self, rows: np.ndarray) -> Graph:
        """Return the graph with levels drawn and upper rows dealt out: floor(-ln(U) / ln(M)), as in the paper's 4.1."""
        draw = _uniforms(self.seed, self._drawn, len(rows))
        self._drawn += len(rows)
        level = np.minimum(-np.log(draw) / np.log(self.M), _HIGHEST).astype(np.int32)
        end = self._upper_used + np.cumsum(level)
        upper = len(self.graph.upper_degree)
        if end[-1] > upper:
            self._resize(len(self.graph.state), max(int(end[-1]), upper + upper // 2))
        self.graph.level[rows] = level
        self.graph.first[rows] = np.where(level > 0, end - level, -1)
        self._upper_used = int(end[-1])
        return self.graph

    # Deleting -------------------------------------------------------------------------------------------------------

    def mark_deleted(self, label: int) -> None:
        """Hide an item: it is passed through and not returned, and can be brought back."""
        row = self._row(label)
        if self.graph.state[row] == MARKED:
            raise UserError(f"label {label} is marked as deleted already")
        self.graph.state[row] = MARKED
        self._marked += 1

    def unmark_deleted(self, label: int) -> None:
        """Bring a marked item back."""
        row = self._row(label)
        if self.graph.state[row] != MARKED:
            raise UserError(f"label {label} is not marked as deleted")
        self.graph.state[row] = LIVE
        self._marked -= 1

    def delete(self, ids: Any) -> None:
        """Take items out for good, one label or several; their space is used again."""
        self._doom(self._rows_of(ids))
        self._purge_if_due()

    def expire(self, now: float) -> list[int]:
        """Take out the items whose time has come; return their labels in the order of their rows."""
        held = self.graph.label[: self._used] >= 0
        rows = np.flatnonzero(held & (self._expires[: self._used] <= now))
        labels = [int(name) for name in self.graph.label[rows]]
        self._doom(rows.tolist())
        self._purge_if_due()
        return labels

    def _doom(self, rows: list[int]) -> None:
        """Forget items; the graph passes through their rows until they are purged."""
        graph = self.graph
        if rows:
            at = np.array(rows, np.int64)
            self._marked -= int((graph.state[at] == MARKED).sum())
            for name in graph.label[at].tolist():
                del self._rows[name]
            graph.state[at], graph.label[at], self._expires[at] = DOOMED, -1, np.inf
            self._doomed += len(rows)

    def _purge_if_due(self) -> None:
        """Purge once an eighth of the rows is doomed, so that a deletion costs a constant number of repairs on average."""
        if self._doomed >= max(_PURGE_LEAST, self._used // _PURGE_SHARE) or not self._rows:
            self._purge()

    def _purge(self) -> None:
        if not self._doomed:
            return
        scratch = self._scratch_for(1)
        purge(self.graph, self._metric, self._rule, scratch.visited, scratch.stamp)
        self._scratch.append(scratch)
        graph, self._doomed = self.graph, 0
        self._free = np.flatnonzero(graph.state[: self._used] == FREE)[::-1].tolist()
        # Rows of upper levels close up.
        tall = np.flatnonzero(graph.level > 0)
        level = graph.level[tall]
        end = np.cumsum(level)
        old = np.repeat(graph.first[tall], level) + np.arange(level.sum()) - np.repeat(end - level, level)
        graph.first[tall] = end - level
        self._upper_used = len(old)
        graph.upper_links[: len(old)], graph.upper_degree[: len(old)] = graph.upper_links[old], graph.upper_degree[old]
        graph.upper_links[len(old) :], graph.upper_degree[len(old) :] = -1, 0

    # Asking ---------------------------------------------------------------------------------------------------------

    def _scratch_for(self, ef: int) -> Scratch:
        """Return scratch space with a pool of `ef`; given back by appending it to the list."""
        rows, longest = len(self.graph.state), 2 * self.M
        while self._scratch:
            scratch = self._scratch.pop()
            if len(scratch.visited) == rows and len(scratch.pool) >= ef:
                return scratch
        return Scratch(
            np.zeros(rows, np.uint8), np.zeros(1, np.int64), np.zeros(max(ef, self.ef), np.uint64),
            np.zeros(longest, np.int32), np.zeros((1, padded(self.dim)), np.float32),
        )  # fmt: skip

    def knn_query(
        self, data: Any, k: int = 1, num_threads: int = -1, filter: Filter | None = None
    ) -> tuple[Int64[np.ndarray, "queries k"], Float32[np.ndarray, "queries k"]]:
        """Return labels and distances of the k nearest items found, nearest first.

        Rows that may be returned are compared one by one if their number p is small: p^2 <= n M ef, as the graph search
        expands about ef n / p rows of about M new neighbours each, or if no more than k are left.

        Args:
            data: One query a row.
            k: Answers wanted; where there are fewer, label -1 at distance infinity.
            num_threads: -1 for `num_threads` of the index.
            filter: Which labels may be returned. Booleans are cheap; a function is called once for every live item.
        """
        graph, ef = self.graph, self.ef
        vectors = vectors_from(data, self.dim, self.space)
        k = whole("k", k, 1)
        threads = self.num_threads if num_threads <= 0 else whole("num_threads", num_threads, 1, 1024)
        count, used = len(vectors), self._used
        labels = np.full((count, k), -1, np.int64)
        distances = np.full((count, k), np.inf, np.float32)
        self.distances_computed = np.zeros(count, np.int64)
        if not self._rows or not count:
            return labels, distances
        ef = min(max(ef, k), used)
        passes: np.ndarray | None = None
        exact = np.array([len(self._rows) <= k])
        if filter is not None or self._marked or self._doomed or exact[0]:
            passes = passing(filter, graph.label[:used], graph.state[:used] == LIVE, count)
            number = passes.sum(axis=1).astype(np.int64)
            exact = (number <= k) | (number * number <= used * self.M * ef)

        def part(begin: int, end: int) -> None:
            """Answer some of the queries."""
            found = labels[begin:end], distances[begin:end], self.distances_computed[begin:end]
            scratch = self._scratch_for(ef)
            if passes is None:
                knn(graph, self._metric, vectors[begin:end], k, ef, scratch, *found)
            else:
                lines = passes if len(passes) == 1 else passes[begin:end]
                alone = exact if len(exact) == 1 else exact[begin:end]
                self._answer(vectors[begin:end], k, ef, lines, alone, scratch, found)
            self._scratch.append(scratch)

        if threads == 1 or count < 2 * threads:
            part(0, count)
        else:
            ends = np.linspace(0, count, threads + 1).astype(int).tolist()
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(part, ends[:-1], ends[1:]))
        return labels, distances

    def _answer(
        self, queries: np.ndarray, k: int, ef: int, passes: np.ndarray, exact: np.ndarray, scratch: Scratch, found: Any
    ) -> None:
        """Answer filtered queries, each line of the filter by the cheaper way."""
        for alone in (True, False):
            lines = np.flatnonzero(exact == alone)
            if not len(lines):
                continue
            every = len(lines) == len(passes)
            asked = queries if every else queries[lines]
            wanted = passes if every else passes[lines]
            into = found if every else tuple(array[lines] for array in found)
            if alone:
                keys = np.zeros(min(k, self._used), np.uint64)
                query = scratch.query
                knn_exact(
                    self.graph.vectors, self.graph.label, self._metric, asked, len(keys), wanted, query, keys, *into
                )
            else:
                heap = np.zeros(self._used, np.uint64)
                knn_filtered(self.graph, self._metric, asked, k, ef, wanted, scratch, heap, *into)
            if not every:
                for array, some in zip(found, into, strict=True):
                    array[lines] = some

    # Keeping --------------------------------------------------------------------------------------------------------

    _SETTINGS = (
        "space", "dim", "M", "ef_construction", "seed", "max_elements", "allow_replace_deleted", "ef", "num_threads",
        "_rule", "_used", "_upper_used", "_drawn", "_following",
    )  # fmt: skip

    def _content(self) -> bytes:
        graph, end, upper = self.graph, self._used, self._upper_used
        arrays = {
            name: array if name == "head" else array[: upper if name.startswith("upper") else end]
            for name, array in zip(Graph._fields, graph, strict=True)
        }
        settings = {name.lstrip("_"): getattr(self, name) for name in self._SETTINGS}
        return to_bytes(settings, {**arrays, "expires": self._expires[:end]})

    def save_index(self, path: str | Path) -> None:
        """Write the index to a file (hnsw_store)."""
        Path(path).write_bytes(self._content())

    def index_file_size(self) -> int:
        """Return the size of the file that save_index writes, in bytes."""
        return len(self._content())

    def load_index(self, path: str | Path, max_elements: int = 0, allow_replace_deleted: bool | None = None) -> None:
        """Read an index from a file; its space and dim must be those of this object.

        Args:
            path: Of the file.
            max_elements: Room, if more than the file says.
            allow_replace_deleted: Instead of what the file says.
        """
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            raise UserError(f"{path}: must be a readable index file ({error.strerror})") from error
        self._restore(data, str(path))
        if allow_replace_deleted is not None:
            self.allow_replace_deleted = bool(allow_replace_deleted)
        if max_elements > self.max_elements:
            self.max_elements = whole("max_elements", max_elements, 0)

    def _restore(self, data: bytes, name: str) -> None:
        settings, arrays = from_bytes(data, name)
        if (settings.get("space"), settings.get("dim")) != (self.space, self.dim):
            raise UserError(
                f"{name}: holds an index of space {settings.get('space')} and dim {settings.get('dim')}, "
                f"not {self.space} and {self.dim}"
            )
        try:
            chosen = {key: whole(key, settings[key.lstrip("_")], 0, 2**63) for key in self._SETTINGS[2:6]}
            counts = {key: whole(key, settings[key.lstrip("_")], 0, 2**63) for key in self._SETTINGS[7:]}
            loaded = Index(self.space, self.dim)
            loaded.init_index(0, chosen["M"], chosen["ef_construction"], chosen["seed"])
            graph = graph_from(arrays, self.dim, chosen["M"], name)
            expires = arrays["expires"].astype(np.float64)
            held = np.flatnonzero((graph.state == LIVE) | (graph.state == MARKED))
            rows = dict(zip(graph.label[held].tolist(), held.tolist(), strict=True))
            sound = len(rows) == len(held) and (graph.label[held] >= 0).all() and expires.shape == graph.state.shape
            if not sound or counts["_used"] != len(graph.state) or counts["_upper_used"] != len(graph.upper_degree):
                raise ValueError("labels and rows do not agree")
        except (KeyError, ValueError) as error:
            if isinstance(error, UserError) and str(error).startswith(name):
                raise
            raise UserError(f"{name}: no valid index ({error}); build the index anew") from error
        loaded.__dict__.update(counts, max_elements=chosen["max_elements"])
        loaded.allow_replace_deleted = bool(settings.get("allow_replace_deleted"))
        loaded._graph, loaded._expires, loaded._rows = graph, expires, rows
        loaded._free = np.flatnonzero(graph.state == FREE)[::-1].tolist()
        loaded._marked, loaded._doomed = int((graph.state == MARKED).sum()), int((graph.state == DOOMED).sum())
        self.__dict__.update(loaded.__dict__)

    def __getstate__(self) -> dict[str, Any]:
        return {
            "space": self.space, "dim": self.dim, "ef": self.ef, "num_threads": self.num_threads,
            "content": self._content() if self._graph is not None else None,
        }  # fmt: skip

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["space"], state["dim"])  # type: ignore[misc]
        self.ef, self.num_threads = state["ef"], state["num_threads"]
        if state["content"] is not None:
            self._restore(state["content"], "pickle")


def _uniforms(seed: int, begin: int, count: int) -> Float64[np.ndarray, " count"]:
    """Return numbers in (0, 1] by counter: SplitMix64 (Steele, Lea and Flood, OOPSLA 2014)."""
    step = np.uint64(0x9E3779B97F4A7C15)
    with np.errstate(over="ignore"):
        z = (np.arange(begin, begin + count, dtype=np.uint64) + np.uint64(1)) * step + np.uint64(seed) * np.uint64(
            0xD1342543DE82EF95
        )
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    return ((z >> np.uint64(11)).astype(np.float64) + 1.0) * 2.0**-53
