"""A metric: one number about a run, computed from columns of its tables."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

# Latencies in milliseconds at which their distribution is reported, spaced by about a factor of 2.
WITHIN_MS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)


@dataclass(frozen=True)
class Metric:
    """One number about a run.

    Attributes:
        value: The number; NaN if there was nothing to measure.
        unit: Unit of the value; "1" for a share.
        count: Number of samples from which the value was computed.
    """

    value: float
    unit: str
    count: int


Rows = list[tuple[str, str, Metric]]
"""Name, bin and value of each metric; the bin is empty for the whole run."""


def arrays_of(table: pa.Table, *names: str) -> list[np.ndarray]:
    """Return some columns of a table as numpy arrays; columns of texts become arrays of strings."""
    columns = []
    for name in names:
        column = table.column(name)
        if pa.types.is_dictionary(column.type):
            # Each distinct text is converted once and then looked up: a column of a million rows has only a few.
            held = pa.chunked_array([column.unify_dictionaries().combine_chunks()]).chunk(0)
            texts = np.array(held.dictionary.to_pylist(), object)
            columns.append(texts[held.indices.to_numpy()] if len(texts) else np.zeros(len(held), object))
            continue
        columns.append(column.to_numpy())
    return columns


def mean_of(name: str, values: np.ndarray, unit: str) -> Rows:
    """Return the mean of some values as a metric of the whole run; NaN without values."""
    return [(name, "", Metric(float(np.mean(values)) if len(values) else float("nan"), unit, len(values)))]


def shares_within(name: str, latency_ms: np.ndarray) -> Rows:
    """Return the cumulative distribution of latencies: the share of them up to each bound of WITHIN_MS."""
    count = len(latency_ms)
    share = (
        np.searchsorted(np.sort(latency_ms), WITHIN_MS, "right") / max(count, 1) if count else [np.nan] * len(WITHIN_MS)
    )
    return [(name, f"{bound} ms", Metric(float(s), "1", count)) for bound, s in zip(WITHIN_MS, share, strict=True)]
