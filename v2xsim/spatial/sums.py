"""Sums of numbers for compiled functions, in the order in which numpy adds them."""

import numpy as np
from numba import njit

# Above this number of values, numpy's sum of an array splits it; below 8, it adds the values one by one.
_BLOCK, _LANES = 128, 8
# Enough for arrays of any size.
_DEPTH = 64


@njit(cache=True, nogil=True)
def _block_sum(values, begin, end):  # type: ignore[no-untyped-def]
    """Return the sum of at most `_BLOCK` values, added in eight lanes."""
    count = end - begin
    if count < _LANES:
        total = 0.0
        for n in range(begin, end):
            total += values[n]
        return total
    a, b, c, d = values[begin], values[begin + 1], values[begin + 2], values[begin + 3]
    e, f, g, h = values[begin + 4], values[begin + 5], values[begin + 6], values[begin + 7]
    whole = begin + count - count % _LANES
    for n in range(begin + _LANES, whole, _LANES):
        a += values[n]
        b += values[n + 1]
        c += values[n + 2]
        d += values[n + 3]
        e += values[n + 4]
        f += values[n + 5]
        g += values[n + 6]
        h += values[n + 7]
    total = ((a + b) + (c + d)) + ((e + f) + (g + h))
    for n in range(whole, end):
        total += values[n]
    return total


@njit(cache=True, nogil=True)
def sum_memory():  # type: ignore[no-untyped-def]
    """Return the memory that `pairwise_sum_in` needs for the parts whose sums are not complete."""
    return np.empty((3, _DEPTH), np.int64), np.empty(_DEPTH)


@njit(cache=True, nogil=True)
def pairwise_sum(values, count):  # type: ignore[no-untyped-def]
    """Return the sum of the first `count` values, added in the order of `numpy.sum`, so with the same rounding."""
    if count <= _BLOCK:
        return _block_sum(values, 0, count)
    return pairwise_sum_in(values, count, sum_memory())


@njit(cache=True, nogil=True)
def pairwise_sum_in(values, count, memory):  # type: ignore[no-untyped-def]
    """Return what `pairwise_sum` does, without asking for memory: for many sums of some hundred values.

    Numpy splits the values in two halves, the first one a multiple of eight, until a part has at most 128 values.
    """
    if count <= _BLOCK:
        return _block_sum(values, 0, count)
    # A stack of parts: a function that calls itself cannot be stored compiled.
    (begin, end, parts_done), first_sum = memory
    begin[0], end[0], parts_done[0], depth, total = 0, count, 0, 0, 0.0
    while depth >= 0:
        size = end[depth] - begin[depth]
        half = size // 2 - (size // 2) % _LANES
        if size <= _BLOCK:
            total = _block_sum(values, begin[depth], end[depth])
        elif parts_done[depth] == 0:
            parts_done[depth] = 1
            begin[depth + 1], end[depth + 1], parts_done[depth + 1] = begin[depth], begin[depth] + half, 0
            depth += 1
            continue
        elif parts_done[depth] == 1:
            first_sum[depth], parts_done[depth] = total, 2
            begin[depth + 1], end[depth + 1], parts_done[depth + 1] = begin[depth] + half, end[depth], 0
            depth += 1
            continue
        else:
            total = first_sum[depth] + total
        depth -= 1
    return total
