"""Messages between stations, one class for each kind, and the packets that carry them. `radio` sends them."""

from dataclasses import dataclass, field
from typing import ClassVar

from v2xsim.engine.stations.contents import NOBODY, Answer, Awareness, Report, Request

AWARENESS, REQUEST, DATA, CPM = "awareness", "request", "data", "cpm"
MESSAGE_KINDS = (AWARENESS, REQUEST, DATA, CPM)


@dataclass(frozen=True)
class Message:
    """Something that a station sends to others; each kind is a class of its own.

    Attributes:
        kind: AWARENESS, REQUEST, DATA or CPM.
        number: Unique in a run.
        origin: Station that made it.
        destination: Station that it is for, or EVERYBODY.
        relay: Station that is asked to pass it on, or NOBODY.
        size_bytes: Payload.
        queued_us: When it was handed to the radio.
    """

    kind: ClassVar[str]
    number: int
    origin: int
    destination: int
    relay: int
    size_bytes: int
    queued_us: int

    @property
    def first_target(self) -> int:
        """Station that the first hop is addressed to, or EVERYBODY."""
        return self.destination if self.relay == NOBODY else self.relay


@dataclass(frozen=True)
class AwarenessMessage(Message):
    """A station announces itself."""

    kind = AWARENESS
    body: Awareness = field(repr=False)


@dataclass(frozen=True)
class RequestMessage(Message):
    """An ego asks a helper."""

    kind = REQUEST
    body: Request = field(repr=False)


@dataclass(frozen=True)
class AnswerMessage(Message):
    """A helper answers a request; result tables call the kind `data`."""

    kind = DATA
    body: Answer = field(repr=False)


@dataclass(frozen=True)
class ReportMessage(Message):
    """A station broadcasts what it perceives: a collective perception message."""

    kind = CPM
    body: Report = field(repr=False)


@dataclass(frozen=True)
class Packet:
    """One fragment of a message on one hop, before the access layer has found a time for it.

    Attributes:
        message: What it carries a part of.
        hop: 1 from the message's origin, 2 from a relay.
        fragment: Number of the fragment, from 0.
        fragments: Number of fragments of the message.
        sender: Station that sends this packet.
        target: Station that it is addressed to, or EVERYBODY.
        size_bytes: Payload and headers.
    """

    message: Message
    hop: int
    fragment: int
    fragments: int
    sender: int
    target: int
    size_bytes: int
