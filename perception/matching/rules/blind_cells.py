"""Matching rule by gain: the most blind cells per byte.

The rule is a greedy choice by the relevance-weighted blind cells that each helper adds.

Helpers are chosen one by one: the next is the helper with the largest gain times delivery probability per byte whose
answer still fits into the byte budget. The covered weight is monotone and submodular in the helpers, so with equal
answer sizes and delivery probabilities the choice covers at least 1 - 1/e of the best possible (Nemhauser, Wolsey and
Fisher, Math. Programming 14, 1978). With unequal sizes, a choice by gain per byte alone can be arbitrarily bad;
therefore a second pass ignores the sizes, and the better result is taken (Leskovec et al., KDD 2007, 3.1).
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from v2xsim.parts import part
from v2xsim.perception.matching.rule import MatchingRule, MatchingView, MatchingViews, Orders


@part("blind_cells")
@dataclass(frozen=True)
class BlindCells(MatchingRule):
    """Ask the helpers that cover most blind cells of the ego per byte, weighted by relevance and predicted delivery."""

    def choose(self, view: MatchingView) -> Int64[np.ndarray, " chosen"]:
        """Return the better of two greedy choices: one by gain per byte, one by gain alone."""
        return self.choose_all(MatchingViews.only(view)).helper

    def choose_all(self, views: MatchingViews) -> Orders:
        """Return the choice of each requester."""
        # Imported here, so that a scenario can be checked without loading compiled kernels.
        from v2xsim.perception.matching.greedy_loops import best_by_gain

        return Orders(*best_by_gain(
            np.asarray(views.blind_weight, np.float64), views.lower, views.offset, views.matrix, views.codes, views.lowers,
            np.asarray(views.delivery, np.float64), np.asarray(views.cost_bytes, np.float64), float(views.budget_bytes),
            int(views.max_helpers),
        ))  # fmt: skip
