"""The brute-force twin of the index: compares with everything, for truth and for small numbers."""

from typing import Any

import numpy as np
from jaxtyping import Float32, Int64

from v2xsim.errors import UserError
from v2xsim.perception.hnsw_input import Filter, labels_from, metric_of, passing, vectors_from, whole
from v2xsim.perception.hnsw_search import knn_exact
from v2xsim.perception.hnsw_store import aligned, padded


class BFIndex:
    """Exact nearest neighbours, with hnswlib's methods of the same name.

    Args:
        space: l2 (squared), ip or cosine.
        dim: Entries of a vector.
    """

    def __init__(self, space: str, dim: int) -> None:
        self.space, self.dim = space, whole("dim", dim, 1)
        self._metric = metric_of(space)
        self.init_index()

    def init_index(self, max_elements: int = 0) -> None:
        """Empty the index; room grows."""
        self._vectors = aligned((whole("max_elements", max_elements, 0), padded(self.dim)), np.float32)
        self._label = np.full(max_elements, -1, np.int64)
        self._rows: dict[int, int] = {}

    def get_current_count(self) -> int:
        """Return the number of items."""
        return len(self._rows)

    def get_ids_list(self) -> list[int]:
        """Return all labels in the order of their rows."""
        return [int(name) for name in self._label[: len(self._rows)]]

    def add_items(self, data: Any, ids: Any = None) -> None:
        """Insert vectors; one whose label is known takes the place of the old one."""
        vectors = vectors_from(data, self.dim, self.space)
        labels = labels_from(ids, len(vectors), max(self._rows, default=-1) + 1)
        rows = np.array([self._rows.setdefault(name, len(self._rows)) for name in labels.tolist()], np.int64)
        if len(self._rows) > len(self._label):
            size = max(len(self._rows), 2 * len(self._label))
            grown, names = aligned((size, padded(self.dim)), np.float32), np.full(size, -1, np.int64)
            grown[: len(self._label)], names[: len(self._label)] = self._vectors, self._label
            self._vectors, self._label = grown, names
        self._vectors[rows, : self.dim], self._label[rows] = vectors, labels

    def delete_vector(self, label: int) -> None:
        """Take an item out; the last one moves to its row."""
        if label not in self._rows:
            raise UserError(f"label {label!r} is not in the index, which holds {len(self._rows)} items")
        row, last = self._rows.pop(label), len(self._rows)
        if row != last:
            self._vectors[row], self._label[row] = self._vectors[last], self._label[last]
            self._rows[int(self._label[row])] = row
        self._label[last] = -1

    def knn_query(
        self, data: Any, k: int = 1, num_threads: int = -1, filter: Filter | None = None
    ) -> tuple[Int64[np.ndarray, "queries k"], Float32[np.ndarray, "queries k"]]:
        """Return labels and distances of the k nearest items, nearest first, padded with -1 and infinity.

        Args:
            data: One query a row.
            k: Answers wanted.
            num_threads: Not used.
            filter: Which labels may be returned, as for the index.
        """
        vectors, k, held = vectors_from(data, self.dim, self.space), whole("k", k, 1), len(self._rows)
        labels = np.full((len(vectors), k), -1, np.int64)
        distances = np.full((len(vectors), k), np.inf, np.float32)
        if held and len(vectors):
            passes = passing(filter, self._label[:held], np.ones(held, bool), len(vectors))
            keys, query = np.zeros(min(k, held), np.uint64), np.zeros((1, padded(self.dim)), np.float32)
            counts = np.zeros(len(vectors), np.int64)
            knn_exact(
                self._vectors, self._label, self._metric, vectors, len(keys), passes, query, keys,
                labels, distances, counts,
            )  # fmt: skip
        return labels, distances
