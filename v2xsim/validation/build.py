"""Build a road and an access layer from a set-up described in YAML."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from v2xsim.comms.access.scheme import AccessLayer, RadioSettings, layer_of
from v2xsim.comms.channel.fading.model import Fading, FadingView, shape_of
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
    radio, run = setup.radio, setup.run
    return Line(
        density_per_m=setup.road.density_per_km / 1000.0, length_m=setup.road.length_m, ring=setup.road.shape == "ring",
        speed_mps=setup.road.speed_kmh / 3.6, rate_hz=setup.messages.rate_hz, size_bytes=setup.messages.size_bytes,
        mcs=radio.mcs, tx_power_dbm=radio.tx_power_dbm + 2.0 * radio.antenna_gain_dbi,
        loss_db=_loss_of(setup), sigma_db=radio.propagation.shadowing_sigma_db, decorrelation_m=radio.propagation.decorrelation_m,
        nakagami_m=_fading_of(radio.propagation.fading) if radio.propagation.fading.fades else None, least_dbm=noise_of(setup) - 20.0,
        warm_up_s=run.begin_s, measured_s=run.duration_s, seed=run.seed,
        random_places=setup.road.placement == "poisson", range_m=radio.range_m,
    )  # fmt: skip


def noise_of(setup: SetUp) -> float:
    """Return the noise power over the whole channel, in dBm."""
    if setup.receiver.noise_dbm is not None:
        return setup.receiver.noise_dbm
    return noise_dbm(setup.radio.bandwidth_mhz, setup.radio.noise_figure_db)


def access_layer(setup: SetUp, stations: int) -> AccessLayer:
    """Return the access layer of a set-up, for a number of stations. A simulation run uses the same code to make its layer."""
    ear, radio = setup.receiver, setup.radio
    curve = tuple(ear.per_table)
    if ear.sinr_threshold_db is not None:
        curve = ((ear.sinr_threshold_db - 1e-3, 1.0), (ear.sinr_threshold_db, 0.0))
    settings = RadioSettings(
        bandwidth_mhz=radio.bandwidth_mhz, noise_dbm=noise_of(setup), sensitivity_dbm=radio.sensitivity_dbm,
        busy_threshold_dbm=radio.busy_threshold_dbm, header_bytes=0, curve=curve,
    )  # fmt: skip
    keys = (Streams(setup.run.seed).uniforms("line.station", np.arange(stations))[:, 0] * 2.0**63).astype(np.uint64)
    return layer_of(radio.access, settings, 0, keys)


def run(setup: SetUp) -> tuple[Float[np.ndarray, " bins_plus_1"], Outcomes]:
    """Simulate a set-up; return the edges of its distance bins in metres and the outcomes in each bin."""
    try_own_parts(setup)
    line = road_of(setup)
    edge_m = np.arange(0.0, setup.reach_m + setup.bin_m, setup.bin_m)
    return edge_m, simulate(line, access_layer(setup, line.stations), edge_m)


def _loss_of(setup: SetUp) -> _Loss:
    model, carrier, height_m = setup.radio.channel, setup.radio.carrier_ghz, setup.road.antenna_height_m

    def loss(distance_m: Float[np.ndarray, "*links"]) -> Float[np.ndarray, "*links"]:
        clear, heights = np.full(len(distance_m), LOS, np.int8), np.full(len(distance_m), height_m)
        return loss_of(model, PathLossView(distance_m, clear, heights, heights, carrier))

    return loss


def _fading_of(model: Fading) -> _Loss:
    def fading(distance_m: Float[np.ndarray, "*links"]) -> Float[np.ndarray, "*links"]:
        return shape_of(model, FadingView(distance_m, np.full(len(distance_m), LOS, np.int8)))

    return fading
