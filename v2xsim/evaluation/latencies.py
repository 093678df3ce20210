"""Quantiles of latencies of which some are infinite, because the message never arrived."""

import numpy as np
from jaxtyping import Int64

from v2xsim.evaluation.metric import Metric, Rows

QUANTILES = (0.5, 0.9)
"""The quantiles that are reported: the median and the 90th percentile."""


class Latencies:
    """The distribution of latencies that come in parts; one that is infinite counts like any other.

    Latencies are whole microseconds, of which each distinct one is held once. So memory grows with the longest latency, not with the run.

    Args:
        name: Name of the metrics, without the quantile.
    """

    def __init__(self, name: str) -> None:
        self._name, self._never = name, 0
        self._latency_us, self._count = np.zeros(0, np.int64), np.zeros(0, np.int64)

    def add(self, latency_us: Int64[np.ndarray, " messages"]) -> None:
        """Add some latencies; a negative one is infinite: the message never arrived."""
        has_arrived = latency_us >= 0
        self._never += len(latency_us) - int(has_arrived.sum())
        new, counts = np.unique(latency_us[has_arrived], return_counts=True)
        self._latency_us, at = np.unique(np.concatenate([self._latency_us, new]), return_inverse=True)
        self._count = np.bincount(at, np.concatenate([self._count, counts]), len(self._latency_us)).astype(np.int64)

    def rows(self) -> Rows:
        """Return each quantile: the smallest latency that at least this share of all messages had; NaN without messages.

        A quantile is infinite if fewer messages arrived at all. It is one of the latencies, because between a number and
        infinity there is nothing to interpolate.
        """
        total = int(self._count.sum()) + self._never
        return [
            (f"{self._name}_p{quantile * 100:.0f}", "", Metric(self._quantile(quantile, total), "ms", total))
            for quantile in QUANTILES
        ]

    def _quantile(self, quantile: float, total: int) -> float:
        if total == 0:
            return float("nan")
        # A margin for the rounding of the product, such as 0.9 * 10.
        row = np.searchsorted(np.cumsum(self._count), quantile * total * (1.0 - 1e-12), "left")
        return float(self._latency_us[row]) * 1e-3 if row < len(self._latency_us) else float("inf")
