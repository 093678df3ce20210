"""The brute-force version of the index: it compares a query with all vectors; for exact answers and small indexes."""

from os import PathLike
from typing import Any, Literal

import numpy as np
from jaxtyping import Float32, Int64

from v2xsim.errors import UserError
from v2xsim.perception.hnsw.arrays import aligned
from v2xsim.perception.hnsw.file import expect, read, sound, write
from v2xsim.perception.hnsw.input import (
    MOST_ENTRIES,
    Filter,
    labels_asked,
    labels_from,
    metric_of,
    passing,
    rows_from,
    vectors_from,
    whole,
)  # fmt: skip
from v2xsim.perception.hnsw.simd import L2, LANES
from v2xsim.perception.hnsw.threads import answered, blank, thread_count, thread_setting
from v2xsim.perception.hnsw.tile import nearest, place

_NO_FILTER = np.zeros((0, 0), bool)


class BFIndex:
    """Exact nearest neighbours, with hnswlib's methods of the same name.

    Rows are stored without gaps, so that a comparison with all of them reads only rows in use.

    Args:
        space: Metric: l2 (squared Euclidean), ip (1 - inner product) or cosine (1 - cosine similarity).
        dim: Number of entries of a vector.
    """

    def __init__(self, space: str, dim: int) -> None:
        self._metric, self._space, self._dim = metric_of(space), space, whole("dim", dim, 1, MOST_ENTRIES)
        self._threads = 1
        self.init_index()

    def init_index(self, max_elements: int = 0) -> None:
        """Remove all items and set the capacity, which grows automatically when needed."""
        room = whole("max_elements", max_elements, 0)
        self._blocks = _blocks(room, self._dim)
        self._label: Int64[np.ndarray, " room"] = np.full(room, -1, np.int64)
        self._row: dict[int, int] = {}
        self._following = 0

    @property
    def space(self) -> str:
        """Name of the metric: l2, ip or cosine."""
        return self._space

    @property
    def dim(self) -> int:
        """Number of entries of a vector."""
        return self._dim

    @property
    def num_threads(self) -> int:
        """Number of threads that answer a batch of queries; -1 and 0 mean all processors."""
        return self._threads

    @num_threads.setter
    def num_threads(self, num_threads: int) -> None:
        self._threads = thread_setting(num_threads)

    def set_num_threads(self, num_threads: int) -> None:
        """Set the number of threads that answer a batch of queries; -1 and 0 mean all processors."""
        self.num_threads = num_threads

    def get_current_count(self) -> int:
        """Return the number of items."""
        return len(self._row)

    def get_max_elements(self) -> int:
        """Return the present capacity, in items."""
        return len(self._label)

    def __len__(self) -> int:
        return len(self._row)

    def __contains__(self, label: object) -> bool:
        return label in self._row

    def __repr__(self) -> str:
        return f"<v2xsim.BFIndex(space={self.space!r}, dim={self.dim}), {len(self)} items>"

    def get_ids_list(self) -> list[int]:
        """Return all labels in the order of their rows."""
        names: list[int] = self._label[: len(self)].tolist()
        return names

    def get_items(self, ids: Any = None, return_type: Literal["numpy", "list"] = "numpy") -> Any:
        """Return vectors; in the cosine space, they are normalised.

        Args:
            ids: Labels, in a list or in one column as `knn_query` with k = 1 returns them. If left out, all items in
                the order of `get_ids_list` are returned.
            return_type: numpy for one array, list for lists of numbers.
        """
        rows = np.arange(len(self)) if ids is None else np.array(self._rows(labels_asked(ids)), np.int64)
        vectors = self._blocks[rows // LANES, :, rows % LANES]
        return listed(vectors, return_type)

    def add_items(self, data: Any, ids: Any = None) -> None:
        """Insert vectors; a vector with a known label replaces the old one."""
        vectors = vectors_from(data, self.dim, self._metric)
        self._put(vectors, labels_from(ids, len(vectors), self._following))

    def _put(self, vectors: Float32[np.ndarray, "n dim"], labels: Int64[np.ndarray, " n"]) -> None:
        names = labels.tolist()
        fresh = [name for name in names if name not in self._row]
        if len(self) + len(fresh) > len(self._label):
            self._resize(max(len(self) + len(fresh), 2 * len(self._label)))
        self._row.update(zip(fresh, range(len(self), len(self) + len(fresh)), strict=True))
        rows = np.array([self._row[name] for name in names], np.int64)
        place(self._blocks, rows, vectors)
        self._label[rows] = labels
        self._following = max(self._following, int(labels.max(initial=-1)) + 1)

    def _resize(self, room: int) -> None:
        blocks, label = _blocks(room, self.dim), np.full(room, -1, np.int64)
        blocks[: len(self._blocks)], label[: len(self._label)] = self._blocks, self._label
        self._blocks, self._label = blocks, label

    def _rows(self, ids: Any) -> list[int]:
        rows = []
        for name in np.atleast_1d(np.asarray(ids)).tolist():
            row = self._row.get(name) if type(name) is int else None
            if row is None:
                raise UserError(f"label {name!r} is not in the index, which holds {len(self)} items")
            rows.append(row)
        return rows

    def delete_vector(self, label: int) -> None:
        """Remove an item; the last item moves to its row."""
        self.delete(label)

    def delete(self, ids: Any) -> None:
        """Remove the items with the given labels; the last items move to their rows."""
        rows = self._rows(ids)
        if len(set(rows)) < len(rows):
            raise UserError("labels must differ; one comes more than once")
        end, count = len(self), len(self) - len(rows)
        gone = np.zeros(end, bool)
        gone[rows] = True
        for name in self._label[rows].tolist():
            del self._row[name]
        holes, last = np.flatnonzero(gone[:count]), count + np.flatnonzero(~gone[count:])
        self._blocks[holes // LANES, :, holes % LANES] = self._blocks[last // LANES, :, last % LANES]
        self._label[holes] = self._label[last]
        self._row.update(zip(self._label[holes].tolist(), holes.tolist(), strict=True))
        self._label[count:end] = -1

    def knn_query(
        self, data: Any, k: int = 1, num_threads: int = -1, filter: Filter | None = None
    ) -> tuple[Int64[np.ndarray, "queries k"], Float32[np.ndarray, "queries k"]]:
        """Return labels and distances of the k nearest items, nearest first.

        Missing answers have label -1 and distance infinity.

        Args:
            data: Query vectors, one per row.
            k: Number of answers for each query.
            num_threads: Number of threads; -1 or 0 uses the index's `num_threads`.
            filter: Labels that may be returned: a function of the label, or booleans indexed by label (None for all).
        """
        queries, k, held = rows_from(data, self.dim), whole("k", k, 1), len(self)
        labels, distances = blank(len(queries), k)
        passes = _NO_FILTER
        if filter is not None:
            passes = passing(filter, self._label[:held], np.ones(held, bool), len(queries))

        def part(queries: np.ndarray, labels: np.ndarray, distances: np.ndarray, *own: np.ndarray) -> int:
            lines = own[0] if own else passes
            return nearest(
                self._blocks, held, self._metric, queries, lines, self._label, min(k, held), labels, distances
            )  # fmt: skip

        batch = (queries, labels, distances, passes) if len(passes) > 1 else (queries, labels, distances)
        answered(part, batch, thread_count(num_threads, self._threads))
        return labels, distances

    # Keeping --------------------------------------------------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        settings = {
            "kind": "BFIndex", "space": self.space, "dim": self.dim, "num_threads": self.num_threads,
            "following": self._following,
        }  # fmt: skip
        return {"settings": settings, "arrays": {"vectors": self.get_items(), "label": self._label[: len(self)]}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        settings, arrays = state["settings"], state["arrays"]
        self.__init__(settings["space"], settings["dim"])  # type: ignore[misc]
        self.num_threads = settings["num_threads"]
        # In the cosine space these are already unit vectors. They are not normalised again, so that answers stay
        # exactly the same.
        vectors = vectors_from(arrays["vectors"], self.dim, L2)
        self._put(vectors, labels_from(arrays["label"], len(vectors), 0))
        self._following = whole("following", settings["following"], self._following, 2**63)

    def save_index(self, path_to_index: str | PathLike[str]) -> None:
        """Write the index to a file; if this fails, an old file stays unchanged (see `hnsw.file`)."""
        write(path_to_index, **self.__getstate__())

    def load_index(self, path_to_index: str | PathLike[str], max_elements: int = 0) -> None:
        """Read an index from a file, which must have the same space and dim as this object.

        Args:
            path_to_index: Path of the file.
            max_elements: Capacity in items, used if it is larger than the number of items in the file.
        """
        room = whole("max_elements", max_elements, 0)
        settings, arrays = read(path_to_index)
        loaded = BFIndex(self.space, self.dim)
        with sound(path_to_index):
            expect(settings, "BFIndex", self.space, self.dim)
            loaded.__setstate__({"settings": settings, "arrays": arrays})
        if room > len(loaded._label):
            loaded._resize(room)
        self.__dict__.update(loaded.__dict__)


def _blocks(room: int, dim: int) -> Float32[np.ndarray, "blocks dim 16"]:
    return aligned((-(-room // LANES), dim, LANES), np.float32)


def listed(vectors: Float32[np.ndarray, "n dim"], return_type: str) -> Any:
    """Return vectors in the type that the caller of get_items asked for."""
    if return_type not in ("numpy", "list"):
        raise UserError(f"return_type must be numpy or list, got {return_type!r}")
    return vectors if return_type == "numpy" else vectors.tolist()
