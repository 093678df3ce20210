"""Compiled loops over the links of stations, for `links`."""

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def _index(other, low, high, wanted):  # type: ignore[no-untyped-def]
    """Return the index of a row among the rising rows from `low` to `high`, -1 if it is not among them."""
    end = high
    while low < high:
        middle = (low + high) // 2
        if other[middle] < wanted:
            low = middle + 1
        else:
            high = middle
    return low if low < end and other[low] == wanted else -1


@njit(cache=True, nogil=True)
def between(offset, other, probability, one, two, elsewhere):  # type: ignore[no-untyped-def]
    """Return the probability of the link of each pair of rows, listed at either of its ends."""
    found = np.full(len(one), elsewhere)
    for k in range(len(one)):
        i, j = one[k], two[k]
        n = _index(other, offset[i], offset[i + 1], j)
        if n < 0:
            n = _index(other, offset[j], offset[j + 1], i)
        if n >= 0:
            found[k] = probability[n]
    return found


@njit(cache=True, nogil=True)
def weaker(offset, other, probability, one, two, elsewhere):  # type: ignore[no-untyped-def]
    """Return the probability of the worse of the two links of each station with both stations of each pair."""
    stations = len(offset) - 1
    found, first = np.full((len(one), stations), elsewhere), np.full(stations, elsewhere)
    for k in range(len(one)):
        i, j = one[k], two[k]
        for n in range(offset[i], offset[i + 1]):
            first[other[n]] = probability[n]
            found[k, other[n]] = min(probability[n], elsewhere)
        for n in range(offset[j], offset[j + 1]):
            found[k, other[n]] = min(probability[n], first[other[n]])
        for n in range(offset[i], offset[i + 1]):
            first[other[n]] = elsewhere
    return found


@njit(cache=True, nogil=True)
def reached(offset, other, probability, one, two, least):  # type: ignore[no-untyped-def]
    """Return whether each station has links of at least a probability with both stations of any of the pairs."""
    stations = len(offset) - 1
    found, first = np.zeros(stations, np.bool_), np.full(stations, -1, np.int64)
    for k in range(len(one)):
        for n in range(offset[one[k]], offset[one[k] + 1]):
            if probability[n] >= least:
                first[other[n]] = k
        for n in range(offset[two[k]], offset[two[k] + 1]):
            if probability[n] >= least and first[other[n]] == k:
                found[other[n]] = True
    return found


@njit(cache=True, nogil=True)
def among(offset, other, probability, rows, new_row):  # type: ignore[no-untyped-def]
    """Return the links among some stations: offset, other end and probability."""
    count = 0
    for r in rows:
        for n in range(offset[r], offset[r + 1]):
            count += new_row[other[n]] >= 0
    new_offset, new_other, new_probability = (
        np.zeros(len(rows) + 1, np.int64),
        np.empty(count, np.int32),
        np.empty(count),
    )
    count = 0
    for k in range(len(rows)):
        for n in range(offset[rows[k]], offset[rows[k] + 1]):
            if new_row[other[n]] >= 0:
                new_other[count], new_probability[count] = new_row[other[n]], probability[n]
                count += 1
        new_offset[k + 1] = count
    return new_offset, new_other, new_probability
