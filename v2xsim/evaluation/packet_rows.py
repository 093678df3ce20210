"""What the rows of the table `packets` add to metrics, counted in compiled loops that hold no lock."""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
from jaxtyping import Int8, Int32, Int64
from numba import njit

from v2xsim.evaluation.metric import arrays_of, words_of

STATES = ("LOS", "NLOSv", "NLOSb")
CAUSES = ("half_duplex", "sensing", "receiver_busy", "propagation", "collision")
OUTCOMES = ("delivered", *CAUSES, "not_sent")
RECEIVED = ("kind", "hop", "outcome", "tx", "rx", "queued_us", "end_us", "message", "fragment", "fragments")
"""Columns of the table `packets` from which the received messages are taken."""
PACKETS = (*RECEIVED, "size_bytes", "start_us", "distance_m", "link_state")
"""Columns of the table `packets` from which metrics are computed."""

# Number of the latest messages whose makers are remembered, 4 MB: those of 20 s if 1,000 stations send ten messages a second.
_ORIGINS = 262_144


class Ways(NamedTuple):
    """How each row of the table `packets` was sent, and what came of it.

    Attributes:
        kind: 0 for an awareness message, 1 for an acknowledgement, -1 for another one.
        hop: 1 for a packet of the origin, more for that of a relay.
        outcome: Place of the outcome in OUTCOMES; -1 for another one.
    """

    kind: Int8[np.ndarray, " rows"]
    hop: Int32[np.ndarray, " rows"]
    outcome: Int8[np.ndarray, " rows"]


class Counts(NamedTuple):
    """Receptions of awareness messages that came from their origin; the first row of each array has all, the second one the delivered.

    Attributes:
        by_bin: Receptions by distance bin.
        near: Receptions in range.
        by_state: Those in range by link state.
        lost: Receptions in range that were lost, by cause.
    """

    by_bin: Int64[np.ndarray, "2 bins"]
    near: Int64[np.ndarray, " 2"]
    by_state: Int64[np.ndarray, "2 states"]
    lost: Int64[np.ndarray, " causes"]


class Sent(NamedTuple):
    """Transmissions whose first row is among some rows, and those that a full queue dropped."""

    sent: int
    dropped: int
    size_bytes: float


class Heard(NamedTuple):
    """Awareness messages that stations received, directly or from a relay.

    Attributes:
        origin: Agent id of the station that made the message.
        rx: Agent id of the receiver.
        queued_us: Time at which the message was made.
        end_us: End of the packet that completed it.
    """

    origin: Int64[np.ndarray, " packets"]
    rx: Int64[np.ndarray, " packets"]
    queued_us: Int64[np.ndarray, " packets"]
    end_us: Int64[np.ndarray, " packets"]

    @staticmethod
    def none() -> "Heard":
        """Return no packets."""
        return Heard(*(np.zeros(0, np.int64) for _ in range(4)))


class Origins(NamedTuple):
    """Who made the latest awareness messages: the packets of a relay name the relay alone.

    Attributes:
        message: Number of the message at the place of its number modulo the number of places; -1 for none.
        origin: Agent id of the station that made it.
    """

    message: Int64[np.ndarray, " places"]
    origin: Int64[np.ndarray, " places"]

    @staticmethod
    def none() -> "Origins":
        """Return no messages."""
        return Origins(np.full(_ORIGINS, -1, np.int64), np.zeros(_ORIGINS, np.int64))


class Packet(NamedTuple):
    """What the rows of one transmission have in common.

    Attributes:
        message: Number of the message.
        fragment: Number of the fragment.
        hop: As in `Ways`.
        tx: Agent id of the sender.
        start_us: Begin of the transmission.
    """

    message: Int64[np.ndarray, " rows"]
    fragment: Int32[np.ndarray, " rows"]
    hop: Int32[np.ndarray, " rows"]
    tx: Int64[np.ndarray, " rows"]
    start_us: Int64[np.ndarray, " rows"]


def ways_of(packets: pa.Table) -> Ways:
    """Return how the packets of some rows were sent, and what came of them."""
    (hop,) = arrays_of(packets, "hop")
    return Ways(
        words_of(packets, "kind").places("awareness", "ack"), hop, words_of(packets, "outcome").places(*OUTCOMES)
    )


def packet_of(packets: pa.Table) -> Packet:
    """Return the transmission of each row."""
    return Packet(*arrays_of(packets, "message", "fragment", "hop", "tx", "start_us"))


def counts_of(packets: pa.Table, ways: Ways, range_m: float, bin_m: float) -> Counts:
    """Return the receptions of some rows by distance, link state and cause of loss.

    Args:
        packets: Rows of the table `packets`.
        ways: How they were sent.
        range_m: Receivers within this distance of the sender are in range.
        bin_m: Width of a distance bin.
    """
    (distance_m,) = arrays_of(packets, "distance_m")
    state = words_of(packets, "link_state").places(*STATES)
    # Distances have 32 bits, and are compared and divided with as many.
    return Counts(*_counts(ways, state, distance_m, distance_m.dtype.type(range_m), distance_m.dtype.type(bin_m)))


