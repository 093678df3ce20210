"""Relay rule by measured link quality: the station over whose worse hop most announcements arrive."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from v2xsim.comms.relay.rule import RelayRule, RelayView
from v2xsim.parts import part


@part("best_snr")
@dataclass(frozen=True)
class BestSnr(RelayRule):
    """Prefer the candidate whose worse hop has the highest delivery probability, as the share of announcements that arrive shows it."""

    def score(self, view: RelayView) -> Float[np.ndarray, " candidates"]:
        """Return the delivery probability of the worse hop, 0 to 1."""
        return view.weaker_delivery
