"""VirtualSource11p: the loss of a link round the corner of two streets.

The loss depends on the distances along both streets and on their width. The model is fitted to measurements at 5.9 GHz.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from jaxtyping import Float

from v2xsim.comms.channel.building_loss.model import BuildingLoss, BuildingLossView
from v2xsim.comms.channel.building_loss.round_corners import loss_along_streets_db
from v2xsim.comms.channel.tr37885 import SHORTEST_M
from v2xsim.comms.channel.wave import SPEED_OF_LIGHT_MPS
from v2xsim.parts import Above, AtMost, part

# Distance from the corner at which the slope changes; written from memory, not checked against the paper.
_BREAK_M = 180.0


def corner_loss_db(
    first_m: Float[np.ndarray, " pairs"],
    second_m: Float[np.ndarray, " pairs"],
    carrier_ghz: float,
    street_width_m: float = 20.0,
    suburban: bool = False,
) -> Float[np.ndarray, " pairs"]:
    """Return the loss in dB of VirtualSource11p: the smaller loss of the two directions, so that the link is symmetric.

    Args:
        first_m: Distance from one station to the crossing.
        second_m: Distance from the other station to the crossing.
        carrier_ghz: Centre frequency of the channel.
        street_width_m: Width of both streets; stations are assumed to drive in the middle. The wider the streets, the
            smaller the loss.
        suburban: Whether the area is suburban, with few walls that reflect; this adds 2.94 dB.

    References:
        Mangel, Klemp, Hartenstein, ICUMT 2011: fitted to measurements at 5.9 GHz. The break point at 180 m was written
        from memory.
    """
    wavelength = SPEED_OF_LIGHT_MPS / (carrier_ghz * 1e9)
    wall_m = 0.5 * street_width_m

    def one_way(tx_m: Float[np.ndarray, " pairs"], rx_m: Float[np.ndarray, " pairs"]) -> Float[np.ndarray, " pairs"]:
        tx, rx = np.maximum(tx_m, SHORTEST_M), np.maximum(rx_m, SHORTEST_M)
        reach = np.where(rx > _BREAK_M, rx**2 / _BREAK_M, rx)
        spread: Float[np.ndarray, " pairs"] = (
            tx**0.957 / (wall_m * street_width_m) ** 0.81 * 4.0 * np.pi * reach / wavelength
        )
        return spread

    # A town has a hundred thousand of these links: the logarithm is taken of the smaller value only.
    spread = one_way(first_m, second_m)
    if first_m is not second_m:
        spread = np.minimum(spread, one_way(second_m, first_m))
    return 3.75 + 2.94 * suburban + 26.9 * np.log10(spread)


@part("corner")
@dataclass(frozen=True)
class Corner(BuildingLoss):
    """The loss of VirtualSource11p round a corner of the map; a second corner adds the second turn of ITU-R P.1411.

    Attributes:
        street_width_m: Width of both streets; the wider they are, the smaller the loss.
    """

    street_width_m: Annotated[
        float, Above(0), AtMost(200), "Width of both streets; the loss is smaller in wider streets"
    ] = 20.0

    def loss_db(self, view: BuildingLossView) -> Float[np.ndarray, " links"]:
        """Return the loss along the streets round one corner or two."""
        return loss_along_streets_db(
            view, lambda first, second, _rows: corner_loss_db(first, second, view.carrier_ghz, self.street_width_m)
        )
