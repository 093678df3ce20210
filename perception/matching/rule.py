"""The interface of matching rules: a rule chooses the helpers to ask, from the perception matrices they announce.

The interface follows the abstract of *NLOS Dies Twice* (Li and Sun, arXiv 2307.06615), which names "an abstract
perception matrix matching method for quick sensor fusion matching procedures"; the full text was not available to us.
Each built-in rule is one file in `rules`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from jaxtyping import Bool, Float, Int64, UInt8

from v2xsim.part_answers import LockedProperty
from v2xsim.parts import Kind, Part
from v2xsim.plugins import ask
from v2xsim.records import OCCUPIED, UNOBSERVED


@dataclass(frozen=True)
class MatchingView:
    """Input of a matching rule: the requester's blind zone, and the possible helpers as the requester knows them.

    Attributes:
        blind_weight: Weight of each cell that the requester does not see, 0 to 1; 0 for cells that it sees and cells
            inside buildings.
        code: Matrix of each helper on the requester's grid, as codes: UNOBSERVED, FREE or OCCUPIED. A `HiddenArray` for a
            rule that compares none.
        agent: Identity of each helper, in rising order.
        distance_m: Distance between the requester, where it believes it is, and the position that each helper last
            announced.
        delivery: Predicted probability, 0 to 1, that the request arrives at the helper and its whole answer at the
            requester by the deadline, over the path that would be used.
        relayed: Whether the path of each helper's answer uses a relay.
        cost_bytes: Predicted size of each helper's answer, above 0.
        budget_bytes: Largest total size of the answers that the requester may request from all helpers.
        max_helpers: Largest number of helpers that may be asked.
        draw: Function that returns a uniform random number in (0, 1) for each helper; the numbers differ from frame to
            frame.
        recall: Function that returns `gained`.
    """

    blind_weight: Float[np.ndarray, "nx ny"]
    code: UInt8[np.ndarray, "helpers nx ny"]
    agent: Int64[np.ndarray, " helpers"]
    distance_m: Float[np.ndarray, " helpers"]
    delivery: Float[np.ndarray, " helpers"]
    relayed: Bool[np.ndarray, " helpers"]
    cost_bytes: Float[np.ndarray, " helpers"]
    budget_bytes: float
    max_helpers: int
    draw: Callable[[], Float[np.ndarray, " helpers"]]
    recall: Callable[[], Float[np.ndarray, " helpers"]]

    @LockedProperty
    def observed(self) -> Bool[np.ndarray, "helpers nx ny"]:
        """Whether each helper observed each cell of the requester's grid."""
        return self.code != UNOBSERVED

    @LockedProperty
    def occupied(self) -> Bool[np.ndarray, "helpers nx ny"]:
        """Whether each helper reports each cell as occupied."""
        return self.code == OCCUPIED

    @cached_property
    def uniform(self) -> Float[np.ndarray, " helpers"]:
        """A uniform random number in (0, 1) for each helper, from the seed of the run."""
        return self.draw()

    @LockedProperty
    def gained(self) -> Float[np.ndarray, " helpers"]:
        """Share of the blind weight that earlier answers of each helper to this requester filled, 0 to 1; NaN for a helper never asked.

        It is the requester's own experience: a mean over the frames for which it asked the helper, in which older frames count less. Data that
        did not arrive by the deadline filled nothing. A helper that was not asked for long is forgotten, and has NaN again.
        """
        return self.recall()


