"""Matching rule by expected weight: the set of helpers from which most blind weight is expected to arrive.

The rule `blind_cells` chooses one helper after the other, and each cell is asked of the first one that saw it. Here, each cell is asked of
the chosen helper with the highest predicted delivery that saw it, and sets of helpers are compared as a whole.

The expected weight is monotone and submodular in the helpers (facility location). With many helpers, there are two greedy choices: by what a
helper adds per byte, and by what it adds (Leskovec et al., KDD 2007, 3.1; see `blind_cells` for the bounds). Then all sets of a few helpers
are tried: of those of both greedy choices, filled up with those from whom most would arrive alone. With few helpers, all sets are tried at once.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from jaxtyping import Int64

from v2xsim.parts import AtLeast, AtMost, part
from v2xsim.perception.matching.rule import MatchingRule, MatchingView, MatchingViews, Orders


@part("most_weight")
@dataclass(frozen=True)
class MostWeight(MatchingRule):
    """Ask the set of helpers from which most blind weight is expected to arrive, each cell of the one with the highest predicted delivery.

    Attributes:
        tried: Number of helpers of which all sets are tried, 0 to 12; with more helpers, a greedy choice comes first. With 0, there is only the
            greedy choice. Sets of 12 helpers take four times as long as sets of 10.
    """

    tried: Annotated[
        int, AtLeast(0), AtMost(12), "Number of helpers of which all sets are tried, after a greedy choice if there are more; 0: only the greedy choice"
    ] = 10  # fmt: skip

    def choose(self, view: MatchingView) -> Int64[np.ndarray, " chosen"]:
        """Return the helpers of the best set, the one with the highest delivery first."""
        return self.choose_all(MatchingViews.only(view)).helper

    def choose_all(self, views: MatchingViews) -> Orders:
        """Return the choice of each requester."""
        # Imported here, so that a scenario can be checked without loading compiled kernels.
        from v2xsim.perception.matching.best_set_loops import best_sets

        return Orders(*best_sets(
            np.asarray(views.blind_weight, np.float64), views.lower, views.offset, views.matrix, views.codes, views.lowers,
            np.asarray(views.delivery, np.float64), np.asarray(views.cost_bytes, np.float64), float(views.budget_bytes),
            int(views.max_helpers), self.tried,
        ))  # fmt: skip
