"""What an index is given, checked once: vectors, labels and filters."""

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Int64

from v2xsim.errors import UserError
from v2xsim.perception.hnsw_simd import INNER_PRODUCT, L2

SPACES = {"l2": L2, "ip": INNER_PRODUCT, "cosine": INNER_PRODUCT}
"""hnswlib's names of metrics. l2 is squared; cosine normalises, then takes 1 - inner product."""

LARGEST = 1e16
"""Largest magnitude of an entry: sums of squares stay finite in 32 bits up to 800,000 dimensions."""

Filter = Callable[[int], bool] | np.ndarray
"""Which labels may be returned: a function of the label, or booleans indexed by label; two-dimensional: one line a query."""


def metric_of(space: str) -> int:
    """Return the metric's number."""
    if space not in SPACES:
        raise UserError(f"space must be one of {', '.join(SPACES)}, got {space!r}")
    return SPACES[space]


def whole(name: str, value: Any, least: int, most: int = 2**31 - 1) -> int:
    """Return a setting as an integer."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not least <= value <= most:
        raise UserError(f"{name} must be a whole number from {least} to {most}, got {value!r}")
    return int(value)


def vectors_from(data: Any, dim: int, space: str) -> Float32[np.ndarray, "n dim"]:
    """Return vectors as rows of 32-bit floats, normalised for the cosine."""
    try:
        vectors = np.ascontiguousarray(data, np.float32)
    except (ValueError, TypeError) as error:
        raise UserError(f"vectors must be an array of numbers with {dim} columns ({error})") from error
    if vectors.ndim == 1:
        vectors = vectors[None] if vectors.size else vectors.reshape(0, dim)
    if vectors.ndim != 2 or vectors.shape[1] != dim:
        raise UserError(f"vectors must have {dim} columns, one vector a row; got shape {np.shape(data)}")
    # NaN fails every comparison, so it is caught too.
    if vectors.size and not (vectors.min() >= -LARGEST and vectors.max() <= LARGEST):
        row = int(np.flatnonzero(~(np.abs(vectors) <= LARGEST).all(axis=1))[0])
        raise UserError(
            f"vectors must be finite and at most {LARGEST:g} in magnitude; row {row} is not (NaN or too large)"
        )
    if space == "cosine":
        length = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))
        vectors = (vectors / np.maximum(length, 1e-30)[:, None]).astype(np.float32)
    return vectors


def labels_from(ids: Any, count: int, following: int) -> Int64[np.ndarray, " n"]:
    """Return labels of new vectors: the given ones, or those that follow."""
    if ids is None:
        return np.arange(following, following + count, dtype=np.int64)
    labels = np.asarray(ids)
    if labels.size and labels.dtype.kind not in "iu":
        raise UserError(f"ids must be whole numbers, got {labels.dtype}")
    if labels.size and (int(labels.min()) < 0 or int(labels.max()) >= 2**63):
        raise UserError(f"ids must be from 0 to 2^63 - 1, got {int(labels.min())} to {int(labels.max())}")
    labels = np.atleast_1d(labels).astype(np.int64)
    if labels.shape != (count,):
        raise UserError(f"ids must be one for each of the {count} vectors, got shape {np.shape(ids)}")
    ordered = np.sort(labels)
    twice = ordered[1:][ordered[1:] == ordered[:-1]]
    if len(twice):
        raise UserError(f"ids must differ within a batch; {int(twice[0])} comes more than once")
    return labels


def passing(
    wanted: Filter | None, label: Int64[np.ndarray, " rows"], live: Bool[np.ndarray, " rows"], queries: int
) -> Bool[np.ndarray, "lines rows"]:
    """Return which rows may be returned, one line for all queries or one for each."""
    if wanted is None:
        return live[None]
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
    inside = live & (label >= 0) & (label < mask.shape[1])
    return inside & mask[:, np.where(inside, label, 0)] if mask.shape[1] else np.zeros((1, len(label)), bool)
