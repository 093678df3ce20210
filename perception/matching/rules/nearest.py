"""Matching rule by distance: the nearest helpers first; a baseline that looks into no announced matrix."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Int64

from v2xsim.parts import part
from v2xsim.perception.matching.rule import MatchingRule, MatchingView, MatchingViews, Orders


@part("nearest")
@dataclass(frozen=True)
class Nearest(MatchingRule):
    """Ask the nearest helpers first, for all blind cells; of two at the same distance, the one with the lower identity."""

    compares: ClassVar[bool] = False

    def choose(self, view: MatchingView) -> Int64[np.ndarray, " chosen"]:
        """Return the rows of all helpers, sorted by their distance from the requester."""
        return np.argsort(view.distance_m, kind="stable").astype(np.int64)

    def choose_all(self, views: MatchingViews) -> Orders:
        """Return the choice of each requester."""
        return Orders.sorted(views, views.distance_m)
