"""IEEE 802.11p: carrier sensing with back-off (EDCA)."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np

from v2xsim.comms.access.scheme import AccessLayer, AccessScheme, RadioSettings
from v2xsim.parts import AtLeast, AtMost, part


@part("ieee80211p")
@dataclass(frozen=True)
class Ieee80211p(AccessScheme):
    """Carrier sensing with back-off (IEEE 802.11-2016); thresholds are for 10 MHz and rise with the bandwidth.

    Attributes:
        aifs_us: Time for which the channel must be idle before a station sends (AIFS); a shorter time gives more
            priority.
        cw: Contention window: the back-off is a whole number of slots drawn from 0 to this value.
        cw_max: Largest contention window of repetitions.
        cca_preamble_dbm: A packet received with at least this power makes the channel busy.
        cca_energy_dbm: A total received power above this makes the channel busy.
        interference: Which interference sets the SINR of a packet: the highest during the packet, or the mean over it.
        capture_db: A receiver leaves the packet that it is locked on only for a later packet that is stronger by more
            than this (None for no capture).
    """

    aifs_us: Annotated[
        int,
        AtLeast(1),
        AtMost(2000),
        "Idle time of the channel before a station may send (AIFS); the default is SIFS (32 us) plus 6 slots of 13 us; a shorter time gives priority",
    ] = 110
    cw: Annotated[
        int,
        AtLeast(0),
        AtMost(1023),
        "Contention window in slots: each back-off is drawn from 0 to this value; a larger value means fewer collisions and more delay",
    ] = 15
    cw_max: Annotated[
        int,
        AtLeast(0),
        AtMost(32767),
        "Largest contention window in slots: before each repetition of a packet to one station, the window doubles up to this value; below cw it stays cw",
    ] = 1023
    cca_preamble_dbm: Annotated[
        float,
        AtLeast(-130),
        AtMost(-30),
        "Carrier-sense threshold at 10 MHz: a packet received with at least this power makes the channel busy",
    ] = -85.0
    cca_energy_dbm: Annotated[
        float,
        AtLeast(-130),
        AtMost(-30),
        "Energy-detection threshold at 10 MHz: a total received power of at least this makes the channel busy",
    ] = -65.0
    interference: Annotated[
        Literal["worst", "mean"],
        "Interference used for the SINR of a packet: the worst moment of the packet, or the mean over its duration",
    ] = "worst"
    capture_db: Annotated[
        float | None, AtLeast(0), AtMost(60),
        "Capture threshold: a receiver changes to a later packet if it is stronger than the packet being received by more than this; null switches capture off",
    ] = None  # fmt: skip

    acknowledges: ClassVar[bool] = True

    def layer(self, settings: RadioSettings, time_us: int) -> AccessLayer:
        """Return the access layer of the scheme."""
        from v2xsim.comms.access.csma import Csma, CsmaParams
        from v2xsim.comms.phy.airtime import MAC_HEADER_BYTES

        wider_db = settings.wider_db
        params = CsmaParams(
            bandwidth_mhz=settings.bandwidth_mhz, noise_dbm=settings.noise_dbm, sensitivity_dbm=settings.sensitivity_dbm + wider_db,
            cca_preamble_dbm=self.cca_preamble_dbm + wider_db, cca_energy_dbm=self.cca_energy_dbm + wider_db,
            busy_threshold_dbm=settings.busy_threshold_dbm + wider_db, aifs_us=self.aifs_us, cw=self.cw, cw_max=max(self.cw, self.cw_max),
            header_bytes=MAC_HEADER_BYTES if settings.header_bytes is None else settings.header_bytes,
            capture_db=self.capture_db, worst_interference=self.interference == "worst",
            curve_db=tuple(row[0] for row in settings.curve), curve_rate=tuple(row[1] for row in settings.curve),
            curve_is_sinr=bool(settings.curve), queue_packets=settings.queue_packets,
        )  # fmt: skip
        return Csma(0, params, time_us, np.zeros(0, np.uint64))
