"""Broadcast messages put together from their fragments.

A broadcast message counts only when all its fragments have arrived. One that misses a fragment never counts; its fragments stay here to
the end of the run.
Requests and answers are not put together here: of an answer the ego fuses whatever has arrived by its deadline.
"""

from v2xsim.engine.channel.messages import Packet


class Reassembly:
    """Fragments of incomplete broadcast messages, by station."""

    def __init__(self) -> None:
        self._parts: dict[tuple[int, int], set[int]] = {}

    def completes(self, packet: Packet, receiver: int) -> bool:
        """Note a fragment at a station; return whether its message is whole there now."""
        if packet.fragments == 1:
            return True
        parts = self._parts.setdefault((receiver, packet.message.number), set())
        parts.add(packet.fragment)
        if len(parts) < packet.fragments:
            return False
        del self._parts[receiver, packet.message.number]
        return True
