"""Relay rule by measured quality: the station whose worse hop is best."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from v2xsim.comms.relay.rule import RelayRule, RelayView
from v2xsim.parts import part


@part("best_snr")
@dataclass(frozen=True)
class BestSnr(RelayRule):
    """Prefer the candidate whose worse hop has the highest delivery probability, as predicted from the measured SNR."""

    def score(self, view: RelayView) -> Float[np.ndarray, "pairs stations"]:
        """Return the predicted delivery over the worse hop."""
        return view.weaker_delivery
