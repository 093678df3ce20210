"""The interface of matching rules: a rule chooses the helpers to ask, from the perception matrices they announce.

The interface follows the abstract of *NLOS Dies Twice* (Li and Sun, arXiv 2307.06615), which names "an abstract
perception matrix matching method for quick sensor fusion matching procedures"; the full text was not available to us.
Each built-in rule is one file in `rules`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from jaxtyping import Bool, Float, Int64, UInt8

from v2xsim.part_answers import LockedProperty
from v2xsim.parts import Kind, Part
from v2xsim.records import OCCUPIED, UNOBSERVED


@dataclass(frozen=True)
class MatchingView:
    """Input of a matching rule: the requester's blind zone, and the possible helpers as the requester knows them.

    Attributes:
        blind_weight: Weight of each cell that the requester does not see, 0 to 1; 0 for cells that it sees and cells
            inside buildings.
        code: Matrix of each helper on the requester's grid, as codes: UNOBSERVED, FREE or OCCUPIED.
        agent: Identity of each helper, in rising order.
        distance_m: Distance between the requester, where it believes it is, and the position that each helper last
            announced.
        delivery: Predicted probability, 0 to 1, that a packet of the helper's answer arrives over the path that would
            be used.
        relayed: Whether the path of each helper's answer uses a relay.
        cost_bytes: Predicted size of each helper's answer, above 0.
        budget_bytes: Largest total size of the answers that the requester may request from all helpers.
        max_helpers: Largest number of helpers that may be asked.
        draw: Function that returns a uniform random number in (0, 1) for each helper; the numbers differ from frame to
            frame.
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


class MatchingRule(Part):
    """Base of matching rules.

    Attributes:
        asks: Whether the rule asks helpers at all (False switches requests off).
    """

    kind = Kind("matching rule", "rule", ("choose",), "v2xsim.perception.matching.rules")
    asks: ClassVar[bool] = True

    def choose(self, view: MatchingView) -> Int64[np.ndarray, " chosen"]:
        """Return the rows of the chosen helpers, best first and without repetitions.

        Helpers are selected in this order until `max_helpers` are selected. A helper whose predicted answer does not fit
        into the rest of the byte budget is skipped. A blind cell that several selected helpers observed is requested
        from the first of them. A selected helper from which no cell would be requested is not asked, but it counts
        towards `max_helpers` and the byte budget.
        """
        raise NotImplementedError
