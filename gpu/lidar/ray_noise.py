"""The chance of each ray of a scan: whether its return is lost, and the noise of its range."""

from functools import lru_cache
from statistics import NormalDist

import numpy as np
from jaxtyping import Float
from numba import njit

# Constants of splitmix64.
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_27, _30, _31 = np.uint64(27), np.uint64(30), np.uint64(31)

LOW_16 = np.uint64(0xFFFF)
"""The bits of a random number that choose one of the normal quantiles."""
MOST_DEVIATIONS = 4.4
"""No normal quantile is farther from 0."""


@lru_cache(maxsize=1)
def normal_quantiles() -> Float[np.ndarray, " 65536"]:
    """Return the standard normal quantiles at the centres of 65,536 equal probability steps: up to 4.3 standard deviations."""
    inverse = NormalDist().inv_cdf
    upper = np.array([inverse(0.5 + (i + 0.5) / 65536.0) for i in range(32768)])
    return np.concatenate([-upper[::-1], upper])


@njit(cache=True, nogil=True, error_model="numpy")
def random_bits(key, ray):  # type: ignore[no-untyped-def]
    """Return 64 random bits of a ray: 48 decide whether its return is lost, 16 give the noise of its range.

    This is splitmix64 (Steele, Lea, Flood, OOPSLA 2014) of the ray's number.
    """
    bits = key + np.uint64(ray + 1) * _GOLDEN
    bits = (bits ^ (bits >> _30)) * _MIX_1
    bits = (bits ^ (bits >> _27)) * _MIX_2
    return bits ^ (bits >> _31)
