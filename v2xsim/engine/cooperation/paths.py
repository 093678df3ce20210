"""The path from an ego to a helper, directly or through a relay, and the probability that a packet crosses it."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int64

from v2xsim.comms.relay.links import LinkDelivery
from v2xsim.engine.cooperation.relaying import RelayPlan
from v2xsim.engine.stations.contents import NOBODY
from v2xsim.engine.stations.own_state import OwnStates, rows_of


@dataclass(frozen=True)
class FoundPaths:
    """The path of each of some pairs of an ego and a helper.

    Attributes:
        exists: Whether there is a path at all.
        delivery: Predicted probability that a packet crosses the whole path, 0 to 1; 0 without a path.
        relay: Agent id of the station that forwards packets, NOBODY for the direct link or without a path.
    """

    exists: Bool[np.ndarray, " pairs"]
    delivery: Float[np.ndarray, " pairs"]
    relay: Int64[np.ndarray, " pairs"]


@dataclass(frozen=True)
class Paths:
    """The quality of the links of stations with lidars at present.

    No single station could know all of this: it includes the present quality of links between other stations, and shows
    without delay which stations have left.

    Attributes:
        states: State of each station as the station itself knows it.
        delivery: Predicted delivery of the links of stations with lidars.
        relays: Relays for the pairs of ego and helper whose direct link is too weak.
        min_delivery: Least delivery of a direct link, 0 to 1; below it, a relay is used if there is one.
    """

    states: OwnStates
    delivery: LinkDelivery
    relays: RelayPlan
    min_delivery: float

    def between(self, ego: Int64[np.ndarray, " pairs"], helper: Int64[np.ndarray, " pairs"]) -> FoundPaths:
        """Return the path that each ego would use to a helper; none if no path delivers anything or one of them has left.

        Args:
            ego: Agent id of the ego of each pair.
            helper: Agent id of the helper of each pair.
        """
        i, j = rows_of(self.states.agent, ego), rows_of(self.states.agent, helper)
        there = np.flatnonzero((i >= 0) & (j >= 0))
        delivery, relay = np.zeros(len(ego)), np.full(len(ego), NOBODY, np.int64)
        delivery[there] = self.delivery.between(i[there], j[there])
        weak = there[delivery[there] < self.min_delivery]
        # Without a relay, a bad direct link is better than none.
        relay[weak] = self.relays.relays_of(ego[weak], helper[weak])
        middle = rows_of(self.states.agent, relay)
        relay[middle < 0] = NOBODY
        relayed = weak[middle[weak] >= 0]
        hops = self.delivery.between(i[relayed], middle[relayed]), self.delivery.between(middle[relayed], j[relayed])
        delivery[relayed] = hops[0] * hops[1]
        exists = delivery > 0.0
        exists[there[delivery[there] >= self.min_delivery]] = exists[relayed] = True
        return FoundPaths(exists, delivery, relay)
