"""The mobility-height hybrid: our reading of the abstract of *NLOS Dies Twice* (arXiv 2307.06615).

The paper's full text was not available to us, so the exact terms and weights are ours. For a pair of stations (i, j)
and a candidate relay k, with the hops i-k and k-j:

- The height term is H_k = min over both hops of -h / r, clipped to [-1, 1], where h is the height of the worst vehicle
  above the line between the antennas (negative below it) and r is the radius of the first Fresnel zone there. The value
  of a hop behind a building is -1.
- The mobility term is M_k = min over both hops of the link expiration time, divided by 5 s and clipped to [0, 1].
- The score of the hybrid rule is w M_k + (1 - w) H_k.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from jaxtyping import Float

from v2xsim.comms.relay.rule import RelayRule, RelayView
from v2xsim.parts import AtLeast, AtMost, part


@part("hybrid")
@dataclass(frozen=True)
class Hybrid(RelayRule):
    """Prefer the candidate whose hops last long and pass high above the vehicles in between.

    Attributes:
        weight: Weight w of mobility against height, 0 to 1: with 0 only the height counts, with 1 only the mobility.
    """

    weight: Annotated[
        float,
        AtLeast(0),
        AtMost(1),
        "Weight of mobility (how long the hops last) against height (clearance above vehicles): 0 uses only height, 1 only mobility",
    ] = 0.5

    def score(self, view: RelayView) -> Float[np.ndarray, " candidates"]:
        """Return the score w M + (1 - w) H, with the mobility term M and the height term H."""
        return self.weight * view.mobility + (1.0 - self.weight) * view.height
