"""Choice of the helpers to ask, and of the cells to request from each, from the order that a matching rule gives."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int64

from v2xsim.part_answers import array_from
from v2xsim.perception.matching.rule import MatchingRule, MatchingView, MatchingViews, Orders, orders_of_each
from v2xsim.plugins import ask, wrong_answer


@dataclass(frozen=True)
class Choices:
    """The helpers that requesters ask for data: requester by requester, for each the best helper first.

    Attributes:
        requester: Row of the requester in the `MatchingViews` that the rule was given.
        helper: Row of the helper in their arrays over helpers.
        cells: Which cells are requested from the helper, at least one; a requester requests no cell from two helpers.
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
    return shared_out(orders_of(rule, views), views)


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
