"""Matching rule by chance: every helper is as likely as any other; a baseline that looks into no announced matrix."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Int64

from v2xsim.parts import part
from v2xsim.perception.matching.rule import MatchingRule, MatchingView, MatchingViews, Orders


@part("random_helpers")
@dataclass(frozen=True)
class RandomHelpers(MatchingRule):
    """Ask helpers in an order drawn for each frame, for all blind cells."""

    compares: ClassVar[bool] = False

    def choose(self, view: MatchingView) -> Int64[np.ndarray, " chosen"]:
        """Return the rows of all helpers in random order."""
        return np.argsort(view.uniform, kind="stable").astype(np.int64)

    def choose_all(self, views: MatchingViews) -> Orders:
        """Return the choice of each requester."""
        return Orders.sorted(views, views.of_each_helper(views.draw))
