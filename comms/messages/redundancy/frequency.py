"""Redundancy rule: leave out objects for which more than five reports were received within the last second."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from v2xsim.comms.messages.redundancy.rule import SAME_M, RedundancyRule, RedundancyView
from v2xsim.parts import part

# Artery's limit.
COPIES = 5


@part("frequency")
@dataclass(frozen=True)
class Frequency(RedundancyRule):
    """Leave out objects of which more than five reports were received within the last second."""

    def omitted(self, view: RedundancyView) -> Bool[np.ndarray, " objects"]:
        """Return whether each object is left out of the message."""
        return (view.apart_m() < SAME_M).sum(axis=1) > COPIES
