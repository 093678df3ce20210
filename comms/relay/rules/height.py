"""Relay rule by height: the station whose links pass highest above vehicles, buildings and the ground in between.

This rule is the rule `hybrid` with the height term alone.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from v2xsim.comms.relay.rule import HYSTERESIS, RelayRule, RelayView
from v2xsim.parts import part


@part("height")
@dataclass(frozen=True)
class Height(RelayRule):
    """Prefer the candidate whose worse hop passes highest above vehicles, buildings and the ground in between."""

    hysteresis: ClassVar[float] = HYSTERESIS

    def score(self, view: RelayView) -> Float[np.ndarray, " candidates"]:
        """Return the Fresnel clearance of the worse hop, graded, -1 to 1."""
        return view.height
