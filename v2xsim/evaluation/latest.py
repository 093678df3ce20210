"""The latest packet of each pair of stations, and the gaps to the packets after it, as compiled functions that hold no lock."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int32, Int64
from numba import njit

# Bits of a pair by which packets are sorted at a time.
_DIGIT_BITS = 11
_FEWEST_PLACES = 1024
# An odd number near 2^64 / 1.618, so that the highest bits of its product with a pair are spread evenly (Knuth, TAOCP 3, 6.4).
_SPREAD = np.uint64(0x9E3779B97F4A7C15)


class Latest(NamedTuple):
    """The latest packet of each pair: rows in the order in which pairs came, and a hash table of the rows.

    Attributes:
        pair: Pair of each row.
        end_us: End of the packet.
        first_us: End of the packet with which the pair got its row.
        place: Row of a pair at the place of its hash or at one of the next ones; -1 for none. There are more places than rows.
        used: Number of rows in use, the only entry.
    """

    pair: Int64[np.ndarray, " rows"]
    end_us: Int64[np.ndarray, " rows"]
    first_us: Int64[np.ndarray, " rows"]
    place: Int32[np.ndarray, " places"]
    used: Int64[np.ndarray, " 1"]

    @staticmethod
    def none() -> "Latest":
        """Return no packets."""
        none = np.zeros(0, np.int64)
        return Latest(none, none, none, np.zeros(0, np.int32), np.zeros(1, np.int64))


def with_room(latest: Latest, pairs: int) -> Latest:
    """Return the packets with room for those of some more pairs; the packets given are not used any more."""
    count = int(latest.used[0])
    if count + pairs <= len(latest.pair):
        return latest
    rows = max(count + pairs, count + count // 2)
    return _with_rows(latest, slice(0, count), rows)


def without(latest: Latest, is_gone: Bool[np.ndarray, " used"]) -> Latest:
    """Return the packets without those of some pairs; the packets given are not used any more."""
    kept = np.flatnonzero(~is_gone)
    return _with_rows(latest, kept, len(kept))


def _with_rows(latest: Latest, kept: slice | Int64[np.ndarray, " kept"], rows: int) -> Latest:
    """Return some of the packets, in a table of a number of rows."""
    places = _FEWEST_PLACES
    while places < 2 * rows:
        places *= 2
    moved = [np.zeros(rows, np.int64) for _ in range(3)]
    count = 0
    for new, old in zip(moved, latest[:3], strict=True):
        packets = old[: latest.used[0]][kept]
        count = len(packets)
        new[:count] = packets
    result = Latest(moved[0], moved[1], moved[2], np.full(places, -1, np.int32), np.array([count]))
    _fill(result)
    return result


def in_order(
    pair: Int64[np.ndarray, " packets"], end_us: Int64[np.ndarray, " packets"]
) -> Int64[np.ndarray, " packets"]:
    """Return the rows of packets in order of pair, and of end among those of a pair."""
    order: Int64[np.ndarray, " packets"] = _in_order(pair, end_us)
    return order


@njit(cache=True, nogil=True)
def gaps(pair, end_us, order, latest):  # type: ignore[no-untyped-def]
    """Return the gap before each packet that is not the first of its pair, and note the latest packet of each pair.

    Args:
        pair: Pair of each packet.
        end_us: End of each packet.
        order: The packets in order of pair, then end.
        latest: The latest packets of earlier parts, with room for all pairs; changed in place.

    Returns:
        Length of each gap, and whether no packet ended before one of an earlier part.
    """
    gap_us, count, is_in_order = np.empty(len(order), np.int64), 0, True
    row = -1
    for k in range(len(order)):
        n = order[k]
        if k == 0 or pair[n] != pair[order[k - 1]]:
            row = _row_of(pair[n], latest)
            is_known = row >= 0
            if not is_known:
                row = _added(pair[n], latest)
                latest.first_us[row] = end_us[n]
            elif latest.end_us[row] > end_us[n]:
                is_in_order = False
        else:
            is_known = True
        if is_known:
            gap_us[count] = end_us[n] - latest.end_us[row]
            count += 1
        latest.end_us[row] = end_us[n]
    return gap_us[:count], is_in_order


@njit(cache=True, nogil=True)
def _in_order(pair, end_us):  # type: ignore[no-untyped-def]
    count = len(pair)
    order, other = np.arange(count), np.empty(count, np.int64)
    low_bits = high_bits = np.int64(0)
    for n in range(count):
        low_bits |= pair[n] & 0xFFFFFFFF
        high_bits |= pair[n] >> 32
    # Receiver before sender, and low digits before high ones: each pass keeps the order of the one before.
    for first_bit, bits in ((0, low_bits), (32, high_bits)):
        while bits > 0:
            _sort_by_digit(pair, first_bit, order, other)
            order, other = other, order
            first_bit, bits = first_bit + _DIGIT_BITS, bits >> _DIGIT_BITS
    # Packets of one pair nearly always come in order of their ends.
    for k in range(1, count):
        n, free = order[k], k
        while free > 0 and pair[order[free - 1]] == pair[n] and end_us[order[free - 1]] > end_us[n]:
            order[free] = order[free - 1]
            free -= 1
        order[free] = n
    return order


@njit(cache=True, nogil=True)
def _sort_by_digit(pair, first_bit, order, ordered):  # type: ignore[no-untyped-def]
    mask = (1 << _DIGIT_BITS) - 1
    begin = np.zeros((1 << _DIGIT_BITS) + 1, np.int64)
    for n in order:
        begin[((pair[n] >> first_bit) & mask) + 1] += 1
    for digit in range(1 << _DIGIT_BITS):
        begin[digit + 1] += begin[digit]
    for n in order:
        digit = (pair[n] >> first_bit) & mask
        ordered[begin[digit]] = n
        begin[digit] += 1


@njit(cache=True, nogil=True)
def _row_of(pair, latest):  # type: ignore[no-untyped-def]
    """Return the row of a pair; -1 if it has none."""
    place = _first_place(pair, latest)
    while latest.place[place] >= 0:
        if latest.pair[latest.place[place]] == pair:
            return latest.place[place]
        place = (place + 1) % len(latest.place)
    return -1


@njit(cache=True, nogil=True)
def _added(pair, latest):  # type: ignore[no-untyped-def]
    """Return a new row for a pair that has none."""
    row = latest.used[0]
    latest.used[0] += 1
    latest.pair[row] = pair
    _put(row, latest)
    return row


@njit(cache=True, nogil=True)
def _fill(latest):  # type: ignore[no-untyped-def]
    for row in range(latest.used[0]):
        _put(row, latest)


@njit(cache=True, nogil=True)
def _put(row, latest):  # type: ignore[no-untyped-def]
    place = _first_place(latest.pair[row], latest)
    while latest.place[place] >= 0:
        place = (place + 1) % len(latest.place)
    latest.place[place] = row


@njit(cache=True, nogil=True)
def _first_place(pair, latest):  # type: ignore[no-untyped-def]
    return np.int64((np.uint64(pair) * _SPREAD) >> np.uint64(32)) % len(latest.place)
