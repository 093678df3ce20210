"""Messages of the program that steps a run: they travel like any other message, and their content is bytes."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

import numpy as np

from v2xsim.engine.channel.air import Air, Heard, PacketEnd
from v2xsim.engine.channel.messages import ApplicationMessage, Message, Packet
from v2xsim.engine.clock import Clock, Order
from v2xsim.engine.cooperation.reassembly import Reassembly
from v2xsim.engine.stations.contents import EVERYBODY, NOBODY
from v2xsim.engine.stations.inbox import Arrival, Inboxes
from v2xsim.engine.stations.stations import Stations

# Own numbers, so that those of all other messages stay as they are.
_FIRST_NUMBER = 1_000_000_000

NOT_RECEIVED, DESTINATION_LEFT, RUN_ENDED = "not_received", "destination_left", "run_ended"
REASONS = (NOT_RECEIVED, DESTINATION_LEFT, PacketEnd.QUEUE_FULL.value, PacketEnd.SENDER_LEFT.value, RUN_ENDED)
"""Reasons for which a message is lost."""


@dataclass(frozen=True)
class Loss:
    """A message of the program that arrived at no station.

    Attributes:
        message: The message.
        time_us: Time at which this was certain.
        reason: One of REASONS.
    """

    message: ApplicationMessage
    time_us: int
    reason: str


OnArrival = Callable[[int, Arrival], None]
"""Function that is called with the agent id of each station at which a message has arrived completely, and the message."""

OnLoss = Callable[[Loss], None]
"""Function that is called if a message will arrive at no station any more."""


@dataclass
class _UnderWay:
    """A message that may still arrive.

    Attributes:
        message: The message.
        on_arrival: Function that is called at each arrival; None for none.
        on_loss: Function that is called if the message is lost; None for none.
        fragments: Number of its fragments that have not ended, as far as known.
        has_arrived: Whether it has arrived completely at a station.
        reason: Reason of the first fragment that was not sent.
    """

    message: ApplicationMessage
    on_arrival: OnArrival | None
    on_loss: OnLoss | None
    fragments: int | None = None
    has_arrived: bool = False
    reason: str | None = None


@dataclass(frozen=True)
class MessageCounts:
    """What became of the messages of a program.

    Attributes:
        sent: Messages that it sent.
        arrived: Those that arrived at a station or more.
        lost: Those that arrived at none.
        under_way: Those whose outcome was open when the run ended.
    """

    sent: int = 0
    arrived: int = 0
    lost: int = 0
    under_way: int = 0


class OwnMessages:
    """Sends the messages of a program, and stores every message that arrives in the inboxes of its receivers.

    Args:
        clock: Clock of the run.
        stations: All stations; those that hear a packet measure its link.
        inboxes: Inboxes of the stations.
        at_once: Whether messages arrive at once at all stations, without the channel.
        measures: Whether stations measure links; with an ideal channel they do not.
        is_there: Function that returns whether a station with an agent id exists now.
    """

    def __init__(
        self, clock: Clock, stations: Stations, inboxes: Inboxes, at_once: bool, measures: bool,
        is_there: Callable[[int], bool],
    ) -> None:  # fmt: skip
        self._clock, self._stations, self._inboxes = clock, stations, inboxes
        self._at_once, self._measures, self._is_there = at_once, measures, is_there
        self._numbers, self._fragments = count(_FIRST_NUMBER), Reassembly()
        self._under_way: dict[int, _UnderWay] = {}
        self._losses: list[tuple[_UnderWay, Loss]] = []
        self._sent = self._arrivals = self._lost = self._open_at_end = 0
        self._is_over = False

    @property
    def counts(self) -> MessageCounts:
        """What has become of the messages so far."""
        return MessageCounts(self._sent, self._arrivals, self._lost, self._open_at_end)

    def send(
        self,
        air: Air,
        everyone: np.ndarray,
        origin: int,
        destination: int,
        payload: bytes,
        on_arrival: OnArrival | None,
        on_loss: OnLoss | None,
    ) -> int:
        """Send a message and return its number.

        Args:
            air: The channel.
            everyone: Agent ids of all stations, in rising order.
            origin: Agent id of the station that sends.
            destination: Agent id of the station that the message is for, or EVERYBODY.
            payload: Content of the message.
            on_arrival: Function that is called at each arrival; None for none.
            on_loss: Function that is called once if the message arrives at no station, or not at its destination; None for none.
        """
        number, now_us = next(self._numbers), self._clock.now_us
        message = ApplicationMessage(number, origin, destination, NOBODY, len(payload), now_us, payload)
        self._sent += 1
        if self._is_over:
            # A function that is called at the end of the run may send, but no time is left for it.
            self._open_at_end += 1
            return number
        self._under_way[number] = _UnderWay(message, on_arrival, on_loss)
        if self._at_once:
            receivers = everyone[everyone != origin] if destination == EVERYBODY else np.array([destination], np.int64)
            self._clock.call(now_us, Order.ARRIVAL, lambda: self._pass_on(message, receivers))
        else:
            air.send(message)
        return number

    def receive(self, heard: Heard) -> None:
        """Process a packet of a message of the program at the stations that heard it."""
        if self._measures:
            self._stations.measure(heard.receivers, heard.packet.sender, heard.snr_db, heard.time_us)
        self.note(heard)

    def note(self, heard: Heard) -> None:
        """Store a message of any kind in the inbox of each station at which this packet completes it."""
        packet, message = heard.packet, heard.packet.message
        if not self._inboxes.is_open:
            return
        receivers = heard.receivers
        if packet.target != EVERYBODY:
            # A packet to a relay has not arrived yet.
            receivers = receivers[receivers == (packet.target if packet.target == message.destination else NOBODY)]
        if packet.fragments > 1:
            complete = [self._fragments.completes(packet, receiver) for receiver in receivers.tolist()]
            receivers = receivers[np.array(complete, bool)]
        self._arrived(message, receivers, packet.sender if packet.hop > 1 else NOBODY, heard.time_us)

    def ended(self, packet: Packet, end: PacketEnd) -> None:
        """Note that a fragment of a message cannot arrive any more; the message is lost if that was the last one."""
        item = self._under_way.get(packet.message.number)
        if item is None:
            return
        item.fragments = (packet.fragments if item.fragments is None else item.fragments) - 1
        if end is not PacketEnd.SENT and item.reason is None:
            item.reason = end.value
        if item.fragments == 0:
            self._decided(item)

    def over(self, message: Message) -> None:
        """Forget the fragments of a message of any kind of which no packet is under way any more."""
        self._fragments.forget(message.number)

    def close(self) -> None:
        """Report the messages that are still under way when the run ends as lost; later ones are not sent any more."""
        self._is_over = True
        self._report()
        under_way, self._under_way = self._under_way, {}
        for item in under_way.values():
            if item.has_arrived:
                continue
            self._open_at_end += 1
            if item.on_loss is not None:
                has_left = not self._is_there(item.message.origin)
                reason = item.reason or (PacketEnd.SENDER_LEFT.value if has_left else RUN_ENDED)
                item.on_loss(Loss(item.message, self._clock.now_us, reason))

    def _pass_on(self, message: ApplicationMessage, receivers: np.ndarray) -> None:
        """Pass a message to its receivers without the channel."""
        item = self._under_way[message.number]
        self._arrived(message, receivers, NOBODY, self._clock.now_us)
        self._decided(item)

    def _arrived(self, message: Message, receivers: np.ndarray, relay: int, time_us: int) -> None:
        payload = message.body if isinstance(message, ApplicationMessage) else b""
        arrival = Arrival(message.kind, message.number, message.origin, relay, time_us, message.size_bytes, payload)
        self._inboxes.put(receivers, arrival)
        item = self._under_way.get(message.number)
        if item is None or len(receivers) == 0:
            return
        if not item.has_arrived:
            item.has_arrived, self._arrivals = True, self._arrivals + 1
        if item.on_arrival is not None:
            for receiver in receivers.tolist():
                item.on_arrival(receiver, arrival)

    def _decided(self, item: _UnderWay) -> None:
        """Forget a message of which nothing is under way any more; it is lost if it has arrived nowhere."""
        self._under_way.pop(item.message.number, None)
        if item.has_arrived:
            return
        self._lost += 1
        if item.on_loss is None:
            return
        reason = item.reason
        if reason is None:
            destination = item.message.destination
            reason = NOT_RECEIVED if destination == EVERYBODY or self._is_there(destination) else DESTINATION_LEFT
        self._losses.append((item, Loss(item.message, self._clock.now_us, reason)))
        # Not at once: a station that leaves does so while a tick begins, and the program must see one world, not half of each.
        self._clock.call(self._clock.now_us, Order.ARRIVAL, self._report)

    def _report(self) -> None:
        """Call the functions of the messages that were lost since the last call."""
        losses, self._losses = self._losses, []
        for item, loss in losses:
            if item.on_loss is not None:
                item.on_loss(loss)
