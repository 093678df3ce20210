"""What a station learns of its links from tick to tick: their present shadowing, and for how long their state is the same.

The SNR of a packet is the expected one plus the shadowing of the link plus the fading of that packet. The shadowing lasts for some
metres and the fading for one packet, so a Kalman filter tells them apart. Its state is the shadowing in standard deviations; as both
ends move on, it decays as in `v2xsim.comms.channel.shadowing`.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int8, Int64

FORGET_US = 300_000
"""A link of which nothing was measured for longer starts again."""
# Beside the fading, in dB^2: positions and heights that are announced are not exact.
_ERROR_DB2 = 0.25
# A mean over packets at the first sight of a link counts as this many of them.
_FIRST_PACKETS = 4.0
# A measurement is not believed beyond this many standard deviations: something unknown may stand in the way.
_MOST_SIGMA = 3.0


@dataclass(frozen=True)
class Measurements:
    """What stations measure on links at one tick.

    Attributes:
        key: Number that stands for each link, in rising order.
        time_us: Time of the tick.
        snr_db: Mean SNR that was measured lately.
        expected_db: SNR without shadowing.
        state: State that the station believes: LOS, NLOSV or NLOSB.
        speed_mps: Speed of both ends together.
        faded_db: Mean of a packet's fading.
        fading_db2: Variance of a packet's fading.
    """

    key: Int64[np.ndarray, " links"]
    time_us: int
    snr_db: Float[np.ndarray, " links"]
    expected_db: Float[np.ndarray, " links"]
    state: Int8[np.ndarray, " links"]
    speed_mps: Float[np.ndarray, " links"]
    faded_db: Float[np.ndarray, " links"]
    fading_db2: Float[np.ndarray, " links"]


@dataclass(frozen=True)
class LinkHistories:
    """What stations learned of links.

    Attributes:
        key: Number that stands for each link, in rising order.
        time_us: Time of the last measurement.
        snr_db: SNR that was measured then.
        mean: Expected shadowing, in standard deviations.
        variance: Its variance.
        margin: SNR above the least one, in standard deviations of what is not known of it.
        state: State that the station believed.
        same_ticks: For how many ticks it has been the same before; many at the first sight of a link.
    """

    key: Int64[np.ndarray, " links"]
    time_us: Int64[np.ndarray, " links"]
    snr_db: Float[np.ndarray, " links"]
    mean: Float[np.ndarray, " links"]
    variance: Float[np.ndarray, " links"]
    margin: Float[np.ndarray, " links"]
    state: Int8[np.ndarray, " links"]
    same_ticks: Int64[np.ndarray, " links"]

    @staticmethod
    def none() -> "LinkHistories":
        """Return no links."""
        return LinkHistories.unknown(0)

    @staticmethod
    def unknown(count: int) -> "LinkHistories":
        """Return links of which nothing is known, not even the keys."""
        ids, values = np.full(count, -1, np.int64), np.zeros(count)
        return LinkHistories(ids, ids, values, values, values, values, np.zeros(count, np.int8), ids)

    def __len__(self) -> int:
        return len(self.key)

    def at(self, rows: Int64[np.ndarray, " rows"]) -> "LinkHistories":
        """Return some of the links."""
        return LinkHistories(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))

    def joined(self, other: "LinkHistories") -> "LinkHistories":
        """Return these links and others, which must be different ones."""
        both = LinkHistories(
            *(np.concatenate([getattr(self, name), getattr(other, name)]) for name in self.__dataclass_fields__)
        )
        return both.at(np.argsort(both.key))


MANY_TICKS = 1 << 30
"""A state of a link at first sight counts as unchanged for this long."""


def learned(
    before: LinkHistories, seen: Measurements, sigma_db: Float[np.ndarray, " 3"], decorrelation_m: Float[np.ndarray, " 3"],
    least_db: float, newest: float,
) -> LinkHistories:  # fmt: skip
    """Return what stations know of links after a tick, in the order of the measurements.

    Args:
        before: What they knew before.
        seen: What they measure now.
        sigma_db: Standard deviation of the shadowing by state.
        decorrelation_m: Distance after which its correlation has fallen to 1/e, by state.
        least_db: Least SNR of a usable link.
        newest: Weight of the newest packet in the mean SNR.
    """
    count = len(seen.key)
    row = np.minimum(np.searchsorted(before.key, seen.key), len(before) - 1)
    old = before.at(row) if len(before) else LinkHistories.unknown(count)
    since_us = seen.time_us - old.time_us
    is_known = (old.key == seen.key) & (since_us <= FORGET_US)
    sigma = np.maximum(sigma_db[seen.state], 1e-6)
    kept = np.where(is_known, np.exp(-seen.speed_mps * since_us * 1e-6 / decorrelation_m[seen.state]), 0.0)
    mean, variance = kept * old.mean, np.where(is_known, kept**2 * old.variance, 0.0) + 1.0 - kept**2
    # The mean SNR after a packet gives the SNR of this packet.
    packet_db = np.where(is_known, old.snr_db + (seen.snr_db - old.snr_db) / newest, seen.snr_db)
    noise = (np.where(is_known, seen.fading_db2, seen.fading_db2 / _FIRST_PACKETS) + _ERROR_DB2) / sigma**2
    is_new = ~is_known | (seen.snr_db != old.snr_db)
    whole = variance + noise
    gain = np.where(is_new, variance / whole, 0.0)
    most = _MOST_SIGMA * np.sqrt(whole)
    surprise = np.clip((packet_db - seen.faded_db - seen.expected_db) / sigma - mean, -most, most)
    mean, variance = mean + gain * surprise, variance * (1.0 - gain)
    margin = (seen.expected_db + sigma * mean - least_db) / np.sqrt(sigma**2 * variance + _ERROR_DB2)
    return LinkHistories(
        seen.key, np.full(count, seen.time_us), seen.snr_db, mean, variance, margin, seen.state,
        np.where(is_known, np.where(old.state == seen.state, np.minimum(old.same_ticks + 1, MANY_TICKS), 0), MANY_TICKS),
    )  # fmt: skip


def still_known(before: LinkHistories, now: LinkHistories, time_us: int) -> LinkHistories:
    """Return what is known after a tick, with those links of before that were not measured now and are not forgotten yet."""
    is_left = ~np.isin(before.key, now.key) & (time_us - before.time_us <= FORGET_US)
    return now.joined(before.at(np.flatnonzero(is_left)))
