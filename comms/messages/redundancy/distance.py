"""Redundancy rule: leave out objects that a sender less than 10 m away reported within the last second."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from v2xsim.comms.messages.redundancy.rule import SAME_M, RedundancyRule, RedundancyView
from v2xsim.parts import part

# Artery's limit.
NEAR_M = 10.0


@part("distance")
@dataclass(frozen=True)
class Distance(RedundancyRule):
    """Leave out objects that a sender less than 10 m away reported within the last second."""

    def omitted(self, view: RedundancyView) -> Bool[np.ndarray, " objects"]:
        """Return whether each object is left out of the message."""
        near = np.linalg.norm(view.copies.sender_m - view.own_m, axis=1) < NEAR_M
        reported_nearby: np.ndarray = ((view.apart_m() < SAME_M) & near[None, :]).any(axis=1)
        return reported_nearby
