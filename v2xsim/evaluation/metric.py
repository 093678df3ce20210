"""A metric: one number about a run, computed from columns of its tables, which are read one row group after the other."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Float, Int, Int8

# Latencies in milliseconds at which their distribution is reported, spaced by about a factor of 2.
WITHIN_MS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)


@dataclass(frozen=True)
class Metric:
    """One number about a run.

    Attributes:
        value: The number; NaN if there was nothing to measure, infinity for a time that never ends, such as that of a lost message.
        unit: Unit of the value; "1" for a share.
        count: Number of samples from which the value was computed.
    """

    value: float
    unit: str
    count: int


Rows = list[tuple[str, str, Metric]]
"""Name, bin and value of each metric; the bin is empty for the whole run."""


class RowGroups(Protocol):
    """Function that yields the row groups of a table, in order, with some of its columns; a table without rows has none.

    Where a row group ends depends only on the rows, so that no metric depends on how a table was read.
    """

    def __call__(self, table: str, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Yield the row groups of a table.

        Args:
            table: Name of the table.
            columns: Names of the columns.
        """


class Mean:
    """The mean of values that come in parts, one for each row group.

    Whole numbers and truth values are summed exactly. The sum of the floating-point numbers of one part is that of numpy; the sums of
    several parts are added with 64 bits, also those of columns of 32 bits.

    Args:
        name: Name of the metric.
        unit: Its unit.
    """

    def __init__(self, name: str, unit: str) -> None:
        self.name, self._unit = name, unit
        self._count = 0
        self._total: int | float = 0
        self._only_part: float | None = None

    def add(self, values: np.ndarray) -> None:
        """Add the values of one part."""
        if len(values) == 0:
            return
        # The mean of numbers of 32 bits has 32 bits in numpy.
        self._only_part = float(np.mean(values)) if self._count == 0 else None
        self._count += len(values)
        self._total += values.sum(dtype=np.float64 if values.dtype.kind == "f" else np.int64).item()

    def add_whole(self, total: int, count: int) -> None:
        """Add the sum of some whole numbers."""
        self._only_part, self._count, self._total = None, self._count + count, self._total + total

    def rows(self) -> Rows:
        """Return the mean as a metric of the whole run; NaN without values."""
        mean = self._total / self._count if self._count else float("nan")
        value = mean if self._only_part is None else self._only_part
        return [(self.name, "", Metric(value, self._unit, self._count))]


class Within:
    """The cumulative distribution of latencies that come in parts: the share of them up to each bound of WITHIN_MS.

    Args:
        name: Name of the metric.
    """

    def __init__(self, name: str) -> None:
        self._name, self._count = name, 0
        self._up_to = np.zeros(len(WITHIN_MS), np.int64)

    def add(self, latency_ms: Float[np.ndarray, " latencies"], lost: int = 0) -> None:
        """Add the latencies of one part, and a number of messages that never arrived."""
        self._count += len(latency_ms) + lost
        # The first bound that is not below each latency.
        first = np.searchsorted(WITHIN_MS, latency_ms, "left")
        self._up_to += np.cumsum(np.bincount(first, minlength=len(WITHIN_MS) + 1)[: len(WITHIN_MS)])

    def rows(self) -> Rows:
        """Return the share up to each bound, whose bin is the bound; NaN without latencies."""
        share = self._up_to / self._count if self._count else np.full(len(WITHIN_MS), np.nan)
        return [
            (self._name, f"{bound} ms", Metric(float(s), "1", self._count))
            for bound, s in zip(WITHIN_MS, share, strict=True)
        ]


@dataclass(frozen=True)
class Words:
    """A column of words as the number of each row's word.

    Attributes:
        code: Number of each row's word.
        texts: The distinct words.
    """

    code: Int[np.ndarray, " rows"]
    texts: tuple[str, ...]

    def places(self, *texts: str) -> Int8[np.ndarray, " rows"]:
        """Return the place of each row's word among some texts; -1 if it is none of them."""
        places = np.array([texts.index(word) if word in texts else -1 for word in self.texts], np.int8)
        return places[self.code] if len(places) else np.full(len(self.code), -1, np.int8)

    def counts(self) -> dict[str, int]:
        """Return the number of rows with each word."""
        return dict(zip(self.texts, np.bincount(self.code, minlength=len(self.texts)).tolist(), strict=True))

    def are(self, text: str) -> Bool[np.ndarray, " rows"]:
        """Return whether each row has this word."""
        return np.array([word == text for word in (*self.texts, None)])[self.code]


def words_of(table: pa.Table, name: str) -> Words:
    """Return a column of words of a table."""
    held = pa.chunked_array([table.column(name).unify_dictionaries().combine_chunks()]).chunk(0)
    return Words(held.indices.to_numpy(), tuple(held.dictionary.to_pylist()))


def arrays_of(table: pa.Table, *names: str) -> list[np.ndarray]:
    """Return some columns of a table as numpy arrays; columns of texts become arrays of strings."""
    columns = []
    for name in names:
        column = table.column(name)
        if pa.types.is_dictionary(column.type):
            # Each distinct text is converted once and then looked up: a column of a million rows has only a few.
            held = words_of(table, name)
            texts = np.array(held.texts, object)
            columns.append(texts[held.code] if len(texts) else np.zeros(len(held.code), object))
            continue
        columns.append(column.to_numpy())
    return columns
