"""Retelling rule: tell each object on once, whoever knows it; a baseline that matches nothing.

References:
    Flooding, and its counter-based suppression: Williams and Camp, "Comparison of broadcasting techniques for mobile ad hoc networks", MobiHoc 2002.
    Objects of collective perception messages over several hops: Wolff, Xhoxhi and Tautz, arXiv 2404.07761 (2024). Both from memory.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from jaxtyping import Bool

from v2xsim.comms.messages.retelling.rule import FreshOnly, RetellingView
from v2xsim.parts import AtLeast, AtMost, part


@part("flooding")
@dataclass(frozen=True)
class Flooding(FreshOnly):
    """Tell each object on once, if a neighbour wants data at all, whoever knows the object already; a baseline."""

    compares: ClassVar[bool] = False

    tellings: Annotated[
        int,
        AtLeast(0),
        AtMost(1000),
        "Number of messages of others that told an object on, from which this station keeps silent; 0 for no limit",
    ] = 0

    def told_on(self, view: RetellingView) -> Bool[np.ndarray, " objects"]:
        """Return whether the station tells each object on."""
        is_fresh = self.is_fresh(view)
        is_silent = view.tellings >= self.tellings if self.tellings else np.zeros(len(view.hops), bool)
        found: np.ndarray = is_fresh & ~view.is_mine & ~is_silent & (len(view.agent) > 0)
        return found
