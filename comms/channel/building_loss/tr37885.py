"""Behind buildings, the loss over the direct distance, as in TR 37.885."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from v2xsim.comms.channel.building_loss.model import BuildingLoss, BuildingLossView
from v2xsim.parts import part


@part("tr37885")
@dataclass(frozen=True)
class DirectDistance(BuildingLoss):
    """The loss behind buildings that the chosen path-loss model gives for the direct distance."""

    follows_streets: ClassVar[bool] = False

    def loss_db(self, view: BuildingLossView) -> Float[np.ndarray, " links"]:
        """Return the path-loss model's loss over the direct distance, in dB."""
        return view.direct_db
