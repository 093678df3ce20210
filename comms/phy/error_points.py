"""Error curves as points, from which stations predict the delivery of packets without interference."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float


class ErrorPoints(NamedTuple):
    """The error curve of one modulation and coding scheme, as points.

    Attributes:
        sinr_db: SINR at each point, in rising order.
        error_rate: Packet error rate at each point, 0 to 1, never rising.
    """

    sinr_db: Float[np.ndarray, " points"]
    error_rate: Float[np.ndarray, " points"]


def delivery_at(snr_db: Float[np.ndarray, "*links"], curve: ErrorPoints) -> Float[np.ndarray, "*links"]:
    """Return the probability, 0 to 1, that a packet without interference is delivered at each SNR in dB."""
    delivery: Float[np.ndarray, "*links"] = 1.0 - np.interp(snr_db, curve.sinr_db, curve.error_rate)
    return delivery


def snr_needed_db(delivery: float, curve: ErrorPoints) -> float:
    """Return the SNR in dB at which a packet without interference is delivered with a given probability.

    Args:
        delivery: Probability that the packet is delivered, 0 to 1; the result is infinity if the curve never reaches
            it.
        curve: Error curve of the packet's modulation and coding scheme.
    """
    if 1.0 - delivery < curve.error_rate[-1]:
        return float("inf")
    return float(np.interp(-(1.0 - delivery), -curve.error_rate, curve.sinr_db))
