"""Path loss with a given exponent of the distance, starting from free space at one metre."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from v2xsim.comms.channel.path_loss.free_space import free_space_loss_db
from v2xsim.comms.channel.path_loss.model import PathLoss, Pieces, one_line
from v2xsim.parts import AtLeast, AtMost, part


@part("log_distance")
@dataclass(frozen=True)
class LogDistance(PathLoss):
    """Log-distance model: the loss of free space at 1 m, then 10 n dB more for each decade of distance.

    Attributes:
        exponent: The exponent n: 2 is free space; a larger value means more loss.
    """

    exponent: Annotated[
        float, AtLeast(1), AtMost(6), "Path-loss exponent n; 2 is free space, and a larger exponent means more loss"
    ] = 2.75

    def pieces_db(self, carrier_ghz: float) -> Pieces:
        """Return a straight line over log distance that rises by 10 n dB per decade."""
        return one_line(float(free_space_loss_db(np.ones(1), carrier_ghz)[0]), 10.0 * self.exponent, carrier_ghz)
