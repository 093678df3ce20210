"""Checks and conversions of an index's input: vectors, labels and filters."""

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64
from numba import njit

from v2xsim.errors import UserError
from v2xsim.perception.hnsw.filter import among
from v2xsim.perception.hnsw.search import LARGEST
from v2xsim.perception.hnsw.simd import COSINE, INNER_PRODUCT, L2

SPACES = {"l2": L2, "ip": INNER_PRODUCT, "cosine": COSINE}
"""hnswlib's names of metrics: l2 is the squared distance; cosine normalises the vectors and uses 1 - inner product."""

MOST_ENTRIES = 800_000
"""Largest number of entries for which squared distances stay finite, given entries up to LARGEST."""

Filter = Callable[[int], bool] | np.ndarray
"""Labels that may be returned: a function of the label, or booleans indexed by label.

An array of two dimensions has one line per query.
"""


def metric_of(space: str) -> int:
    """Return the number by which kernels know a metric."""
    if not isinstance(space, str) or space not in SPACES:
        raise UserError(f"space must be one of {', '.join(SPACES)}, got {space!r}")
    return SPACES[space]


def whole(name: str, value: Any, least: int, most: int = 2**31 - 1) -> int:
    """Return a setting as an integer; raise UserError unless it is a whole number from `least` to `most`."""
    if type(value) is int and least <= value <= most:
        return value
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not least <= value <= most:
        raise UserError(f"{name} must be a whole number from {least} to {most}, got {value!r}")
    return int(value)


def rows_from(data: Any, dim: int) -> Float32[np.ndarray, "n dim"]:
    """Return vectors as rows of 32-bit floats.

    The entries are not checked here: those of queries are checked when the queries are copied.
    """
    if type(data) is np.ndarray and data.dtype == np.float32:
        vectors = np.ascontiguousarray(data)
    else:
        try:
            # Values that are too large for 32 bits become infinite here and are rejected later.
            with np.errstate(over="ignore"):
                given = np.asarray(data)
                if given.dtype.kind == "c":
                    raise TypeError("they are complex")
                vectors = np.ascontiguousarray(given, np.float32)
        except (ValueError, TypeError) as error:
            raise UserError(f"vectors must be an array of numbers with {dim} columns ({error})") from error
    if vectors.ndim == 1:
        vectors = vectors[None] if vectors.size else vectors.reshape(0, dim)
    if vectors.ndim != 2 or vectors.shape[1] != dim:
        raise UserError(f"vectors must have {dim} columns, one vector a row; got shape {np.shape(data)}")
    # For the compiler, a read-only array has another type, for which it would compile every kernel again.
    return vectors if vectors.flags.writeable else vectors.copy()


def not_finite(row: int) -> str:
    """Return the error message for a vector, given by its row, with entries that are not finite or too large."""
    return f"vectors must be finite and at most {LARGEST:g} in magnitude; row {row} is not (NaN or too large)"


def vectors_from(data: Any, dim: int, metric: int) -> Float32[np.ndarray, "n dim"]:
    """Return vectors as rows of 32-bit floats; for the cosine metric they are normalised."""
    vectors = rows_from(data, dim)
    bad = _unfit(vectors)
    if bad >= 0:
        raise UserError(not_finite(bad))
    if metric == COSINE:
        length = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))
        vectors = (vectors / np.maximum(length, 1e-30)[:, None]).astype(np.float32)
    return vectors


def labels_from(ids: Any, count: int, following: int) -> Int64[np.ndarray, " n"]:
    """Return the labels of new vectors: the given ones, or the next numbers from `following` on."""
    if ids is None:
        return np.arange(following, following + count, dtype=np.int64)
    try:
        labels = np.asarray(ids)
    except ValueError as error:
        raise UserError(f"ids must be whole numbers, one a vector ({error})") from error
    if labels.size and labels.dtype.kind not in "iu":
        raise UserError(f"ids must be whole numbers, got {labels.dtype}")
    least, most = (int(labels.min()), int(labels.max())) if labels.size else (0, 0)
    if least < 0 or most >= 2**63 - 1:
        raise UserError(f"ids must be from 0 to 2^63 - 2, got {least} to {most}")
    labels = np.atleast_1d(labels).astype(np.int64)
    if labels.shape != (count,):
        raise UserError(f"ids must be one for each of the {count} vectors, got shape {np.shape(ids)}")
    if count == 1:
        return labels
    ordered = np.sort(labels)
    twice = ordered[1:][ordered[1:] == ordered[:-1]]
    if len(twice):
        raise UserError(f"ids must differ within a batch; {int(twice[0])} comes more than once")
    return labels


def labels_asked(ids: Any) -> list[Any]:
    """Return the labels of the items that a caller asks for, in the order of the caller.

    Labels are listed one by one, or in one column as `knn_query` with k = 1 returns them. A table of more columns is
    refused: hnswlib silently reads only the first entries of it.
    """
    try:
        labels = np.asarray(ids)
    except ValueError as error:
        raise UserError(f"ids must be a list of labels ({error})") from error
    if labels.ndim == 0:
        raise UserError(f"ids must be a list of labels, got {ids!r}; for one item, write get_items([label])")
    if labels.ndim > 1 and labels.shape[1:] != (1,):
        raise UserError(
            f"ids must have the shape (n,) or (n, 1), got {labels.shape}; flatten them with numpy.ravel(ids)"
        )
    listed: list[Any] = labels.ravel().tolist()
    return listed


def deadlines_from(expires: Any, count: int) -> Float64[np.ndarray, "..."]:
    """Return the expiry time of each new item, from one value for all items or one value per item."""
    try:
        until = np.asarray(expires, np.float64)
    except (ValueError, TypeError) as error:
        raise UserError(f"expires must be a time or one for each of the {count} vectors ({error})") from error
    if until.shape not in ((), (count,)) or np.isnan(until).any():
        raise UserError(f"expires must be one time, or one for each of the {count} vectors, and not NaN")
    return until


def passing(
    wanted: Filter, label: Int64[np.ndarray, " rows"], live: Bool[np.ndarray, " rows"], queries: int
) -> Bool[np.ndarray, "lines rows"]:
    """Return whether each row may be returned: one line for all queries, or one line per query."""
    if callable(wanted):
        line = np.zeros(len(label), bool)
        rows = np.flatnonzero(live)
        line[rows] = [bool(wanted(name)) for name in label[rows].tolist()]
        return line[None]
    mask = np.atleast_2d(np.asarray(wanted))
    if mask.dtype != np.bool_ or mask.ndim != 2 or len(mask) not in (1, queries):
        raise UserError(
            f"filter must be a function of the label or booleans indexed by label, in one line or {queries}; "
            f"got {mask.dtype} of shape {np.shape(wanted)}"
        )
    mask = np.ascontiguousarray(mask)
    return among(live, label, mask if mask.flags.writeable else mask.copy())


@njit(cache=True)
def _unfit(vectors):  # type: ignore[no-untyped-def]
    """Return the row of the first vector with an entry that is not finite or too large; -1 if there is none."""
    for row in range(vectors.shape[0]):
        fit = True
        for i in range(vectors.shape[1]):
            # NaN fails every comparison, so this test finds it too.
            fit &= abs(vectors[row, i]) <= LARGEST
        if not fit:
            return row
    return -1
