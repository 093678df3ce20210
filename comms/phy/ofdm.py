"""Physical layer of IEEE 802.11p: rates, airtime, noise, and packet error rate over SINR.

A channel of 20 or 40 MHz runs the same OFDM with its clock scaled: rates grow and times shrink by the bandwidth.
"""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from jaxtyping import Float, Int, Int64
from numba import njit

MCS_COUNT = 8

# Data bits per OFDM symbol (IEEE 802.11-2016, table 17-4): BPSK, QPSK, 16-QAM and 64-QAM at two code rates each.
BITS_PER_SYMBOL = np.array([24, 36, 48, 72, 96, 144, 192, 216], np.int64)

# At 10 MHz (IEEE 802.11-2016, tables 17-5 and 17-21): training fields 32 us, then the SIGNAL symbol.
SYMBOL_US = 8
PREAMBLE_US = 40

# 16 service bits and 6 tail bits (IEEE 802.11-2016, clause 17.3.2).
SERVICE_AND_TAIL_BITS = 22

# QoS data header of 26 and frame check sequence of 4 (IEEE 802.11-2016, clause 9.2.3), then LLC/SNAP of 8 (clause 5 of
# EN 302 663 keeps it). Every payload handed to `airtime_us` carries them.
MAC_HEADER_BYTES = 38

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
    return Receiver(
        milliwatts(noise),
        milliwatts(sensitivity_dbm + wider_db),
        milliwatts(busy_threshold_dbm + wider_db),
        milliwatts(min(noise - report_below_noise_db, sensitivity_dbm + wider_db)),
    )


def milliwatts(power_dbm: float) -> float:
    """Return the power in milliwatts."""
    return float(10.0 ** (power_dbm / 10.0))


def noise_dbm(bandwidth_mhz: float, noise_figure_db: float) -> float:
    """Return the noise power over the channel: k T B at 290 K, times the receiver's noise figure."""
    return float(_THERMAL_DBM_PER_HZ + 10.0 * np.log10(bandwidth_mhz * 1e6) + noise_figure_db)


def rate_mbps(mcs: Int[np.ndarray, "*packets"] | int, bandwidth_mhz: int) -> Float[np.ndarray, "*packets"]:
    """Return the data rate: 3 to 27 Mb/s over 10 MHz."""
    rate: Float[np.ndarray, "*packets"] = BITS_PER_SYMBOL[mcs] / SYMBOL_US * (bandwidth_mhz / 10.0)
    return rate


