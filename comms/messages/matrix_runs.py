"""The runs of equal cells by which a perception matrix is sent."""

import numpy as np
from jaxtyping import UInt8
from numba import njit


def run_count(code: UInt8[np.ndarray, "nx ny"], longest: int) -> int:
    """Return the number of runs of equal cells, each of at most `longest` cells, row after row."""
    return int(_runs(np.ascontiguousarray(code).reshape(-1), longest))


@njit(cache=True, nogil=True)
def _runs(flat, longest):  # type: ignore[no-untyped-def]
    runs, length = 0, longest
    for n in range(len(flat)):
        if length == longest or flat[n] != flat[n - 1]:
            runs, length = runs + 1, 0
        length += 1
    return runs
