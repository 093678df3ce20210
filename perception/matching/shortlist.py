"""Search for the nearest descriptors in a set that keeps changing: by an index or by plain comparison.

Of index and plain comparison, the one that takes less time is used.
"""

from typing import Any

import numpy as np
from jaxtyping import Float32, Int64

from v2xsim.perception.hnsw.exact import BFIndex
from v2xsim.perception.hnsw.index import Index

# Costs in seconds, fitted to 16 to 512 entries and 1,000 to 30,000 descriptors on one core of an AMD EPYC; only their
# ratios matter. They are not measured on the user's machine, because then the answers would depend on the machine. They
# hold for an index with M = 16, ef_construction = 60 and ef = 30.
_PAIR_S, _PAIR_ENTRY_S = 4e-10, 5.6e-11
_UPDATE_LEVEL_S, _UPDATE_ENTRY_S = 1.03e-7, 4.4e-9
_QUERY_LEVEL_S, _QUERY_ENTRY_S = 6.1e-8, 3.1e-9


class ShortList:
    """Descriptors by label, with queries for the nearest ones.

    Descriptors are kept in a packed array for plain comparison. Changes are also collected for the index, but written
    into it only when this saves time. With many changes and few queries, the index is never updated. With many queries,
    the index is updated at the latest when the extra time of plain comparison has reached the time of the update, so
    the total time is at most twice the minimum (ski rental: Karlin, Manasse, Rudolph and Sleator, Algorithmica 3,
    1988).

    Args:
        space: Metric: l2 (squared Euclidean), ip (1 - inner product) or cosine (1 - cosine similarity).
        dim: Number of entries of each descriptor.
    """

    def __init__(self, space: str, dim: int) -> None:
        self._plain = BFIndex(space, dim)
        self._index = Index(space, dim)
        self._index.init_index(M=16, ef_construction=60)
        self._index.set_ef(30)
        # Changes that are not in the index yet: labels to write, labels to remove, and the cost of plain comparison
        # since.
        self._changed: set[int] = set()
        self._gone: set[int] = set()
        self._spent_s = 0.0

    def __len__(self) -> int:
        return len(self._plain)

    def put(self, labels: Any, descriptors: Any) -> None:
        """Set the descriptors of new or known labels."""
        self._plain.add_items(descriptors, labels)
        names = np.atleast_1d(labels).tolist()
        self._forget(names)
        self._changed.update(names)
        self._gone.difference_update(names)

    def drop(self, labels: Any) -> None:
        """Remove labels; unknown labels are ignored."""
        names = [name for name in np.unique(labels).tolist() if name in self._plain]
        self._plain.delete(names)
        self._forget(names)
        self._changed.difference_update(names)
        self._gone.update(names)

    def _forget(self, names: list[int]) -> None:
        """Reduce the recorded extra time by the part that was spent on labels which now change again."""
        again = self._changed.intersection(names)
        if again:
            self._spent_s *= 1.0 - len(again) / len(self._changed)

    def prefers_index(self, queries: int) -> bool:
        """Return whether the index should answer the given number of queries.

        The decision depends on the changes missing in the index and on the extra time of plain comparison since its
        last update.
        """
        behind = len(self._changed) + len(self._gone)
        link_s, excess_s = behind * self._level_s(_UPDATE_LEVEL_S, _UPDATE_ENTRY_S), self._excess_s(queries)
        return excess_s > 0.0 and self._spent_s + excess_s > link_s

    def _excess_s(self, queries: int) -> float:
        """Return how many seconds longer plain comparison takes than queries to an index that is up to date."""
        plain_s = len(self) * (_PAIR_S + self._plain.dim * _PAIR_ENTRY_S)
        return queries * (plain_s - self._level_s(_QUERY_LEVEL_S, _QUERY_ENTRY_S))

    def _level_s(self, level_s: float, entry_s: float) -> float:
        """Return the time in seconds of one search in the index.

        With more descriptors, a search has more steps, and each step takes longer because of memory access.
        """
        depth = float(np.log2(max(len(self), 2)))
        return depth * (depth * level_s + self._plain.dim * entry_s)

    def ask(self, queries: Any, k: int) -> tuple[Int64[np.ndarray, "queries k"], Float32[np.ndarray, "queries k"]]:
        """Return labels and distances of the k nearest descriptors; missing answers have label -1 and distance infinity."""
        count = len(np.atleast_2d(queries))
        if self.prefers_index(count):
            self._bring_up_to_date()
            return self._index.knn_query(queries, k)
        answers = self._plain.knn_query(queries, k)
        self._spent_s += max(0.0, self._excess_s(count))
        return answers

    def _bring_up_to_date(self) -> None:
        self._index.delete([name for name in sorted(self._gone) if name in self._index])
        names = sorted(self._changed)
        if names:
            self._index.add_items(self._plain.get_items(names), names)
        self._changed.clear()
        self._gone.clear()
        self._spent_s = 0.0
