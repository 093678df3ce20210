"""WINNER+ B1 as used in 3GPP TR 36.885: the model behind most published results of vehicular radio.

Antenna heights count above an effective height of the ground, which is a parameter. Three reference simulators use 1.0,
0.5 and 0 m; because of this, their losses at 300 m differ by up to 16 dB.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from jaxtyping import Float

from v2xsim.comms.channel.path_loss.model import PathLoss, PathLossView
from v2xsim.parts import AtLeast, AtMost, part
from v2xsim.records import NLOSB

# The rounded speed of light that 3GPP's formula uses.
SPEED_OF_LIGHT_MPS = 3e8
# Shorter distances count as this distance.
SHORTEST_M = 3.0


def winner_b1_loss_db(
    distance_m: Float[np.ndarray, "*links"],
    carrier_ghz: float,
    tx_height_m: Float[np.ndarray, "*links"] | float,
    rx_height_m: Float[np.ndarray, "*links"] | float,
    environment_height_m: float,
    free_space_floor: bool = True,
) -> Float[np.ndarray, "*links"]:
    """Return the line-of-sight loss in dB: two slopes that meet at the break point.

    At the break point, the first Fresnel zone touches the ground.

    Args:
        distance_m: Distance between the antennas; shorter than 3 m counts as 3 m.
        carrier_ghz: Centre frequency of the channel.
        tx_height_m: Height of one antenna above ground.
        rx_height_m: Height of the other antenna above ground.
        environment_height_m: Effective height of the ground, above which antenna heights count; must be below both
            antennas.
        free_space_floor: Whether to raise smaller losses to that of free space.

    References:
        3GPP TR 36.885 V14.0.0, annex A.1.4; WINNER+ D5.3, B1 LOS.
    """
    tx = np.asarray(tx_height_m, float) - environment_height_m
    rx = np.asarray(rx_height_m, float) - environment_height_m
    lowest = min(np.min(tx, initial=np.inf), np.min(rx, initial=np.inf))
    if lowest <= 0.0:
        raise ValueError(
            f"environment_height_m must be below both antennas; got {environment_height_m} with one at "
            f"{lowest + environment_height_m:g}"
        )
    distance = np.maximum(np.asarray(distance_m, float), SHORTEST_M)
    breakpoint_m = 4.0 * tx * rx * carrier_ghz * 1e9 / SPEED_OF_LIGHT_MPS
    decades = np.log10(distance)
    near = 22.7 * decades + 27.0 + 20.0 * np.log10(carrier_ghz)
    far = 40.0 * decades + 7.56 - 17.3 * np.log10(tx) - 17.3 * np.log10(rx) + 2.7 * np.log10(carrier_ghz)
    loss = np.where(distance < breakpoint_m, near, far)
    if not free_space_floor:
        return loss
    return np.maximum(loss, 20.0 * decades + 46.4 + 20.0 * np.log10(carrier_ghz / 5.0))


@part("winner_b1")
@dataclass(frozen=True)
class WinnerB1(PathLoss):
    """WINNER+ B1 (LOS) on links without a building in the way; behind buildings the loss of TR 37.885, if it is larger.

    Attributes:
        environment_height_m: Effective height of the ground, above which antenna heights count: 0 to 2 m; must be below
            both antennas.
    """

    shadowing_sigma_db: ClassVar[tuple[float, float, float]] = (3.0, 3.0, 4.0)
    decorrelation_m: ClassVar[tuple[float, float, float]] = (10.0, 10.0, 10.0)
    environment_height_m: Annotated[
        float,
        AtLeast(0),
        AtMost(2),
        "Effective height of the ground, which is subtracted from the antenna heights; three reference simulators use 0, 0.5 and 1.0 m",
    ] = 0.0

    def loss_db(self, view: PathLossView) -> Float[np.ndarray, " links"]:
        """Return the loss in dB of each link, from its distance and antenna heights."""
        clear = winner_b1_loss_db(
            view.distance_m, view.carrier_ghz, view.first_height_m, view.second_height_m, self.environment_height_m
        )
        return np.where(view.state == NLOSB, np.maximum(clear, view.behind_buildings_db), clear)
