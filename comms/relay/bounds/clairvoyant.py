"""The clairvoyant: which links carry packets from now to the deadline."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from v2xsim.comms.relay.bound import RelayBound, TrueChannel
from v2xsim.parts import part


@part("clairvoyant")
@dataclass(frozen=True)
class Clairvoyant(RelayBound):
    """Relays are chosen with the least true delivery of each link from now to the deadline; collisions are not foreseen.

    Links change at ticks, so with a deadline of one step it chooses as `oracle` does.
    """

    looks_ahead: ClassVar[bool] = True

    def usable(self, channel: TrueChannel) -> Float[np.ndarray, "stations stations"]:
        """Return the least delivery of each link."""
        least: np.ndarray = channel.delivery.min(axis=0)
        return least
