"""How near the choice of helpers comes to the best one, on small random cases in which every choice can be tried.

What a choice is worth is the blind weight that is expected to arrive: a cell counts with the predicted delivery of the helper that is
asked for it. The best choice is the best of all sets of helpers within the byte budget and the number of helpers, if each cell is asked
of the helper of the set with the highest delivery that saw it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from v2xsim.perception.matching.choice import chosen_helpers
from v2xsim.perception.matching.rule import MatchingRule, MatchingView, MatchingViews
from v2xsim.perception.matching.rules.blind_cells import BlindCells
from v2xsim.perception.matching.rules.most_weight import MostWeight

HELPERS, CELLS = 8, 12
"""Number of helpers of a case, and of cells along each side of its grid."""

MORE_HELPERS = 14
"""Number of helpers of the cases in which the rule `most_weight` cannot try all sets."""

MEAN_LINE, WORST_LINE = 0.99, 0.80
"""The aims: a choice reaches these shares of the optimum on average and at worst."""

RULES: tuple[tuple[str, MatchingRule], ...] = (
    ("blind_cells", BlindCells()), ("most_weight, tried 0", MostWeight(tried=0)), ("most_weight", MostWeight()),
)  # fmt: skip
"""The rules that are compared, with their names: the default rule, and the other one without and with sets that are tried."""

SHAPES = ("rectangles", "sight")
"""What helpers observe: rectangles; or what lies around a point up to a distance that differs from direction to direction."""

_DIRECTIONS = 16


@dataclass(frozen=True)
class Case:
    """One requester with its possible helpers.

    Attributes:
        weight: Weight of each cell, 0 for those that are not blind.
        observed: Whether each helper observed each cell.
        delivery: Predicted success of the cycle with each helper.
        cost_bytes: Predicted size of each helper's answer.
        budget_bytes: Largest total size of the answers.
        max_helpers: Largest number of helpers.
    """

    weight: Float[np.ndarray, "nx ny"]
    observed: Bool[np.ndarray, "helpers nx ny"]
    delivery: Float[np.ndarray, " helpers"]
    cost_bytes: Float[np.ndarray, " helpers"]
    budget_bytes: float
    max_helpers: int

    @property
    def views(self) -> MatchingViews:
        """What a matching rule is shown."""
        count = len(self.observed)
        nothing, untried = np.zeros(count), np.full(count, np.nan)
        return MatchingViews.only(MatchingView(
            self.weight, self.observed.astype(np.uint8), np.arange(count), nothing, self.delivery, np.zeros(count, bool),
            self.cost_bytes, self.budget_bytes, self.max_helpers, lambda: nothing, lambda: untried,
        ))  # fmt: skip


def random_case(chance: np.random.Generator, shape: str, equal: bool, helpers: int = HELPERS) -> Case:
    """Return a random case.

    Args:
        chance: Source of random numbers.
        shape: What helpers observe, one of `SHAPES`.
        equal: Whether all answers have one size and one delivery; else sizes are 80 to 800 B and deliveries 0.3 to 1.
        helpers: Number of helpers.
    """
    middle = (CELLS - 1) / 2.0
    x, y = np.meshgrid(np.arange(CELLS) - middle, np.arange(CELLS) - middle, indexing="ij")
    # Relevance falls with the distance from the requester, which sees a part of the grid itself.
    weight = np.exp(-np.hypot(x, y) / CELLS) * chance.uniform(0.5, 1.0, (CELLS, CELLS))
    weight[sight(chance, CELLS, middle, middle)] = 0.0
    observed = np.array([
        rectangle(chance, CELLS) if shape == "rectangles" else sight(chance, CELLS, *chance.uniform(0, CELLS, 2))
        for _ in range(helpers)
    ])  # fmt: skip
    cost = np.full(helpers, 300.0) if equal else 80.0 * 10.0 ** chance.uniform(0.0, 1.0, helpers)
    delivery = np.ones(helpers) if equal else chance.uniform(0.3, 1.0, helpers)
    most = int(chance.integers(1, 6))
    return Case(weight, observed, delivery, cost, float(chance.uniform(0.3, 1.0) * most * cost.mean()), most)


def rectangle(chance: np.random.Generator, cells: int) -> Bool[np.ndarray, "cells cells"]:
    """Return a random rectangle of cells in a square grid."""
    first, last = np.sort(chance.integers(0, cells + 1, (2, 2)), axis=0)
    inside = np.zeros((cells, cells), bool)
    inside[first[0] : last[0], first[1] : last[1]] = True
    return inside


def sight(
    chance: np.random.Generator, cells: int, x: float, y: float, reach: float = 0.7
) -> Bool[np.ndarray, "cells cells"]:
    """Return the cells that a lidar at a place may see between random obstacles: up to a distance drawn for each direction.

    Args:
        chance: Source of random numbers.
        cells: Number of cells along each side of the grid.
        x: Place in cells.
        y: Place in cells.
        reach: Largest distance, as a share of the side of the grid.
    """
    dx, dy = np.meshgrid(np.arange(cells) - x, np.arange(cells) - y, indexing="ij")
    direction = (np.arctan2(dy, dx) / (2.0 * np.pi) * _DIRECTIONS).astype(np.int64) % _DIRECTIONS
    inside: np.ndarray = np.hypot(dx, dy) < chance.uniform(0.05, reach, _DIRECTIONS)[direction] * cells
    return inside


def worth(case: Case, rule: MatchingRule) -> float:
    """Return the blind weight that is expected to arrive if helpers are chosen by a rule."""
    choices = chosen_helpers(rule, case.views)
    gained = [case.weight[cells].sum() for cells in choices.cells]
    return float((case.delivery[choices.helper] * np.array(gained)).sum())


def optimum(case: Case) -> float:
    """Return the largest blind weight that can be expected to arrive, found by trying all sets of helpers."""
    weight, count = case.weight.ravel(), len(case.observed)
    delivered = case.delivery[:, None] * case.observed.reshape(count, -1)
    # Row of a set: one bit for each helper. Each set is a smaller one and its highest helper.
    best, size, cost = np.zeros((2**count, weight.size)), np.zeros(2**count, np.int64), np.zeros(2**count)
    for helper in range(count):
        low, high = slice(0, 2**helper), slice(2**helper, 2 ** (helper + 1))
        best[high] = np.maximum(best[low], delivered[helper])
        size[high], cost[high] = size[low] + 1, cost[low] + case.cost_bytes[helper]
    is_allowed = (size <= case.max_helpers) & (cost <= case.budget_bytes)
    return float((best @ weight)[is_allowed].max())


@dataclass(frozen=True)
class GreedyRow:
    """How near a rule comes to the optimum; shares are 0 to 1.

    Attributes:
        rule: Matching rule, with its parameters.
        helpers: Number of helpers of a case.
        shapes: What helpers observe.
        answers: Whether all answers have one size and delivery (equal) or not (unequal).
        cases: Number of random cases, in each of which something can be gained.
        mean: Mean share of the optimum that is reached.
        worst: Smallest share.
        optimal: Share of the cases in which the optimum is reached, but for rounding errors of a millionth.
        mean_line: Aim for the mean.
        worst_line: Aim for the worst case.
        met: Whether both aims are met.
    """

    rule: str
    helpers: int
    shapes: str
    answers: str
    cases: int
    mean: float
    worst: float
    optimal: float
    mean_line: float
    worst_line: float
    met: bool


def greedy_rows(cases: int = 1000) -> Iterator[GreedyRow]:
    """Yield how near each rule comes to the optimum: for each kind of cases with `HELPERS`, and for all cases together with both numbers.

    Args:
        cases: Number of cases with each number of helpers, of which each kind has about a quarter.
    """
    kinds = [(shape, equal) for shape in SHAPES for equal in (True, False)]
    for helpers in (HELPERS, MORE_HELPERS):
        chance, every = np.random.default_rng(23), []
        for number, (shape, equal) in enumerate(kinds):
            wanted = len(range(number, cases, len(kinds)))
            solved = _solved(chance, shape, equal, wanted, helpers)
            reached = np.array([[worth(case, rule) / best for _, rule in RULES] for case, best in solved]).reshape(
                -1, len(RULES)
            )
            every.append(reached)
            if wanted and helpers == HELPERS:
                yield from _rows(helpers, shape, "equal" if equal else "unequal", reached)
        yield from _rows(helpers, "all", "all", np.concatenate(every))


def _solved(
    chance: np.random.Generator, shape: str, equal: bool, cases: int, helpers: int
) -> Iterator[tuple[Case, float]]:
    """Yield random cases with their optimum; one in which nothing can be gained is drawn again."""
    found = 0
    while found < cases:
        case = random_case(chance, shape, equal, helpers)
        best = optimum(case)
        if best > 0.0:
            found += 1
            yield case, best


def _rows(helpers: int, shapes: str, answers: str, reached: Float[np.ndarray, "cases rules"]) -> Iterator[GreedyRow]:
    for (name, _), shares in zip(RULES, reached.T, strict=True):
        mean, worst = float(shares.mean()), float(shares.min())
        yield GreedyRow(
            name, helpers, shapes, answers, len(shares), mean, worst, float((shares > 1.0 - 1e-6).mean()), MEAN_LINE, WORST_LINE,
            mean >= MEAN_LINE and worst >= WORST_LINE,
        )  # fmt: skip
