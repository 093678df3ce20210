"""The mobility-height hybrid: our reading of the abstract of *NLOS Dies Twice* (arXiv 2307.06615).

The paper's full text was not available to us, so the exact terms and weights are ours. For a pair of stations (i, j)
and a candidate relay k, with the hops i-k and k-j:

- The height term is H_k = g(min over both hops of -h / r), where h is the height of the worst obstacle above the line between the
  antennas (negative below it) and r is the radius of the first Fresnel zone there. Obstacles are the known vehicles, the buildings of
  the map, and the ground.
- The mobility term is M_k = g(min over both hops and the next second of m / 10 dB), where m is the margin of the SNR above the least
  usable one. The SNR ahead is the measured one, changed as courses, the map and the known vehicles change the expected one.
- Both are graded by g(x) = x / (1 + |x|), between -1 and 1, so that candidates hardly ever tie.
- The load term L_k is the busy ratio of the channel that k announced, 0 to 1.
- The score of the hybrid rule is w M_k + (1 - w) H_k - v L_k.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from jaxtyping import Float

from v2xsim.comms.relay.rule import HYSTERESIS, RelayRule, RelayView
from v2xsim.parts import AtLeast, AtMost, part


@part("hybrid")
@dataclass(frozen=True)
class Hybrid(RelayRule):
    """Prefer the candidate whose hops keep a margin and pass high above what is in between, where the channel is not busy.

    Attributes:
        weight: Weight w of mobility against height, 0 to 1: with 0 only the height counts, with 1 only the mobility.
        load_weight: Weight v of the busy ratio of the channel around the candidate, which counts against it.
        prediction: Whether the mobility term looks ahead; without, the present margin counts.
        unconnected: Whether vehicles count that announce nothing, but that the station that decides detected itself.
    """

    hysteresis: ClassVar[float] = HYSTERESIS

    weight: Annotated[
        float,
        AtLeast(0),
        AtMost(1),
        "Weight of mobility (margin of the hops during the next second) against height (clearance above what is in between): 0 uses only height, 1 only mobility",
    ] = 0.5
    load_weight: Annotated[
        float,
        AtLeast(0),
        AtMost(10),
        "Weight of the busy ratio around the candidate, which counts against it; 0 ignores it",
    ] = 0.5
    prediction: Annotated[bool, "Whether the mobility term looks ahead; without, the present margin counts"] = True
    unconnected: Annotated[
        bool, "Whether vehicles without a radio count that the station that decides detected itself"
    ] = True

    def score(self, view: RelayView) -> Float[np.ndarray, " candidates"]:
        """Return the score w M + (1 - w) H - v L, with the terms of mobility M, height H and load L."""
        known = view if self.unconnected else view.with_announced_bodies
        mobility = known.mobility if self.prediction else known.mobility_now
        return self.weight * mobility + (1.0 - self.weight) * known.height - self.load_weight * view.load
