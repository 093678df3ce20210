"""Matching rule by distance: the nearest helpers first; the baseline that does not compare matrices."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from v2xsim.parts import part
from v2xsim.perception.matching.rule import MatchingRule, MatchingView, MatchingViews, Orders


@part("nearest")
@dataclass(frozen=True)
class Nearest(MatchingRule):
    """Ask the nearest helpers first; of two at the same distance, the one with the lower identity."""

    def choose(self, view: MatchingView) -> Int64[np.ndarray, " chosen"]:
        """Return the rows of all helpers, sorted by their distance from the requester."""
        return np.argsort(view.distance_m, kind="stable").astype(np.int64)

    def choose_all(self, views: MatchingViews) -> Orders:
        """Return the choice of each requester."""
        requester = np.repeat(np.arange(len(views)), np.diff(views.offset))
        return Orders(views.offset, np.lexsort((views.distance_m, requester)) - views.offset[requester])
