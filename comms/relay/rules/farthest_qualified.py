"""Relay rule by distance: the qualified station farthest from the requester.

Greedy forwarding uses the same idea: each hop should cover as much distance as possible.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from v2xsim.comms.relay.rule import RelayRule, RelayView
from v2xsim.parts import part


@part("farthest_qualified")
@dataclass(frozen=True)
class FarthestQualified(RelayRule):
    """Prefer the candidate farthest from the station that requests data, by more than 10 m over the present relay; both hops must be usable."""

    hysteresis: ClassVar[float] = 10.0

    def score(self, view: RelayView) -> Float[np.ndarray, " candidates"]:
        """Return the horizontal distance of each candidate from the one that requests data, in metres."""
        offset = (view.candidate.antenna_m - view.requester.antenna_m[view.pair])[:, :2]
        distance_m: np.ndarray = np.hypot(offset[:, 0], offset[:, 1])
        return distance_m
