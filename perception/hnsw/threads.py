"""Divides a batch of queries among threads; compiled searches run without Python's global interpreter lock."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
from jaxtyping import Float32, Int64

from v2xsim.errors import UserError
from v2xsim.perception.hnsw.input import not_finite, whole

# This limit means 3 GB of labels and distances. More is probably a mistake and would use up the machine's memory before
# any error message appears.
_MOST_ANSWERS = 2**28


def blank(queries: int, k: int) -> tuple[Int64[np.ndarray, "queries k"], Float32[np.ndarray, "queries k"]]:
    """Return uninitialised arrays for the labels and distances of k answers per query."""
    if queries * k > _MOST_ANSWERS:
        raise UserError(
            f"queries x k must be at most {_MOST_ANSWERS:,}, got {queries:,} x {k:,}; ask for fewer at a time"
        )
    return np.empty((queries, k), np.int64), np.empty((queries, k), np.float32)


def answered(part: Callable[..., int], batch: tuple[np.ndarray, ...], threads: int) -> None:
    """Answer a batch of queries, divided into one part for each thread.

    Args:
        part: Function that answers queries and returns the row of the first query that is not finite, or -1.
        batch: Arguments of this function: arrays with one row for each query.
        threads: Largest number of threads.

    Raises:
        UserError: If an entry of a query is not finite.
    """
    count = len(batch[0])
    if whole("num_threads", threads, 1, 1024) == 1 or count < 2 * threads:
        bad = part(*batch)
    else:
        ends = np.linspace(0, count, threads + 1).astype(int).tolist()
        parts = [[array[begin:end] for array in batch] for begin, end in pairwise(ends)]
        with ThreadPoolExecutor(threads) as pool:
            bad_rows = list(pool.map(lambda arrays: part(*arrays), parts))
        bad = next((begin + one for begin, one in zip(ends, bad_rows, strict=False) if one >= 0), -1)
    if bad >= 0:
        raise UserError(not_finite(bad))
