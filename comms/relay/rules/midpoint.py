"""Relay rule by position: the station nearest to the middle of the pair; a baseline that uses only positions."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from v2xsim.comms.relay.rule import RelayRule, RelayView
from v2xsim.parts import part


@part("midpoint")
@dataclass(frozen=True)
class Midpoint(RelayRule):
    """Prefer the candidate nearest to the midpoint between the two stations."""

    def score(self, view: RelayView) -> Float[np.ndarray, "pairs stations"]:
        """Return minus the candidate's distance from the midpoint, divided by the distance between the two stations."""
        place_m = view.antenna_m[:, :2]
        one, other = place_m[view.requester], place_m[view.helper]
        middle = 0.5 * (one + other)
        apart = np.maximum(np.linalg.norm(one - other, axis=1), 1e-9)
        score: np.ndarray = -np.linalg.norm(place_m[None] - middle[:, None], axis=2) / apart[:, None]
        return score
