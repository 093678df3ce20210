"""Messages of the program that steps a run: they travel like any other message, and their content is bytes."""

from collections.abc import Callable
from itertools import count

import numpy as np

from v2xsim.engine.channel.air import Air, Heard
from v2xsim.engine.channel.messages import ApplicationMessage, Message
from v2xsim.engine.clock import Clock, Order
from v2xsim.engine.cooperation.reassembly import Reassembly
from v2xsim.engine.stations.contents import EVERYBODY, NOBODY
from v2xsim.engine.stations.inbox import Arrival, Inboxes
from v2xsim.engine.stations.stations import Stations

# Own numbers, so that the draws of all other messages, which are keyed by their numbers, stay as they are.
_FIRST_NUMBER = 1_000_000_000

OnArrival = Callable[[int, Arrival], None]
"""Function that is called with the agent id of each station at which a message has arrived completely, and the message."""


class OwnMessages:
    """Sends the messages of a program, and stores every message that arrives in the inboxes of its receivers.

    Args:
        clock: Clock of the run.
        stations: All stations; those that hear a packet measure its link.
        inboxes: Inboxes of the stations.
        at_once: Whether messages arrive at once at all stations, without the channel.
        measures: Whether stations measure links; with an ideal channel they do not.
    """

    def __init__(self, clock: Clock, stations: Stations, inboxes: Inboxes, at_once: bool, measures: bool) -> None:
        self._clock, self._stations, self._inboxes = clock, stations, inboxes
        self._at_once, self._measures = at_once, measures
        self._numbers, self._fragments = count(_FIRST_NUMBER), Reassembly()
        self._on_arrival: dict[int, OnArrival] = {}
        self.sent = 0

    def send(
        self,
        air: Air,
        everyone: np.ndarray,
        origin: int,
        destination: int,
        payload: bytes,
        on_arrival: OnArrival | None,
    ) -> int:
        """Send a message and return its number.

        Args:
            air: The channel.
            everyone: Agent ids of all stations, in rising order.
            origin: Agent id of the station that sends.
            destination: Agent id of the station that the message is for, or EVERYBODY.
            payload: Content of the message.
            on_arrival: Function that is called at each arrival; None for none.
        """
        number, now_us = next(self._numbers), self._clock.now_us
        message = ApplicationMessage(number, origin, destination, NOBODY, len(payload), now_us, payload)
        self.sent += 1
        if on_arrival is not None:
            self._on_arrival[number] = on_arrival
        if self._at_once:
            receivers = everyone[everyone != origin] if destination == EVERYBODY else np.array([destination], np.int64)
            self._clock.call(now_us, Order.ARRIVAL, lambda: self._arrived(message, receivers, NOBODY, now_us))
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

    def _arrived(self, message: Message, receivers: np.ndarray, relay: int, time_us: int) -> None:
        payload = message.body if isinstance(message, ApplicationMessage) else b""
        arrival = Arrival(message.kind, message.number, message.origin, relay, time_us, message.size_bytes, payload)
        self._inboxes.put(receivers, arrival)
        if (on_arrival := self._on_arrival.get(message.number)) is not None:
            for receiver in receivers.tolist():
                on_arrival(receiver, arrival)
