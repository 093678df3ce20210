"""Redundancy rule: leave out objects that others reported within the last second with nearly the same state.

The reported position must be less than 3 m away, and the reported speed must differ by less than 0.5 m/s.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from v2xsim.comms.messages.redundancy.rule import SAME_M, RedundancyRule, RedundancyView
from v2xsim.parts import part

# Artery's limit.
SPEED_MPS = 0.5


@part("dynamics")
@dataclass(frozen=True)
class Dynamics(RedundancyRule):
    """Leave out objects that others reported within the last second, if position and speed differ by less than 3 m and 0.5 m/s."""

    def omitted(self, view: RedundancyView) -> Bool[np.ndarray, " objects"]:
        """Return whether each object is left out of the message."""
        alike = np.abs(view.speed_mps[:, None] - view.copies.speed_mps[None, :]) < SPEED_MPS
        return ((view.apart_m() < SAME_M) & alike).any(axis=1)
