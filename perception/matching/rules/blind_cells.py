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
from jaxtyping import Bool, Float, Int64, UInt8

from v2xsim.parts import part
from v2xsim.perception.matching.rule import MatchingRule, MatchingView


@part("blind_cells")
@dataclass(frozen=True)
class BlindCells(MatchingRule):
    """Ask the helpers that cover most blind cells of the ego per byte, weighted by relevance and predicted delivery."""

    def choose(self, view: MatchingView) -> Int64[np.ndarray, " chosen"]:
        """Return the better of two greedy choices: one by gain per byte, one by gain alone."""
        # Imported here, so that a scenario can be checked without loading compiled kernels.
        from v2xsim.perception.matching.greedy_loops import expected

        blind = np.flatnonzero(view.blind_weight > 0.0)
        weight, code = view.blind_weight.ravel()[blind], view.code.reshape(len(view.code), view.blind_weight.size)
        cost = np.asarray(view.cost_bytes, np.float64)
        by_rate = _greedy(weight, blind, code, view.delivery / cost, cost, view.budget_bytes, view.max_helpers)
        # With equal answer sizes both choices are the same.
        if len(cost) == 0 or cost.min() == cost.max():
            return by_rate
        by_gain = _greedy(weight, blind, code, view.delivery, cost, view.budget_bytes, view.max_helpers)
        delivery, total = np.asarray(view.delivery, np.float64), float(view.blind_weight.sum())
        rated, plain = (expected(rows, weight, blind, code, delivery, total) for rows in (by_rate, by_gain))
        return by_gain if plain > rated else by_rate


def greedy(
    weight: Float[np.ndarray, " cells"],
    observed: Bool[np.ndarray, "helpers cells"],
    worth: Float[np.ndarray, " helpers"],
    cost_bytes: Float[np.ndarray, " helpers"],
    budget_bytes: float,
    max_helpers: int,
) -> list[int]:
    """Return helpers in the order of choice: the next has the largest new blind weight times `worth` that fits the budget."""
    code = observed.astype(np.uint8)
    return _greedy(weight, np.arange(len(weight)), code, worth, cost_bytes, budget_bytes, max_helpers).tolist()


def _greedy(
    weight: Float[np.ndarray, " blind"],
    blind: Int64[np.ndarray, " blind"],
    code: UInt8[np.ndarray, "helpers cells"],
    worth: Float[np.ndarray, " helpers"],
    cost_bytes: Float[np.ndarray, " helpers"],
    budget_bytes: float,
    max_helpers: int,
) -> Int64[np.ndarray, " chosen"]:
    """Return helpers in the order of choice; `blind` has the index of each blind cell in the columns of `code`."""
    from v2xsim.perception.matching import greedy_loops

    chosen: Int64[np.ndarray, " chosen"] = greedy_loops.greedy(
        np.asarray(weight, np.float64), blind, code, np.asarray(worth, np.float64), np.asarray(cost_bytes, np.float64),
        float(budget_bytes), int(max_helpers),
    )  # fmt: skip
    return chosen
