"""Read-only views of messages: those that arrived at a station, and those of a program that were lost."""

from dataclasses import dataclass, field

from v2xsim.engine.cooperation.own_messages import Loss
from v2xsim.engine.stations.contents import NOBODY
from v2xsim.engine.stations.inbox import Arrival
from v2xsim.mobility.base import Names


@dataclass(frozen=True)
class ReceivedMessage:
    """A message that arrived completely at a station.

    Attributes:
        kind: `awareness`, `request`, `data`, `cpm`, or `application` for a message of your own program.
        sender: Name of the station that made the message.
        relay: Name of the station that forwarded it; None if it came directly.
        time_s: Time at which its last fragment arrived.
        size_bytes: Size of the payload.
        payload: Content of a message of your own program; empty for other kinds.
        number: Number of the message, unique in a run, as in the table `packets`.
    """

    kind: str
    sender: str
    relay: str | None
    time_s: float
    size_bytes: int
    payload: bytes = field(repr=False)
    number: int

    @staticmethod
    def of(arrival: Arrival, names: Names) -> "ReceivedMessage":
        """Return an arrival with names instead of agent ids."""
        return ReceivedMessage(
            kind=arrival.kind, sender=names.name_of(arrival.origin),
            relay=None if arrival.relay == NOBODY else names.name_of(arrival.relay), time_s=arrival.time_us / 1e6,
            size_bytes=arrival.size_bytes, payload=arrival.payload, number=arrival.number,
        )  # fmt: skip


@dataclass(frozen=True)
class LostMessage:
    """A message of your own program that did not arrive, and cannot arrive any more.

    A message to one station is lost if not all its fragments arrive there. A message to all is lost if no station at all receives it
    completely.

    Attributes:
        sender: Name of the station that made the message.
        reason: `not_received`: it was sent, and did not get through, in spite of `radio.retries`; `destination_left`: so, and the
            station that it was for is there no more; `queue_full`: the sender's full queue dropped a fragment (`radio.queue_packets`);
            `sender_left`: the sender left before all fragments were sent; `run_ended`: the run ended while a fragment waited or
            was on the air.
        time_s: Time at which this was certain; up to 1 s after a sender left.
        size_bytes: Size of the payload.
        payload: Content of the message.
        number: Number of the message, as in the table `packets`.
    """

    sender: str
    reason: str
    time_s: float
    size_bytes: int
    payload: bytes = field(repr=False)
    number: int

    @staticmethod
    def of(loss: Loss, names: Names) -> "LostMessage":
        """Return a loss with names instead of agent ids."""
        message = loss.message
        return LostMessage(
            sender=names.name_of(message.origin), reason=loss.reason, time_s=loss.time_us / 1e6, size_bytes=message.size_bytes,
            payload=message.body, number=message.number,
        )  # fmt: skip
