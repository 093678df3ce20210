"""The path from an ego to a helper, directly or through a relay, and the probability that a packet crosses it."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from v2xsim.engine.cooperation.relaying import RelayPlan
from v2xsim.engine.stations.contents import NOBODY
from v2xsim.engine.stations.own_state import OwnStates


@dataclass(frozen=True)
class Path:
    """One path from an ego to a helper.

    Attributes:
        delivery: Predicted probability that a packet crosses the whole path, 0 to 1.
        relay: Agent id of the station that forwards packets, NOBODY for the direct link.
    """

    delivery: float
    relay: int


@dataclass(frozen=True)
class Paths:
    """The quality of the links between all stations at present.

    No single station could know all of this: it includes the present quality of links between other stations, and shows
    without delay which stations have left.

    Attributes:
        states: State of each station as the station itself knows it.
        delivery: Predicted probability that a data packet crosses each link, 0 to 1; symmetric.
        relays: Relays for the pairs of ego and helper whose direct link is too weak.
        min_delivery: Least delivery of a direct link, 0 to 1; below it, a relay is used if there is one.
    """

    states: OwnStates
    delivery: Float[np.ndarray, "stations stations"]
    relays: RelayPlan
    min_delivery: float

    def between(self, ego: int, helper: int) -> Path | None:
        """Return the path that an ego would use to a helper; None if no path delivers anything or the helper has left."""
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
        # Without a relay, a bad direct link is better than none.
        return Path(direct, NOBODY) if direct > 0.0 else None
