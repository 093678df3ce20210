"""The interface of blockage models: the loss that vehicles in the way add to the path loss of a link."""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from jaxtyping import Float, Int, Int8

from v2xsim.part_answers import array_from
from v2xsim.parts import Kind, Part
from v2xsim.plugins import ask, wrong_answer
from v2xsim.records import Boxes


@dataclass(frozen=True)
class BlockageView:
    """Input of a blockage model: the links, and the vehicles that may block them.

    Attributes:
        antenna_m: Position of each station's antenna in the world.
        body: Row in `boxes` of the box of each station's body that does not block the station's own links; -1 for none: of a
            roadside unit, or of a vehicle whose antenna is below its roof.
        first: Row of the station at one end of each link.
        second: Row of the station at the other end of each link.
        distance_m: Distance between the antennas of each link, in three dimensions.
        state: LOS (0), NLOSV (1: a vehicle in the way) or NLOSB (2: a building in the way).
        case: Blockage case of TR 37.885 clause 6.2.1 where the state is NLOSV: 1 (the vehicle is below both antennas),
            2 (above both), 3 (between); 0 elsewhere.
        boxes: Bounding boxes of all vehicles and other road users; vehicles of two parts have two.
        carrier_ghz: Centre frequency of the channel.
        rear: Row in `boxes` of the rear part of each station that does not block the station's own links, because it is no
            higher than the antenna; -1 for none. Empty if no station has two parts.
        owner: Number of the road user to which each box belongs. Empty if each has one box.
    """

    antenna_m: Float[np.ndarray, "stations 3"]
    body: Int[np.ndarray, " stations"]
    first: Int[np.ndarray, " links"]
    second: Int[np.ndarray, " links"]
    distance_m: Float[np.ndarray, " links"]
    state: Int8[np.ndarray, " links"]
    case: Int8[np.ndarray, " links"]
    boxes: Boxes
    carrier_ghz: float
    rear: Int[np.ndarray, " stations_or_none"] = field(default_factory=lambda: np.zeros(0, np.int64))
    owner: Int[np.ndarray, " boxes_or_none"] = field(default_factory=lambda: np.zeros(0, np.int64))


class VehicleBlockage(Part):
    """Base of blockage models.

    A model defines `loss_db`, or `moments_db` if its loss is drawn at random once per blockage episode.

    Attributes:
        needs_bodies: Whether the model needs link states computed from vehicle bodies (`radio.propagation.states:
            geometry`).
    """

    kind = Kind("vehicle blockage", "model", ("loss_db", "moments_db"), "v2xsim.comms.channel.blockage")
    needs_bodies: ClassVar[bool] = False

    def loss_db(self, view: BlockageView) -> Float[np.ndarray, " links"]:
        """Return the loss in dB that vehicles add to each link; 0 if no vehicle is in the way."""
        raise NotImplementedError

    def moments_db(self) -> tuple[Float[np.ndarray, " 4"], Float[np.ndarray, " 4"]] | None:
        """Return mean and standard deviation in dB, by blockage case (0 to 3), of a loss drawn once per blockage episode.

        The loss is normally distributed in dB, with negative values set to 0. Beyond 541 m, 15 log10(d) - 41 is added
        to the mean, as in TR 37.885. A model that computes the loss of each link returns None.
        """
        return None


def moments_of(model: VehicleBlockage) -> tuple[Float[np.ndarray, " 4"], Float[np.ndarray, " 4"]] | None:
    """Return mean and standard deviation of a model's random loss, or None if the model computes the loss.

    The result of a model written by a user is checked.

    Raises:
        PartError: If a user's model raises an exception or returns anything else.
    """
    moments: tuple[np.ndarray, np.ndarray] | None = ask(model, "moments_db")
    if moments is None or model.file is None:
        return moments
    if not (isinstance(moments, tuple) and len(moments) == 2):
        raise wrong_answer(
            model, "moments_db", f"must return means and standard deviations, got {type(moments).__name__}"
        )
    array_from(model, "moments_db", moments[0], {"cases": 4}, name="means")
    if (array_from(model, "moments_db", moments[1], {"cases": 4}, name="standard deviations") < 0.0).any():
        raise wrong_answer(model, "moments_db", "must return standard deviations of at least 0")
    return moments


def blockage_of(model: VehicleBlockage, view: BlockageView) -> Float[np.ndarray, " links"]:
    """Return the loss that vehicles add to each link under a model; the result of a user's model is checked.

    Raises:
        PartError: If a user's model raises an exception or returns anything but one loss per link.
    """
    return array_from(model, "loss_db", ask(model, "loss_db", view), {"links": len(view.distance_m)}, least=0.0)
