"""Relay over the qualified station that is farthest away: the baseline of greedy forwarding, as much way as one hop can make."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from v2xsim.comms.relay.rule import RelayRule, RelayView
from v2xsim.parts import part


@part("farthest_qualified")
@dataclass(frozen=True)
class FarthestQualified(RelayRule):
    """Prefer the candidate farthest from the station that asks; both its hops are usable all the same."""

    def score(self, view: RelayView) -> Float[np.ndarray, "pairs stations"]:
        """Return the horizontal distance of each station from the one that asks, in metres."""
        return view.distance_m[view.requester]
