"""The weakest link that is usable: over which a data packet that nothing disturbs is delivered with a given probability."""

import numpy as np

from v2xsim.comms.access.scheme import AccessScheme, error_points_of
from v2xsim.comms.phy.error_points import snr_needed_db
from v2xsim.comms.phy.noise import noise_dbm

# For a required delivery of exactly 1, no power would be enough.
_MOST_DELIVERY = 0.99


def least_dbm(
    scheme: AccessScheme, mcs: int, bandwidth_mhz: int, noise_figure_db: float, sensitivity_dbm: float, delivery: float
) -> float:
    """Return the least received power, at the mean of its fading, at which a data packet is delivered with a probability.

    Args:
        scheme: The access scheme, whose error curve counts.
        mcs: MCS of data packets, for schemes that use it.
        bandwidth_mhz: Bandwidth of the channel.
        noise_figure_db: Noise figure of the receiver.
        sensitivity_dbm: Power of the weakest packet that a receiver detects, on a channel of 10 MHz.
        delivery: The probability, 0 to 1; more than 0.99 counts as 0.99.
    """
    needed_db = snr_needed_db(min(delivery, _MOST_DELIVERY), error_points_of(scheme, mcs, bandwidth_mhz))
    detected_dbm = sensitivity_dbm + 10.0 * float(np.log10(bandwidth_mhz / 10.0))
    return max(noise_dbm(bandwidth_mhz, noise_figure_db) + needed_db, detected_dbm)
