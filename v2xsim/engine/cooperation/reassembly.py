"""Broadcast messages put together from their fragments.

A broadcast message counts as received only when all its fragments have arrived. If a fragment is lost, the message never
counts, and the others are forgotten as soon as no packet of the message is under way. Requests and answers are not
reassembled here: the ego fuses the fragments of an answer that have arrived by its deadline.
"""

from v2xsim.engine.channel.messages import Packet


class Reassembly:
    """The fragments of incomplete broadcast messages that each station has received."""

    def __init__(self) -> None:
        # By number of the message and receiver: one bit for each fragment.
        self._parts: dict[int, dict[int, int]] = {}

    def completes(self, packet: Packet, receiver: int) -> bool:
        """Store a fragment that a station received; return whether it completes the message at that station."""
        if packet.fragments == 1:
            return True
        parts_at = self._parts.setdefault(packet.message.number, {})
        parts = parts_at.get(receiver, 0) | 1 << packet.fragment
        is_complete = parts == (1 << packet.fragments) - 1
        if is_complete:
            parts_at.pop(receiver, None)
        else:
            parts_at[receiver] = parts
        return is_complete

    def forget(self, number: int) -> None:
        """Forget the fragments of a message of which no packet is under way any more."""
        self._parts.pop(number, None)
