"""A heap of events inside compiled loops: rows of time, kind, who, what; earlier first, then the lower kind."""

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def roomy(heap, size):  # type: ignore[no-untyped-def]
    """Return the heap, or a longer copy where it is full."""
    if size + 1 < len(heap):
        return heap
    longer = np.empty((2 * len(heap), 4), np.int64)
    for i in range(size):
        for c in range(4):
            longer[i, c] = heap[i, c]
    return longer


@njit(cache=True, nogil=True)
def push(heap, size, time, kind, who, what):  # type: ignore[no-untyped-def]
    """Add an event and return the new size."""
    i = size
    while i > 0:
        up = (i - 1) // 2
        if heap[up, 0] < time or (heap[up, 0] == time and heap[up, 1] <= kind):
            break
        for c in range(4):
            heap[i, c] = heap[up, c]
        i = up
    heap[i, 0], heap[i, 1], heap[i, 2], heap[i, 3] = time, kind, who, what
    return size + 1


@njit(cache=True, nogil=True)
def pop(heap, size):  # type: ignore[no-untyped-def]
    """Remove the first event and return the new size."""
    size -= 1
    time, kind, who, what = heap[size, 0], heap[size, 1], heap[size, 2], heap[size, 3]
    i = 0
    while True:
        down = 2 * i + 1
        if down >= size:
            break
        if down + 1 < size and (
            heap[down + 1, 0] < heap[down, 0]
            or (heap[down + 1, 0] == heap[down, 0] and heap[down + 1, 1] < heap[down, 1])
        ):
            down += 1
        if time < heap[down, 0] or (time == heap[down, 0] and kind <= heap[down, 1]):
            break
        for c in range(4):
            heap[i, c] = heap[down, c]
        i = down
    heap[i, 0], heap[i, 1], heap[i, 2], heap[i, 3] = time, kind, who, what
    return size


@njit(cache=True, nogil=True)
def longer_rows(array, used, wanted):  # type: ignore[no-untyped-def]
    """Return the array, or a copy at least twice as long where it has not enough room for so many more."""
    if used + wanted <= len(array):
        return array
    longer = np.empty(2 * (used + wanted), array.dtype)
    for i in range(used):
        longer[i] = array[i]
    return longer
