"""Messages between stations, one class for each kind, and the packets that carry them."""

from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

from v2xsim.engine.stations.contents import NOBODY, Answer, Awareness, Report, Request, Retold

AWARENESS, REQUEST, DATA, CPM = "awareness", "request", "data", "cpm"
APPLICATION, RETOLD = "application", "retold"
MESSAGE_KINDS = (AWARENESS, REQUEST, DATA, CPM, APPLICATION, RETOLD)
ACK = "ack"
"""Kind of a packet that acknowledges another one; it belongs to the message of that one, and no message has this kind."""
PACKET_KINDS = (*MESSAGE_KINDS, ACK)


@dataclass(frozen=True)
class Message:
    """A message from one station to another one or to all; each kind of message is a derived class.

    Attributes:
        kind: AWARENESS, REQUEST, DATA, CPM, APPLICATION or RETOLD.
        number: Number of the message, unique in a run.
        origin: Agent id of the station that made the message.
        destination: Agent id of the station that the message is for, or EVERYBODY.
        relay: Agent id of the station that must forward the message, or NOBODY.
        size_bytes: Size of the payload, without headers.
        queued_us: Time at which the message was made.
        more_relays: Agent ids of further stations that must forward the message too.
        rounds: How many times the transmissions that `radio.retries` allows may be used for each of its packets: 2 for a message that
            is sent directly in place of over a relay, which would send each packet twice.
    """

    kind: ClassVar[str]
    number: int
    origin: int
    destination: int
    relay: int
    size_bytes: int
    queued_us: int
    more_relays: tuple[int, ...] = field(default=(), kw_only=True, repr=False)
    rounds: int = field(default=1, kw_only=True, repr=False)

    @property
    def first_target(self) -> int:
        """Agent id of the station to which the origin sends the message: the relay or the destination; or EVERYBODY."""
        return self.destination if self.relay == NOBODY else self.relay


@dataclass(frozen=True)
class AwarenessMessage(Message):
    """A broadcast with which a station announces its state and its perception matrix."""

    kind = AWARENESS
    body: Awareness = field(repr=False)


@dataclass(frozen=True)
class RequestMessage(Message):
    """A request from an ego to a helper for perception data of some cells."""

    kind = REQUEST
    body: Request = field(repr=False)


@dataclass(frozen=True)
class AnswerMessage(Message):
    """A helper's answer to a request; result tables call this kind `data`."""

    kind = DATA
    body: Answer = field(repr=False)


@dataclass(frozen=True)
class ReportMessage(Message):
    """A collective perception message (CPM): a station broadcasts the objects that it detected."""

    kind = CPM
    body: Report = field(repr=False)


@dataclass(frozen=True)
class RetoldMessage(Message):
    """A message with which a station tells on objects that others reported in collective perception messages."""

    kind = RETOLD
    body: Retold = field(repr=False)


@dataclass(frozen=True)
class ApplicationMessage(Message):
    """A message of the program that steps the run; no station of the simulator reads its content."""

    kind = APPLICATION
    body: bytes = field(repr=False)


class Packet(NamedTuple):
    """One fragment of a message on one hop, before the access layer has found a time for it.

    Attributes:
        message: Message of which the packet carries a fragment.
        hop: 1 if the message's origin sends the packet, 2 if a relay does, or the origin sends a broadcast again.
        fragment: Number of the fragment, from 0.
        fragments: Number of fragments of the message.
        sender: Agent id of the station that sends the packet.
        target: Agent id of the station to which the packet is addressed, or EVERYBODY.
        size_bytes: Size of payload and headers together.
        is_ack: Whether the packet carries no fragment but acknowledges the one that its target sent.
    """

    message: Message
    hop: int
    fragment: int
    fragments: int
    sender: int
    target: int
    size_bytes: int
    is_ack: bool = False

    @property
    def kind(self) -> str:
        """Kind of the message, or ACK."""
        return ACK if self.is_ack else self.message.kind

    def acknowledged(self, size_bytes: int) -> "Packet":
        """Return the acknowledgement that the target of this packet sends."""
        return self._replace(sender=self.target, target=self.sender, size_bytes=size_bytes, is_ack=True)
