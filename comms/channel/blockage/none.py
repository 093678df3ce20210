"""No blockage: vehicles in the way add no loss."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from v2xsim.comms.channel.blockage.model import VehicleBlockage
from v2xsim.parts import part


@part("none")
@dataclass(frozen=True)
class NoBlockage(VehicleBlockage):
    """Vehicles in the way add no loss."""

    def moments_db(self) -> tuple[Float[np.ndarray, " 4"], Float[np.ndarray, " 4"]]:
        """Return a mean and a standard deviation of 0 dB for every blockage case."""
        return np.zeros(4), np.zeros(4)
