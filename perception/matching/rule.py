"""What a matching rule is: it chooses whom to ask, from the abstract perception matrices that stations announce.

Our reading of the abstract of *NLOS Dies Twice* (Li and Sun, arXiv 2307.06615), which names "an abstract perception matrix matching
method for quick sensor fusion matching procedures"; its body was not available to us. One file in `rules` for each built-in rule.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from jaxtyping import Bool, Float, Int64

from v2xsim.parts import Kind, Part


@dataclass(frozen=True)
class MatchingView:
    """What a matching rule reads: a requester's blind zone, and the possible helpers as it knows them.

    Attributes:
        blind_weight: How much each cell that the requester does not see matters to it, 0 to 1; 0 for cells that it sees and inside
            buildings.
        observed: Which cells each helper observed, on the requester's grid.
        occupied: Which of these it reports occupied.
        agent: Identity of each helper, rising.
        distance_m: Of each helper from the requester, as announced.
        delivery: Predicted probability that an answer's packet arrives by the path that would be used, 0 to 1.
        relayed: Whether that path goes by way of a relay.
        cost_bytes: Predicted size of each helper's answer, above 0.
        budget_bytes: Bytes that the requester may ask for, over all helpers.
        max_helpers: Most helpers that may be asked.
        draw: Returns one uniform number in (0, 1) for each helper; new ones for every frame.
    """

    blind_weight: Float[np.ndarray, "nx ny"]
    observed: Bool[np.ndarray, "helpers nx ny"]
    occupied: Bool[np.ndarray, "helpers nx ny"]
    agent: Int64[np.ndarray, " helpers"]
    distance_m: Float[np.ndarray, " helpers"]
    delivery: Float[np.ndarray, " helpers"]
    relayed: Bool[np.ndarray, " helpers"]
    cost_bytes: Float[np.ndarray, " helpers"]
    budget_bytes: float
    max_helpers: int
    draw: Callable[[], Float[np.ndarray, " helpers"]]

    @cached_property
    def uniform(self) -> Float[np.ndarray, " helpers"]:
        """One number in (0, 1) for each helper, from the run's seed."""
        return self.draw()


class MatchingRule(Part):
    """Base of matching rules.

    Attributes:
        asks: Whether the rule ever asks anybody.
    """

    kind = Kind("matching rule", "rule", ("choose",), "v2xsim.perception.matching.rules")
    asks: ClassVar[bool] = True

    def choose(self, view: MatchingView) -> Int64[np.ndarray, " chosen"]:
        """Return rows of helpers, best first, each at most once.

        Asked are, in this order, those whose predicted answer still fits into the byte budget, until `max_helpers` are; cells that
        several observed are asked of the first, and who has no blind cell to offer is not asked.
        """
        raise NotImplementedError
