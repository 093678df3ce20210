"""Nearest descriptors among many that keep changing: an index or plain comparison, whichever costs less."""

from typing import Any

import numpy as np
from jaxtyping import Float32, Int64

from v2xsim.perception.hnsw import Index
from v2xsim.perception.hnsw_exact import BFIndex

# Seconds, from `v2xsim bench hnsw --city` on one core of an Intel Xeon at 64 entries: only their ratios decide. The plain
# comparison is a matrix product and a partition, the index M 16, ef_construction 60, ef 30.
_PAIR_S, _PAIR_ENTRY_S = 1.5e-9, 6e-11
_UPDATE_S, _QUERY_LEVEL_S = 1.1e-5, 5.3e-7


class ShortList:
    """Descriptors by label, asked for the nearest.

    Every change is kept for the index and written into it only when asking it is the cheaper way, so that who changes much and asks little
    never pays for links.

    Args:
        space: l2 (squared), ip or cosine.
        dim: Entries of a descriptor.
    """

    def __init__(self, space: str, dim: int) -> None:
        self.space, self.dim = space, dim
        self._index = Index(space, dim)
        self._index.init_index(M=16, ef_construction=60)
        self._index.set_ef(30)
        self._held: dict[int, np.ndarray] = {}
        self._changed: set[int] = set()
        self._gone: set[int] = set()

    def __len__(self) -> int:
        return len(self._held)

    def put(self, labels: Any, descriptors: Any) -> None:
        """Set descriptors, of new labels or of known ones."""
        twin = BFIndex(self.space, self.dim)
        # Checked as the index would check them, so that an error comes at once and leaves everything as it was.
        twin.add_items(descriptors, labels)
        names = [int(name) for name in np.atleast_1d(labels)]
        for name, row in zip(names, np.atleast_2d(np.asarray(descriptors, np.float32)), strict=True):
            self._held[name] = row
        self._changed.update(names)
        self._gone.difference_update(names)

    def drop(self, labels: Any) -> None:
        """Forget labels; unknown ones are passed over."""
        for name in np.atleast_1d(labels).tolist():
            if self._held.pop(int(name), None) is not None:
                self._changed.discard(int(name))
                self._gone.add(int(name))

    def prefers_index(self, queries: int) -> bool:
        """Return whether asking the index costs less, what it has not heard of yet included."""
        count = len(self._held)
        plain_s = queries * count * (_PAIR_S + self.dim * _PAIR_ENTRY_S)
        index_s = len(self._changed) * _UPDATE_S + queries * _QUERY_LEVEL_S * np.log2(max(count, 2))
        return bool(index_s < plain_s)

    def ask(self, queries: Any, k: int) -> tuple[Int64[np.ndarray, "queries k"], Float32[np.ndarray, "queries k"]]:
        """Return labels and distances of the k nearest, padded with -1 and infinity."""
        if self.prefers_index(len(np.atleast_2d(queries))):
            self._bring_up_to_date()
            return self._index.knn_query(queries, k)
        plain = BFIndex(self.space, self.dim)
        if self._held:
            plain.add_items(np.stack(list(self._held.values())), list(self._held))
        return plain.knn_query(queries, k)

    def _bring_up_to_date(self) -> None:
        known = set(self._index.get_ids_list())
        self._index.delete(sorted(self._gone & known))
        self._gone.clear()
        names = sorted(self._changed)
        if names:
            self._index.add_items(np.stack([self._held[name] for name in names]), names)
        self._changed.clear()