def airtime_us(
    payload_bytes: Int[np.ndarray, "*packets"] | int, mcs: Int[np.ndarray, "*packets"] | int, bandwidth_mhz: int
) -> Int64[np.ndarray, "*packets"]:
    """Return the time a packet is on the air: preamble, then whole symbols.

    Args:
        payload_bytes: What the layers above hand down; MAC_HEADER_BYTES come on top.
        mcs: Modulation and coding, 0 to 7.
        bandwidth_mhz: 10, 20 or 40; preamble and symbols are 10 / bandwidth as long as over 10 MHz.

    References:
        IEEE 802.11-2016, clause 17.4.3 (TXTIME).
    """
    bits = 8 * (np.asarray(payload_bytes, np.int64) + MAC_HEADER_BYTES) + SERVICE_AND_TAIL_BITS
    symbols = -(-bits // BITS_PER_SYMBOL[mcs])
    airtime: Int64[np.ndarray, "*packets"] = (PREAMBLE_US + SYMBOL_US * symbols) * 10 // bandwidth_mhz
    return airtime


@cache
def ebn0_over_sinr_db(bandwidth_mhz: int) -> Float[np.ndarray, " mcs"]:
    """Return for each MCS what to add to the SINR to get the energy per bit against noise: bandwidth over rate.

    The same for every bandwidth, since the rates scale with it.
    """
    return 10.0 * np.log10(bandwidth_mhz / rate_mbps(np.arange(MCS_COUNT), bandwidth_mhz))


@cache
def error_curve() -> tuple[Float[np.ndarray, " rows"], Float[np.ndarray, " rows"]]:
    """Return the tabulated energy per bit against noise in dB, and the frame error rate there.

    References:
        comms/phy/data/frame_error_rate.csv names its source.
    """
    text = (files("v2xsim.comms.phy") / "data" / "frame_error_rate.csv").read_text(encoding="utf-8")
    rows = [line.split(",") for line in text.splitlines() if line and not line.startswith("#")][1:]
    table = np.array(rows, float)
    table.flags.writeable = False
    return np.ascontiguousarray(table[:, 0]), np.ascontiguousarray(table[:, 1])


def per(
    sinr_db: Float[np.ndarray, "*packets"], mcs: Int[np.ndarray, "*packets"] | int, bandwidth_mhz: int
) -> Float[np.ndarray, "*packets"]:
    """Return the packet error rate.

    One curve over the energy per bit serves every MCS and packet length, as in its source. That favours the fast
    ones: the SINR thresholds of a commercial receiver (as WiLabV2Xsim lists them) ask 4 to 8 dB more for MCS 5 to 7
    than the curve's middle.

    Args:
        sinr_db: Signal against noise and interference over the channel.
        mcs: Modulation and coding, 0 to 7.
        bandwidth_mhz: 10, 20 or 40.
    """
    ebn0_db, error_rate = error_curve()
    wanted_db = np.asarray(sinr_db) + ebn0_over_sinr_db(bandwidth_mhz)[mcs]
    rate: Float[np.ndarray, "*packets"] = np.interp(wanted_db, ebn0_db, error_rate)
    return rate


def snr_needed_db(delivery: float, mcs: int, bandwidth_mhz: int) -> float:
    """Return the SNR at which a lone packet is delivered with a probability: the inverse of `per`.

    Args:
        delivery: Wanted probability; infinity comes back where the curve never gets there.
        mcs: Modulation and coding, 0 to 7.
        bandwidth_mhz: 10, 20 or 40.
    """
    ebn0_db, error_rate = error_curve()
    if 1.0 - delivery < error_rate[-1]:
        return float("inf")
    needed = np.interp(-(1.0 - delivery), -error_rate, ebn0_db)
    return float(needed - ebn0_over_sinr_db(bandwidth_mhz)[mcs])


@njit(cache=True, nogil=True)
def error_rate_at(ebn0_db, curve_db, curve_rate):  # type: ignore[no-untyped-def]
    """Return the error rate between the rows of a curve: `np.interp` of one value, for kernels."""
    low, high = 0, len(curve_db) - 1
    if ebn0_db <= curve_db[0]:
        return curve_rate[0]
    if ebn0_db >= curve_db[high]:
        return curve_rate[high]
    while high - low > 1:
        middle = (low + high) // 2
        if ebn0_db < curve_db[middle]:
            high = middle
        else:
            low = middle
    share = (ebn0_db - curve_db[low]) / (curve_db[high] - curve_db[low])
    return curve_rate[low] + share * (curve_rate[high] - curve_rate[low])


LUCK_BINS = 256


def lost_below(
    curve_db: Float[np.ndarray, " rows"], curve_rate: Float[np.ndarray, " rows"]
) -> Float[np.ndarray, "bins 2"]:
    """Return for equal bins of luck the ratio below which a packet is surely lost, and from which it surely is not.

    So that few packets need a logarithm and a look at the curve itself.
    """
    if (np.diff(curve_rate) > 0).any():
        return np.tile([0.0, np.inf], (LUCK_BINS, 1))
    # Where the falling curve passes a rate: the last place at which it is above it.
    edge = np.arange(LUCK_BINS + 1) / LUCK_BINS
    passed = np.empty(len(edge))
    for n, rate in enumerate(edge):
        above = np.flatnonzero(curve_rate > rate)
        if len(above) == 0:
            passed[n] = -np.inf
        elif above[-1] == len(curve_rate) - 1:
            passed[n] = np.inf
        else:
            k = above[-1]
            share = (curve_rate[k] - rate) / (curve_rate[k] - curve_rate[k + 1])
            passed[n] = curve_db[k] + share * (curve_db[k + 1] - curve_db[k])
    # A millionth of a decibel covers rounding.
    return np.ascontiguousarray(
        np.stack([10.0 ** (0.1 * (passed[1:] - 1e-6)), 10.0 ** (0.1 * (passed[:-1] + 1e-6))], axis=1)
    )
