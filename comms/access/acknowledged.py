"""Codes of packets that are acknowledged: compiled loops know each transmission by one whole number.

The code of a transmission has the caller's number of the packet, how often the packet was sent before, and whether the
transmission is the packet or its acknowledgement. A third kind of code is no transmission: it reports that a packet is not
sent again.
"""

import numpy as np
from jaxtyping import Int64
from numba import njit

from v2xsim.comms.draws import rekeyed
from v2xsim.comms.phases import PHASE

DATA, ACK, FINISHED = range(3)
MOST_RETRIES = 63
# Bits of a code below the packet's number: 6 for the repetition, 2 for the kind.
_REPEAT_BITS, _KIND_BITS = 6, 2


@njit(**PHASE)
def code_of(number, repeat, kind):  # type: ignore[no-untyped-def]
    """Return the code of a transmission.

    Args:
        number: The caller's number of the packet.
        repeat: How often the packet was sent before, at most MOST_RETRIES.
        kind: DATA, ACK or FINISHED.
    """
    return (((number << _REPEAT_BITS) | repeat) << _KIND_BITS) | kind


@njit(**PHASE)
def number_in(code):  # type: ignore[no-untyped-def]
    """Return the number of the packet in a code."""
    return code >> (_REPEAT_BITS + _KIND_BITS)


@njit(**PHASE)
def repeat_in(code):  # type: ignore[no-untyped-def]
    """Return how often the packet of a code was sent before."""
    return (code >> _KIND_BITS) & MOST_RETRIES


@njit(**PHASE)
def kind_in(code):  # type: ignore[no-untyped-def]
    """Return the kind in a code: DATA, ACK or FINISHED."""
    return code & 3


def codes_of(number: Int64[np.ndarray, " packets"]) -> Int64[np.ndarray, " packets"]:
    """Return the code of the first transmission of each packet."""
    return number << (_REPEAT_BITS + _KIND_BITS)


def parts_of(
    code: Int64[np.ndarray, " packets"],
) -> tuple[Int64[np.ndarray, " packets"], Int64[np.ndarray, " packets"], Int64[np.ndarray, " packets"]]:
    """Return the number, the repetition and the kind of each code."""
    repeat = (code >> _KIND_BITS) & MOST_RETRIES
    return code >> (_REPEAT_BITS + _KIND_BITS), repeat, code & ((1 << _KIND_BITS) - 1)


@njit(**PHASE)
def key_of(key, repeat, kind):  # type: ignore[no-untyped-def]
    """Return the key of the random draws of a transmission; for the first transmission of a packet its own key."""
    return rekeyed(key, 2 * repeat + kind)
