"""Relay rule by antenna height: the station with the highest antenna.

This rule is a baseline that uses only antenna heights and ignores obstacles.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from v2xsim.comms.relay.rule import RelayRule, RelayView
from v2xsim.parts import part


@part("tallest_antenna")
@dataclass(frozen=True)
class TallestAntenna(RelayRule):
    """Prefer the candidate whose antenna is highest above ground.

    The present relay stays until another antenna is more than 0.1 m higher.
    """

    hysteresis: ClassVar[float] = 0.1

    def score(self, view: RelayView) -> Float[np.ndarray, " candidates"]:
        """Return the height of each candidate's antenna above ground in metres."""
        height_m: np.ndarray = view.candidate.antenna_m[:, 2].copy()
        return height_m
