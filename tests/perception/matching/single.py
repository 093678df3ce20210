"""The choice of helpers for a single requester."""

from dataclasses import dataclass

import numpy as np

from v2xsim.perception.matching.choice import chosen_helpers, shared_out
from v2xsim.perception.matching.rule import MatchingViews, Orders


@dataclass
class Choice:
    """One helper that is asked, the cells that are requested from it, and their share of the blind weight."""

    helper: int
    cells: np.ndarray
    gain: float


def _each(choices, view):
    total = view.blind_weight.sum()
    return [
        Choice(helper, cells, view.blind_weight[cells].sum() / total)
        for helper, cells in zip(choices.helper.tolist(), choices.cells, strict=True)
    ]


def asked_by(rule, view):
    """Return the helpers that a requester asks under a rule, best first."""
    return _each(chosen_helpers(rule, MatchingViews.only(view)), view)


def shared_by(rows, view):
    """Return the helpers that a requester asks if a rule chooses these rows."""
    return _each(shared_out(Orders.of([np.array(rows, np.int64)]), MatchingViews.only(view)), view)
