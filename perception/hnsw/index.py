"""An index of vectors that finds near neighbours in about logarithmic time, with the methods of hnswlib.

The method is called hierarchical navigable small worlds: Malkov and Yashunin, TPAMI 42(4), 2020 (arXiv 1603.09320).
`docs/hnsw.md` lists what is equal to hnswlib and what differs. The main differences: the capacity grows automatically;
missing answers have label -1 and distance infinity instead of raising an exception; every live item stays reachable
(`hnsw.build`); `delete` and `expire` free space (`hnsw.repair`); if few rows pass a filter, they are searched exactly
(`hnsw.filter`); the same seed gives the same index bit for bit, so building uses one thread; labels are returned as
int64.
"""

from collections.abc import Sequence
from dataclasses import asdict, replace
from os import PathLike
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from v2xsim.errors import UserError
from v2xsim.perception.hnsw.arrays import MARKED, Graph
from v2xsim.perception.hnsw.build import insert
from v2xsim.perception.hnsw.exact import listed
from v2xsim.perception.hnsw.file import expect, graph_from, read, size_bytes, sound, write
from v2xsim.perception.hnsw.filter import knn_among
from v2xsim.perception.hnsw.input import (
    MOST_ENTRIES,
    Filter,
    deadlines_from,
    labels_asked,
    labels_from,
    metric_of,
    passing,
    rows_from,
    vectors_from,
    whole,
)  # fmt: skip
from v2xsim.perception.hnsw.items import Items
from v2xsim.perception.hnsw.repair import purge
from v2xsim.perception.hnsw.search import knn
from v2xsim.perception.hnsw.settings import Settings, levels
from v2xsim.perception.hnsw.threads import answered, blank, thread_count, thread_setting


