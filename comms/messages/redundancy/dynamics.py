"""Objects of which a copy was received within the last second that differs by less than 3 m and 0.5 m/s are left out."""

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
    """Leave out objects that others reported within the last second with a position within 3 m and a speed within 0.5 m/s."""

    def omitted(self, view: RedundancyView) -> Bool[np.ndarray, " objects"]:
        """Return which objects are left out of the message."""
        alike = np.abs(view.speed_mps[:, None] - view.copies.speed_mps[None, :]) < SPEED_MPS
        return ((view.apart_m() < SAME_M) & alike).any(axis=1)
