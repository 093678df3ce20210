"""Noise over a channel, and the power levels at which a receiver detects a packet, reports a loss, or senses a busy channel."""

from dataclasses import dataclass

import numpy as np

# k T in milliwatts per hertz at 290 K.
_THERMAL_DBM_PER_HZ = 10.0 * np.log10(1.380649e-23 * 290.0 * 1e3)


@dataclass(frozen=True)
class Receiver:
    """Power levels of a receiver, in milliwatts over the whole channel.

    Attributes:
        noise_mw: Thermal noise plus that of the receiver.
        sensitivity_mw: Weakest packet that the receiver detects.
        busy_mw: Total power above which the channel counts as busy.
        report_mw: Weakest packet whose loss is worth reporting, unless the packet is addressed to this station.
    """

    noise_mw: float
    sensitivity_mw: float
    busy_mw: float
    report_mw: float


def receiver(
    bandwidth_mhz: int,
    noise_figure_db: float,
    sensitivity_dbm: float,
    busy_threshold_dbm: float,
    report_below_noise_db: float = 20.0,
) -> Receiver:
    """Return the receiver of a channel.

    Args:
        bandwidth_mhz: 10, 20 or 40.
        noise_figure_db: Noise figure of the receiver.
        sensitivity_dbm: Weakest packet that it detects, for 10 MHz. A wider channel has more noise, and the level
            rises by the same factor.
        busy_threshold_dbm: Total power above which the channel is busy, for 10 MHz; it rises in the same way.
        report_below_noise_db: A packet below the sensitivity is reported only if it is at most this far below the
            noise.
    """
    wider_db = 10.0 * np.log10(bandwidth_mhz / 10.0)
    noise = noise_dbm(bandwidth_mhz, noise_figure_db)
    return receiver_of(noise, sensitivity_dbm + wider_db, busy_threshold_dbm + wider_db, report_below_noise_db)


def receiver_of(
    noise_dbm: float, sensitivity_dbm: float, busy_threshold_dbm: float, report_below_noise_db: float = 20.0
) -> Receiver:
    """Return the receiver with given levels over the whole channel.

    Args:
        noise_dbm: Thermal noise plus that of the receiver.
        sensitivity_dbm: Weakest packet that it detects.
        busy_threshold_dbm: Total power above which the channel is busy.
        report_below_noise_db: A packet below the sensitivity is reported only if it is at most this far below the
            noise.
    """
    return Receiver(
        milliwatts(noise_dbm),
        milliwatts(sensitivity_dbm),
        milliwatts(busy_threshold_dbm),
        milliwatts(min(noise_dbm - report_below_noise_db, sensitivity_dbm)),
    )


def milliwatts(power_dbm: float) -> float:
    """Return a power in milliwatts."""
    return float(10.0 ** (power_dbm / 10.0))


def noise_dbm(bandwidth_mhz: float, noise_figure_db: float) -> float:
    """Return the noise power over the channel: k T B at 290 K, times the receiver's noise figure."""
    return float(_THERMAL_DBM_PER_HZ + 10.0 * np.log10(bandwidth_mhz * 1e6) + noise_figure_db)
