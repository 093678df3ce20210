"""Sets of whole numbers that only grow, for data about all road users of a run: eight bytes for each number."""

import numpy as np
from jaxtyping import Int64

# Fewest numbers that are added before they are sorted among the others.
_FEWEST_NEW = 1024


class NumberSet:
    """A set of whole numbers."""

    def __init__(self) -> None:
        self._sorted = np.zeros(0, np.int64)
        self._new: list[Int64[np.ndarray, " new"]] = []
        self._new_count = 0

    def add(self, numbers: Int64[np.ndarray, " numbers"]) -> None:
        """Add numbers; some may be in the set already."""
        if len(numbers) == 0:
            return
        self._new.append(numbers)
        self._new_count += len(numbers)
        # Sorting takes time in proportion to the whole set.
        if self._new_count > max(_FEWEST_NEW, len(self._sorted) // 2):
            self._sort()

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def numbers(self) -> Int64[np.ndarray, " numbers"]:
        """All numbers in the set, in rising order."""
        self._sort()
        return self._sorted

    def _sort(self) -> None:
        if self._new:
            self._sorted = np.unique(np.concatenate([self._sorted, *self._new]))
            self._new, self._new_count = [], 0
