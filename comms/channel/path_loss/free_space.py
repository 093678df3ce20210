"""The path loss of free space (Friis)."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from v2xsim.comms.channel.path_loss.model import PathLoss, Pieces, one_line
from v2xsim.comms.channel.tr37885 import SHORTEST_M
from v2xsim.comms.channel.wave import SPEED_OF_LIGHT_MPS
from v2xsim.parts import part


def free_space_loss_db(distance_m: Float[np.ndarray, "*links"], carrier_ghz: float) -> Float[np.ndarray, "*links"]:
    """Return the path loss in dB of free space (Friis): 20 log10(4 pi d f / c)."""
    distance = np.maximum(np.asarray(distance_m, float), SHORTEST_M)
    return 20.0 * np.log10(4.0 * np.pi * distance * carrier_ghz * 1e9 / SPEED_OF_LIGHT_MPS)


@part("free_space")
@dataclass(frozen=True)
class FreeSpace(PathLoss):
    """Free-space loss (Friis) on links without a building in the way; behind buildings the loss of TR 37.885."""

    def pieces_db(self, carrier_ghz: float) -> Pieces:
        """Return a straight line over log distance that rises by 20 dB per decade."""
        return one_line(float(free_space_loss_db(np.ones(1), carrier_ghz)[0]), 20.0, carrier_ghz)
