"""Build a road and an access layer from a set-up described in YAML."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from v2xsim.comms.access.scheme import AccessLayer, RadioSettings, layer_of
from v2xsim.comms.channel.path_loss.model import PathLossView, loss_of
from v2xsim.comms.phy.noise import noise_dbm
from v2xsim.part_trials import try_own_parts
from v2xsim.records import LOS
from v2xsim.streams import Streams
from v2xsim.validation.line import Line, Outcomes, simulate
from v2xsim.validation.setup import SetUp

_Loss = Callable[[Float[np.ndarray, "*links"]], Float[np.ndarray, "*links"]]


def road_of(setup: SetUp) -> Line:
    """Return the road and messages of a set-up."""
    channel = setup.channel
    return Line(
        density_per_m=setup.road.density_per_km / 1000.0, length_m=setup.road.length_m, ring=setup.road.shape == "ring",
        speed_mps=setup.road.speed_kmh / 3.6, rate_hz=setup.messages.rate_hz, size_bytes=setup.messages.size_bytes,
        mcs=setup.receiver.mcs, tx_power_dbm=setup.receiver.tx_power_dbm + 2.0 * channel.antenna_gain_dbi,
        loss_db=_loss_of(setup), sigma_db=channel.shadowing_sigma_db, decorrelation_m=channel.decorrelation_m,
        nakagami_m=_fading_of(channel.nakagami) if channel.nakagami else None, least_dbm=noise_of(setup) - 20.0,
        warm_up_s=setup.warm_up_s, measured_s=setup.measured_s, seed=setup.seed,
        random_places=setup.road.placement == "poisson", range_m=channel.range_m,
    )  # fmt: skip


def noise_of(setup: SetUp) -> float:
    """Return the noise power over the whole channel, in dBm."""
    receiver = setup.receiver
    if receiver.noise_dbm is not None:
        return receiver.noise_dbm
    return noise_dbm(receiver.bandwidth_mhz, receiver.noise_figure_db)


def access_layer(setup: SetUp, stations: int) -> AccessLayer:
    """Return the access layer of a set-up, for a number of stations. A simulation run uses the same code to make its layer."""
    ear = setup.receiver
    curve = tuple(ear.per_table)
    if ear.sinr_threshold_db is not None:
        curve = ((ear.sinr_threshold_db - 1e-3, 1.0), (ear.sinr_threshold_db, 0.0))
    settings = RadioSettings(
        bandwidth_mhz=ear.bandwidth_mhz, noise_dbm=noise_of(setup), sensitivity_dbm=ear.sensitivity_dbm,
        busy_threshold_dbm=ear.busy_threshold_dbm, header_bytes=0, curve=curve,
    )  # fmt: skip
    keys = (Streams(setup.seed).uniforms("line.station", np.arange(stations))[:, 0] * 2.0**63).astype(np.uint64)
    return layer_of(setup.access, settings, 0, keys)


def run(setup: SetUp) -> tuple[Float[np.ndarray, " bins_plus_1"], Outcomes]:
    """Simulate a set-up; return the edges of its distance bins in metres and the outcomes in each bin."""
    try_own_parts(setup)
    line = road_of(setup)
    edge_m = np.arange(0.0, setup.reach_m + setup.bin_m, setup.bin_m)
    return edge_m, simulate(line, access_layer(setup, line.stations), edge_m)


def _loss_of(setup: SetUp) -> _Loss:
    channel = setup.channel
    model, carrier = channel.path_loss, channel.carrier_ghz

    def loss(distance_m: Float[np.ndarray, "*links"]) -> Float[np.ndarray, "*links"]:
        clear, heights = np.full(len(distance_m), LOS, np.int8), np.full(len(distance_m), channel.antenna_height_m)
        return loss_of(model, PathLossView(distance_m, clear, heights, heights, carrier))

    return loss


def _fading_of(table: list[tuple[float, float]]) -> _Loss:
    begin, shape = np.array([row[0] for row in table]), np.array([row[1] for row in table])

    def fading(distance_m: Float[np.ndarray, "*links"]) -> Float[np.ndarray, "*links"]:
        shapes: np.ndarray = shape[np.maximum(0, np.searchsorted(begin, distance_m, "right") - 1)]
        return shapes

    return fading
