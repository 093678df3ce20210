"""The random numbers of a stream, computed in compiled code; `v2xsim.streams` gives each purpose a stream of its own."""

import numpy as np
from numba import njit

# Constants of splitmix64 (Steele, Lea, Flood, OOPSLA 2014).
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


@njit(cache=True, nogil=True)
def mixed(state):  # type: ignore[no-untyped-def]
    """Return the output of splitmix64 for a 64-bit state (Steele, Lea, Flood, OOPSLA 2014)."""
    state = (state ^ (state >> np.uint64(30))) * _MIX_1
    state = (state ^ (state >> np.uint64(27))) * _MIX_2
    return state ^ (state >> np.uint64(31))


@njit(cache=True, nogil=True)
def uniforms(start, keys, count):  # type: ignore[no-untyped-def]
    """Return uniform random numbers in (0, 1): `count` for each start value, changed by the keys in its column of `keys`."""
    numbers = np.empty((len(start), count))
    for row in range(len(start)):
        state = start[row]
        for k in range(len(keys)):
            state = mixed(state + _GOLDEN + mixed(np.uint64(keys[k, row]) + _GOLDEN))
        for c in range(count):
            bits = mixed(state + np.uint64(c + 1) * _GOLDEN)
            numbers[row, c] = (float(bits >> np.uint64(11)) + 0.5) * 2.0**-53
    return numbers
