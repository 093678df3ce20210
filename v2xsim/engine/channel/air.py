"""The interface of a channel, and the ideal channel, which delivers every message to every station in range."""

from collections.abc import Callable, Set
from enum import Enum
from typing import NamedTuple, Protocol

import numpy as np
from jaxtyping import Float, Int64

from v2xsim.engine.channel.links import LinkBudget
from v2xsim.engine.channel.messages import APPLICATION, Message, Packet
from v2xsim.engine.channel.under_way import Over, ignore_over
from v2xsim.engine.clock import Clock, Order
from v2xsim.engine.stages import Stages
from v2xsim.engine.stations.contents import EVERYBODY
from v2xsim.engine.stations.fleet import Fleet
from v2xsim.records import LINK_STATE_NAMES
from v2xsim.results.tables import Columns

_STATES = np.array(LINK_STATE_NAMES, object)


class Heard(NamedTuple):
    """A packet and all stations that received it.

    Attributes:
        packet: The packet.
        receivers: Agent ids of the stations that received the packet, in rising order.
        start_us: Start of the transmission.
        time_us: End of the transmission.
        snr_db: Signal-to-noise ratio that each receiver measured.
    """

    packet: Packet
    receivers: Int64[np.ndarray, " receivers"]
    start_us: int
    time_us: int
    snr_db: Float[np.ndarray, " receivers"]


Deliver = Callable[[Heard], None]
"""Function that is called with each packet that at least one station received, in the order of arrival."""


class PacketEnd(Enum):
    """How the way of a packet ended, whether or not a station received it.

    Attributes:
        SENT: It was sent, as often as the channel repeats it.
        QUEUE_FULL: Its sender's full queue dropped it.
        SENDER_LEFT: Its sender left before it was sent.
    """

    SENT = "sent"
    QUEUE_FULL = "queue_full"
    SENDER_LEFT = "sender_left"


Ended = Callable[[Packet, PacketEnd], None]
"""Function that is called once with each packet of a program's message when it cannot arrive any more, after its deliveries."""


def ignore_end(packet: Packet, end: PacketEnd) -> None:
    """Do nothing at the end of a packet."""


class Air(Protocol):
    """Interface of a channel: the radio and the ideal channel implement it."""

    def tick(self, fleet: Fleet, links: LinkBudget) -> None:
        """Deliver the packets that arrived over the old links, then replace the links by those of the new tick."""

    def phase_us(self, agent: int, period_us: int) -> int:
        """Return how long after the start of a period a station makes its announcement, below the period's length.

        The periods of stations are not aligned, so each station has a random phase of its own, the same in the whole run.
        """

    def send(self, message: Message, *, period_us: int = 0, awaited: bool = True, repeated: bool = False) -> None:
        """Send a message from its origin: to its relay if it has one, otherwise to its destination.

        Args:
            message: Message to send.
            period_us: Shortest time from one message of this kind to the next at this sender, for access schemes that reserve
                resources ahead; 0 for a message that has no successor.
            awaited: Whether a station acts as soon as the message arrives. Other messages are delivered before the next
                step of any process.
            repeated: Whether the origin sends each packet of a broadcast a second time, whoever received the first.
        """

    def forward(self, packet: Packet, *, sender: int, target: int) -> None:
        """Send a received packet again, unchanged, from a relay to a station or to EVERYBODY."""

    def relays(self, origins: Set[int]) -> None:
        """Note the stations whose announcements a relay forwards: a relay acts on those that are under way, too."""

    def settle(self) -> None:
        """Deliver all packets that have arrived by now."""

    def oldest_us(self) -> int:
        """Return the time at which the oldest message was made of which a packet can still arrive; the present time if there is none."""

    def wait_us(self, size_bytes: int) -> Float[np.ndarray, " stations"]:
        """Return the least time that congestion control demands between two messages of a size, for each station."""

    def busy_share(self, agents: Int64[np.ndarray, " agents"]) -> Float[np.ndarray, " agents"]:
        """Return the busy ratio, 0 to 1, that each of some present stations measured last; 0 before its first measurement."""

    def close(self) -> None:
        """Write the counts of the whole run into the result tables."""


class IdealAir:
    """A channel that delivers every message without delay or loss to every station in range."""

    def __init__(
        self, clock: Clock, deliver: Deliver, packets: Columns, ended: Ended = ignore_end, over: Over = ignore_over,
        stages: Stages | None = None,
    ) -> None:  # fmt: skip
        self._clock, self._deliver_to_stations, self._packets = clock, deliver, packets
        self._ended, self._over = ended, over
        self._stages = stages or Stages()
        self._fleet, self._links = Fleet.none(), LinkBudget.none()

    def tick(self, fleet: Fleet, links: LinkBudget) -> None:
        """Replace the links by those of the new tick."""
        self._fleet, self._links = fleet, links

    def phase_us(self, agent: int, period_us: int) -> int:
        """Return 0: no announcement disturbs another, so all stations may announce themselves at the same instant."""
        return 0

    def send(self, message: Message, *, period_us: int = 0, awaited: bool = True, repeated: bool = False) -> None:
        """Send a message; it arrives at the same instant, before any process continues."""
        now_us = self._clock.now_us
        packet = Packet(message, 1, 0, 1, message.origin, message.first_target, message.size_bytes)
        self._clock.call(now_us, Order.ARRIVAL, lambda: self._pass_on(packet))

    def forward(self, packet: Packet, *, sender: int, target: int) -> None:
        """Raise AssertionError: no message over an ideal channel has a relay."""
        raise AssertionError("an ideal channel has no relays")

    def relays(self, origins: Set[int]) -> None:
        """Do nothing: no message over an ideal channel has a relay."""

    def settle(self) -> None:
        """Do nothing: every message that was sent has arrived already."""

    def oldest_us(self) -> int:
        """Return the present time: every message arrives at the instant at which it is sent."""
        return self._clock.now_us

    def wait_us(self, size_bytes: int) -> Float[np.ndarray, " stations"]:
        """Return zero for each station: an ideal channel is never congested."""
        return np.zeros(len(self._fleet))

    def busy_share(self, agents: Int64[np.ndarray, " agents"]) -> Float[np.ndarray, " agents"]:
        """Return zero for each station: an ideal channel is never busy."""
        return np.zeros(len(agents))

    def close(self) -> None:
        """Do nothing: an ideal channel counts nothing over a run."""

    def _pass_on(self, packet: Packet) -> None:
        with self._stages.messages:
            self._deliver(packet)
        if packet.message.kind == APPLICATION:
            has_left = self._fleet.index(packet.sender) < 0
            self._ended(packet, PacketEnd.SENDER_LEFT if has_left else PacketEnd.SENT)
        self._over(packet.message)

    def _deliver(self, packet: Packet) -> None:
        fleet, links, now_us = self._fleet, self._links, self._clock.now_us
        sender_row = fleet.index(packet.sender)
        # The sender may have left between sending and this event.
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
