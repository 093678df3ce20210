"""Matrix products in which each product and sum is rounded once, as in compiled functions on every processor."""

from fractions import Fraction

import numpy as np


def fused(a: float, b: float, c: float) -> float:
    """Return a b + c, rounded once."""
    return float(Fraction(a) * Fraction(b) + Fraction(c)) if a and b else b * a + c


def product(a, b):
    """Return the matrix product of a and b; its terms are added in rising order."""
    result = np.zeros((a.shape[0], b.shape[1]))
    for k in range(a.shape[1]):
        for i, j in np.ndindex(result.shape):
            result[i, j] = fused(float(a[i, k]), float(b[k, j]), float(result[i, j]))
    return result
