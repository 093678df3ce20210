"""Diffraction at vehicles in the way of a link: cascaded knife edges over the roofs and round both sides."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from v2xsim.comms.channel.blockage.model import BlockageView, VehicleBlockage
from v2xsim.parts import part


@part("knife_edges")
@dataclass(frozen=True)
class KnifeEdges(VehicleBlockage):
    """Knife-edge diffraction at the bodies of the vehicles in the way (ITU-R P.526 as GEMV2 uses it)."""

    needs_bodies: ClassVar[bool] = True

    def loss_db(self, view: BlockageView) -> Float[np.ndarray, " links"]:
        """Return the loss in dB of each link: the smallest of the losses over the roofs, round the left and round the right."""
        # Imported here, so that a scenario can be checked without loading compiled kernels.
        from v2xsim.comms.channel.diffraction import diffraction_loss_db

        return diffraction_loss_db(
            view.antenna_m, view.body, view.first, view.second, view.state, view.boxes, view.carrier_ghz,
            view.rear if len(view.rear) else None, view.owner if len(view.owner) else None,
        )  # fmt: skip
