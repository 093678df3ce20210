"""Relay rule by mobility: the station whose hops last longest; the rule `hybrid` with the mobility term alone."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from v2xsim.comms.relay.rule import RelayRule, RelayView
from v2xsim.parts import part


@part("mobility")
@dataclass(frozen=True)
class Mobility(RelayRule):
    """Prefer the candidate whose shorter-lived hop stays usable longest, up to 5 s, by its measured SNR and what lies ahead."""

    def score(self, view: RelayView) -> Float[np.ndarray, " candidates"]:
        """Return how long the shorter-lived hop stays usable, divided by 5 s, 0 to 1."""
        return view.mobility
