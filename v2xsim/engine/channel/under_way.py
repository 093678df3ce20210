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
        # In the order in which the messages were made: number of packets, and when each message was made.
        self._packets: dict[int, tuple[int, int]] = {}

    def oldest_us(self, now_us: int) -> int:
        """Return the time at which the oldest message was made of which a packet can still arrive; `now_us` if there is none."""
        return next(iter(self._packets.values()), (0, now_us))[1]

    def begin(self, message: Message, packets: int) -> None:
        """Note packets of a message that are sent for the first time, by its origin or by a relay."""
        before, _ = self._packets.get(message.number, (0, 0))
        self._packets[message.number] = before + packets, message.queued_us

    def end(self, message: Message) -> None:
        """Note that one packet of a message cannot arrive any more. If a relay forwards the packet, `begin` must be called before."""
        packets = self._packets[message.number][0] - 1
        if packets:
            self._packets[message.number] = packets, message.queued_us
        else:
            del self._packets[message.number]
            self._over(message)
