"""Mean and variance, in decibels, of the power of a packet that fades."""

import numpy as np
from jaxtyping import Float

# The series below are exact to 1e-6 from this shape on; smaller shapes are raised by the recurrence.
_SERIES_FROM = 8.0
# From this K on, the steady wave is so strong that the first terms in 1 / K are exact to 1e-5.
_STRONG_K = 100.0
# Number of terms of the mixture below this K; the weight of the rest is below 1e-12.
_MOST_TERMS = 260
_DB_PER_NEPER = 10.0 / np.log(10.0)


def faded_db(shape: Float[np.ndarray, " links"]) -> tuple[Float[np.ndarray, " links"], Float[np.ndarray, " links"]]:
    """Return the mean in dB over the mean power, and the variance in dB^2, of the power of a packet.

    A Nakagami amplitude of shape m has a power with a gamma distribution: the mean of its logarithm is digamma(m) - ln m, and the
    variance is trigamma(m). The power of a Rician channel is a mixture: with the weights of a Poisson distribution of mean K, it has
    gamma distributions of shape n + 1 and scale 1 / (K + 1).

    Args:
        shape: Fading of each link as models of fading give it: a Nakagami shape m above 0 (infinity for no fading), 0 for a Rayleigh
            channel, or -K for a Rician channel.

    References:
        Abramowitz, Stegun, Handbook of Mathematical Functions, 6.3.5, 6.3.18, 6.4.6 and 6.4.12. The mixture is the series of the
        noncentral chi-squared distribution, 26.4.25 there.
    """
    log_mean, log_variance = np.zeros(len(shape)), np.zeros(len(shape))
    is_gamma, is_rician = (shape > 0.0) & np.isfinite(shape), (shape <= 0.0) & np.isfinite(shape)
    m = shape[is_gamma]
    digamma, log_variance[is_gamma] = _gamma_moments(m)
    log_mean[is_gamma] = digamma - np.log(m)
    # Few links differ in K: it depends on the state of the link.
    ratio, row = np.unique(-shape[is_rician], return_inverse=True)
    moments = np.array([_rician_moments(k) for k in ratio.tolist()]).reshape(-1, 2)[row.ravel()]
    log_mean[is_rician], log_variance[is_rician] = moments.T
    return _DB_PER_NEPER * log_mean, _DB_PER_NEPER**2 * log_variance


def _gamma_moments(m: Float[np.ndarray, " n"]) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Return digamma and trigamma of some numbers above 0: mean and variance of the logarithm of gamma variables of scale 1."""
    log_mean, variance, at = np.zeros(len(m)), np.zeros(len(m)), m.copy()
    for _ in range(int(_SERIES_FROM)):
        is_small = at < _SERIES_FROM
        log_mean -= np.where(is_small, 1.0 / at, 0.0)
        variance += np.where(is_small, 1.0 / at**2, 0.0)
        at += is_small
    log_mean += np.log(at) - 0.5 / at - 1.0 / (12.0 * at**2) + 1.0 / (120.0 * at**4)
    variance += 1.0 / at + 0.5 / at**2 + 1.0 / (6.0 * at**3) - 1.0 / (30.0 * at**5)
    return log_mean, variance


def _rician_moments(k: float) -> tuple[float, float]:
    """Return mean and variance of the logarithm of the power of a Rician channel of mean power 1."""
    if k > _STRONG_K:
        # The logarithm of |1 + w|^2 for small complex normal w of variance 1 / K, less that of the mean power 1 + 1 / K.
        return -np.log1p(1.0 / k), 2.0 / k + 1.0 / k**2
    n = np.arange(_MOST_TERMS)
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(n[1:]))])
    # With K = 0, only the first term has a weight.
    weight = np.exp(n * np.log(k) - k - log_factorial) if k > 0.0 else (n == 0).astype(np.float64)
    digamma, trigamma = _gamma_moments(n + 1.0)
    log_power = digamma - np.log1p(k)
    mean = float(weight @ log_power)
    return mean, float(weight @ (trigamma + (log_power - mean) ** 2))