class Index:
    """An HNSW index of vectors.

    Args:
        space: Metric: l2 (squared Euclidean), ip (1 - inner product) or cosine (1 - cosine similarity).
        dim: Number of entries of a vector.
    """

    def __init__(self, space: str, dim: int) -> None:
        self._metric, self._space, self._dim = metric_of(space), space, whole("dim", dim, 1, MOST_ENTRIES)
        self._ef, self._threads = 10, 1
        self._set: Settings | None = None
        self._items = Items(self._dim, 2, 0)
        self._drawn = self._following = 0
        self.distances_computed: Int64[np.ndarray, " queries"] = np.zeros(0, np.int64)

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
            max_elements: Initial capacity in items; it grows automatically.
            M: Number of neighbours chosen for a new item; rows on level 0 have room for 2 M neighbours. A larger number
                gives better answers and a larger index.
            ef_construction: Number of best rows that the search keeps when an item is inserted, at least M. A larger
                number gives better links and takes longer.
            random_seed: Seed of the random levels of the items.
            allow_replace_deleted: Whether new items may use the rows of items marked as deleted.
            selection: Rule for the choice of neighbours: Algorithm 4 (heuristic) or 3 (simple) of the paper.
        """
        settings = Settings(M, ef_construction, random_seed, bool(allow_replace_deleted), selection)
        self._set = replace(settings, ef_construction=max(ef_construction, M))
        self._items = Items(self._dim, M, whole("max_elements", max_elements, 0))
        self._drawn = self._following = 0

    @property
    def _settings(self) -> Settings:
        if self._set is None:
            raise UserError("the index must be set up first: call init_index or load_index")
        return self._set

    @property
    def space(self) -> str:
        """Name of the metric: l2, ip or cosine."""
        return self._space

    @property
    def dim(self) -> int:
        """Number of entries of a vector."""
        return self._dim

    @property
    def M(self) -> int:  # noqa: N802 (hnswlib's name and the paper's)
        """Number of neighbours chosen for a new item."""
        return self._settings.M

    @property
    def ef_construction(self) -> int:
        """Number of best rows that the search keeps when an item is inserted."""
        return self._settings.ef_construction

    @property
    def max_elements(self) -> int:
        """Present capacity, in items."""
        return self._items.room

    @property
    def element_count(self) -> int:
        """Number of items, including those marked as deleted."""
        return len(self._items)

    @property
    def ef(self) -> int:
        """Number of best rows that a query keeps during its search.

        A query for k answers keeps at least k rows. A larger number finds more of the true neighbours and takes longer.
        """
        return self._ef

    @ef.setter
    def ef(self, ef: int) -> None:
        self._ef = whole("ef", ef, 1)

    @property
    def num_threads(self) -> int:
        """Number of threads that answer a batch of queries; -1 and 0 mean all processors."""
        return self._threads

    @num_threads.setter
    def num_threads(self, num_threads: int) -> None:
        self._threads = thread_setting(num_threads)

    @property
    def graph(self) -> Graph:
        """The arrays of the index, for inspection."""
        views = Graph(*(array.view() for array in self._items.graph))
        for view in views:
            view.flags.writeable = False
        return views

    def get_current_count(self) -> int:
        """Return the number of items, including those marked as deleted."""
        return self.element_count

    def get_max_elements(self) -> int:
        """Return the present capacity, in items."""
        return self.max_elements

    def __len__(self) -> int:
        return self.element_count

    def __contains__(self, label: object) -> bool:
        return label in self._items

    def __repr__(self) -> str:
        return f"<v2xsim.Index(space={self.space!r}, dim={self.dim}), {len(self)} items>"

    def set_ef(self, ef: int) -> None:
        """Set the number of best rows that a query keeps during its search."""
        self.ef = ef

    def set_num_threads(self, num_threads: int) -> None:
        """Set the number of threads that answer a batch of queries; -1 and 0 mean all processors."""
        self.num_threads = num_threads

    def get_ids_list(self) -> list[int]:
        """Return all labels in the order of their rows, including those of items marked as deleted."""
        names: list[int] = self._items.labels().tolist()
        return names

    def get_items(self, ids: Any = None, return_type: Literal["numpy", "list"] = "numpy") -> Any:
        """Return vectors; in the cosine space, they are normalised.

        Args:
            ids: Labels, in a list or in one column as `knn_query` with k = 1 returns them. If left out, all items in
                the order of `get_ids_list` are returned.
            return_type: numpy for one array, list for lists of numbers.
        """
        rows = self._items.rows(self._items.labels() if ids is None else labels_asked(ids))
        graph = self._items.graph
        hidden = [int(graph.label[row]) for row in rows if graph.state[row] == MARKED]
        if hidden:
            raise UserError(f"label {hidden[0]} is marked as deleted; unmark_deleted brings it back")
        return listed(graph.vectors[np.array(rows, np.int64), : self.dim], return_type)

    def resize_index(self, new_size: int) -> None:
        """Set the capacity to a number of items."""
        self._purge()
        self._items.give_room(whole("new_size", new_size, self.element_count if self._settings else 0))

    # Changes --------------------------------------------------------------------------------------------------------

    def add_items(
        self,
        data: Any,
        ids: Any = None,
        num_threads: int = -1,
        replace_deleted: bool = False,
        expires: float | Sequence[float] | Float64[np.ndarray, " n"] = np.inf,
    ) -> None:
        """Insert vectors; a vector with a known label replaces the old one and is linked again.

        Args:
            data: Vectors, one per row.
            ids: Labels, each at least 0; if left out, the numbers after the highest label so far.
            num_threads: Ignored: building uses one thread, so that the same seed gives the same index.
            replace_deleted: Whether new items use the rows of items marked as deleted, the lowest row first. Requires
                allow_replace_deleted.
            expires: Time from which `expire` removes the items: one value for all items, or one per item.
        """
        chosen, items = self._settings, self._items
        vectors = vectors_from(data, self.dim, self._metric)
        labels = labels_from(ids, len(vectors), self._following)
        until = deadlines_from(expires, len(vectors))
        if replace_deleted and not chosen.allow_replace_deleted:
            raise UserError("replace_deleted needs an index set up with allow_replace_deleted=True")
        if not len(vectors):
            return
        items.doom(items.known(labels.tolist()))
        if replace_deleted and items.marked:
            items.doom(items.marked_rows()[: len(labels)])
            self._purge()
        self._purge_if_due()
        level = levels(chosen, self._drawn, len(labels))
        rows = items.add(labels, vectors, level, until)
        self._drawn += len(labels)
        self._following = max(self._following, int(labels.max()) + 1)
        desk = items.desk(chosen.ef_construction)
        insert(desk.table, rows, self._metric, chosen.M, chosen.ef_construction, chosen.rule)
        items.done(desk)

    def mark_deleted(self, label: int) -> None:
        """Hide an item: searches pass through it but do not return it. `unmark_deleted` reverses this."""
        self._items.mark(label, True)

    def unmark_deleted(self, label: int) -> None:
        """Let searches return an item again that was marked as deleted."""
        self._items.mark(label, False)

    def delete(self, ids: Any) -> None:
        """Remove the items with the given labels permanently; their space is used again."""
        rows = self._items.rows(ids)
        if len(set(rows)) < len(rows):
            raise UserError("labels must differ; one comes more than once")
        self._items.doom(rows)
        self._purge_if_due()

    def expire(self, now: float) -> list[int]:
        """Remove the items whose expiry time is reached at `now`; return their labels in the order of their rows."""
        labels = self._items.expired(now)
        self._items.doom(self._items.known(labels))
        self._purge_if_due()
        return labels

    def _purge_if_due(self) -> None:
        if self._items.is_due():
            self._purge()

    def _purge(self) -> None:
        if self._items.doomed:
            desk = self._items.desk(1)
            purge(desk.table, self._metric, self._settings.rule)
            self._items.done(desk)
            self._items.reclaim()

    # Queries --------------------------------------------------------------------------------------------------------

    def knn_query(
        self, data: Any, k: int = 1, num_threads: int = -1, filter: Filter | None = None
    ) -> tuple[Int64[np.ndarray, "queries k"], Float32[np.ndarray, "queries k"]]:
        """Return labels and distances of the k nearest items found, nearest first.

        Args:
            data: Query vectors, one per row.
            k: Number of answers for each query; missing answers have label -1 and distance infinity.
            num_threads: Number of threads; -1 or 0 uses the index's `num_threads`.
            filter: Labels that may be returned: booleans indexed by label, which is fast, or a function, which is
                called once for every live item.
        """
        items, m, queries, k = self._items, self._settings.M, rows_from(data, self._dim), whole("k", k, 1)
        count, ef = len(queries), min(max(self._ef, k), items.used)
        labels, distances = blank(count, k)
        counts = self.distances_computed = np.empty(count, np.int64)
        passes: Bool[np.ndarray, "lines rows"] | None = None
        if filter is not None:
            passes = passing(filter, items.graph.label[: items.used], items.live()[0], count)
        elif len(items) <= k or not items.all_live:
            passes = items.live()

        def part(
            queries: np.ndarray, labels: np.ndarray, distances: np.ndarray, counts: np.ndarray, *own: np.ndarray
        ) -> int:
            desk = items.desk(ef)
            if passes is None:
                bad = knn(desk.table, self._metric, queries, ef, labels, distances, counts)
            else:
                lines = own[0] if own else passes
                bad = knn_among(desk.table, self._metric, queries, ef, m, lines, labels, distances, counts)
            items.done(desk)
            return bad

        batch: tuple[np.ndarray, ...] = (queries, labels, distances, counts)
        if passes is not None and len(passes) > 1:
            batch = (*batch, passes)
        answered(part, batch, thread_count(num_threads, self._threads))
        return labels, distances

    # Files ----------------------------------------------------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        own = {
            "kind": "Index", "space": self.space, "dim": self.dim, "ef": self.ef, "num_threads": self.num_threads,
            "max_elements": self.max_elements, "drawn": self._drawn, "following": self._following,
        }  # fmt: skip
        return {
            "settings": {**own, **(asdict(self._set) if self._set is not None else {})}, "arrays": self._items.arrays(),
        }  # fmt: skip

    def __setstate__(self, state: dict[str, Any]) -> None:
        settings, arrays = state["settings"], state["arrays"]
        self.__init__(settings["space"], settings["dim"])  # type: ignore[misc]
        self.ef, self.num_threads = settings["ef"], settings["num_threads"]
        if "M" in settings:
            self._set = Settings(**{name: settings[name] for name in Settings.__dataclass_fields__})
            graph, room = graph_from(arrays, self.dim, self.M), whole("max_elements", settings["max_elements"], 0)
            self._items = Items.of(graph, np.array(arrays["expires"]), self.dim, room)
            self._drawn = whole("drawn", settings["drawn"], 0, 2**63)
            self._following = whole("following", settings["following"], 0, 2**63)

    def save_index(self, path_to_index: str | PathLike[str]) -> None:
        """Write the index to a file; if this fails, an old file stays unchanged (see `hnsw.file`)."""
        self._settings  # noqa: B018 (raises if there are none)
        write(path_to_index, **self.__getstate__())

    def index_file_size(self) -> int:
        """Return the size in bytes of the file that save_index would write."""
        return size_bytes(**self.__getstate__())

    def load_index(
        self,
        path_to_index: str | PathLike[str],
        max_elements: int = 0,
        allow_replace_deleted: bool | None = None,
    ) -> None:
        """Read an index from a file, which must have the same space and dim as this object.

        Args:
            path_to_index: Path of the file.
            max_elements: Capacity in items, used if it is larger than the capacity in the file.
            allow_replace_deleted: Whether new items may use the rows of items marked as deleted; replaces the setting
                in the file.
        """
        room = whole("max_elements", max_elements, 0)
        settings, arrays = read(path_to_index)
        loaded = Index(self.space, self.dim)
        with sound(path_to_index):
            expect(settings, "Index", self.space, self.dim)
            loaded.__setstate__({"settings": settings, "arrays": arrays})
            if allow_replace_deleted is not None:
                loaded._set = replace(loaded._settings, allow_replace_deleted=bool(allow_replace_deleted))
        loaded._items.room = max(loaded._items.room, room)
        self.__dict__.update(loaded.__dict__)
