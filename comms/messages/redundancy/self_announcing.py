"""Redundancy rule: leave out objects that are vehicles which send awareness messages themselves."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Bool

from v2xsim.comms.messages.redundancy.rule import SAME_M, RedundancyRule, RedundancyView, distances_m
from v2xsim.parts import part


@part("self_announcing")
@dataclass(frozen=True)
class SelfAnnouncing(RedundancyRule):
    """Leave out objects that are less than 3 m from the position of a vehicle that announced itself."""

    reads_copies: ClassVar[bool] = False

    def omitted(self, view: RedundancyView) -> Bool[np.ndarray, " objects"]:
        """Return whether each object is left out of the message."""
        return distances_m(view.place_m, view.announced_m).min(axis=1, initial=np.inf) < SAME_M
