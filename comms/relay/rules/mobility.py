"""Relay rule by mobility: the station that stays in range longest; the rule `hybrid` with the mobility term alone."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from v2xsim.comms.relay.rule import RelayRule, RelayView
from v2xsim.parts import part


@part("mobility")
@dataclass(frozen=True)
class Mobility(RelayRule):
    """Prefer the candidate whose first hop to go out of range lasts longest at the present velocities; all above 5 s count alike."""

    def score(self, view: RelayView) -> Float[np.ndarray, "pairs stations"]:
        """Return the lifetime of the shorter-lived hop divided by 5 s, limited to 0 to 1."""
        return view.mobility
