"""Relay rule by mobility: the station whose hops last longest; the rule `hybrid` with the mobility term alone."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from v2xsim.comms.relay.rule import RelayRule, RelayView
from v2xsim.parts import part


@part("mobility")
@dataclass(frozen=True)
class Mobility(RelayRule):
    """Prefer the candidate whose shorter-lived hop lasts longest, up to 5 s, before range, buildings or vehicles end it."""

    def score(self, view: RelayView) -> Float[np.ndarray, " candidates"]:
        """Return the lifetime of the shorter-lived hop divided by 5 s, limited to 0 to 1."""
        return view.mobility
