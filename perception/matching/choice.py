"""Choice of the helpers to ask, and of the cells to request from each, from the order that a matching rule gives."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int64

from v2xsim.part_answers import array_from
from v2xsim.perception.matching.rule import MatchingRule, MatchingView
from v2xsim.plugins import ask, wrong_answer


@dataclass(frozen=True)
class Choice:
    """One helper that the requester asks for data.

    Attributes:
        helper: Row of the helper in the `MatchingView` that the rule was given.
        cells: Which cells are requested from this helper; no cell is requested from two helpers.
        gain: Share of the requester's total blind weight that lies in the requested cells, 0 to 1.
    """

    helper: int
    cells: Bool[np.ndarray, "nx ny"]
    gain: float


def chosen_helpers(rule: MatchingRule, view: MatchingView) -> list[Choice]:
    """Return the helpers to ask under a rule, best first, with the cells to request from each.

    Raises:
        PartError: If a user's rule raises an exception or returns anything but rows of helpers.
    """
    if not rule.asks or len(view.agent) == 0:
        return []
    allowed = within_limits(order_of(rule, view), view.cost_bytes, view.budget_bytes, view.max_helpers)
    return [choice for choice in shared_out(allowed, view.blind_weight, view.observed) if choice.cells.any()]


def order_of(rule: MatchingRule, view: MatchingView) -> Int64[np.ndarray, " chosen"]:
    """Return the rows of the helpers that a rule chooses, best first; the result of a user's rule is checked.

    Raises:
        PartError: If a user's rule raises an exception or returns anything but rows of helpers.
    """
    rows: np.ndarray = ask(rule, "choose", view)
    if rule.file is None:
        return rows
    helpers = len(view.agent)
    if not isinstance(rows, np.ndarray) or rows.ndim != 1:
        got = f"shape {rows.shape}" if isinstance(rows, np.ndarray) else type(rows).__name__
        raise wrong_answer(rule, "choose", f"must return one array with rows of helpers, got {got}")
    array_from(rule, "choose", rows, {"helpers": len(rows)}, "int64")
    if len(np.unique(rows)) != len(rows) or (rows < 0).any() or (rows >= helpers).any():
        raise wrong_answer(
            rule,
            "choose",
            f"must return rows of helpers (0 to {helpers - 1}), each at most once, got {rows[:8].tolist()}",
        )
    return rows


def within_limits(
    rows: Int64[np.ndarray, " chosen"], cost_bytes: Float[np.ndarray, " helpers"], budget_bytes: float, max_helpers: int
) -> list[int]:
    """Return the first `max_helpers` helpers, in their order, whose answers fit into the byte budget."""
    allowed: list[int] = []
    left = float(budget_bytes)
    for row in rows.tolist():
        # No break: a later helper with a smaller answer may still fit.
        if len(allowed) < max_helpers and cost_bytes[row] <= left:
            allowed.append(row)
            left -= float(cost_bytes[row])
    return allowed


def shared_out(
    chosen: list[int], blind_weight: Float[np.ndarray, "nx ny"], observed: Bool[np.ndarray, "helpers nx ny"]
) -> list[Choice]:
    """Return the chosen helpers, each with the blind cells that it observed and no helper before it did."""
    open_cells, total = blind_weight > 0.0, float(blind_weight.sum())
    choices = []
    for helper in chosen:
        cells = open_cells & observed[helper]
        open_cells = open_cells & ~cells  # No cell is requested twice.
        gain = float(blind_weight[cells].sum()) / total if total > 0.0 else 0.0
        choices.append(Choice(helper, cells, gain))
    return choices
