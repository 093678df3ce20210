"""Radios that reach nobody, powers that nobody may send, and carriers for which a model was not made."""

import math
from collections.abc import Iterator

from v2xsim.comms.access.schemes.ieee80211p import Ieee80211p
from v2xsim.comms.access.schemes.random_slot import RandomSlotAccess
from v2xsim.comms.messages.sizes import PACKET_HEADER_BYTES
from v2xsim.comms.phy.airtime import MAC_HEADER_BYTES
from v2xsim.comms.phy.noise import noise_dbm
from v2xsim.doubtful.doubt import Doubt
from v2xsim.doubtful.places import CAR_M
from v2xsim.scenario.schema import Scenario
from v2xsim.scenario.schema_radio import Radio

# Antennas of two cars in a queue are no closer.
_NEAREST_M = 2.0 * CAR_M
# Largest radiated power of a roadside unit (47 CFR 90.377, 44.8 dBm); vehicles in Europe may send 33 dBm.
_MOST_EIRP_DBM = 45.0
# Largest PSDU of IEEE 802.11-2016 with OFDM (table 17-22).
_LARGEST_PSDU_BYTES = 4095
# Carriers for which the models of urban links are given, by part and name. Corners and Nakagami shapes were measured at 5.9 GHz, the
# links of Abbas at 5.6 GHz; WINNER II D1.1.2 holds from 2 to 6 GHz.
_CARRIERS_GHZ = {
    "radio.channel": {"abbas_urban": (5.0, 6.5), "winner_b1": (2.0, 6.5)},
    "radio.propagation.building_loss": {"corner": (5.0, 6.5), "manhattan": (2.0, 6.5)},
    "radio.propagation.fading": {"nakagami": (5.0, 6.5)},
}
_NARROWEST_STREET_M = 3.0
_LEAST_SHARE = 0.01


def radio_doubts(scenario: Scenario) -> Iterator[Doubt]:
    """Yield what is doubtful about the radio; nothing for a channel that delivers every message at once."""
    radio = scenario.radio
    if scenario.record.packet_share < _LEAST_SHARE:
        yield Doubt(
            "record.packet_share", f"{scenario.record.packet_share:g}",
            "fewer than one station in a hundred is recorded, so the metrics of the radio have almost no samples; use at least 0.1",
        )  # fmt: skip
    if radio.access.ideal or scenario.cooperation.transport != "radio":
        return
    yield from _reaches(radio)
    yield from _carrier(scenario)
    yield from _packets(scenario)
    if radio.propagation.decorrelation_m is not None and radio.propagation.decorrelation_m < 0.5:
        yield Doubt(
            "radio.propagation.decorrelation_m", f"{radio.propagation.decorrelation_m:g} m",
            "the shadowing of a link changes almost completely when a car moves by its width; 10 to 50 m are usual",
        )  # fmt: skip
    width_m = getattr(radio.propagation.building_loss, "street_width_m", None)
    if width_m is not None and width_m < _NARROWEST_STREET_M:
        yield Doubt(
            "radio.propagation.building_loss.street_width_m",
            f"{width_m:g} m",
            "a lane is wider than this street; 10 to 30 m are usual",
        )


