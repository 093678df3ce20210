"""Matching rule by experience: the helpers whose earlier answers filled most; a baseline that looks into no announced matrix.

A requester that never tries a helper never learns what it has to give. Therefore helpers without experience come first, as if they
filled everything: an optimistic start (Sutton and Barto, Reinforcement Learning, 2nd edition 2018, section 2.6). Experience is
forgotten exponentially (`v2xsim.engine.cooperation.gained`), so a helper that was of no use is tried again after some seconds.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float, Int64

from v2xsim.parts import part
from v2xsim.perception.matching.rule import MatchingRule, MatchingView, MatchingViews, Orders


@part("history")
@dataclass(frozen=True)
class History(MatchingRule):
    """Ask helpers never asked before first, then those whose answers to this ego filled most blind weight; for all blind cells."""

    compares: ClassVar[bool] = False

    def choose(self, view: MatchingView) -> Int64[np.ndarray, " chosen"]:
        """Return the rows of all helpers, untried ones in random order first, then by the share that their answers filled."""
        return np.lexsort((view.uniform, _loss(view.gained))).astype(np.int64)

    def choose_all(self, views: MatchingViews) -> Orders:
        """Return the choice of each requester."""
        gained, uniform = (views.of_each_helper(values) for values in (views.recall, views.draw))
        return Orders.sorted(views, _loss(gained), uniform)


def _loss(gained: Float[np.ndarray, " helpers"]) -> Float[np.ndarray, " helpers"]:
    """Return a number that is the smaller, the earlier a helper is asked."""
    loss: np.ndarray = np.where(np.isnan(gained), -np.inf, -gained)
    return loss
