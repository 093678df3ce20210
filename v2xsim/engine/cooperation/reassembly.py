"""Messages put together from their fragments, and what is left of one when a fragment is lost.

A broadcast message counts only when all its fragments have arrived; one that misses a fragment is dropped without a word to anybody.
Of a request or an answer each fragment is noted in its transfer: a request acts when it is whole, and of an answer the ego fuses what
has arrived by its deadline. A packet to one station is sent again up to `radio.retries` times (`engine.channel.radio`).
"""

from v2xsim.engine.channel.messages import Packet


class Reassembly:
    """Fragments of broadcast messages that have arrived at each station."""

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
