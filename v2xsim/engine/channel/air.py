"""What the engine asks of a channel, and the channel that delivers everything to every station in range."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from jaxtyping import Float, Int64

from v2xsim.engine.channel.links import LinkBudget
from v2xsim.engine.channel.messages import Message, Packet
from v2xsim.engine.clock import Clock, Order
from v2xsim.engine.stations.contents import EVERYBODY
from v2xsim.engine.stations.fleet import Fleet
from v2xsim.records import LINK_STATE_NAMES
from v2xsim.results.tables import Columns

_STATES = np.array(LINK_STATE_NAMES, object)


@dataclass(frozen=True)
class Heard:
    """A packet and all stations that received it.

    Attributes:
        packet: The packet.
        receivers: Their agent ids, rising.
        start_us: When it began.
        time_us: When it ended.
        snr_db: As each receiver measured it.
    """

    packet: Packet
    receivers: Int64[np.ndarray, " receivers"]
    start_us: int
    time_us: int
    snr_db: Float[np.ndarray, " receivers"]


Deliver = Callable[[Heard], None]
"""Takes each packet that somebody received, in the order of arrival."""


class Air(Protocol):
    """What the engine asks of a channel."""

    def tick(self, fleet: Fleet, links: LinkBudget) -> None:
        """Deliver what arrived over the links so far, then take the links that hold from now on."""

    def send(self, message: Message, *, period_us: int = 0, awaited: bool = True) -> None:
        """Send a message from its origin, to its relay if it has one.

        Args:
            message: What to send.
            period_us: Shortest time from one message of this kind to the next at this sender, for access schemes that reserve
                resources ahead; 0 for a message that has no successor.
            awaited: Whether a station acts on its arrival at once. Other messages are delivered before the next step of a process.
        """

    def forward(self, packet: Packet, *, sender: int, target: int) -> None:
        """Send a packet once more as it came, from a relay to a station or to EVERYBODY."""

    def settle(self) -> None:
        """Deliver all that has arrived by now."""

    def wait_us(self, size_bytes: int) -> Float[np.ndarray, " stations"]:
        """Return the time that congestion control asks each station to leave between messages of a size."""

    def close(self) -> None:
        """Write what was counted over the run."""


class IdealAir:
    """A channel that delivers everything in no time to every station in range."""

    def __init__(self, clock: Clock, deliver: Deliver, packets: Columns) -> None:
        self._clock, self._deliver_to_stations, self._packets = clock, deliver, packets
        self._fleet, self._links = Fleet.none(), LinkBudget.none()

    def tick(self, fleet: Fleet, links: LinkBudget) -> None:
        """Take the links that hold from now on."""
        self._fleet, self._links = fleet, links

    def send(self, message: Message, *, period_us: int = 0, awaited: bool = True) -> None:
        """Send a message: it arrives at this instant, before any process goes on."""
        now_us = self._clock.now_us
        packet = Packet(message, 1, 0, 1, message.origin, message.first_target, message.size_bytes)
        self._clock.call(now_us, Order.ARRIVAL, lambda: self._deliver(packet))

    def forward(self, packet: Packet, *, sender: int, target: int) -> None:
        """Refuse: nobody is asked to relay over an ideal channel."""
        raise AssertionError("an ideal channel has no relays")

    def settle(self) -> None:
        """Do nothing: all that was sent has arrived."""

    def wait_us(self, size_bytes: int) -> Float[np.ndarray, " stations"]:
        """Return no time: the channel is never congested."""
        return np.zeros(len(self._fleet))

    def close(self) -> None:
        """Do nothing: nothing was counted."""

    def _deliver(self, packet: Packet) -> None:
        fleet, links, now_us = self._fleet, self._links, self._clock.now_us
        sender_row = fleet.index(packet.sender)
        # It may have left between sending and this event.
        if sender_row < 0:
            return
        rows, pair = links.of(sender_row)
        if packet.target != EVERYBODY:
            is_target = fleet.agent[rows] == packet.target
            rows, pair = rows[is_target], pair[is_target]
        if len(rows) == 0:
            return
        self._packets.add(
            queued_us=packet.message.queued_us, start_us=now_us, end_us=now_us, message=packet.message.number,
            kind=packet.message.kind, hop=packet.hop, fragment=0, fragments=1, size_bytes=packet.size_bytes,
            tx=packet.sender, rx=fleet.agent[rows], addressed=True, distance_m=links.distance_m[pair],
            link_state=_STATES[links.state[pair]], power_dbm=links.power_dbm[pair],
            sinr_db=np.full(len(rows), np.inf), outcome="delivered",
        )  # fmt: skip
        self._deliver_to_stations(Heard(packet, fleet.agent[rows], now_us, now_us, np.full(len(rows), np.inf)))
