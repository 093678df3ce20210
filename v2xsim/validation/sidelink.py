"""The published sidelink set-ups: LTE-V2X mode 4 with causes of loss, and NR-V2X mode 2.

Mode 4 as in Gonzalez-Martin et al., IEEE TVT 2019: WINNER+ B1 with antennas at 1.5 m over an effective ground of 0 m
at 5.91 GHz, shadowing of 3 dB, sensing threshold -90.5 dBm, noise -95 dBm over 10 MHz, 190 B in one subchannel, block
errors of 3GPP R1-160284, resources kept with probability 0.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from v2xsim.comms.access.scheme import RadioSettings, layer_of
from v2xsim.comms.access.schemes.lte_mode4 import LteMode4
from v2xsim.comms.access.schemes.nr_mode2 import NrMode2
from v2xsim.comms.access.sidelink_scheme import SidelinkScheme
from v2xsim.comms.channel.path_loss.winner_b1 import winner_b1_loss_db
from v2xsim.comms.channel.tr37885 import highway_loss_db
from v2xsim.streams import Streams
from v2xsim.validation.compare import Comparison, Reference
from v2xsim.validation.line import Line, simulate

LTE_FILE, NR_FILE = "lte_v2x_mode4_pdr.csv", "nr_mode2_prr.csv"
LTE_LIMIT_PP, NR_LIMIT_PP = 3.0, 5.0
_LTE_SOURCE = (
    "Gonzalez-Martin et al., Analytical Models of the Performance of C-V2X Mode 4 Vehicular Communications, TVT 2019"
)
_NR_SOURCE = "Brady, Cao, Roy, Modeling of NR C-V2X Mode 2 Throughput (ns-3 5G-LENA)"
_LTE_ASSUMES = (
    "Assumed: a ring of 4 km at 70 km/h, shadowing decorrelated over 25 m, control information decoded from 0 dB, T1 1, T2 100, "
    "every decoded reservation excluded at first (the source's equations), no in-band emission. An interferer's power is spread over "
    "its whole subchannel; only the part in the packet's own resource blocks counts (10 of 12.5, 12 of 25), as with the noise in the source's code."
)
# Block error rates of 3GPP R1-160284 at 280 km/h, as the source tabulates them: QPSK at code rates 0.7 and 0.5.
_BLER = {
    4: ((0, 2, 4, 6, 8, 10, 12, 14, 16, 20, 21), (1.0, 0.9, 0.7, 0.4, 0.13, 0.045, 0.017, 0.007, 1e-3, 1e-3, 1e-4)),
    2: ((-2, 0, 2, 4, 6, 8, 10, 12, 20), (1.0, 0.9, 0.7, 0.3, 0.09, 0.02, 0.002, 1e-3, 1e-3)),
}
# Number of resource blocks of a packet of 190 bytes, by the number of subchannels.
_RESOURCE_BLOCKS = {4: 10, 2: 12}


@dataclass(frozen=True)
class Configuration:
    """One published configuration.

    Attributes:
        reference: The published curve.
        line: The road and its messages.
        scheme: The access scheme.
        settings: Radio settings of the access layer.
    """

    reference: Reference
    line: Line
    scheme: SidelinkScheme
    settings: RadioSettings


def lte_configurations(file: Path, seed: int = 1) -> Iterator[Configuration]:
    """Yield the published LTE mode 4 configurations that a file of curves contains, in the order of the file."""
    for key, part in _groups(file, ("subchannels", "Pt_dBm", "beta_veh_per_km", "lambda_Hz")):
        subchannels, power, density, rate = int(float(key[0])), *(float(v) for v in key[1:])
        share = {
            name: _column(part, f"{column}_pct") / 100.0
            for name, column in (
                ("delivered", "PDR"), ("half_duplex", "HD"), ("sensing", "SEN"), ("propagation", "PRO"), ("collision", "COL"),
            )
        }  # fmt: skip
        name = f"LTE mode 4, {subchannels} subchannels, {density:g} veh/km, {rate:g} Hz, {power:g} dBm"
        blocks = _RESOURCE_BLOCKS[subchannels]
        reference = Reference(
            name, _column(part, "distance_m"), share, LTE_LIMIT_PP, float("nan"), _LTE_SOURCE, _LTE_ASSUMES
        )
        curve_db, curve_rate = _BLER[subchannels]
        # Noise over one packet's resource blocks, out of 50 in 10 MHz.
        noise = -95.0 + 10.0 * np.log10(blocks / 50.0) + 10.0 * np.log10(subchannels)
        scheme = LteMode4(
            subchannels=subchannels, rb_per_subchannel=blocks, packet_subchannels=1, rsrp_threshold_dbm=-128.0,
            interference_share=blocks * subchannels / 50.0,
        )  # fmt: skip
        settings = RadioSettings(
            noise_dbm=float(noise), sensitivity_dbm=-90.5, curve=tuple(zip(curve_db, curve_rate, strict=True))
        )
        line = Line(
            density_per_m=density / 1000.0, length_m=4000.0, ring=True, speed_mps=70.0 / 3.6, rate_hz=rate, size_bytes=190,
            mcs=0, tx_power_dbm=power, loss_db=lambda d: winner_b1_loss_db(d, 5.91, 1.5, 1.5, 0.0), sigma_db=3.0,
            decorrelation_m=25.0, nakagami_m=None, least_dbm=-112.0, warm_up_s=3.0, measured_s=5.0, seed=seed,
        )  # fmt: skip
        yield Configuration(reference, line, scheme, settings)


def nr_configurations(file: Path, seed: int = 1) -> Iterator[Configuration]:
    """Yield the published NR mode 2 configurations that a file of curves contains, in the order of the file."""
    for key, part in _groups(file, ("spacing_m", "T2_slots")):
        spacing, t2 = float(key[0]), int(float(key[1]))
        # MCS 14 of TS 38.214 table 5.1.3.1-1: 4 bits a symbol at code rate 553/1024.
        threshold = 10.0 * np.log10(2.0 ** (4 * 553 / 1024 / 0.6) - 1.0)
        reference = Reference(
            f"NR mode 2, every {spacing:g} m on two lanes, T2 {t2}", _column(part, "distance_m"),
            {"delivered": _column(part, "prr_mean")}, NR_LIMIT_PP, float("nan"), _NR_SOURCE,
            f"No error curve of its MCS is available: packets arrive above {threshold:.1f} dB, where 0.6 of Shannon's capacity "
            "carries MCS 14 (TR 36.942 annex A.2). Static, shadowing of TR 37.885; blockage by vehicles left out. The power is spread over the "
            "whole channel (5G-LENA's default, from memory), and resource blocks under its -91.7 dBm are dropped.",
        )  # fmt: skip
        scheme = NrMode2(
            subchannels=4, rb_per_subchannel=50, packet_subchannels=1, t1_slots=2, t2_slots=t2,
            rsrp_threshold_dbm=float(-91.7 - 10 * np.log10(12 * 50)),
        )  # fmt: skip
        settings = RadioSettings(
            noise_dbm=float(-174.0 + 10 * np.log10(40e6) + 9.0), sensitivity_dbm=float(-91.7 + 10 * np.log10(50)),
            curve=((float(threshold) - 0.01, 1.0), (float(threshold), 0.0)),
        )  # fmt: skip
        line = Line(
            density_per_m=2.0 / spacing, length_m=200.0 * spacing, ring=False, speed_mps=0.0, rate_hz=10.0, size_bytes=200, mcs=0,
            tx_power_dbm=23.0 - 10 * np.log10(4), loss_db=lambda d: highway_loss_db(d, 5.89), sigma_db=3.0, decorrelation_m=10.0,
            nakagami_m=None, least_dbm=-115.0, warm_up_s=3.0, measured_s=5.0, seed=seed,
        )  # fmt: skip
        yield Configuration(reference, line, scheme, settings)


def run(configuration: Configuration) -> Comparison:
    """Simulate a configuration and return its comparison with the published curve."""
    line = configuration.line
    keys = (Streams(line.seed).uniforms("line.station", np.arange(line.stations))[:, 0] * 2.0**63).astype(np.uint64)
    layer = layer_of(configuration.scheme, configuration.settings, 0, keys)
    outcomes = simulate(line, layer, configuration.reference.edge_m)
    sent = outcomes.count.sum(axis=0).astype(float)
    share = np.where(sent > 0, outcomes.share, np.nan)
    return Comparison(configuration.reference, share, outcomes.busy_share, outcomes.gap_ms, sent)


def _groups(file: Path, keys: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], list[dict[str, str]]]]:
    with file.open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    for key in dict.fromkeys(tuple(row[k] for k in keys) for row in rows):
        yield key, [row for row in rows if tuple(row[k] for k in keys) == key]


def _column(part: list[dict[str, str]], name: str) -> Float[np.ndarray, " points"]:
    return np.array([float(row[name] or "nan") for row in part])
