"""No bound: relays are chosen by the relay rule, from what stations know."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from v2xsim.comms.relay.bound import RelayBound, TrueChannel
from v2xsim.parts import part


@part("none")
@dataclass(frozen=True)
class NoBound(RelayBound):
    """No station sees the true channel."""

    sees: ClassVar[bool] = False

    def usable(self, channel: TrueChannel) -> Float[np.ndarray, "stations stations"]:
        """Return zeros; they are never used."""
        return np.zeros(channel.shape)
