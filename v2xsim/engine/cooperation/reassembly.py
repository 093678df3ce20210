"""Broadcast messages put together from their fragments.

A broadcast message counts as received only when all its fragments have arrived. If a fragment is lost, the message never
counts, and its other fragments stay in memory until the end of the run. Requests and answers are not reassembled here: the
ego fuses the fragments of an answer that have arrived by its deadline.
"""

from v2xsim.engine.channel.messages import Packet


class Reassembly:
    """The fragments of incomplete broadcast messages that each station has received."""

    def __init__(self) -> None:
        self._parts: dict[tuple[int, int], set[int]] = {}

    def completes(self, packet: Packet, receiver: int) -> bool:
        """Store a fragment that a station received; return whether it completes the message at that station."""
        if packet.fragments == 1:
            return True
        parts = self._parts.setdefault((receiver, packet.message.number), set())
        parts.add(packet.fragment)
        if len(parts) < packet.fragments:
            return False
        del self._parts[receiver, packet.message.number]
        return True
