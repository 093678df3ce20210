"""Relay rule by mobility: the station whose hops keep the most margin; the rule `hybrid` with the mobility term alone."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from v2xsim.comms.relay.rule import HYSTERESIS, RelayRule, RelayView
from v2xsim.parts import part


@part("mobility")
@dataclass(frozen=True)
class Mobility(RelayRule):
    """Prefer the candidate whose worse hop keeps the highest margin during the next second, by its measured SNR and what lies ahead."""

    hysteresis: ClassVar[float] = HYSTERESIS

    def score(self, view: RelayView) -> Float[np.ndarray, " candidates"]:
        """Return the margin of the worse hop in the next second in units of 10 dB, graded, -1 to 1."""
        return view.mobility
