"""Which packets of awareness messages of several fragments complete a message: a receiver that lacks a fragment knows nothing of it."""

import numpy as np
import pyarrow as pa
from jaxtyping import Int8, Int64

from v2xsim.evaluation.metric import arrays_of
from v2xsim.evaluation.packet_rows import Ways

# Number of the latest messages of several fragments whose fragments are held: the fragments of a message come within a second.
_MESSAGES = 16_384
_AWARENESS, _DELIVERED, _INCOMPLETE = 0, 0, -1


class WholeMessages:
    """Follows the fragments that receivers have, over the rows of the table `packets`, which come in pieces.

    Messages of one fragment, which are nearly all, cost one comparison.

    Args:
        over_relays: Whether copies that relays sent count, too.
    """

    def __init__(self, over_relays: bool) -> None:
        self._over_relays = over_relays
        # By message and receiver: the fragments that it has, as bits, and the end of the last one.
        self._held: dict[int, dict[int, tuple[int, int]]] = {}

    def of(self, packets: pa.Table, ways: Ways) -> tuple[Int8[np.ndarray, " rows"], Int64[np.ndarray, " rows"]]:
        """Return the outcome of each row as in `Ways`, and the end of its packet.

        Of a message of several fragments, only the row that completes it at a receiver keeps the outcome delivered; its end is that of the
        last fragment.

        Args:
            packets: The next rows of the table.
            ways: How they were sent.
        """
        end_us, fragments = arrays_of(packets, "end_us", "fragments")
        rows = np.flatnonzero((fragments > 1) & (ways.kind == _AWARENESS) & (ways.outcome == _DELIVERED))
        if not self._over_relays:
            rows = rows[ways.hop[rows] == 1]
        if len(rows) == 0:
            return ways.outcome, end_us
        outcome, end_us = ways.outcome.copy(), end_us.copy()
        outcome[rows] = _INCOMPLETE
        columns = (column[rows].tolist() for column in arrays_of(packets, "message", "rx", "fragment", "fragments"))
        for row, message, receiver, fragment, count in zip(rows.tolist(), *columns, strict=True):
            of_message = self._held.setdefault(message, {})
            bits, last_us = of_message.get(receiver, (0, 0))
            # A copy of a fragment that is there completes nothing.
            if bits >> fragment & 1:
                continue
            bits, last_us = bits | 1 << fragment, max(last_us, int(end_us[row]))
            of_message[receiver] = bits, last_us
            if bits == (1 << count) - 1:
                outcome[row], end_us[row] = _DELIVERED, last_us
        for message in list(self._held)[: max(0, len(self._held) - _MESSAGES)]:
            del self._held[message]
        return outcome, end_us
