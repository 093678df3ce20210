"""The loss of TR 37.885 behind vehicles, drawn at random once for each blockage episode.

The distribution of the loss depends on the height of the vehicle relative to the two antennas.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from v2xsim.comms.channel.blockage.model import VehicleBlockage
from v2xsim.comms.channel.vehicle_loss import CASE_MEAN_DB, CASE_SIGMA_DB
from v2xsim.parts import part


@part("tr37885")
@dataclass(frozen=True)
class Tr37885Blockage(VehicleBlockage):
    """Loss behind vehicles by TR 37.885, drawn from a normal distribution in dB each time a vehicle begins to block a link.

    Mean and standard deviation are 9 and 4.5 dB if the vehicle is higher than both antennas, and 5 and 4 dB if its
    height is between theirs. Beyond 541 m the mean rises with the distance.
    """

    def moments_db(self) -> tuple[Float[np.ndarray, " 4"], Float[np.ndarray, " 4"]]:
        """Return mean and standard deviation in dB of each blockage case of TR 37.885 clause 6.2.1."""
        return CASE_MEAN_DB, CASE_SIGMA_DB
