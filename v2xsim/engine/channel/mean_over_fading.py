"""The mean of what depends on the power of a packet, over its fading: each packet on a link has a draw of its own."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

# The fading of a link is averaged over so many of its quantiles; more change the delivery by less than 0.005.
_QUANTILES = 200
# Means are tabulated at powers this far apart, and interpolated.
_STEP_DB = 0.25
# A shape m or a K above this means no fading, as in `v2xsim.comms.draws.faded`: its quantiles lie within 0.02 dB.
_STEADY = 1e6


def mean_over_fading(
    of_power: Callable[[Float[np.ndarray, " powers"]], Float[np.ndarray, " powers"]],
    power_dbm: Float[np.ndarray, " links"],
    shape: Float[np.ndarray, " links"],
) -> Float[np.ndarray, " links"]:
    """Return the mean of a function of the received power of a packet on each link.

    Args:
        of_power: The function, such as the probability that a packet of this power is received.
        power_dbm: Mean received power on each link.
        shape: Fading of each link, as models of fading give it: a Nakagami shape, -K of a Rician channel, infinity for none.
    """
    mean = np.zeros(len(power_dbm))
    for value in np.unique(shape):
        rows = shape == value
        powers = power_dbm[rows]
        if abs(value) > _STEADY:
            mean[rows] = of_power(powers)
            continue
        first, last = np.floor(powers.min() / _STEP_DB), np.ceil(powers.max() / _STEP_DB)
        grid_dbm = _STEP_DB * np.arange(first, last + 1.0)
        faded_dbm = grid_dbm[:, None] + _gain_db(float(value))
        mean[rows] = np.interp(powers, grid_dbm, of_power(faded_dbm.ravel()).reshape(faded_dbm.shape).mean(axis=1))
    return mean


def _gain_db(shape: float) -> Float[np.ndarray, " quantiles"]:
    """Return quantiles of the power of a packet over the mean power."""
    # Imported here, because the import of scipy.stats takes a while.
    from scipy.stats import gamma, ncx2

    share = (np.arange(_QUANTILES) + 0.5) / _QUANTILES
    k = -shape
    gain = gamma.ppf(share, shape, scale=1.0 / shape) if shape > 0.0 else ncx2.ppf(share, 2, 2 * k) / (2 + 2 * k)
    gain_db: np.ndarray = 10.0 * np.log10(np.maximum(gain, 1e-12))
    return gain_db
