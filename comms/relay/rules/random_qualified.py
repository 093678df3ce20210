"""Relay rule by chance: any station with two usable hops; the baseline that uses no other information."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from v2xsim.comms.relay.rule import RelayRule, RelayView
from v2xsim.parts import part


@part("random_qualified")
@dataclass(frozen=True)
class RandomQualified(RelayRule):
    """Choose at random among the candidates whose two hops are usable.

    Each pair ranks its candidates by random numbers that stay the same for the whole run, so its relay changes only when
    a station begins or stops to qualify.
    """

    hysteresis: ClassVar[float] = 0.0

    def score(self, view: RelayView) -> Float[np.ndarray, " candidates"]:
        """Return a uniform random number in (0, 1) for each candidate."""
        return view.uniform
