"""Noise over a channel, and the power levels from which a receiver notices, reports and counts as busy."""

from dataclasses import dataclass

import numpy as np

# k T in milliwatts per hertz at 290 K.
_THERMAL_DBM_PER_HZ = 10.0 * np.log10(1.380649e-23 * 290.0 * 1e3)


@dataclass(frozen=True)
class Receiver:
    """What a receiver hears, in milliwatts over the whole channel.

    Attributes:
        noise_mw: Thermal noise and the receiver's own.
        sensitivity_mw: Weakest packet that it notices.
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
        noise_figure_db: Of the receiver.
        sensitivity_dbm: Over 10 MHz; a wider channel has as much more power as it has more noise.
        busy_threshold_dbm: Over 10 MHz, likewise.
        report_below_noise_db: Packets weaker than the noise by more than this, and than the sensitivity, are not
            reported.
    """
    wider_db = 10.0 * np.log10(bandwidth_mhz / 10.0)
    noise = noise_dbm(bandwidth_mhz, noise_figure_db)
    return receiver_of(noise, sensitivity_dbm + wider_db, busy_threshold_dbm + wider_db, report_below_noise_db)


def receiver_of(
    noise_dbm: float, sensitivity_dbm: float, busy_threshold_dbm: float, report_below_noise_db: float = 20.0
) -> Receiver:
    """Return the receiver of levels over the whole channel.

    Args:
        noise_dbm: Thermal noise and the receiver's own.
        sensitivity_dbm: Weakest packet that it notices.
        busy_threshold_dbm: Total power above which the channel counts as busy.
        report_below_noise_db: Packets weaker than the noise by more than this, and than the sensitivity, are not
            reported.
    """
    return Receiver(
        milliwatts(noise_dbm),
        milliwatts(sensitivity_dbm),
        milliwatts(busy_threshold_dbm),
        milliwatts(min(noise_dbm - report_below_noise_db, sensitivity_dbm)),
    )


def milliwatts(power_dbm: float) -> float:
    """Return the power in milliwatts."""
    return float(10.0 ** (power_dbm / 10.0))


def noise_dbm(bandwidth_mhz: float, noise_figure_db: float) -> float:
    """Return the noise power over the channel: k T B at 290 K, times the receiver's noise figure."""
    return float(_THERMAL_DBM_PER_HZ + 10.0 * np.log10(bandwidth_mhz * 1e6) + noise_figure_db)
