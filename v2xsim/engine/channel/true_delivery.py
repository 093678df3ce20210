"""The true probability that a data packet crosses a link without interference: what the channel gives, not what stations measure."""

import numpy as np
from jaxtyping import Float

from v2xsim.comms.access.scheme import error_points_of
from v2xsim.comms.channel.fading.model import FadingView, shape_of
from v2xsim.comms.phy.error_points import delivery_at
from v2xsim.comms.phy.noise import noise_dbm
from v2xsim.engine.channel.links import LinkBudget
from v2xsim.engine.channel.mean_over_fading import mean_over_fading
from v2xsim.scenario.schema_radio import Radio


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

    def square(self, links: LinkBudget) -> Float[np.ndarray, "stations stations"]:
        """Return the delivery between all stations of a link budget; 0 out of range, and from a station to itself."""
        square = np.zeros((len(links.agent), len(links.agent)))
        delivery = self.of(links)
        square[links.near.first, links.near.second] = square[links.near.second, links.near.first] = delivery
        return square

    def of(self, links: LinkBudget) -> Float[np.ndarray, " pairs"]:
        """Return the delivery of each pair of a link budget."""
        fading, shape = self._radio.propagation.fading, np.full(len(links.power_dbm), np.inf)
        if fading.fades and self._radio.access.draws_fading:
            shape = shape_of(fading, FadingView(links.distance_m, links.state))
        return self.at(links.power_dbm, shape)

    def at(
        self, power_dbm: Float[np.ndarray, " pairs"], shape: Float[np.ndarray, " pairs"]
    ) -> Float[np.ndarray, " pairs"]:
        """Return the delivery of links.

        Args:
            power_dbm: Mean received power of each link.
            shape: Fading of each link, as models of fading give it: a Nakagami shape, -K of a Rician channel, infinity for none.
        """
        return mean_over_fading(self._unfaded, power_dbm, shape)

    def _unfaded(self, power_dbm: Float[np.ndarray, " powers"]) -> Float[np.ndarray, " powers"]:
        arrives = delivery_at(power_dbm - self._noise_dbm, self._curve)
        return np.where(power_dbm >= self._sensitivity_dbm, arrives, 0.0)
