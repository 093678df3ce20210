"""Packets that were sent or dropped, each counted once, and the bytes that they brought on the air."""

import numpy as np
import pyarrow as pa

from v2xsim.evaluation.metric import Metric, Rows
from v2xsim.evaluation.packet_rows import Packet, Ways, packet_of, sent_in


class Transmissions:
    """The share of packets that a full queue dropped, and the bytes on the air.

    Args:
        packet_share: Share of the stations whose awareness messages have rows in `packets`, above 0 and at most 1.
    """

    def __init__(self, packet_share: float) -> None:
        self._packet_share = packet_share
        self._dropped = self._sent = 0
        self._size_bytes = 0.0
        # The transmission of the last row.
        self._last = Packet(*(np.zeros(0, kind) for kind in (np.int64, np.int32, np.int32, np.int64, np.int64)))

    def add(self, packets: pa.Table, ways: Ways) -> None:
        """Add the next rows of the table `packets`.

        Args:
            packets: The rows.
            ways: How they were sent.
        """
        if packets.num_rows == 0:
            return
        # If only a share of the stations is listed, each listed message stands for 1 / share messages.
        new = sent_in(packets, ways, self._last, self._packet_share)
        self._dropped, self._sent = self._dropped + new.dropped, self._sent + new.sent
        self._size_bytes += new.size_bytes
        self._last = Packet(*(column[-1:].copy() for column in packet_of(packets)))

    def rows(self, duration_s: float) -> Rows:
        """Return the share of packets that were dropped, and the bytes on the air per second of the run."""
        packets = self._dropped + self._sent
        dropped = self._dropped / packets if packets else float("nan")
        return [
            ("packets_not_sent", "", Metric(dropped, "1", packets)),
            ("on_air", "", Metric(self._size_bytes / duration_s, "B/s", self._sent)),
        ]
