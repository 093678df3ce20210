"""The stations within range of each other: every unordered pair once, and the links of each station as compressed rows.

Stations are sorted into square cells whose side is the range, so only stations in adjacent cells are compared.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int32, Int64
from numba import njit


@dataclass(frozen=True)
class Neighbours:
    """Pairs of stations within range, sorted by both rows, and the same links listed by station.

    Attributes:
        first: Row of one station of each pair.
        second: Row of the other station of each pair; always larger than the first.
        pair_offset: Index of the first pair whose first station is each row; one entry more than stations.
        offset: Index of the first link of each station; one entry more than stations.
        other: Row of the other end of each link, in rising order for each station.
        pair: Index of the pair that each link belongs to.
    """

    first: Int32[np.ndarray, " pairs"]
    second: Int32[np.ndarray, " pairs"]
    pair_offset: Int64[np.ndarray, " stations_plus_1"]
    offset: Int64[np.ndarray, " stations_plus_1"]
    other: Int32[np.ndarray, " links"]
    pair: Int32[np.ndarray, " links"]

    def of(self, row: int) -> tuple[Int32[np.ndarray, " links"], Int32[np.ndarray, " links"]]:
        """Return the rows of the stations linked with one station, in rising order, and the pair index of each link."""
        low, high = self.offset[row], self.offset[row + 1]
        return self.other[low:high], self.pair[low:high]

    def pairs(self, row: int, others: Int64[np.ndarray, " others"]) -> Int64[np.ndarray, " others"]:
        """Return the pair index of one station with each of several others; -1 for those out of range."""
        known, pair = self.of(row)
        if len(known) == 0:
            return np.full(len(others), -1, np.int64)
        at = np.minimum(np.searchsorted(known, others), len(known) - 1)
        return np.where(known[at] == others, pair[at], -1).astype(np.int64)


def neighbours(position_m: Float[np.ndarray, "stations 2"], range_m: float) -> Neighbours:
    """Return which stations are within range of each other.

    Args:
        position_m: Position of each station, seen from above.
        range_m: Largest horizontal distance of two stations that count as neighbours.
    """
    count = len(position_m)
    if count == 0:
        row, none = np.zeros(1, np.int64), np.zeros(0, np.int32)
        return Neighbours(none, none, row, row, none, none)
    position = np.ascontiguousarray(position_m, np.float64)
    cell = np.floor((position - position.min(axis=0)) / max(range_m, 1e-9)).astype(np.int64)
    across = int(cell[:, 1].max()) + 3
    key = (cell[:, 0] + 1) * across + cell[:, 1] + 1
    order = np.argsort(key, kind="stable").astype(np.int64)
    sorted_key = key[order]
    # For each station and each of three columns of cells: start and end of its possible neighbours.
    middle = key[:, None] + np.arange(-1, 2) * across
    begin = np.searchsorted(sorted_key, middle - 1)
    end = np.searchsorted(sorted_key, middle + 1, side="right")
    first, second = _near(position, order, begin, end, float(range_m))
    return Neighbours(*_rows(count, first, second))


@njit(cache=True, nogil=True)
def _near(position, order, begin, end, range_m):  # type: ignore[no-untyped-def]
    """Return all pairs within range, sorted by their first row; the second row, always larger, is in no particular order."""
    room = 0
    for i in range(len(position)):
        for column in range(3):
            room += end[i, column] - begin[i, column]
    first, second = np.empty(room, np.int32), np.empty(room, np.int32)
    pairs_found = 0
    square = range_m * range_m
    for i in range(len(position)):
        here_x, here_y = position[i, 0], position[i, 1]
        for column in range(3):
            for n in range(begin[i, column], end[i, column]):
                j = order[n]
                x, y = position[j, 0] - here_x, position[j, 1] - here_y
                first[pairs_found], second[pairs_found] = i, j
                # The pair is written in any case and kept only if it is in range: without a branch, the processor
                # cannot mispredict one.
                pairs_found += (j > i) & (x * x + y * y <= square)
    return first[:pairs_found], second[:pairs_found]


@njit(cache=True, nogil=True)
def _rows(count, first, second):  # type: ignore[no-untyped-def]
    """Sort pairs of stations, and list their links by station."""
    pairs = len(first)
    above, below = np.zeros(count + 1, np.int64), np.zeros(count + 1, np.int64)
    for n in range(pairs):
        above[first[n] + 1] += 1
        below[second[n] + 1] += 1
    pair_offset, low_offset, offset = (
        np.zeros(count + 1, np.int64),
        np.zeros(count + 1, np.int64),
        np.zeros(count + 1, np.int64),
    )
    for i in range(count):
        pair_offset[i + 1] = pair_offset[i] + above[i + 1]
        low_offset[i + 1] = low_offset[i] + below[i + 1]
        offset[i + 1] = offset[i] + above[i + 1] + below[i + 1]
    # The first rows are in rising order, so those of each second row are too. Going through the second rows in order
    # then gives rising rows for each first row.
    lower, at = np.empty(pairs, np.int32), low_offset.copy()
    for n in range(pairs):
        j = second[n]
        lower[at[j]] = first[n]
        at[j] += 1
    sorted_first, sorted_second = np.empty(pairs, np.int32), np.empty(pairs, np.int32)
    other, pair = np.empty(2 * pairs, np.int32), np.empty(2 * pairs, np.int32)
    done = np.zeros(count, np.int64)
    for j in range(count):
        for n in range(low_offset[j], low_offset[j + 1]):
            i = lower[n]
            p = pair_offset[i] + done[i]
            sorted_first[p], sorted_second[p] = i, j
            link = offset[i] + below[i + 1] + done[i]
            other[link], pair[link] = j, p
            done[i] += 1
            link = offset[j] + n - low_offset[j]
            other[link], pair[link] = i, p
    return sorted_first, sorted_second, pair_offset, offset, other, pair
