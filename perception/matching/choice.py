"""Choice of the helpers to ask, and of the cells to request from each, from the order that a matching rule gives."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int64

from v2xsim.part_answers import array_from, without
from v2xsim.perception.matching.rule import MatchingRule, MatchingView, MatchingViews, Orders, orders_of_each
from v2xsim.plugins import ask, wrong_answer

_COMPARES_NONE = (
    "a matching rule with compares = False cannot read code, observed and occupied: it looks into no announced matrix"
)


@dataclass(frozen=True)
class Choices:
    """The helpers that requesters ask for data: requester by requester, for each in the order of its rule.

    Attributes:
        requester: Row of the requester in the `MatchingViews` that the rule was given.
        helper: Row of the helper in their arrays over helpers.
        cells: Which cells are requested from the helper, at least one. A requester requests no cell from two helpers, unless its rule
            compares no matrices.
    """

    requester: Int64[np.ndarray, " choices"]
    helper: Int64[np.ndarray, " choices"]
    cells: Bool[np.ndarray, "choices nx ny"]


def chosen_helpers(rule: MatchingRule, views: MatchingViews) -> Choices:
    """Return the helpers that requesters ask under a rule, with the cells to request from each.

    Raises:
        PartError: If a user's rule raises an exception or returns anything but rows of helpers.
    """
    if not rule.asks or len(views.agent) == 0:
        none = np.zeros(0, np.int64)
        return Choices(none, none, np.zeros((0, *views.blind_weight.shape[1:]), bool))
    orders = orders_of(rule, views)
    return shared_out(orders, views) if rule.compares else all_from_each(orders, views)


def orders_of(rule: MatchingRule, views: MatchingViews) -> Orders:
    """Return the helpers that a rule chooses for each requester; a rule is not called for requesters without helpers.

    Raises:
        PartError: As in `order_of`.
    """
    if rule.does_many("choose", "choose_all"):
        return orders_of_each(rule, views)
    nobody, has_helpers = np.zeros(0, np.int64), np.diff(views.offset) > 0
    return Orders.of(
        [order_of(rule, views.of(row)) if some else nobody for row, some in enumerate(has_helpers.tolist())]
    )


def order_of(rule: MatchingRule, view: MatchingView) -> Int64[np.ndarray, " chosen"]:
    """Return the rows of the helpers that a rule chooses, in its order; the result of a user's rule is checked.

    Raises:
        PartError: If a user's rule raises an exception or returns anything but rows of helpers.
    """
    if not rule.compares:
        view = without(view, ("code",), _COMPARES_NONE)
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


def shared_out(orders: Orders, views: MatchingViews) -> Choices:
    """Return the helpers to ask of those that a rule chose, each with the blind cells that it observed and none before it did.

    Helpers are taken in their order, up to `max_helpers`, as long as their answers fit into the byte budget; a later helper with
    a smaller answer may still fit. A helper that has no blind cell to offer is not asked.
    """
    # Imported here, so that a scenario can be checked without loading compiled kernels.
    from v2xsim.perception.matching.greedy_loops import shared_out as compiled

    return Choices(*compiled(
        orders.offset, orders.helper, views.blind_weight, views.lower, views.offset, views.matrix, views.codes, views.lowers,
        np.asarray(views.cost_bytes, np.float64), float(views.budget_bytes), int(views.max_helpers),
    ))  # fmt: skip


def all_from_each(orders: Orders, views: MatchingViews) -> Choices:
    """Return the helpers to ask of those that a rule chose without a look into matrices, each with all blind cells of its requester.

    Helpers are taken as in `shared_out`, but nobody knows which of them have something to give. Who is blind nowhere asks nobody.
    """
    blind = views.blind_weight > 0.0
    is_blind: Bool[np.ndarray, " requesters"] = np.any(blind, axis=(1, 2))
    is_taken = _fitting(orders, views) & is_blind[orders.requester]
    requester = orders.requester[is_taken]
    return Choices(requester, views.offset[requester] + orders.helper[is_taken], blind[requester])


def _fitting(orders: Orders, views: MatchingViews) -> Bool[np.ndarray, " chosen"]:
    """Return which of the chosen helpers are within the number of helpers and the byte budget of their requester."""
    first, count = orders.offset[:-1], np.diff(orders.offset)
    cost = np.asarray(views.cost_bytes, np.float64)[views.offset[orders.requester] + orders.helper]
    spent_bytes, taken = np.zeros(len(count)), np.zeros(len(count), np.int64)
    is_taken = np.zeros(len(orders.helper), bool)
    for place in range(int(count.max(initial=0))):
        open_to = np.flatnonzero((count > place) & (taken < views.max_helpers))
        row = first[open_to] + place
        # Equal shares of the budget may add up to a rounding error more than the budget.
        fits = spent_bytes[open_to] + cost[row] <= views.budget_bytes * (1.0 + 1e-9)
        is_taken[row] = fits
        spent_bytes[open_to] += cost[row] * fits
        taken[open_to] += fits
    return is_taken
