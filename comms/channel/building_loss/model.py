"""The interface of models of the loss behind buildings.

The wave goes along one street, turns at a corner point of the map and goes along the other. Which corner that is depends
on the map and on the positions of the two antennas (`v2xsim.comms.channel.corners`), not on how vehicles stand.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from v2xsim.comms.channel.detours import Detours
from v2xsim.part_answers import array_from
from v2xsim.parts import Kind, Part
from v2xsim.plugins import ask


@dataclass(frozen=True)
class BuildingLossView:
    """Input of a model: the links that a building blocks.

    Attributes:
        first_m: Position of the antenna at one end of each link.
        second_m: Position of the antenna at the other end.
        direct_db: Loss of each link that the path-loss model gives for the direct distance.
        carrier_ghz: Centre frequency of the channel.
        detours: Way of each link round one corner, or round two.
    """

    first_m: Float[np.ndarray, "links 3"]
    second_m: Float[np.ndarray, "links 3"]
    direct_db: Float[np.ndarray, " links"]
    carrier_ghz: float
    detours: Detours

    @property
    def legs_m(self) -> tuple[Float[np.ndarray, " links"], Float[np.ndarray, " links"]]:
        """Distances of the two stations of each link from the corner in sight of both; infinity if there is none."""
        return self.detours.first_m, self.detours.second_m


class BuildingLoss(Part):
    """Base of the models of the path loss behind buildings.

    Attributes:
        follows_streets: Whether the model replaces the loss over the direct distance by a loss along the streets (False
            keeps the direct loss). Only for such a model, corners are searched for on the map.
    """

    kind = Kind("building loss", "model", ("loss_db",), "v2xsim.comms.channel.building_loss")
    follows_streets: ClassVar[bool] = True

    def loss_db(self, view: BuildingLossView) -> Float[np.ndarray, " links"]:
        """Return the path loss of each blocked link in dB, without shadowing."""
        raise NotImplementedError


def building_loss_of(model: BuildingLoss, view: BuildingLossView) -> Float[np.ndarray, " links"]:
    """Return the loss of links behind buildings under a model; the result of a user's model is checked.

    Raises:
        PartError: If a user's model raises an exception or returns anything but one loss per link.
    """
    return array_from(model, "loss_db", ask(model, "loss_db", view), {"links": len(view.direct_db)}, least=0.0)
