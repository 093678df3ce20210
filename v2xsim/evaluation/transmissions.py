"""Packets that were sent or dropped, each counted once, and the bytes that they brought on the air."""

import numpy as np
import pyarrow as pa

from v2xsim.evaluation.metric import Metric, Rows, arrays_of, words_of


class Transmissions:
    """The share of packets that a full queue dropped, and the bytes on the air.

    Args:
        packet_share: Share of the stations whose awareness messages have rows in `packets`, above 0 and at most 1.
    """

    def __init__(self, packet_share: float) -> None:
        self._packet_share = packet_share
        self._dropped = self._sent = 0
        self._size_bytes = 0.0
        # Message, fragment, hop, sender and start of the last row.
        self._last = np.zeros((5, 0), np.int64)

    def add(self, packets: pa.Table) -> None:
        """Add the next rows of the table `packets`."""
        columns = arrays_of(packets, "message", "fragment", "hop", "tx", "start_us")
        if packets.num_rows == 0:
            return
        # All rows of one transmission follow each other, so a change in these columns marks the next transmission.
        packet = np.concatenate([self._last, np.stack(columns)], axis=1)
        is_new = (np.diff(packet, axis=1) != 0).any(axis=0)
        rows = np.flatnonzero(is_new if self._last.size else np.append(True, is_new))
        self._last = packet[:, -1:]
        # A packet that a full queue dropped has a row without a transmission: count it, but not its bytes.
        is_dropped = words_of(packets, "outcome").are("not_sent")[rows]
        self._dropped += int(is_dropped.sum())
        sent = rows[~is_dropped]
        self._sent += len(sent)
        # If only a share of the stations is listed, each listed message stands for 1 / share messages.
        is_awareness = words_of(packets, "kind").are("awareness")[sent]
        (size_bytes,) = arrays_of(packets, "size_bytes")
        self._size_bytes += float((size_bytes[sent] * np.where(is_awareness, 1.0 / self._packet_share, 1.0)).sum())

    def rows(self, duration_s: float) -> Rows:
        """Return the share of packets that were dropped, and the bytes on the air per second of the run."""
        packets = self._dropped + self._sent
        dropped = self._dropped / packets if packets else float("nan")
        return [
            ("packets_not_sent", "", Metric(dropped, "1", packets)),
            ("on_air", "", Metric(self._size_bytes / duration_s, "B/s", self._sent)),
        ]
