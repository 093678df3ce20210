"""The true probability that a data packet crosses a link without interference: what the channel gives, not what stations measure."""

import numpy as np
from jaxtyping import Float

from v2xsim.comms.access.scheme import error_points_of
from v2xsim.comms.channel.fading.model import FadingView, shape_of
from v2xsim.comms.phy.error_points import delivery_at
from v2xsim.comms.phy.noise import noise_dbm
from v2xsim.engine.channel.links import LinkBudget
from v2xsim.scenario.schema_radio import Radio

# The fading of a link is averaged over so many of its quantiles; more change the delivery by less than 0.005.
_QUANTILES = 200
# Delivery is tabulated at powers this far apart, and interpolated.
_STEP_DB = 0.25


class TrueDelivery:
    """Computes the delivery of links from their loss with blockage and shadowing, as a mean over the fading of packets.

    A packet is delivered if its faded power reaches the sensitivity, and with the error rate of its MCS at its faded SNR. There
    is no interference, and no receiver is busy: these depend on what is sent, which a relay rule changes.

    Args:
        radio: Section `radio` of a scenario with an access scheme that is not ideal.
    """

    def __init__(self, radio: Radio) -> None:
        self._radio = radio
        self._noise_dbm = noise_dbm(radio.bandwidth_mhz, radio.noise_figure_db)
        # As access layers do for schemes without subchannels: the key is that of a channel of 10 MHz.
        self._sensitivity_dbm = radio.sensitivity_dbm + 10.0 * np.log10(radio.bandwidth_mhz / 10.0)
        self._curve = error_points_of(radio.access, radio.mcs, radio.bandwidth_mhz)
        self._grid_dbm = np.arange(self._sensitivity_dbm - 30.0, self._sensitivity_dbm + 60.0, _STEP_DB)
        self._of_shape: dict[float, Float[np.ndarray, " powers"]] = {}

    def square(self, links: LinkBudget) -> Float[np.ndarray, "stations stations"]:
        """Return the delivery between all stations of a link budget; 0 out of range, and from a station to itself."""
        square = np.zeros((len(links.agent), len(links.agent)))
        delivery = self.of(links)
        square[links.near.first, links.near.second] = square[links.near.second, links.near.first] = delivery
        return square

    def of(self, links: LinkBudget) -> Float[np.ndarray, " pairs"]:
        """Return the delivery of each pair of a link budget."""
        fading = self._radio.propagation.fading
        if not fading.fades:
            return self.at(links.power_dbm, np.full(len(links.power_dbm), np.inf))
        return self.at(links.power_dbm, shape_of(fading, FadingView(links.distance_m, links.state)))

    def at(
        self, power_dbm: Float[np.ndarray, " pairs"], shape: Float[np.ndarray, " pairs"]
    ) -> Float[np.ndarray, " pairs"]:
        """Return the delivery of links.

        Args:
            power_dbm: Mean received power of each link.
            shape: Fading of each link, as models of fading give it: a Nakagami shape, -K of a Rician channel, infinity for none.
        """
        delivery = np.zeros(len(power_dbm))
        for value in np.unique(shape):
            rows = shape == value
            if np.isinf(value):
                delivery[rows] = self._unfaded(power_dbm[rows])
            else:
                if value not in self._of_shape:
                    self._of_shape[value] = self._tabulated(float(value))
                delivery[rows] = np.interp(power_dbm[rows], self._grid_dbm, self._of_shape[value])
        return delivery

    def _unfaded(self, power_dbm: Float[np.ndarray, "*links"]) -> Float[np.ndarray, "*links"]:
        arrives = delivery_at(power_dbm - self._noise_dbm, self._curve)
        return np.where(power_dbm >= self._sensitivity_dbm, arrives, 0.0)

    def _tabulated(self, shape: float) -> Float[np.ndarray, " powers"]:
        """Return the mean delivery over the fading of one shape, at each power of the grid."""
        from scipy.stats import gamma, ncx2

        share = (np.arange(_QUANTILES) + 0.5) / _QUANTILES
        k = -shape
        gain = gamma.ppf(share, shape, scale=1.0 / shape) if shape > 0.0 else ncx2.ppf(share, 2, 2 * k) / (2 + 2 * k)
        gain_db = 10.0 * np.log10(np.maximum(gain, 1e-12))
        mean: Float[np.ndarray, " powers"] = self._unfaded(self._grid_dbm[:, None] + gain_db).mean(axis=1)
        return mean
