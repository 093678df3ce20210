"""No relay: the baseline in which stations communicate directly or not at all."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from v2xsim.comms.relay.rule import RelayRule, RelayView
from v2xsim.parts import part


@part("none")
@dataclass(frozen=True)
class NoRelay(RelayRule):
    """No station forwards messages of others."""

    relays: ClassVar[bool] = False

    def score(self, view: RelayView) -> Float[np.ndarray, " candidates"]:
        """Return the same score for all candidates; it is never used."""
        return np.zeros(view.shape)
