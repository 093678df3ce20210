"""Physical layer of LTE-V2X and NR-V2X sidelink: bits per subchannel, error curves, in-band emission."""

import numpy as np

# Resource elements that carry data in a resource block and slot: 9 of 14 symbols in LTE (four have reference signals,
# one is a guard symbol), 10 in NR (without control, reference signals and guard). Written from memory, not checked
# against the documents.
ELEMENTS = {"lte_mode4": 108, "nr_mode2": 120}
# Those that are lost in a slot with a feedback channel (PSFCH): three symbols, for the feedback, its gain control and a gap
# (TS 38.214, 8.1.3.2).
FEEDBACK_ELEMENTS = 36

# Number of resource blocks of the channel by its bandwidth in MHz, with subcarriers 15 kHz apart: 3GPP TS 36.101, table 5.6-1
# (40 MHz as two carriers of 20 MHz), and TS 38.101-1, table 5.3.2-1. Written from memory, not checked against the documents.
RESOURCE_BLOCKS = {"lte_mode4": {10: 50, 20: 100, 40: 200}, "nr_mode2": {10: 52, 20: 106, 40: 216}}
# Numbers of resource blocks that a subchannel may have: TS 36.331, sizeSubchannel-r14, and TS 38.331, sl-SubchannelSize-r16.
# Written from memory, not checked against the documents.
SUBCHANNEL_BLOCKS = {
    "lte_mode4": (4, 5, 6, 8, 9, 10, 12, 15, 16, 18, 20, 25, 30, 48, 50, 72, 75, 96, 100),
    "nr_mode2": (10, 12, 15, 20, 25, 50, 75, 100),
}

# SINR in dB and packet error rate of QPSK at code rate 0.7 (3GPP R1-160284, as Gonzalez-Martin et al. tabulate it).
QPSK_SINR_DB = (0.0, 2.0, 4.0, 6.0, 8.0, 10.0, 12.0, 14.0, 16.0, 20.0, 21.0)
QPSK_ERROR_RATE = (1.0, 0.9, 0.7, 0.4, 0.13, 0.045, 0.017, 0.007, 1e-3, 1e-3, 1e-4)


def bits_per_subchannel(
    access: str, resource_blocks: int, bits_per_symbol: int, code_rate: float, feedback: bool = False
) -> int:
    """Return the number of data bits that one subchannel carries in a slot.

    Args:
        access: Radio technology, a key of `ELEMENTS`.
        resource_blocks: Number of resource blocks in the subchannel.
        bits_per_symbol: Bits per symbol of the modulation: 2, 4 or 6.
        code_rate: Data bits per coded bit, 0 to 1; a higher rate carries more data.
        feedback: Whether the slot has a feedback channel.
    """
    # The small number keeps the product of a rounded code rate, such as 1440 x 2 x 0.7, from losing a bit.
    elements = ELEMENTS[access] - (FEEDBACK_ELEMENTS if feedback else 0)
    return int(elements * resource_blocks * bits_per_symbol * code_rate + 1e-6)


def sidelink_error_curve(bits_per_symbol: int, code_rate: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the SINR in dB and packet error rate at each point of the curve of a modulation and code rate.

    The result is the curve of QPSK at code rate 0.7, shifted in SINR. For each of the two combinations of modulation
    and code rate, take the SINR at which 0.6 times Shannon's capacity (TR 36.942, annex A.2) equals its data rate. The
    shift is the difference of the two SINRs; this is our approximation.
    """
    shift_db = 10.0 * np.log10((2.0 ** (bits_per_symbol * code_rate / 0.6) - 1.0) / (2.0 ** (2 * 0.7 / 0.6) - 1.0))
    return tuple(float(v + shift_db) for v in QPSK_SINR_DB), QPSK_ERROR_RATE


def in_band_emission_db(subchannels: int, rb_per_subchannel: int) -> tuple[float, ...]:
    """Return the power that a transmission leaks into the other subchannels of its slot.

    Entry k - 1 is the power in a subchannel at distance k, in dB relative to one of the transmission's own subchannels.

    The general mask for transmissions of L resource blocks in a channel of N, per block:
    max(-25 - 10 log10(N / L), 20 log10(EVM) - 3 - 5 (gap - 1) / L), with EVM 17.5 % for QPSK.

    References:
        3GPP TS 36.101, table 6.5.2A.3.1-1 and 6.5.2.3.1-1 (in-band emissions). Written from memory, not checked against
        the document.
    """
    blocks, whole = rb_per_subchannel, subchannels * rb_per_subchannel
    floor = -25.0 - 10.0 * np.log10(whole / blocks)
    gaps = np.arange(subchannels - 1) * blocks + 0.5 * (blocks + 1)
    sloping = 20.0 * np.log10(0.175) - 3.0 - 5.0 * (gaps - 1.0) / blocks
    return tuple(float(v) for v in np.maximum(floor, sloping))
