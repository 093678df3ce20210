"""The oracle of the present channel: which links carry packets now."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from v2xsim.comms.relay.bound import RelayBound, TrueChannel
from v2xsim.parts import part


@part("oracle")
@dataclass(frozen=True)
class Oracle(RelayBound):
    """Relays are chosen with the true delivery of all links now; collisions and busy receivers are not foreseen."""

    def usable(self, channel: TrueChannel) -> Float[np.ndarray, "stations stations"]:
        """Return the delivery now."""
        return channel.delivery[0]