def _reaches(radio: Radio) -> Iterator[Doubt]:
    """Yield powers at which two stations hear each other only bumper to bumper, and powers that nobody may send."""
    wider_db = 10.0 * math.log10(radio.bandwidth_mhz / 10.0)
    raised_db = wider_db if isinstance(radio.access, Ieee80211p | RandomSlotAccess) else 0.0
    gains = [radio.antenna_gain_dbi, *radio.propagation.gain_by_kind_dbi.values()]
    heard_dbm = max(radio.sensitivity_dbm + raised_db, noise_dbm(radio.bandwidth_mhz, radio.noise_figure_db))
    reach_m = _free_space_m(radio, heard_dbm, max(gains))
    if reach_m < _NEAREST_M:
        yield Doubt(
            "radio.tx_power_dbm", f"{radio.tx_power_dbm:g} dBm",
            f"with gains of {max(gains):g} dBi at {radio.carrier_ghz:g} GHz, even without an obstacle no station farther than {reach_m:.2g} m is heard at "
            f"{heard_dbm:.0f} dBm (radio.sensitivity_dbm, radio.noise_figure_db); 10 to 23 dBm and -90 dBm at 5.9 GHz are usual",
        )  # fmt: skip
    busy_m = _free_space_m(radio, radio.busy_threshold_dbm + raised_db, max(gains))
    if busy_m < _NEAREST_M:
        yield Doubt(
            "radio.busy_threshold_dbm", f"{radio.busy_threshold_dbm:g} dBm",
            f"only a sender within {busy_m:.2g} m makes the channel busy, so its load is never measured; -94 dBm is the default",
        )  # fmt: skip
    if isinstance(radio.access, Ieee80211p):
        sensed_dbm = min(radio.access.cca_preamble_dbm, radio.access.cca_energy_dbm)
        sensed_m = _free_space_m(radio, sensed_dbm + raised_db, max(gains))
        if sensed_m < _NEAREST_M:
            yield Doubt(
                "radio.access.cca_preamble_dbm", f"{sensed_dbm:g} dBm",
                f"only a sender within {sensed_m:.2g} m is sensed, so stations send as if they were alone; -85 dBm is the default",
            )  # fmt: skip
    radiated_dbm = radio.tx_power_dbm + max(gains)
    if radiated_dbm > _MOST_EIRP_DBM:
        yield Doubt(
            "radio.tx_power_dbm", f"{radio.tx_power_dbm:g} dBm",
            f"with an antenna gain of {max(gains):g} dBi, {radiated_dbm:g} dBm are radiated (EIRP), more than anybody may send; 33 dBm are allowed in "
            "Europe",
        )  # fmt: skip


def _free_space_m(radio: Radio, power_dbm: float, gain_dbi: float) -> float:
    """Return the distance at which a power is received in free space (Friis)."""
    loss_db = radio.tx_power_dbm + 2.0 * gain_dbi - power_dbm
    return float(10.0 ** ((loss_db - 32.45 - 20.0 * math.log10(radio.carrier_ghz)) / 20.0))


def _carrier(scenario: Scenario) -> Iterator[Doubt]:
    radio = scenario.radio
    parts = {
        "radio.channel": radio.channel, "radio.propagation.building_loss": radio.propagation.building_loss,
        "radio.propagation.fading": radio.propagation.fading,
    }  # fmt: skip
    for key, part in parts.items():
        least_ghz, most_ghz = _CARRIERS_GHZ[key].get(part.name if part.file is None else "", (0.0, math.inf))
        if not least_ghz <= radio.carrier_ghz <= most_ghz:
            yield Doubt(
                "radio.carrier_ghz", f"{radio.carrier_ghz:g} GHz",
                f"{key} {part.name} was made for {least_ghz:g} to {most_ghz:g} GHz; choose another model, or 5.9 GHz",
            )  # fmt: skip


def _packets(scenario: Scenario) -> Iterator[Doubt]:
    radio = scenario.radio
    if "radio.mtu_bytes" in scenario.automatic:
        return
    if radio.mtu_bytes < PACKET_HEADER_BYTES:
        yield Doubt(
            "radio.mtu_bytes", f"{radio.mtu_bytes} B",
            f"every packet has {PACKET_HEADER_BYTES} B of headers besides, more than its payload; auto or 1400 B are usual",
        )  # fmt: skip
    psdu_bytes = radio.mtu_bytes + PACKET_HEADER_BYTES + MAC_HEADER_BYTES
    if isinstance(radio.access, Ieee80211p | RandomSlotAccess) and psdu_bytes > _LARGEST_PSDU_BYTES:
        yield Doubt(
            "radio.mtu_bytes", f"{radio.mtu_bytes:,} B",
            f"with headers, packets have up to {psdu_bytes:,} B, and IEEE 802.11p sends at most {_LARGEST_PSDU_BYTES:,} B; auto or 1400 B are usual",
        )  # fmt: skip
