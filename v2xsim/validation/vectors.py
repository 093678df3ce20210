"""Test vectors: values that the channel models must give, from documents and from tests of other programs."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from v2xsim.comms.channel.tr37885 import building_loss_db, highway_loss_db, urban_loss_db
from v2xsim.comms.channel.vehicle_loss import knife_edge_loss_db, knife_edge_parameter, mean_blockage_loss_db

# Largest accepted deviation; the values of the sources are rounded to two or four decimals.
TOLERANCE_DB = 0.05


@dataclass(frozen=True)
class Vector:
    """One test vector.

    Attributes:
        model: Name of the channel model.
        at: Input of the model, in words.
        expected_db: Loss that the source gives.
        found_db: Loss that v2xsim computes.
        source: Source of the expected value.
    """

    model: str
    at: str
    expected_db: float
    found_db: float
    source: str

    @property
    def agrees(self) -> bool:
        """Whether expected and computed loss agree within the tolerance."""
        return abs(self.found_db - self.expected_db) <= TOLERANCE_DB


_NS3 = "ns-3 three-gpp-propagation-loss-model-test-suite.cc, 5 GHz"
_PATH_LOSS: dict[str, tuple[Callable[..., np.ndarray], tuple[float, float, float]]] = {
    "TR 37.885 urban LOS": (urban_loss_db, (68.1913, 84.8913, 101.5913)),
    "TR 37.885 highway LOS": (highway_loss_db, (66.3794, 86.3794, 106.3794)),
    "TR 37.885 NLOS": (building_loss_db, (80.0605, 110.0605, 140.0605)),
}
# Length of the path, place of the edge, heights of both antennas and of the edge, all in metres; loss in dB at 5.9 GHz.
_KNIFE_EDGES = (
    (100, 50, 1.5, 1.5, 1.5, 6.03), (100, 50, 1.5, 1.5, 2.0, 11.29), (100, 50, 1.5, 1.5, 3.0, 18.55),
    (100, 10, 1.5, 1.5, 3.0, 22.79), (50, 25, 1.5, 1.5, 3.0, 21.40), (100, 50, 3.0, 1.5, 2.0, 3.40),
    (100, 75, 3.0, 1.5, 2.0, 7.60), (100, 90, 3.0, 1.5, 2.0, 12.08),
)  # fmt: skip
_WAVELENGTH_M = 3e8 / 5.9e9


def vectors() -> list[Vector]:
    """Return all test vectors: path loss, knife-edge loss, and mean of TR 37.885's vehicle blockage loss."""
    results = [
        Vector(name, f"{distance:g} m", expected, float(model(np.array([float(distance)]), 5.0)[0]), _NS3)
        for name, (model, values) in _PATH_LOSS.items()
        for distance, expected in zip((10, 100, 1000), values, strict=True)
    ]
    for length, edge_at_m, tx, rx, edge, expected in _KNIFE_EDGES:
        line_m = tx + (rx - tx) * edge_at_m / length
        parameter = knife_edge_parameter(
            np.array([edge - line_m]),
            np.array([float(edge_at_m)]),
            np.array([float(length - edge_at_m)]),
            _WAVELENGTH_M,
        )
        at = f"{length} m, edge of {edge:g} m at {edge_at_m} m, antennas {tx:g} and {rx:g} m"
        results.append(
            Vector("ITU-R P.526 knife edge", at, expected, float(knife_edge_loss_db(parameter)[0]), "P.526 by hand")
        )
    for case, expected in ((2, 9.0382), (3, 5.2023)):
        mean = float(mean_blockage_loss_db(np.array([case]), np.array([100.0]))[0])
        results.append(Vector("TR 37.885 mean blockage loss", f"case {case}", expected, mean, "E[max(0, N)]"))
    return results
