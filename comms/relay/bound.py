"""Bounds of relaying: relays chosen with the true channel, which no station can know.

A bound shows what any relay rule could gain. It is a kind of part of its own, so that no relay rule sees what it sees.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from v2xsim.part_answers import array_from
from v2xsim.parts import Kind, Part
from v2xsim.plugins import ask


@dataclass(frozen=True)
class TrueChannel:
    """The true probability that a packet crosses each link, without interference, at the present tick and, if the bound looks ahead, later ones.

    Attributes:
        delivery: By instant, sender and receiver, 0 to 1; the first instant is now, the last one the latest tick before the
            deadline of the present frames. 0 out of range, and from a station to itself.
    """

    delivery: Float[np.ndarray, "instants stations stations"]

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of the answer of a bound: stations by stations."""
        return self.delivery.shape[1], self.delivery.shape[2]


class RelayBound(Part):
    """Base of bounds.

    Attributes:
        sees: Whether the true channel is seen at all (False leaves the choice to the relay rule).
        looks_ahead: Whether the channel at ticks to come is seen, too.
    """

    kind = Kind("relay bound", "bound", ("usable",), "v2xsim.comms.relay.bounds")
    sees: ClassVar[bool] = True
    looks_ahead: ClassVar[bool] = False

    def usable(self, channel: TrueChannel) -> Float[np.ndarray, "stations stations"]:
        """Return the delivery of each link with which relays are chosen, 0 to 1."""
        raise NotImplementedError


def usable_links(bound: RelayBound, channel: TrueChannel) -> Float[np.ndarray, "stations stations"]:
    """Return the links with which a bound chooses relays; the result of a user's bound is checked.

    Raises:
        PartError: If a user's bound raises an exception or returns anything but one number from 0 to 1 for each pair of stations.
    """
    senders, receivers = channel.shape
    axes = {"senders": senders, "receivers": receivers}
    return array_from(bound, "usable", ask(bound, "usable", channel), axes, least=0.0, most=1.0)
