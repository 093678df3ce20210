"""Noise over a channel, and the powers at which a receiver detects a packet, reports a loss or senses a busy channel."""

from dataclasses import dataclass

import numpy as np

# k T in milliwatts per hertz at 290 K.
_THERMAL_DBM_PER_HZ = 10.0 * np.log10(1.380649e-23 * 290.0 * 1e3)


@dataclass(frozen=True)
class Receiver:
    """Power levels of a receiver, in milliwatts over the whole channel.

    Attributes:
        noise_mw: Thermal noise plus the noise of the receiver itself.
        sensitivity_mw: Power of the weakest packet that the receiver detects.
        busy_mw: Total received power above which the channel counts as busy.
        report_mw: Power of the weakest packet whose loss is reported, unless the packet is addressed to this station.
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
    """Return the power levels of a receiver on a channel of a given bandwidth.

    Args:
        bandwidth_mhz: Bandwidth of the channel: 10, 20 or 40.
        noise_figure_db: Noise figure of the receiver.
        sensitivity_dbm: Power of the weakest packet that the receiver detects, on a 10 MHz channel. A wider channel has
            more noise, and this level rises by the same factor.
        busy_threshold_dbm: Total received power above which the channel is busy, on a 10 MHz channel; it rises in the
            same way.
        report_below_noise_db: A packet below the sensitivity is reported only if its power is at most this many dB
            below the noise.
    """
    wider_db = 10.0 * np.log10(bandwidth_mhz / 10.0)
    noise = noise_dbm(bandwidth_mhz, noise_figure_db)
    return receiver_of(noise, sensitivity_dbm + wider_db, busy_threshold_dbm + wider_db, report_below_noise_db)


def receiver_of(
    noise_dbm: float, sensitivity_dbm: float, busy_threshold_dbm: float, report_below_noise_db: float = 20.0
) -> Receiver:
    """Return the power levels of a receiver, given over the whole channel in dBm.

    Args:
        noise_dbm: Thermal noise plus the noise of the receiver itself.
        sensitivity_dbm: Power of the weakest packet that the receiver detects.
        busy_threshold_dbm: Total received power above which the channel is busy.
        report_below_noise_db: A packet below the sensitivity is reported only if its power is at most this many dB
            below the noise.
    """
    return Receiver(
        milliwatts(noise_dbm),
        milliwatts(sensitivity_dbm),
        milliwatts(busy_threshold_dbm),
        milliwatts(min(noise_dbm - report_below_noise_db, sensitivity_dbm)),
    )


def milliwatts(power_dbm: float) -> float:
    """Convert a power from dBm to milliwatts."""
    return float(10.0 ** (power_dbm / 10.0))


def noise_dbm(bandwidth_mhz: float, noise_figure_db: float) -> float:
    """Return the noise power over the channel in dBm: k T B at 290 K, times the receiver's noise figure."""
    return float(_THERMAL_DBM_PER_HZ + 10.0 * np.log10(bandwidth_mhz * 1e6) + noise_figure_db)
