"""WINNER+ B1 round a corner of a street grid, computed from the distances along both streets."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from jaxtyping import Float

from v2xsim.comms.channel.building_loss.model import BuildingLoss, BuildingLossView
from v2xsim.comms.channel.building_loss.round_corners import loss_along_streets_db
from v2xsim.comms.channel.path_loss.winner_b1 import winner_b1_loss_db
from v2xsim.comms.channel.tr37885 import SHORTEST_M
from v2xsim.parts import AtLeast, AtMost, part


def manhattan_loss_db(
    first_m: Float[np.ndarray, " pairs"],
    second_m: Float[np.ndarray, " pairs"],
    carrier_ghz: float,
    first_height_m: Float[np.ndarray, " pairs"] | float,
    second_height_m: Float[np.ndarray, " pairs"] | float,
    environment_height_m: float,
) -> Float[np.ndarray, " pairs"]:
    """Return the loss in dB of WINNER+ B1 round a corner: the smaller loss of the two directions.

    Args:
        first_m: Distance from one station to the crossing.
        second_m: Distance from the other station to the crossing.
        carrier_ghz: Centre frequency of the channel.
        first_height_m: Antenna height of one station above ground.
        second_height_m: Antenna height of the other station above ground.
        environment_height_m: Effective height of the ground, above which antenna heights count; must be below both
            antennas.

    References:
        3GPP TR 36.885, annex A.1.4 (WINNER+ B1 NLOS), as WiLabV2Xsim implements it.
    """

    def one_way(
        along_m: Float[np.ndarray, " pairs"], round_m: Float[np.ndarray, " pairs"]
    ) -> Float[np.ndarray, " pairs"]:
        slope = np.maximum(2.8 - 0.0024 * along_m, 1.84)
        clear = winner_b1_loss_db(along_m, carrier_ghz, first_height_m, second_height_m, environment_height_m)
        loss: Float[np.ndarray, " pairs"] = (
            clear
            + 17.3
            - 12.5 * slope
            + 10.0 * slope * np.log10(np.maximum(round_m, SHORTEST_M))
            + 3.0 * np.log10(carrier_ghz)
        )
        return loss

    return np.minimum(one_way(first_m, second_m), one_way(second_m, first_m))


@part("manhattan")
@dataclass(frozen=True)
class Manhattan(BuildingLoss):
    """The loss of WINNER+ B1 round a corner of the map; a second corner adds the second turn of ITU-R P.1411.

    Attributes:
        environment_height_m: Effective height of the ground, above which antenna heights count; must be below both
            antennas.
    """

    environment_height_m: Annotated[
        float,
        AtLeast(0),
        AtMost(1),
        "Effective height of the ground, which is subtracted from both antenna heights; must be below both antennas",
    ] = 0.0

    def loss_db(self, view: BuildingLossView) -> Float[np.ndarray, " links"]:
        """Return the loss along the streets round one corner or two."""
        return loss_along_streets_db(
            view, lambda first, second, rows: manhattan_loss_db(
                first, second, view.carrier_ghz, view.first_m[rows, 2], view.second_m[rows, 2], self.environment_height_m
            ),
        )  # fmt: skip
