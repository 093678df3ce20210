"""Relay rule by lifetime: the station whose shorter-lived hop lasts longest, by courses, map and known vehicles alone.

The rule `mobility` differs from it: there, what counts is the measured SNR and how it changes.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from v2xsim.comms.relay.rule import RelayRule, RelayView
from v2xsim.parts import part

_MOST_S = 3600.0


@part("longest_lifetime")
@dataclass(frozen=True)
class LongestLifetime(RelayRule):
    """Prefer the candidate whose shorter-lived hop lasts longest, by more than half a second over the present relay's."""

    hysteresis: ClassVar[float] = 0.5

    def score(self, view: RelayView) -> Float[np.ndarray, " candidates"]:
        """Return the lifetime of the shorter-lived hop in seconds; an hour if none of the two ends."""
        return np.minimum(view.lifetime_s.min(axis=1, initial=np.inf), _MOST_S)
