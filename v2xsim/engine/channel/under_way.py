"""The messages of which packets are under way: in a queue, on the air, or about to be sent again or by a relay."""

from collections.abc import Callable

from v2xsim.engine.channel.messages import Message

Over = Callable[[Message], None]
"""Function that is called once with each message of which no packet can arrive any more, after its last delivery."""


def ignore_over(message: Message) -> None:
    """Do nothing at the end of a message."""


class UnderWay:
    """Counts the packets of each message that can still arrive.

    Args:
        over: Function that is called with each message when the last of its packets has ended.
    """

    def __init__(self, over: Over = ignore_over) -> None:
        self._over = over
        self._packets: dict[int, int] = {}

    def begin(self, message: Message, packets: int) -> None:
        """Note packets of a message that are sent for the first time, by its origin or by a relay."""
        self._packets[message.number] = self._packets.get(message.number, 0) + packets

    def end(self, message: Message) -> None:
        """Note that one packet of a message cannot arrive any more. If a relay forwards the packet, `begin` must be called before."""
        packets = self._packets[message.number] - 1
        if packets:
            self._packets[message.number] = packets
        else:
            del self._packets[message.number]
            self._over(message)
