"""Divides a batch of queries among threads; compiled searches run without Python's global interpreter lock."""

import os
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
_MOST_THREADS = 1024


# In num_threads, both mean: no number of its own.
_UNSET = (-1, 0)


def thread_setting(num_threads: int) -> int:
    """Return an index's number of threads as a checked integer; -1 and 0 mean all processors."""
    return whole("num_threads", num_threads, -1, _MOST_THREADS)


def thread_count(asked: int, of_index: int) -> int:
    """Return how many threads answer a batch of queries.

    Args:
        asked: Number that this call asks for; -1 and 0 mean the index's number.
        of_index: Number of the index; -1 and 0 mean all processors that this process may use.
    """
    threads = thread_setting(asked)
    if threads in _UNSET:
        threads = of_index
    if threads in _UNSET:
        usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        threads = min(usable, _MOST_THREADS)
    return threads


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
    if threads == 1 or count < 2 * threads:
        bad = part(*batch)
    else:
        ends = np.linspace(0, count, threads + 1).astype(int).tolist()
        parts = [[array[begin:end] for array in batch] for begin, end in pairwise(ends)]
        with ThreadPoolExecutor(threads) as pool:
            bad_rows = list(pool.map(lambda arrays: part(*arrays), parts))
        bad = next((begin + one for begin, one in zip(ends, bad_rows, strict=False) if one >= 0), -1)
    if bad >= 0:
        raise UserError(not_finite(bad))
