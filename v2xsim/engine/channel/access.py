"""From the scenario's radio section to an access layer."""

from typing import Protocol

import numpy as np
from jaxtyping import Int64, UInt64

from v2xsim.comms.access.csma import Csma, CsmaParams
from v2xsim.comms.access.packets import Field, Packets, Receptions
from v2xsim.comms.access.random_slot import RandomSlot, RandomSlotParams
from v2xsim.comms.access.sidelink import Sidelink, SidelinkParams
from v2xsim.comms.phy.noise import noise_dbm, receiver
from v2xsim.comms.phy.sidelink import bits_per_subchannel, in_band_emission_db, sidelink_error_curve
from v2xsim.scenario.schema_radio import Radio


class AccessLayer(Protocol):
    """What the engine asks of an access layer (v2xsim.comms.access.packets)."""

    dropped: list[int]
    """Numbers of packets that gave way to others before they were sent; whoever reads them empties it."""

    def submit(self, packets: Packets) -> None:
        """Hand packets over."""

    def advance(self, until_us: int, field: Field) -> tuple[Receptions, Int64[np.ndarray, " stations"]]:
        """Return what ended by an instant, and the busy time since the instant before."""

    def reindexed(self, row: Int64[np.ndarray, " new"], station_key: UInt64[np.ndarray, " new"]) -> None:
        """Carry the state over to another set of stations."""


def access_layer(radio: Radio, time_us: int) -> AccessLayer:
    """Return the access layer of a scenario, over no stations yet."""
    nobody = np.zeros(0, np.uint64)
    wider_db = 10.0 * np.log10(radio.bandwidth_mhz / 10.0)
    noise = noise_dbm(radio.bandwidth_mhz, radio.noise_figure_db)
    if radio.access == "ieee80211p":
        own = radio.ieee80211p
        params = CsmaParams(
            bandwidth_mhz=radio.bandwidth_mhz, noise_dbm=noise, sensitivity_dbm=radio.sensitivity_dbm + wider_db,
            cca_preamble_dbm=own.cca_preamble_dbm + wider_db, cca_energy_dbm=own.cca_energy_dbm + wider_db,
            busy_threshold_dbm=radio.busy_threshold_dbm + wider_db, aifs_us=own.aifs_us, cw=own.cw,
            capture_db=own.capture_db, worst_interference=own.interference == "worst",
            queue_packets=radio.queue_packets,
        )  # fmt: skip
        return Csma(0, params, time_us, nobody)
    if radio.access in ("lte_mode4", "nr_mode2"):
        side, mode4 = radio.sidelink, radio.access == "lte_mode4"
        curve_db, curve_rate = sidelink_error_curve(*side.coding)
        return Sidelink(0, SidelinkParams(
            subchannels=side.subchannels, rb_per_subchannel=side.rb_per_subchannel,
            packet_subchannels=side.packet_subchannels,
            bits_per_subchannel=bits_per_subchannel(
                radio.access, side.rb_per_subchannel, *side.coding
            ),
            t1_slots=side.t1_slots, t2_slots=side.t2_slots,
            single_t2_slots=max(side.t1_slots + 1, min(side.t2_slots, round(radio.selection_window_ms))),
            candidate_share=side.candidate_share, rsrp_threshold_dbm=side.rsrp_threshold_dbm, ranked=mode4,
            keep_probability=side.keep_probability, repetitions=side.repetitions, recheck_slots=0 if mode4 else 2,
            noise_dbm=noise, sensitivity_dbm=radio.sensitivity_dbm, busy_threshold_dbm=radio.busy_threshold_dbm,
            overlap=side.interference_share, leak_db=in_band_emission_db(side.subchannels, side.rb_per_subchannel) if side.in_band_emission else (),
            curve_db=curve_db, curve_rate=curve_rate, queue_packets=radio.queue_packets,
        ), time_us, nobody)  # fmt: skip
    heard = receiver(radio.bandwidth_mhz, radio.noise_figure_db, radio.sensitivity_dbm, radio.busy_threshold_dbm)
    slot_us, window_us = round(radio.slot_ms * 1e3), round(radio.selection_window_ms * 1e3)
    return RandomSlot(0, RandomSlotParams(heard, radio.bandwidth_mhz, slot_us, window_us), time_us, nobody)
