"""From the scenario's radio section to an access layer."""

from typing import Protocol

import numpy as np
from jaxtyping import Int64, UInt64

from v2xsim.comms.packets import Field, Packets, Receptions
from v2xsim.comms.phy import receiver
from v2xsim.comms.random_slot import RandomSlot, RandomSlotParams
from v2xsim.scenario.schema import Radio


class AccessLayer(Protocol):
    """What the engine asks of an access layer (v2xsim.comms.packets)."""

    def submit(self, packets: Packets) -> None:
        """Hand packets over."""

    def advance(self, until_us: int, field: Field) -> tuple[Receptions, Int64[np.ndarray, " stations"]]:
        """Return what ended by an instant, and the busy time since the instant before."""

    def reindexed(self, row: Int64[np.ndarray, " new"], station_key: UInt64[np.ndarray, " new"]) -> None:
        """Carry the state over to another set of stations."""


def access_layer(radio: Radio, time_us: int) -> AccessLayer:
    """Return the access layer of a scenario, over no stations yet."""
    nobody = np.zeros(0, np.uint64)
    heard = receiver(radio.bandwidth_mhz, radio.noise_figure_db, radio.sensitivity_dbm, radio.busy_threshold_dbm)
    slot_us, window_us = round(radio.slot_ms * 1e3), round(radio.selection_window_ms * 1e3)
    return RandomSlot(0, RandomSlotParams(heard, radio.bandwidth_mhz, slot_us, window_us), time_us, nobody)