@dataclass(frozen=True)
class MatchingViews:
    """Inputs of a matching rule for all requesters of one instant. The view of one requester is `of(row)`.

    The helpers of requester r are the rows from `offset[r]` to `offset[r + 1]` of the arrays over helpers. They are what this
    requester knows: no choice of a requester may read the rows of another one.

    Attributes:
        blind_weight: Weight of each cell that each requester does not see, as in `MatchingView`.
        lower: World cell index of cell (0, 0) of each requester's grid.
        offset: Index of the first helper of each requester; one entry more than requesters.
        agent: Identity of each helper, in rising order for each requester.
        distance_m: Distance between the requester and each helper, as in `MatchingView`.
        delivery: Predicted probability that the cycle with each helper succeeds, 0 to 1, as in `MatchingView`.
        relayed: Whether the path of each helper's answer uses a relay.
        cost_bytes: Predicted size of each helper's answer, above 0.
        matrix: Row of each helper's announced matrix in `codes` and `lowers`.
        codes: Announced matrices as codes, each on its own window of the same grid.
        lowers: World cell index of cell (0, 0) of each announced matrix.
        budget_bytes: Largest total size of the answers to one requester.
        max_helpers: Largest number of helpers that one requester may ask.
        draw: Function that takes the row of a requester and returns a random number for each of its helpers.
        recall: Function that takes the row of a requester and returns `MatchingView.gained` of each of its helpers.
    """

    blind_weight: Float[np.ndarray, "requesters nx ny"]
    lower: Int64[np.ndarray, "requesters 2"]
    offset: Int64[np.ndarray, " requesters_plus_1"]
    agent: Int64[np.ndarray, " helpers"]
    distance_m: Float[np.ndarray, " helpers"]
    delivery: Float[np.ndarray, " helpers"]
    relayed: Bool[np.ndarray, " helpers"]
    cost_bytes: Float[np.ndarray, " helpers"]
    matrix: Int64[np.ndarray, " helpers"]
    codes: UInt8[np.ndarray, "matrices mx my"]
    lowers: Int64[np.ndarray, "matrices 2"]
    budget_bytes: float
    max_helpers: int
    draw: Callable[[int], Float[np.ndarray, " helpers"]]
    recall: Callable[[int], Float[np.ndarray, " helpers"]]

    def __len__(self) -> int:
        return len(self.lower)

    @staticmethod
    def only(view: MatchingView) -> "MatchingViews":
        """Return the inputs for a single requester."""
        helpers, here = len(view.agent), np.zeros((1, 2), np.int64)
        return MatchingViews(
            view.blind_weight[None], here, np.array([0, helpers]), view.agent, view.distance_m, view.delivery, view.relayed,
            view.cost_bytes, np.arange(helpers), view.code, np.repeat(here, helpers, axis=0), view.budget_bytes, view.max_helpers,
            lambda _: view.draw(), lambda _: view.recall(),
        )  # fmt: skip

    def of(self, row: int) -> MatchingView:
        """Return the view of one requester."""
        # Imported here, so that a scenario can be checked without loading compiled kernels.
        from v2xsim.perception.matching.greedy_loops import window

        own = slice(int(self.offset[row]), int(self.offset[row + 1]))
        code = window(self.codes, self.lowers, self.matrix[own], self.lower[row], *self.blind_weight.shape[1:])
        return MatchingView(
            self.blind_weight[row], code, self.agent[own], self.distance_m[own], self.delivery[own], self.relayed[own],
            self.cost_bytes[own], self.budget_bytes, self.max_helpers, lambda: self.draw(row), lambda: self.recall(row),
        )  # fmt: skip

    @property
    def requester(self) -> Int64[np.ndarray, " helpers"]:
        """Row of the requester of each helper."""
        return np.repeat(np.arange(len(self)), np.diff(self.offset))

    def of_each_helper(self, values: Callable[[int], Float[np.ndarray, " _"]]) -> Float[np.ndarray, " helpers"]:
        """Return what `draw` or `recall` returns, for all helpers of all requesters."""
        rows = np.flatnonzero(np.diff(self.offset) > 0).tolist()
        return np.concatenate([np.zeros(0), *map(values, rows)])


@dataclass(frozen=True)
class Orders:
    """The helpers that a rule chooses for each requester, in the order in which they are selected and get cells.

    Attributes:
        offset: Index of the first helper of each requester; one entry more than requesters.
        helper: Row of each helper among those of its requester.
    """

    offset: Int64[np.ndarray, " requesters_plus_1"]
    helper: Int64[np.ndarray, " chosen"]

    @property
    def requester(self) -> Int64[np.ndarray, " chosen"]:
        """Row of the requester of each chosen helper."""
        return np.repeat(np.arange(len(self.offset) - 1), np.diff(self.offset))

    @staticmethod
    def of(rows: Sequence[Int64[np.ndarray, " _"]]) -> "Orders":
        """Return the choices of requesters, given one by one."""
        offset = np.cumsum([0, *map(len, rows)], dtype=np.int64)
        return Orders(offset, np.concatenate([np.zeros(0, np.int64), *rows]))

    @staticmethod
    def sorted(views: MatchingViews, *keys: Float[np.ndarray, " helpers"]) -> "Orders":
        """Return all helpers of each requester, those with the smallest key first; each further key decides between equal ones."""
        requester = views.requester
        return Orders(views.offset, np.lexsort((*keys[::-1], requester)) - views.offset[requester])


class MatchingRule(Part):
    """Base of matching rules.

    A built-in rule may also define `choose_all(views: MatchingViews) -> Orders`: what `choose` returns for each of several
    requesters, in one computation for all (`Part.does_many`).

    Attributes:
        asks: Whether the rule asks helpers at all (False switches requests off).
        compares: Whether the rule compares announced matrices. With False, an ego that follows the rule reads no matrix of a helper: it asks
            each chosen helper for all cells in which the ego itself is blind, and predicts that each answer takes an equal share of the
            byte budget. So answers may be useless, and several helpers may answer for one cell. The rule cannot read `code`.
        seeks_bodies: Whether the rule looks for bodies only. With True, it sees the occupied cells of the announced matrices, and all others
            as unobserved. Cells in which a vehicle stands that announced itself to the ego have no weight.
    """

    kind = Kind("matching rule", "rule", ("choose",), "v2xsim.perception.matching.rules")
    asks: ClassVar[bool] = True
    compares: ClassVar[bool] = True
    seeks_bodies: ClassVar[bool] = False

    def choose(self, view: MatchingView) -> Int64[np.ndarray, " chosen"]:
        """Return the rows of the chosen helpers, without repetitions, in the order in which they are selected and get cells.

        Helpers are selected in this order until `max_helpers` are selected. A helper whose predicted answer does not fit
        into the rest of the byte budget is skipped. A blind cell that several selected helpers observed is requested
        from the first of them. A selected helper from which no cell would be requested is not asked, but it counts
        towards `max_helpers` and the byte budget. If `compares` is False, all blind cells are requested from every
        selected helper instead.
        """
        raise NotImplementedError


def orders_of_each(rule: MatchingRule, views: MatchingViews) -> Orders:
    """Return the choice of each requester under a built-in rule that has the method `choose_all`."""
    orders: Orders = ask(rule, "choose_all", views)
    return orders
