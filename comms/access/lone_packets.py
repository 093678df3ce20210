"""Delivery of single packets that meet no other: the error curve of an access scheme at the mean SNR of each link."""

from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from v2xsim.comms.access.scheme import AccessScheme, RadioSettings, ReceptionLevels, error_points_of
from v2xsim.comms.phy.error_points import delivery_at
from v2xsim.plugins import ask, wrong_answer


class LonePackets(NamedTuple):
    """Reception of one packet without interference on each link.

    Attributes:
        snr_db: Mean received power over the noise in the part of the channel that the packet occupies.
        delivery: Probability that the packet is received, 0 to 1; higher is better.
    """

    snr_db: Float[np.ndarray, " links"]
    delivery: Float[np.ndarray, " links"]


def lone_packets(
    scheme: AccessScheme, settings: RadioSettings, mcs: int, size_bytes: int, power_dbm: Float[np.ndarray, " links"]
) -> LonePackets:
    """Return how links would deliver one packet without interference, sent once.

    Left out are fading, interference and collisions, receivers that are sending or busy, full queues, retries and blind
    repetitions. An ideal channel delivers every packet.

    Args:
        scheme: The access scheme.
        settings: Settings of the radio.
        mcs: Modulation and coding scheme of the packet, for schemes that use `radio.mcs`.
        size_bytes: Size of the packet, with the headers above the MAC.
        power_dbm: Received power over each link, without fading.

    Raises:
        PartError: If a user's scheme raises an exception or returns impossible values.
    """
    levels = _levels_of(scheme, settings, size_bytes)
    snr_db = power_dbm - levels.noise_dbm
    if scheme.ideal:
        return LonePackets(snr_db, np.ones(len(snr_db)))
    curve = error_points_of(scheme, mcs, settings.bandwidth_mhz)
    return LonePackets(snr_db, np.where(power_dbm < levels.sensitivity_dbm, 0.0, delivery_at(snr_db, curve)))


def _levels_of(scheme: AccessScheme, settings: RadioSettings, size_bytes: int) -> ReceptionLevels:
    """Return a scheme's `reception_levels`, checked if the scheme is a user's."""
    levels: Any = ask(scheme, "reception_levels", settings, size_bytes)
    is_pair = isinstance(levels, tuple) and len(levels) == 2
    if scheme.file is not None and not (
        is_pair and all(isinstance(level, Real) and np.isfinite(float(level)) for level in levels)
    ):
        must = "must return ReceptionLevels: two finite powers in dBm, noise and sensitivity"
        raise wrong_answer(scheme, "reception_levels", f"{must}, got {levels!r}")
    return ReceptionLevels(*levels)
