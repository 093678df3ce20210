"""The interface of matching rules: a rule chooses which helpers to ask, from the perception matrices that stations announce.

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
    """Input of a matching rule: the requester's blind zone, and the possible helpers as the requester knows them.

    Attributes:
        blind_weight: Weight of each cell that the requester does not see, 0 to 1; 0 for cells that it sees and cells
            inside buildings.
        observed: Whether each helper observed each cell of the requester's grid.
        occupied: Whether each helper reports each cell as occupied.
        agent: Identity of each helper, in rising order.
        distance_m: Distance of each helper from the requester, as announced.
        delivery: Predicted probability that a packet of the answer arrives by the path that would be used, 0 to 1.
        relayed: Whether that path uses a relay.
        cost_bytes: Predicted size of each helper's answer, above 0.
        budget_bytes: Most bytes that the requester may request, over all helpers.
        max_helpers: Most helpers that may be asked.
        draw: Returns one uniform number in (0, 1) for each helper; different ones for every frame.
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
        """One uniform number in (0, 1) for each helper, from the run's seed."""
        return self.draw()


class MatchingRule(Part):
    """Base of matching rules.

    Attributes:
        asks: Whether the rule ever asks a helper. False switches requests off.
    """

    kind = Kind("matching rule", "rule", ("choose",), "v2xsim.perception.matching.rules")
    asks: ClassVar[bool] = True

    def choose(self, view: MatchingView) -> Int64[np.ndarray, " chosen"]:
        """Return rows of helpers, best first, each at most once.

        Helpers are asked in this order if their predicted answer still fits into the byte budget, until `max_helpers`
        are asked. A cell that several of them observed is requested from the first. A helper without a blind cell to
        offer is not asked.
        """
        raise NotImplementedError
