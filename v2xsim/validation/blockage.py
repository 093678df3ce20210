"""Measured losses behind a vehicle, compared with both blockage models. No parameter is tuned to a row."""

from dataclasses import dataclass

import numpy as np

from v2xsim.comms.channel.diffraction import diffraction_loss_db
from v2xsim.comms.channel.vehicle_loss import mean_blockage_loss_db
from v2xsim.records import NLOSV, Boxes

CARRIER_GHZ = 5.9


@dataclass(frozen=True)
class Measured:
    """One measurement, with the geometry needed to compute it.

    Attributes:
        source: Authors of the measurement.
        what: Blocking vehicle and its distance, in words.
        measured_db: Loss that the vehicle added to the link.
        length_m: Distance between the antennas.
        place_m: Distance from the first antenna to the middle of the vehicle.
        antenna_m: Height of both antennas above ground.
        size_m: Length, width and height of the vehicle.
        assumed: Values that we assumed because the source does not give them, in words.
    """

    source: str
    what: str
    measured_db: float
    length_m: float
    place_m: float
    antenna_m: float
    size_m: tuple[float, float, float]
    assumed: str

    @property
    def tr37885_db(self) -> float:
        """Mean vehicle blockage loss that 3GPP TR 37.885 gives for this geometry."""
        case = 2 if self.size_m[2] > self.antenna_m else 3
        return float(mean_blockage_loss_db(np.array([case]), np.array([self.length_m]))[0])

    @property
    def knife_edges_db(self) -> float:
        """Diffraction loss for this geometry, computed over cascaded knife edges on the vehicle's box."""
        antenna = np.array([[0.0, 0.0, self.antenna_m], [self.length_m, 0.0, self.antenna_m]])
        box = Boxes(np.array([[self.place_m, 0.0, 0.0]]), np.array([self.size_m]), np.zeros(1))
        none, one = np.full(2, -1), np.zeros(1, np.int64)
        loss_db = diffraction_loss_db(antenna, none, one, one + 1, np.full(1, NLOSV, np.int8), box, CARRIER_GHZ)
        return float(loss_db[0])


_VAN, _TRUCK, _BUS, _CAR = (5.0, 1.9, 1.87), (13.0, 2.5, 3.5), (12.0, 2.5, 3.0), (4.5, 1.8, 1.5)
_BOBAN = "Boban, thesis, arXiv 1405.1008, 2.3.1"
_MIDDLE = "vehicle midway"


def measured() -> list[Measured]:
    """Return all measurements; geometry that the sources do not give is assumed."""
    return [
        Measured(_BOBAN, "van 0.37 m above the antennas, 10 m", 20.0, 10.0, 5.0, 1.5, _VAN, f"{_MIDDLE}, 1.9 m wide"),
        Measured(_BOBAN, "van 0.37 m above the antennas, 100 m", 7.0, 100.0, 50.0, 1.5, _VAN, f"{_MIDDLE}, 1.9 m wide"),
        Measured(_BOBAN, "truck, 26 m", 27.0, 26.0, 13.0, 1.5, _TRUCK, f"{_MIDDLE}, 3.5 m high, 2.5 m wide"),
        Measured("Segata et al., VNC 2013", "truck, 80 m", 10.0, 80.0, 40.0, 1.5, _TRUCK, f"{_MIDDLE}, 3.5 m high"),
        Measured("Segata et al., VNC 2013", "truck, 120 m", 5.0, 120.0, 60.0, 1.5, _TRUCK, f"{_MIDDLE}, 3.5 m high"),
        Measured("He et al., IEEE TITS 2014", "bus, 100 m", 17.5, 100.0, 50.0, 1.5, _BUS, f"{_MIDDLE}, 100 m, 3.0 m high"),
        Measured("Yang et al., WCSP 2018", "large vehicle, urban", 10.0, 50.0, 25.0, 1.5, _TRUCK, f"{_MIDDLE}, 50 m"),
        Measured("Yang et al., WCSP 2018", "small vehicle, urban", 0.0, 50.0, 25.0, 1.5, _CAR, f"{_MIDDLE}, 50 m, 1.5 m high"),
        Measured("Abbas et al., 2015", "average of mixed traffic", 10.0, 100.0, 50.0, 1.5, _VAN, f"{_MIDDLE}, 100 m, a van"),
    ]  # fmt: skip
