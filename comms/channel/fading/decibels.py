"""Mean and variance, in decibels, of the power of a packet that fades."""

import numpy as np
from jaxtyping import Float

# The series below are exact to 1e-6 from this shape on; smaller shapes are raised by the recurrence.
_SERIES_FROM = 8.0
_DB_PER_NEPER = 10.0 / np.log(10.0)


def faded_db(shape: Float[np.ndarray, " links"]) -> tuple[Float[np.ndarray, " links"], Float[np.ndarray, " links"]]:
    """Return the mean in dB over the mean power, and the variance in dB^2, of the power of a packet.

    A Nakagami amplitude of shape m has a power with a gamma distribution: the mean of its logarithm is digamma(m) - ln m, and the
    variance is trigamma(m).

    Args:
        shape: Shape m of each link; infinity for no fading.

    References:
        Abramowitz, Stegun, Handbook of Mathematical Functions, 6.3.5, 6.3.18, 6.4.6 and 6.4.12.
    """
    fades = np.isfinite(shape)
    m = np.where(fades, shape, _SERIES_FROM)
    log_mean, variance, at = -np.log(m), np.zeros(len(m)), m.copy()
    for _ in range(int(_SERIES_FROM)):
        is_small = at < _SERIES_FROM
        log_mean -= np.where(is_small, 1.0 / at, 0.0)
        variance += np.where(is_small, 1.0 / at**2, 0.0)
        at += is_small
    log_mean += np.log(at) - 0.5 / at - 1.0 / (12.0 * at**2) + 1.0 / (120.0 * at**4)
    variance += 1.0 / at + 0.5 / at**2 + 1.0 / (6.0 * at**3) - 1.0 / (30.0 * at**5)
    return np.where(fades, _DB_PER_NEPER * log_mean, 0.0), np.where(fades, _DB_PER_NEPER**2 * variance, 0.0)
