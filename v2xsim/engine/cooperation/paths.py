"""How well a packet gets from an ego to a helper, directly or through a relay."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from v2xsim.engine.cooperation.relaying import RelayPlan
from v2xsim.engine.stations.contents import NOBODY
from v2xsim.engine.stations.own_state import OwnStates


@dataclass(frozen=True)
class Path:
    """One way from an ego to a helper.

    Attributes:
        delivery: Predicted probability that a packet arrives, 0 to 1.
        relay: Station that passes it on, NOBODY for the direct link.
    """

    delivery: float
    relay: int


@dataclass(frozen=True)
class Paths:
    """The links of all stations as they are now.

    This is more than one station knows: the present quality of links between others, and who has left, without delay.

    Attributes:
        states: The stations.
        delivery: Predicted probability that a data packet crosses each link, 0 to 1; symmetric.
        relays: Relays of the pairs that cannot reach each other well enough.
        min_delivery: Least delivery of a link that is used without a relay.
    """

    states: OwnStates
    delivery: Float[np.ndarray, "stations stations"]
    relays: RelayPlan
    min_delivery: float

    def between(self, ego: int, helper: int) -> Path | None:
        """Return the path that an ego would use to a helper, None if there is none."""
        i, j = self.states.index(ego), self.states.index(helper)
        if j < 0:
            return None
        direct = float(self.delivery[i, j])
        if direct >= self.min_delivery:
            return Path(direct, NOBODY)
        relay = self.relays.relay_of(ego, helper)
        middle = self.states.index(relay) if relay != NOBODY else -1
        if middle >= 0:
            return Path(float(self.delivery[i, middle] * self.delivery[middle, j]), relay)
        # A bad link is better than none.
        return Path(direct, NOBODY) if direct > 0.0 else None
