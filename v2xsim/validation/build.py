"""From a set-up described in YAML to a road and an access layer."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from v2xsim.comms.access.csma import Csma, CsmaParams
from v2xsim.comms.access.random_slot import RandomSlot, RandomSlotParams
from v2xsim.comms.access.sidelink import Sidelink, SidelinkParams
from v2xsim.comms.channel.propagation import pairwise_loss_db, propagation
from v2xsim.comms.phy.noise import Receiver, milliwatts, noise_dbm
from v2xsim.comms.phy.sidelink import bits_per_subchannel, in_band_emission_db, sidelink_error_curve
from v2xsim.records import LOS
from v2xsim.streams import Streams
from v2xsim.validation.line import AccessLayer, Line, Outcomes, simulate
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
    """Return the noise over the channel."""
    receiver = setup.receiver
    if receiver.noise_dbm is not None:
        return receiver.noise_dbm
    return noise_dbm(receiver.bandwidth_mhz, receiver.noise_figure_db)


def layer_of(setup: SetUp, stations: int) -> AccessLayer:
    """Return the access layer of a set-up."""
    keys = (Streams(setup.seed).uniforms("line.station", np.arange(stations))[:, 0] * 2.0**63).astype(np.uint64)
    ear = setup.receiver
    curve_db = tuple(row[0] for row in ear.per_table)
    curve_rate = tuple(row[1] for row in ear.per_table)
    if ear.sinr_threshold_db is not None:
        curve_db, curve_rate = (ear.sinr_threshold_db - 1e-3, ear.sinr_threshold_db), (1.0, 0.0)
    if setup.access == "ieee80211p":
        own = setup.ieee80211p
        return Csma(stations, CsmaParams(
            bandwidth_mhz=ear.bandwidth_mhz, noise_dbm=noise_of(setup), sensitivity_dbm=ear.sensitivity_dbm,
            cca_preamble_dbm=own.cca_preamble_dbm, cca_energy_dbm=own.cca_energy_dbm, busy_threshold_dbm=ear.busy_threshold_dbm,
            aifs_us=own.aifs_us, cw=own.cw, header_bytes=0, capture_db=own.capture_db,
            worst_interference=own.interference == "worst", curve_db=curve_db, curve_rate=curve_rate,
            curve_is_sinr=bool(curve_db),
        ), 0, keys)  # fmt: skip
    if setup.access in ("lte_mode4", "nr_mode2"):
        side, mode4 = setup.sidelink, setup.access == "lte_mode4"
        leak = in_band_emission_db(side.subchannels, side.rb_per_subchannel) if side.in_band_emission else ()
        if not curve_db:
            curve_db, curve_rate = sidelink_error_curve(*side.coding)
        return Sidelink(stations, SidelinkParams(
            slot_us=1000, subchannels=side.subchannels, rb_per_subchannel=side.rb_per_subchannel,
            packet_subchannels=side.packet_subchannels, bits_per_subchannel=bits_per_subchannel(
                setup.access, side.rb_per_subchannel, *side.coding
            ), t1_slots=side.t1_slots, t2_slots=side.t2_slots,
            candidate_share=side.candidate_share, rsrp_threshold_dbm=side.rsrp_threshold_dbm, ranked=mode4,
            keep_probability=side.keep_probability, repetitions=side.repetitions, recheck_slots=0 if mode4 else 2,
            noise_dbm=noise_of(setup), sensitivity_dbm=ear.sensitivity_dbm, busy_threshold_dbm=ear.busy_threshold_dbm,
            overlap=side.interference_share, leak_db=leak, curve_db=curve_db, curve_rate=curve_rate,
        ), 0, keys)  # fmt: skip
    heard = Receiver(
        milliwatts(noise_of(setup)), milliwatts(ear.sensitivity_dbm), milliwatts(ear.busy_threshold_dbm), 0.0
    )
    return RandomSlot(stations, RandomSlotParams(heard, ear.bandwidth_mhz, 500, 20_000), 0, keys)


def run(setup: SetUp) -> tuple[Float[np.ndarray, " bins_plus_1"], Outcomes]:
    """Simulate a set-up; return the edges of its distance bins and the outcomes."""
    line = road_of(setup)
    edge_m = np.arange(0.0, setup.reach_m + setup.bin_m, setup.bin_m)
    return edge_m, simulate(line, layer_of(setup, line.stations), edge_m)


def _loss_of(setup: SetUp) -> _Loss:
    channel = setup.channel
    height, carrier = channel.antenna_height_m, channel.carrier_ghz
    model = propagation(channel.path_loss, carrier, 0.0, exponent=channel.exponent)

    def loss(distance_m: Float[np.ndarray, "*links"]) -> Float[np.ndarray, "*links"]:
        clear, heights = np.full(len(distance_m), LOS, np.int8), np.full(len(distance_m), height)
        found = pairwise_loss_db(
            channel.path_loss, distance_m, clear, heights, heights, carrier, channel.environment_height_m,
            channel.permittivity,
        )  # fmt: skip
        return model.loss_db(distance_m, clear) if found is None else found

    return loss


def _fading_of(table: list[tuple[float, float]]) -> _Loss:
    begin, shape = np.array([row[0] for row in table]), np.array([row[1] for row in table])

    def fading(distance_m: Float[np.ndarray, "*links"]) -> Float[np.ndarray, "*links"]:
        found: np.ndarray = shape[np.maximum(0, np.searchsorted(begin, distance_m, "right") - 1)]
        return found

    return fading
