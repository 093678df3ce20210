"""What the engine asks of a channel, and the channel that delivers everything."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from jaxtyping import Float, Int64

from v2xsim.engine.channel.links import LinkBudget
from v2xsim.engine.channel.messages import EVERYBODY, Message, Packet
from v2xsim.engine.clock import Clock, Order
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


class Air(Protocol):
    """What the engine asks of a channel."""

    def tick(self, fleet: Fleet, budget: LinkBudget) -> None:
        """Take the links that hold from now on."""

    def send(self, message: Message, *, sender: int, target: int, hop: int, window_us: int, urgent: bool) -> None:
        """Hand a message to the radio; `target` is the next hop or EVERYBODY."""

    def forward(self, packet: Packet, *, sender: int, target: int, window_us: int) -> None:
        """Pass one packet on as it came."""

    def settle(self) -> None:
        """Deliver all that has arrived by now."""

    def wait_us(self, size_bytes: int) -> Float[np.ndarray, " stations"]:
        """Return the time that congestion control asks each station to leave between messages of a size."""

    def close(self) -> None:
        """Write what was counted over the run."""


class IdealAir:
    """A channel that delivers everything to everybody in no time."""

    def __init__(self, clock: Clock, on_heard: Callable[[Heard], None], packets: Columns) -> None:
        self._clock, self._on_heard, self._packets = clock, on_heard, packets
        self._fleet: Fleet | None = None
        self._budget: LinkBudget | None = None

    def tick(self, fleet: Fleet, budget: LinkBudget) -> None:
        """Take the links that hold from now on."""
        self._fleet, self._budget = fleet, budget

    def send(self, message: Message, *, sender: int, target: int, hop: int, window_us: int, urgent: bool) -> None:
        """Hand a message to the radio."""
        now = self._clock.now_us
        packet = Packet(message, hop, 0, 1, sender, target, message.size_bytes, now)
        self._clock.at(now, Order.ARRIVAL, lambda: self._deliver(packet))

    def forward(self, packet: Packet, *, sender: int, target: int, window_us: int) -> None:
        """Pass one packet on as it came."""
        raise AssertionError("an ideal channel has no relays")

    def settle(self) -> None:
        """Deliver all that has arrived by now."""

    def wait_us(self, size_bytes: int) -> Float[np.ndarray, " stations"]:
        """Return no time: the channel is never congested."""
        return np.zeros(len(self._fleet) if self._fleet is not None else 0)

    def close(self) -> None:
        """Write what was counted over the run."""

    def _deliver(self, packet: Packet) -> None:
        fleet, budget = self._fleet, self._budget
        assert fleet is not None
        assert budget is not None
        now = self._clock.now_us
        tx = fleet.index(packet.sender)
        if tx < 0:
            return
        rows, pair = budget.of(tx)
        if packet.target != EVERYBODY:
            wanted = fleet.agent[rows] == packet.target
            rows, pair = rows[wanted], pair[wanted]
        if len(rows) == 0:
            return
        self._packets.add(
            queued_us=packet.message.queued_us, start_us=now, end_us=now, message=packet.message.number,
            kind=packet.message.kind, hop=packet.hop, fragment=0, fragments=1, size_bytes=packet.size_bytes,
            tx=packet.sender, rx=fleet.agent[rows], addressed=True, distance_m=budget.distance_m[pair],
            link_state=_STATES[budget.state[pair]], power_dbm=budget.power_dbm[pair],
            sinr_db=np.full(len(rows), np.inf), outcome="delivered",
        )  # fmt: skip
        self._on_heard(Heard(packet, fleet.agent[rows], now, now, np.full(len(rows), np.inf)))
