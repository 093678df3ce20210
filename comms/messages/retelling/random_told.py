"""Retelling rule: tell on some objects at random, whoever knows them; a baseline that matches nothing.

References:
    Gossip: Haas, Halpern and Li, "Gossip-based ad hoc routing", IEEE/ACM ToN 2006 (from memory).
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from jaxtyping import Bool

from v2xsim.comms.messages.retelling.flooding import Flooding
from v2xsim.comms.messages.retelling.rule import RetellingView
from v2xsim.parts import AtLeast, AtMost, part


@part("random_told")
@dataclass(frozen=True)
class RandomTold(Flooding):
    """Tell on as `flooding`, but each station tells an object on with a fixed probability only; a baseline."""

    draws: ClassVar[bool] = True

    share: Annotated[
        float, AtLeast(0), AtMost(1), "Probability that a station tells an object on; drawn once for each report of it"
    ] = 0.3

    def told_on(self, view: RetellingView) -> Bool[np.ndarray, " objects"]:
        """Return whether the station tells each object on."""
        found: np.ndarray = super().told_on(view) & (view.uniform < self.share)
        return found