def received_in(
    packets: pa.Table, ways: Ways, end_us: Int64[np.ndarray, " rows"]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return pair, queueing time and end of the awareness messages that stations received directly from their senders.

    Args:
        packets: Rows of the table `packets`.
        ways: How they were sent, where only the row that completes a message is delivered (`WholeMessages`).
        end_us: End of each row's packet.
    """
    tx, rx, queued_us = arrays_of(packets, "tx", "rx", "queued_us")
    received: tuple[np.ndarray, np.ndarray, np.ndarray] = _received(ways, tx, rx, queued_us, end_us)
    return received


def heard_in(packets: pa.Table, ways: Ways, end_us: Int64[np.ndarray, " rows"], origins: Origins) -> Heard:
    """Return the awareness messages that stations received in some rows, copies of relays included.

    Args:
        packets: Rows of the table `packets`.
        ways: How they were sent, where only the row that completes a message is delivered (`WholeMessages`).
        end_us: End of each row's packet.
        origins: Who made the messages in earlier rows; those of these rows are added.
    """
    message, tx, rx, queued_us = arrays_of(packets, "message", "tx", "rx", "queued_us")
    return Heard(*_heard(ways, message, tx, rx, queued_us, end_us, origins))


def sent_in(packets: pa.Table, ways: Ways, last: Packet, packet_share: float) -> Sent:
    """Return the transmissions that begin in some rows.

    Args:
        packets: Rows of the table `packets`.
        ways: How they were sent.
        last: Transmission of the row before; without an entry if there is none.
        packet_share: Share of the stations whose awareness messages have rows: each of these stands for 1 / share messages.
    """
    (size_bytes,) = arrays_of(packets, "size_bytes")
    sent, dropped, sizes = _sent(ways, packet_of(packets), last, size_bytes, 1.0 / packet_share)
    return Sent(sent, dropped, float(sizes.sum()))


@njit(cache=True, nogil=True)
def _counts(ways, state, distance_m, range_m, bin_m):  # type: ignore[no-untyped-def]
    farthest = np.float32(0.0)
    for n in range(len(distance_m)):
        if np.isfinite(distance_m[n]):
            farthest = max(farthest, np.float32(distance_m[n]))
    by_bin = np.zeros((2, int(farthest / bin_m) + 2), np.int64)
    near, by_state, lost = np.zeros(2, np.int64), np.zeros((2, 3), np.int64), np.zeros(5, np.int64)
    for n in range(len(distance_m)):
        if ways.kind[n] != 0 or ways.hop[n] != 1 or not np.isfinite(distance_m[n]):
            continue
        outcome, number, is_near = ways.outcome[n], int(distance_m[n] / bin_m), distance_m[n] < range_m
        for row in range(2 if outcome == 0 else 1):
            by_bin[row, number] += 1
            if is_near:
                near[row] += 1
                if state[n] >= 0:
                    by_state[row, state[n]] += 1
        if is_near and 1 <= outcome <= 5:
            lost[outcome - 1] += 1
    return by_bin, near, by_state, lost


@njit(cache=True, nogil=True)
def _received(ways, tx, rx, queued_us, end_us):  # type: ignore[no-untyped-def]
    pair, queued, end = np.empty(len(tx), np.int64), np.empty(len(tx), np.int64), np.empty(len(tx), np.int64)
    count = 0
    for n in range(len(tx)):
        if ways.kind[n] == 0 and ways.hop[n] == 1 and ways.outcome[n] == 0:
            pair[count], queued[count], end[count] = (tx[n] << 32) | rx[n], queued_us[n], end_us[n]
            count += 1
    return pair[:count], queued[:count], end[:count]


@njit(cache=True, nogil=True)
def _heard(ways, message, tx, rx, queued_us, end_us, origins):  # type: ignore[no-untyped-def]
    count, kind, hop, outcome, places = 0, ways.kind, ways.hop, ways.outcome, len(origins.message)
    origin, receiver = np.empty(len(tx), np.int64), np.empty(len(tx), np.int64)
    queued, end = np.empty(len(tx), np.int64), np.empty(len(tx), np.int64)
    for n in range(len(tx)):
        if kind[n] != 0:
            continue
        place = message[n] % places
        if hop[n] == 1:
            origins.message[place], origins.origin[place] = message[n], tx[n]
        # A copy of a message whose own rows are not listed, or were long ago, counts for nobody.
        if outcome[n] != 0 or origins.message[place] != message[n]:
            continue
        origin[count], receiver[count], queued[count], end[count] = (
            origins.origin[place],
            rx[n],
            queued_us[n],
            end_us[n],
        )
        count += 1
    return origin[:count], receiver[:count], queued[:count], end[:count]


@njit(cache=True, nogil=True)
def _sent(ways, packet, last, size_bytes, weight):  # type: ignore[no-untyped-def]
    # To pass named tuples to a function for each row would take most of the time.
    kind, outcome = ways.kind, ways.outcome
    message, fragment, hop, tx, start_us = packet.message, packet.fragment, packet.hop, packet.tx, packet.start_us
    sizes, sent, dropped = np.empty(len(tx)), 0, 0
    for n in range(len(tx)):
        # All rows of one transmission follow each other, so a change in these columns marks the next transmission.
        if n > 0:
            is_same = message[n] == message[n - 1] and fragment[n] == fragment[n - 1] and hop[n] == hop[n - 1]
            is_same = is_same and tx[n] == tx[n - 1] and start_us[n] == start_us[n - 1]
        elif len(last.tx) > 0:
            is_same = message[0] == last.message[0] and fragment[0] == last.fragment[0] and hop[0] == last.hop[0]
            is_same = is_same and tx[0] == last.tx[0] and start_us[0] == last.start_us[0]
        else:
            is_same = False
        if is_same:
            continue
        # A packet that a full queue dropped has a row without a transmission: it counts, but not its bytes. An acknowledgement is in no
        # queue: its station was sending something else.
        if outcome[n] == 6:
            dropped += kind[n] != 1
            continue
        sizes[sent] = size_bytes[n] * (weight if kind[n] == 0 else 1.0)
        sent += 1
    return sent, dropped, sizes[:sent]
