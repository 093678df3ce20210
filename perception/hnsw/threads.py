"""Divide a batch of queries among threads; compiled searches run without the interpreter's lock."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
from jaxtyping import Float32, Int64

from v2xsim.errors import UserError
from v2xsim.perception.hnsw.input import not_finite, whole

# 3 GB of labels and distances: more is probably a mistake, and filling them would use up the machine's memory before
# any message appears.
_MOST_ANSWERS = 2**28


def blank(queries: int, k: int) -> tuple[Int64[np.ndarray, "queries k"], Float32[np.ndarray, "queries k"]]:
    """Return empty arrays for labels and distances."""
    if queries * k > _MOST_ANSWERS:
        raise UserError(
            f"queries x k must be at most {_MOST_ANSWERS:,}, got {queries:,} x {k:,}; ask for fewer at a time"
        )
    return np.empty((queries, k), np.int64), np.empty((queries, k), np.float32)


def answered(part: Callable[..., int], batch: tuple[np.ndarray, ...], threads: int) -> None:
    """Answer queries, divided into one part for each thread.

    Args:
        part: Function that answers queries and returns the row of the first that is not finite, or -1.
        batch: Its arguments: arrays with a row for each query.
        threads: Largest number of threads.

    Raises:
        UserError: If a query is not finite.
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
