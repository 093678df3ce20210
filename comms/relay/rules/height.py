"""Relay rule by height: the station whose links pass highest above the vehicles in between.

This rule is the rule `hybrid` with the height term alone.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from v2xsim.comms.relay.rule import RelayRule, RelayView
from v2xsim.parts import part


@part("height")
@dataclass(frozen=True)
class Height(RelayRule):
    """Prefer the candidate whose worse hop passes highest above the vehicles in between."""

    def score(self, view: RelayView) -> Float[np.ndarray, " candidates"]:
        """Return the Fresnel clearance of the worse hop, -1 to 1."""
        return view.height
