"""Whom to ask for which cells: abstract perception matrix matching, our reading of the abstract of arXiv 2307.06615.

The abstract of *NLOS Dies Twice* (Li and Sun) names "an abstract perception matrix matching method for quick sensor
fusion matching procedures"; its body was not available to us, so what follows is ours (research/v2x.md 1.2):

    B     cells that the requester is blind in                     W   relevance of each cell to its driving
    V_j   cells that helper j observed, on the requester's grid    C_S cells already covered by the chosen helpers S
    gain(j | S) = sum(W B (1 - C_S) V_j) / sum(W B)

Helpers are chosen one by one by the largest gain * p_delivery / bytes that the byte budget still allows. The covered
weight is monotone and submodular in S, so with equal costs and deliveries the choice covers at least 1 - 1/e of the
best possible (Nemhauser, Wolsey and Fisher, Math. Programming 14, 1978). With unequal costs the rate alone can be
arbitrarily bad, so a second pass ignores bytes and the better of the two counts (Leskovec et al., KDD 2007, 3.1).
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int64

OTHER_SPEED_MPS = 14.0
"""Fastest that a hidden road user is taken to move: 50 km/h, the usual urban limit."""

ATTENTION_S = 4.0
"""Time over which relevance falls by 1/e; ours, near the 5 s horizon of awareness.conflicts."""


@dataclass(frozen=True)
class Choice:
    """One helper to ask.

    Attributes:
        helper: Row of the helper.
        cells: Cells to ask it for; no cell is asked of two helpers.
        gain: Share of the requester's blind weight in these cells.
    """

    helper: int
    cells: Bool[np.ndarray, "nx ny"]
    gain: float


def relevance(
    lower: Int64[np.ndarray, " 2"],
    shape: tuple[int, int],
    cell_m: float,
    position_m: Float[np.ndarray, " 2"],
    velocity_mps: Float[np.ndarray, " 2"],
    other_speed_mps: float = OTHER_SPEED_MPS,
    attention_s: float = ATTENTION_S,
) -> Float[np.ndarray, "nx ny"]:
    """Return how much each cell matters to a vehicle that keeps its velocity, between 0 and 1.

    A road user hidden in a cell at offset r could meet the vehicle (velocity v) at the earliest when
    |r - v t| = u t, u being its top speed; the weight is exp(-t / attention_s), and 0 where it can never meet.
    So the weight is round about a vehicle at rest, reaches far ahead and to the sides of one that drives, and is 0
    behind one that outruns the others. The meeting points lie on the Apollonius circle of simple pursuit
    (Isaacs, Differential Games, 1965); using it as a weight is ours.

    Args:
        lower: World cell index of cell (0, 0), as in PerceptionMatrix.
        shape: Cells in x and y.
        cell_m: Side of a cell.
        position_m: Of the vehicle, world frame.
        velocity_mps: Of the vehicle, over ground.
        other_speed_mps: u, above 0.
        attention_s: Time over which the weight falls by 1/e.
    """
    x = ((lower[0] + np.arange(shape[0]) + 0.5) * cell_m - position_m[0])[:, None]
    y = ((lower[1] + np.arange(shape[1]) + 0.5) * cell_m - position_m[1])[None, :]
    squared = x * x + y * y
    along = x * velocity_mps[0] + y * velocity_mps[1]
    excess = velocity_mps[0] ** 2 + velocity_mps[1] ** 2 - other_speed_mps**2
    discriminant = along * along - excess * squared
    # The first positive root of excess t^2 - 2 along t + squared = 0, in the form that survives excess = 0.
    divisor = along + np.sqrt(np.maximum(discriminant, 0.0))
    meets = (discriminant >= 0.0) & (divisor > 0.0)
    # A divisor next to nothing gives infinity: met never.
    with np.errstate(over="ignore"):
        meeting_s = np.where(meets, squared, 0.0) / np.where(meets, divisor, 1.0)
    # The vehicle's own cell, where offset and divisor may both vanish, is met at once.
    weight: np.ndarray = np.where(meets | (squared == 0.0), np.exp(-meeting_s / attention_s), 0.0)
    return weight


def gains(
    blind_weight: Float[np.ndarray, "nx ny"],
    observed: Bool[np.ndarray, "helpers nx ny"],
    covered: Bool[np.ndarray, "nx ny"],
) -> Float[np.ndarray, " helpers"]:
    """Return gain(j | S) of each helper j, given the cells that the chosen helpers S cover."""
    total = float(blind_weight.sum())
    if total <= 0.0:
        return np.zeros(len(observed))
    gained: np.ndarray = np.sum(np.where(covered, 0.0, blind_weight) * observed, axis=(1, 2)) / total
    return gained


def _greedy(
    weight: Float[np.ndarray, " cells"],
    observed: Bool[np.ndarray, "helpers cells"],
    worth: Float[np.ndarray, " helpers"],
    cost_bytes: Float[np.ndarray, " helpers"],
    budget_bytes: float,
    max_helpers: int,
) -> list[int]:
    """Return helpers in the order chosen, by the largest new weight times worth that fits the budget."""
    chosen: list[int] = []
    left = float(budget_bytes)
    free = np.ones(len(observed), bool)
    while len(chosen) < max_helpers and len(observed):
        # Plain sums rather than a matrix product: the same bits whatever the number of threads.
        value = np.where(free & (cost_bytes <= left), np.sum(observed * weight, axis=1) * worth, 0.0)
        best = int(np.argmax(value))  # the first of equals: the lowest row
        if value[best] <= 0.0:
            break
        chosen.append(best)
        free[best] = False
        left -= float(cost_bytes[best])
        open_cells = ~observed[best]
        weight, observed = weight[open_cells], observed[:, open_cells]
    return chosen


def _shared_out(
    chosen: list[int], blind_weight: Float[np.ndarray, "nx ny"], observed: Bool[np.ndarray, "helpers nx ny"]
) -> list[Choice]:
    """Return the chosen helpers with the blind cells that each adds to those before it."""
    open_cells, total = blind_weight > 0.0, float(blind_weight.sum())
    choices = []
    for helper in chosen:
        cells = open_cells & observed[helper]
        open_cells = open_cells & ~cells
        gain = float(blind_weight[cells].sum()) / total if total > 0.0 else 0.0
        choices.append(Choice(helper, cells, gain))
    return choices


def choose_helpers(
    blind_weight: Float[np.ndarray, "nx ny"],
    observed: Bool[np.ndarray, "helpers nx ny"],
    delivery: Float[np.ndarray, " helpers"],
    cost_bytes: Float[np.ndarray, " helpers"],
    budget_bytes: float,
    max_helpers: int,
) -> list[Choice]:
    """Return the helpers to ask, best first, and the cells to ask each for.

    Args:
        blind_weight: W B of the requester: relevance where it is blind, 0 elsewhere.
        observed: V_j of each helper on the requester's grid. Equal values are decided for the lower row.
        delivery: Predicted probability that an answer arrives, by the path that would be used.
        cost_bytes: Predicted size of each answer, above 0.
        budget_bytes: Sum of the costs that may be asked for.
        max_helpers: Most helpers asked.
    """
    cells = blind_weight > 0.0
    weight, seen = blind_weight[cells], observed[:, cells]
    cost = np.asarray(cost_bytes, np.float64)
    by_rate = _greedy(weight, seen, delivery / cost, cost, budget_bytes, max_helpers)
    rated = _shared_out(by_rate, blind_weight, observed)
    if len(cost) == 0 or cost.min() == cost.max():
        return rated
    plain = _shared_out(_greedy(weight, seen, delivery, cost, budget_bytes, max_helpers), blind_weight, observed)
    return plain if _expected(plain, delivery) > _expected(rated, delivery) else rated


def _expected(choices: list[Choice], delivery: Float[np.ndarray, " helpers"]) -> float:
    """Return the share of the blind weight that is expected to arrive."""
    return sum(choice.gain * float(delivery[choice.helper]) for choice in choices)


def choose_nearest(
    blind_weight: Float[np.ndarray, "nx ny"],
    observed: Bool[np.ndarray, "helpers nx ny"],
    distance_m: Float[np.ndarray, " helpers"],
    cost_bytes: Float[np.ndarray, " helpers"],
    budget_bytes: float,
    max_helpers: int,
) -> list[Choice]:
    """Return the nearest helpers that the budget allows: the baseline that does not compare matrices.

    The matrices only say what came of it: the blind cells that each helper observed and no nearer one did. A helper
    may have none; it is asked all the same, and costs its bytes.

    Args:
        blind_weight: As for `choose_helpers`.
        observed: As for `choose_helpers`.
        distance_m: From the requester. Equal distances are decided for the lower row.
        cost_bytes: As for `choose_helpers`.
        budget_bytes: As for `choose_helpers`.
        max_helpers: As for `choose_helpers`.
    """
    chosen: list[int] = []
    left = float(budget_bytes)
    for helper in np.argsort(distance_m, kind="stable"):
        if len(chosen) < max_helpers and cost_bytes[helper] <= left:
            chosen.append(int(helper))
            left -= float(cost_bytes[helper])
    return _shared_out(chosen, blind_weight, observed)


def coverage(
    blind: Bool[np.ndarray, "nx ny"], filled: Bool[np.ndarray, "nx ny"], weight: Float[np.ndarray, "nx ny"]
) -> float:
    """Return the weighted share of blind cells that were filled; 1 where there was nothing to fill."""
    total = float(weight[blind].sum())
    return float(weight[blind & filled].sum()) / total if total > 0.0 else 1.0
