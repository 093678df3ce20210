"""Cycles of cooperation: an ego's request to helpers for one frame, with their answers. Success, reasons of failure, and latency.

A cycle counts from the moment at which the ego has a blind zone, so an ego that asked nobody has failed like one whose answer was lost.
"""

import numpy as np
import pyarrow as pa

from v2xsim.evaluation.latencies import Latencies
from v2xsim.evaluation.metric import Mean, Metric, Rows, arrays_of, words_of

COMPLETE = "complete"
FAILURES: dict[str, str] = {
    "nobody_known": "the ego knew no helper that it could reach",
    "nobody_useful": "no helper that it knew had observed a cell of its blind zone",
    "not_asked": "helpers had observed cells of its blind zone, but the matching rule asked none",
    "request_lost": "a request was lost",
    "no_frame": "a helper had no frame to answer from",
    "answer_lost": "a part of an answer was lost",
    "late": "an answer arrived after the deadline",
    "run_ended": "the run ended while a message was on its way, after the deadline",
}
"""Reasons why a cycle was not complete by its deadline, with the meaning of each. If several apply, the first one counts."""


class Cycles:
    """The share of the cycles that were complete by their deadlines, of each reason of failure, and the latency."""

    def __init__(self) -> None:
        self._outcomes = dict.fromkeys((COMPLETE, *FAILURES), 0)
        self._any = Mean("cycle_any_answer", "1")
        self._latency = Latencies("cycle_latency")

    def add(self, cycles: pa.Table) -> None:
        """Add some rows of the table `cycles`."""
        for outcome, count in words_of(cycles, "outcome").counts().items():
            self._outcomes[outcome] += count
        ask_us, complete_us, complete = arrays_of(cycles, "ask_us", "complete_us", "complete")
        self._any.add(complete > 0)
        self._latency.add(np.where(complete_us >= 0, complete_us - ask_us, -1))

    def rows(self) -> Rows:
        """Return the metrics of the whole run; NaN without a cycle."""
        wanted = sum(self._outcomes.values())
        shares = {word: count / wanted if wanted else float("nan") for word, count in self._outcomes.items()}
        return [
            ("cycle_success", "", Metric(shares.pop(COMPLETE), "1", wanted)),
            *self._any.rows(),
            *((f"cycle_{word}", "", Metric(share, "1", wanted)) for word, share in shares.items()),
            *self._latency.rows(),
        ]
