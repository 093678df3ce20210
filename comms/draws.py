"""Random numbers for compiled loops.

Each number is computed from keys, not from a generator state, so the order of the draws does not change it.
"""

import math

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def hashed(first, second, turn):  # type: ignore[no-untyped-def]
    """Return a random number in (0, 1) from two keys and a counter, by splitmix64 (Steele, Lea, Flood, OOPSLA 2014)."""
    bits = first + np.uint64(turn) * np.uint64(0xD1B54A32D192ED03)
    for fold in range(2):
        bits = bits + np.uint64(0x9E3779B97F4A7C15)
        bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        bits = bits ^ (bits >> np.uint64(31))
        if fold == 0:
            bits = bits ^ second
    return (float(bits >> np.uint64(11)) + 0.5) * 2.0**-53


@njit(cache=True, nogil=True)
def rekeyed(key, turn):  # type: ignore[no-untyped-def]
    """Return the key of the random draws of a packet's repetition or acknowledgement; for turn 0 the packet's own key."""
    if turn == 0:
        return key
    bits = key + np.uint64(turn) * np.uint64(0xD1B54A32D192ED03)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


@njit(cache=True, nogil=True)
def faded(shape, first, second):  # type: ignore[no-untyped-def]
    """Return the random power gain of one packet over a fading channel; its mean is 1.

    A shape above 0 is the m of a Nakagami channel; the gain then has a gamma distribution (drawn as in Marsaglia,
    Tsang, ACM TOMS 2000). A shape of -K or 0 is a Rician channel whose steady wave has K times the power of the
    scattered waves.
    """
    if not shape < 1e6:
        return 1.0
    if shape <= 0.0:
        # Rician: the steady wave plus a complex normal variable.
        scatter = math.sqrt(0.5 / (1.0 - shape))
        radius = scatter * math.sqrt(-2.0 * math.log(hashed(first, second, 10)))
        angle = 2.0 * math.pi * hashed(first, second, 11)
        real = math.sqrt(-shape / (1.0 - shape)) + radius * math.cos(angle)
        return real * real + (radius * math.sin(angle)) ** 2
    boosted = shape if shape >= 1.0 else shape + 1.0
    d = boosted - 1.0 / 3.0
    c = 1.0 / math.sqrt(9.0 * d)
    turn = 10
    while True:
        u1, u2, u3 = hashed(first, second, turn), hashed(first, second, turn + 1), hashed(first, second, turn + 2)
        turn += 3
        x = math.sqrt(-2.0 * math.log(u1)) * math.cos(2.0 * math.pi * u2)
        v = (1.0 + c * x) ** 3
        if v > 0.0 and math.log(u3) < 0.5 * x * x + d - d * v + d * math.log(v):
            value = d * v
            break
    if shape < 1.0:
        value *= hashed(first, second, 9) ** (1.0 / shape)
    return value / shape


@njit(cache=True, nogil=True)
def normal(uniform):  # type: ignore[no-untyped-def]
    """Return the standard normal quantile of a probability in (0, 1).

    The relative error is below 1.2e-9 (P. J. Acklam's rational approximation of the inverse normal distribution).
    """
    if 0.02425 <= uniform <= 0.97575:
        q = uniform - 0.5
        r = q * q
        above = ((((-3.969683028665376e1 * r + 2.209460984245205e2) * r - 2.759285104469687e2) * r
                  + 1.383577518672690e2) * r - 3.066479806614716e1) * r + 2.506628277459239e0  # fmt: skip
        below = ((((-5.447609879822406e1 * r + 1.615858368580409e2) * r - 1.556989798598866e2) * r
                  + 6.680131188771972e1) * r - 1.328068155288572e1) * r + 1.0  # fmt: skip
        return above * q / below
    tail = uniform if uniform < 0.5 else 1.0 - uniform
    q = math.sqrt(-2.0 * math.log(tail))
    above = ((((-7.784894002430293e-3 * q - 3.223964580411365e-1) * q - 2.400758277161838e0) * q
              - 2.549732539343734e0) * q + 4.374664141464968e0) * q + 2.938163982698783e0  # fmt: skip
    below = (((7.784695709041462e-3 * q + 3.224671290700398e-1) * q + 2.445134137142996e0) * q
             + 3.754408661907416e0) * q + 1.0  # fmt: skip
    return above / below if uniform < 0.5 else -above / below
