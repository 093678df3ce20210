"""The published 802.11p set-ups: vehicles on a line, packet delivery and causes of loss by distance.

Settings as in Sepulcre et al., IEEE TVT 2022: WINNER+ B1 with antennas at 1.5 m over an effective ground of 0.5 m at
5.89 GHz, shadowing of 3 dB, sensing threshold -85 dBm, noise -95 dBm, frame errors of Goubet 2015.
"""

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from v2xsim.comms.access.scheme import RadioSettings, layer_of
from v2xsim.comms.access.schemes.ieee80211p import Ieee80211p
from v2xsim.comms.channel.path_loss.winner_b1 import winner_b1_loss_db
from v2xsim.comms.phy.airtime import rate_mbps
from v2xsim.streams import Streams
from v2xsim.validation.compare import Comparison, Reference
from v2xsim.validation.line import Line, simulate

FILE = "ieee80211p_pdr.csv"
# Largest mean absolute deviation that counts as agreement, in percentage points.
LIMIT_PP = 3.0
_SOURCE = "Sepulcre et al., Analytical Models of the Performance of IEEE 802.11p V2V Communications, IEEE TVT 2022"
_ASSUMES = (
    "Assumed: a ring of 4 km at 70 km/h, shadowing decorrelated over 25 m, no capture. The source has no separate cause "
    "for packets lost because the receiver transmits: they count as receiver busy."
)
# Rows in OUTCOME_NAMES of two outcomes that the source counts together as receiver busy.
_HALF_DUPLEX, _BUSY = 1, 3
# The source counts the time with a sensed packet as busy (its equation of the unadjusted ratio). The busy shares that it
# gives for 190 and 500 bytes have the ratio of frames with these total sizes, although its formula adds 30 bytes.
_SETTINGS = RadioSettings(noise_dbm=-95.0, sensitivity_dbm=-85.0, busy_threshold_dbm=float("inf"), header_bytes=0)


@dataclass(frozen=True)
class Configuration:
    """One published configuration.

    Attributes:
        reference: The published curve.
        line: The road and its messages.
        settings: Radio settings of the access layer.
    """

    reference: Reference
    line: Line
    settings: RadioSettings


def configurations(file: Path, seed: int = 1) -> Iterator[Configuration]:
    """Yield the published configurations that a file of curves contains, in the order of the file."""
    with file.open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    keys = ("beta_veh_per_m", "rate_Mbps", "lambda_Hz", "Pt_dBm", "bytes")
    for key in dict.fromkeys(tuple(row[k] for k in keys) for row in rows):
        part = [row for row in rows if tuple(row[k] for k in keys) == key]
        density, rate, message_hz, power, size = (float(value) for value in key)

        def column(name: str, part: list[dict[str, str]] = part) -> Float[np.ndarray, " points"]:
            return np.array([float(row[name] or "nan") for row in part])

        reference = Reference(
            f"802.11p {1000 * density:g} veh/km, {rate:g} Mb/s, {message_hz:g} Hz, {power:g} dBm, {size:g} B",
            column("distance_m"),
            {
                "delivered": column("PDR"), "sensing": column("SEN"), "receiver_busy": column("RXB"),
                "propagation": column("PRO"), "collision": column("COL"),
            },
            LIMIT_PP, float(column("CBR_mean")[0]), _SOURCE, _ASSUMES,
        )  # fmt: skip
        mcs = int(np.argmin(np.abs(rate_mbps(np.arange(8), 10) - rate)))
        yield Configuration(reference, line_of(density, message_hz, int(size), mcs, power, seed), _SETTINGS)


def line_of(density_per_m: float, rate_hz: float, size_bytes: int, mcs: int, tx_power_dbm: float, seed: int) -> Line:
    """Return the road and messages of a published set-up with the given density, message rate, packet size and power."""
    loss: Callable[[Float[np.ndarray, "*links"]], Float[np.ndarray, "*links"]] = lambda distance: winner_b1_loss_db(  # noqa: E731
        distance, 5.89, 1.5, 1.5, 0.5
    )
    return Line(
        density_per_m=density_per_m, length_m=4000.0, ring=True, speed_mps=70.0 / 3.6, rate_hz=rate_hz,
        size_bytes=size_bytes, mcs=mcs, tx_power_dbm=tx_power_dbm, loss_db=loss, sigma_db=3.0, decorrelation_m=25.0,
        nakagami_m=None, least_dbm=-110.0, warm_up_s=1.0, measured_s=5.0, seed=seed,
    )  # fmt: skip


def run(configuration: Configuration) -> Comparison:
    """Simulate a configuration and return its comparison with the published curve."""
    line = configuration.line
    keys = (Streams(line.seed).uniforms("line.station", np.arange(line.stations))[:, 0] * 2.0**63).astype(np.uint64)
    outcomes = simulate(line, layer_of(Ieee80211p(), configuration.settings, 0, keys), configuration.reference.edge_m)
    share = np.where(outcomes.count.sum(axis=0) > 0, outcomes.share, np.nan)
    share[_BUSY] += share[_HALF_DUPLEX]
    share[_HALF_DUPLEX] = 0.0
    sent = outcomes.count.sum(axis=0).astype(float)
    return Comparison(configuration.reference, share, outcomes.busy_share, outcomes.gap_ms, sent)
