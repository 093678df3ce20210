"""Data rates and packet durations of IEEE 802.11p.

A channel of 20 or 40 MHz uses the same OFDM with a faster clock: rates grow and durations shrink in proportion to the
bandwidth.
"""

import numpy as np
from jaxtyping import Float, Int, Int64

MCS_COUNT = 8

# Data bits per OFDM symbol (IEEE 802.11-2016, table 17-4): BPSK, QPSK, 16-QAM and 64-QAM at two code rates each.
BITS_PER_SYMBOL = np.array([24, 36, 48, 72, 96, 144, 192, 216], np.int64)

# At 10 MHz (IEEE 802.11-2016, tables 17-5 and 17-21): training fields 32 us, then the SIGNAL symbol.
SYMBOL_US = 8
PREAMBLE_US = 40

# 16 service bits and 6 tail bits (IEEE 802.11-2016, clause 17.3.2).
SERVICE_AND_TAIL_BITS = 22

# QoS data header of 26 and frame check sequence of 4 (IEEE 802.11-2016, clause 9.2.3), then LLC/SNAP of 8 (clause 5 of
# EN 302 663 keeps it). `airtime_us` adds them to every payload.
MAC_HEADER_BYTES = 38


def rate_mbps(mcs: Int[np.ndarray, "*packets"], bandwidth_mhz: int) -> Float[np.ndarray, "*packets"]:
    """Return the data rate in Mb/s of a modulation and coding scheme: 3 to 27 Mb/s on a 10 MHz channel."""
    rate: Float[np.ndarray, "*packets"] = BITS_PER_SYMBOL[mcs] / SYMBOL_US * (bandwidth_mhz / 10.0)
    return rate


def airtime_us(
    payload_bytes: Int[np.ndarray, "*packets"] | int, mcs: Int[np.ndarray, "*packets"] | int, bandwidth_mhz: int
) -> Int64[np.ndarray, "*packets"] | np.int64:
    """Return the duration of a packet on the air: a preamble and a whole number of symbols.

    Args:
        payload_bytes: Number of bytes from the layers above, to which MAC_HEADER_BYTES are added.
        mcs: Index of the modulation and coding scheme, 0 (slowest) to 7 (fastest).
        bandwidth_mhz: Bandwidth of the channel: 10, 20 or 40. Compared with 10 MHz, durations are multiplied by 10 /
            bandwidth.

    References:
        IEEE 802.11-2016, clause 17.4.3 (TXTIME).
    """
    bits = 8 * (np.asarray(payload_bytes, np.int64) + MAC_HEADER_BYTES) + SERVICE_AND_TAIL_BITS
    symbols = -(-bits // BITS_PER_SYMBOL[mcs])
    airtime: Int64[np.ndarray, "*packets"] | np.int64 = (PREAMBLE_US + SYMBOL_US * symbols) * 10 // bandwidth_mhz
    return airtime


# An acknowledgement follows its packet after SIFS: 32 us at 10 MHz (IEEE 802.11-2016, table 17-21). The frame has 14 B with
# its check sequence, and no data (9.3.1.4).
SIFS_US = 32
ACK_BYTES = 14
# MCS of the acknowledgement by that of the packet: the highest of the mandatory rates (3, 6 and 12 Mb/s at 10 MHz) that is
# not above the packet's (IEEE 802.11-2016, 10.7.6.5.2 and 17.2.3.3).
ACK_MCS = np.array([0, 0, 2, 2, 4, 4, 4, 4], np.int64)


def sifs_us(bandwidth_mhz: int) -> int:
    """Return the time between a packet and its acknowledgement."""
    return SIFS_US * 10 // bandwidth_mhz


def ack_airtime_us(mcs: Int[np.ndarray, " packets"], bandwidth_mhz: int) -> Int64[np.ndarray, " packets"]:
    """Return the duration of the acknowledgement of a packet with each MCS: 64 us for MCS 2 at 10 MHz."""
    # The frame has no header besides its own 14 B.
    sizes = np.full(len(mcs), ACK_BYTES - MAC_HEADER_BYTES, np.int64)
    return np.asarray(airtime_us(sizes, ACK_MCS[mcs], bandwidth_mhz), np.int64)
