"""Limited flooding: several stations forward each packet, whichever they are.

Flooding would let every station that receives a packet send it again. Here, the message names a few forwarders, so the load
on the channel is bounded.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from jaxtyping import Float

from v2xsim.comms.relay.rule import RelayRule, RelayView
from v2xsim.parts import AtLeast, AtMost, part


@part("limited_flooding")
@dataclass(frozen=True)
class LimitedFlooding(RelayRule):
    """Let several of the candidates forward each packet, drawn at random; the same ones during a run, as long as they qualify.

    Attributes:
        forwarders: Largest number of stations that forward each packet.
    """

    hysteresis: ClassVar[float] = 0.0

    forwarders: Annotated[int, AtLeast(2), AtMost(10), "Largest number of stations that forward each packet"] = 3

    @property
    def copies(self) -> int:
        """Number of stations that forward each packet."""
        return self.forwarders

    def score(self, view: RelayView) -> Float[np.ndarray, " candidates"]:
        """Return a uniform random number in (0, 1) for each candidate."""
        return view.uniform
