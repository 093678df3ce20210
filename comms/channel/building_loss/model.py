"""The interface of models of the loss behind buildings, and the point where the streets of two stations meet.

The wave goes along one street, turns at the crossing and goes along the other. A station is assumed to drive along its
street, so the crossing is the point where the lines along both headings meet. If the two lines are nearly parallel
or meet far away, there is no corner.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from v2xsim.part_answers import array_from
from v2xsim.parts import Kind, Part
from v2xsim.plugins import ask

# Smallest angle of a crossing. Streets that meet at a smaller angle count as one street with a bend.
LEAST_ANGLE_RAD = np.deg2rad(30.0)
# A crossing farther than this from a station does not count as a corner between the two stations.
FARTHEST_M = 500.0


@dataclass(frozen=True)
class BuildingLossView:
    """Input of a model: the links that a building blocks.

    Attributes:
        first_m: Position of the antenna at one end of each link.
        second_m: Position of the antenna at the other end.
        first_heading_rad: Heading of the station with the first antenna.
        second_heading_rad: Heading of the station with the second antenna.
        direct_db: Loss of each link that the path-loss model gives for the direct distance.
        carrier_ghz: Centre frequency of the channel.
    """

    first_m: Float[np.ndarray, "links 3"]
    second_m: Float[np.ndarray, "links 3"]
    first_heading_rad: Float[np.ndarray, " links"]
    second_heading_rad: Float[np.ndarray, " links"]
    direct_db: Float[np.ndarray, " links"]
    carrier_ghz: float

    @cached_property
    def legs_m(self) -> tuple[Float[np.ndarray, " links"], Float[np.ndarray, " links"]]:
        """Distances of the two stations of each link from the crossing of their streets; infinity if there is no crossing."""
        return legs_m(self.first_m[:, :2], self.first_heading_rad, self.second_m[:, :2], self.second_heading_rad)


class BuildingLoss(Part):
    """Base of the models of the path loss behind buildings.

    Attributes:
        follows_streets: Whether the model replaces the loss over the direct distance by a loss along the streets (False
            keeps the direct loss).
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


def legs_m(
    first_m: Float[np.ndarray, "pairs 2"],
    first_heading_rad: Float[np.ndarray, " pairs"],
    second_m: Float[np.ndarray, "pairs 2"],
    second_heading_rad: Float[np.ndarray, " pairs"],
) -> tuple[Float[np.ndarray, " pairs"], Float[np.ndarray, " pairs"]]:
    """Return the distance of both stations from the crossing of their streets; infinity if the streets do not meet.

    Args:
        first_m: Position of one station, seen from above.
        first_heading_rad: Heading of the first station, or of its street.
        second_m: Position of the other station, seen from above.
        second_heading_rad: Heading of the second station, or of its street.
    """
    ux, uy = np.cos(first_heading_rad), np.sin(first_heading_rad)
    vx, vy = np.cos(second_heading_rad), np.sin(second_heading_rad)
    across = ux * vy - uy * vx
    meets = np.abs(across) >= np.sin(LEAST_ANGLE_RAD)
    safe = np.where(meets, across, 1.0)
    gap = second_m - first_m
    first = np.abs((gap[:, 0] * vy - gap[:, 1] * vx) / safe)
    second = np.abs((gap[:, 0] * uy - gap[:, 1] * ux) / safe)
    meets &= (first < FARTHEST_M) & (second < FARTHEST_M)
    return np.where(meets, first, np.inf), np.where(meets, second, np.inf)
