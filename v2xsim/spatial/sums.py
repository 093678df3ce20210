"""Sums of numbers for compiled functions, in the order in which numpy adds them."""

import numpy as np
from jaxtyping import Float
from numba import njit

# Numpy adds up to so many numbers in eight interleaved sums, and halves what is longer.
_BLOCK = 128


@njit(cache=True, nogil=True)
def pairwise_sum(numbers: Float[np.ndarray, " numbers"]) -> float:
    """Return the sum of numbers with the rounding of `numpy.sum`, whose error grows with the logarithm of their count."""
    count = len(numbers)
    if count > _BLOCK:
        half = count // 2 - count // 2 % 8
        return float(pairwise_sum(numbers[:half]) + pairwise_sum(numbers[half:]))
    total = 0.0
    whole = count - count % 8 if count >= 8 else 0
    if whole:
        sums = numbers[:8].copy()
        for first in range(8, whole, 8):
            for k in range(8):
                sums[k] += numbers[first + k]
        total = ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]))
    for k in range(whole, count):
        total += numbers[k]
    return float(total)
