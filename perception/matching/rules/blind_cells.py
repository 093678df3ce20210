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
from jaxtyping import Bool, Float, Int64

from v2xsim.parts import part
from v2xsim.perception.matching.choice import Choice, shared_out
from v2xsim.perception.matching.rule import MatchingRule, MatchingView


@part("blind_cells")
@dataclass(frozen=True)
class BlindCells(MatchingRule):
    """Ask the helpers that cover most blind cells of the ego per byte, weighted by relevance and predicted delivery."""

    def choose(self, view: MatchingView) -> Int64[np.ndarray, " chosen"]:
        """Return the better of two greedy choices: one by gain per byte, one by gain alone."""
        cells = view.blind_weight > 0.0
        weight, seen = view.blind_weight[cells], view.observed[:, cells]
        cost = np.asarray(view.cost_bytes, np.float64)
        by_rate = greedy(weight, seen, view.delivery / cost, cost, view.budget_bytes, view.max_helpers)
        # With equal answer sizes both choices are the same.
        if len(cost) == 0 or cost.min() == cost.max():
            return np.array(by_rate, np.int64)
        by_gain = greedy(weight, seen, view.delivery, cost, view.budget_bytes, view.max_helpers)
        rated = shared_out(by_rate, view.blind_weight, view.observed)
        plain = shared_out(by_gain, view.blind_weight, view.observed)
        better = by_gain if _expected(plain, view.delivery) > _expected(rated, view.delivery) else by_rate
        return np.array(better, np.int64)


def greedy(
    weight: Float[np.ndarray, " cells"],
    observed: Bool[np.ndarray, "helpers cells"],
    worth: Float[np.ndarray, " helpers"],
    cost_bytes: Float[np.ndarray, " helpers"],
    budget_bytes: float,
    max_helpers: int,
) -> list[int]:
    """Return helpers in the order of choice: the next has the largest new blind weight times `worth` that fits the budget."""
    chosen: list[int] = []
    left = float(budget_bytes)
    free = np.ones(len(observed), bool)
    while len(chosen) < max_helpers and len(observed):
        # Plain sums are used instead of a matrix product, because their result does not depend on the number of
        # threads.
        value = np.where(free & (cost_bytes <= left), np.sum(observed * weight, axis=1) * worth, 0.0)
        best = int(np.argmax(value))  # Of equal values, the lowest row wins.
        if value[best] <= 0.0:
            break
        chosen.append(best)
        free[best] = False
        left -= float(cost_bytes[best])
        # Cells that are covered now add no weight for later helpers.
        open_cells = ~observed[best]
        weight, observed = weight[open_cells], observed[:, open_cells]
    return chosen


def _expected(choices: list[Choice], delivery: Float[np.ndarray, " helpers"]) -> float:
    """Return the expected share of the blind weight that arrives: gain times delivery probability, summed over helpers."""
    return sum(choice.gain * float(delivery[choice.helper]) for choice in choices)
