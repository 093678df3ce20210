"""Time until egos knew of hidden conflicts, as Kaplan-Meier: conflicts that ended before the ego knew count as long as they lasted.

A mean over the conflicts that became known is the shorter, the more conflicts an ego never came to know. The estimator of Kaplan and Meier
takes the others as censored: their time is longer than the conflict, by how much is not known.

References:
    Kaplan and Meier, Nonparametric Estimation from Incomplete Observations, JASA 53, 1958.
"""

import numpy as np
import pyarrow as pa
from jaxtyping import Int64

from v2xsim.evaluation.metric import Metric, Rows, arrays_of
from v2xsim.evaluation.scene import MODES

GROUPS = ("", "_announced", "_unannounced")
"""Suffixes of the metrics: all road users in conflicts, those that announce themselves, and those that do not."""
# A product of fractions that is one half may be above it by rounding.
_ROUNDING = 1e-9


class SurvivalTimes:
    """Times to an event that come in parts, of which some are censored; each distinct time is held once."""

    def __init__(self) -> None:
        self._time_us = np.zeros(0, np.int64)
        # Number of events, and of censored times, at each time.
        self._counts = np.zeros((2, 0), np.int64)

    @property
    def count(self) -> int:
        """Number of times, censored ones included."""
        return int(self._counts.sum())

    def add(self, event_us: Int64[np.ndarray, " events"], censored_us: Int64[np.ndarray, " censored"]) -> None:
        """Add times after which the event happened, and times after which it had not happened and was watched no longer."""
        new = np.concatenate([self._time_us, event_us, censored_us])
        self._time_us, at = np.unique(new, return_inverse=True)
        held, counts = len(new) - len(event_us) - len(censored_us), np.zeros((2, len(self._time_us)), np.int64)
        counts[:, at[:held]] = self._counts
        np.add.at(counts[0], at[held : held + len(event_us)], 1)
        np.add.at(counts[1], at[held + len(event_us) :], 1)
        self._counts = counts

    def quantile_s(self, share: float) -> float:
        """Return the time by which the event has happened with a probability; infinite if it never gets as probable, NaN without times."""
        if not self.count:
            return float("nan")
        # Whoever is censored at the time of an event was still there.
        there = np.cumsum(self._counts.sum(axis=0)[::-1])[::-1]
        still_open = np.cumprod(1.0 - self._counts[0] / there)
        reached = np.flatnonzero(still_open <= 1.0 - share + _ROUNDING)
        return float(self._time_us[reached[0]]) / 1e6 if len(reached) else float("inf")


class AwarenessTimes:
    """Hidden conflicts, the time until egos knew of them alone and after fusion, and those of which they never knew."""

    def __init__(self) -> None:
        self._times = {mode: {group: SurvivalTimes() for group in GROUPS} for mode in MODES}
        self._never, self._conflicts = dict.fromkeys(MODES, 0), 0

    def add(self, episodes: pa.Table) -> None:
        """Add some rows of the table `episodes`."""
        start_us, end_us, announces, *aware = arrays_of(
            episodes, "start_us", "end_us", "announces", *(f"aware_{mode}_us" for mode in MODES)
        )
        self._conflicts += len(start_us)
        for mode, aware_us in zip(MODES, aware, strict=True):
            is_known = aware_us >= 0
            self._never[mode] += int((~is_known).sum())
            for group, is_in in zip(GROUPS, (np.ones_like(announces), announces, ~announces), strict=True):
                known, other = is_in & is_known, is_in & ~is_known
                self._times[mode][group].add((aware_us - start_us)[known], (end_us - start_us)[other])

    def rows(self) -> Rows:
        """Return the metrics of the whole run."""
        rows: Rows = [("hidden_conflicts", "", Metric(float(self._conflicts), "conflicts", self._conflicts))]
        for mode, by_group in self._times.items():
            for group, times in by_group.items():
                rows.append((f"time_to_awareness_{mode}{group}", "", Metric(times.quantile_s(0.5), "s", times.count)))
            every = by_group[""]
            rows.append((f"time_to_awareness_{mode}_p90", "", Metric(every.quantile_s(0.9), "s", every.count)))
            rows.append((f"never_aware_{mode}", "", Metric(float(self._never[mode]), "conflicts", self._conflicts)))
        return rows
