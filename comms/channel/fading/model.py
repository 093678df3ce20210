"""The interface of fading models: how strongly the received power of a link varies from packet to packet."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float, Int8

from v2xsim.part_answers import array_from
from v2xsim.parts import Kind, Part
from v2xsim.plugins import ask


@dataclass(frozen=True)
class FadingView:
    """Input of a fading model: the links.

    Attributes:
        distance_m: Distance between the antennas of each link.
        state: LOS (0), NLOSV (1: a vehicle in the way) or NLOSB (2: a building in the way).
    """

    distance_m: Float[np.ndarray, " links"]
    state: Int8[np.ndarray, " links"]


class Fading(Part):
    """Base of fading models.

    Attributes:
        fades: Whether the received power varies from packet to packet (False switches fading off).
    """

    kind = Kind("fading", "model", ("shape",), "v2xsim.comms.channel.fading")
    fades: ClassVar[bool] = True

    def shape(self, view: FadingView) -> Float[np.ndarray, " links"]:
        """Return the fading of each link: a Nakagami shape m above 0 (infinity for no fading), or -K for a Rician channel.

        K is the power of the steady wave divided by the power of the scattered waves; K = 0 is a Rayleigh channel.
        """
        raise NotImplementedError


def shape_of(model: Fading, view: FadingView) -> Float[np.ndarray, " links"]:
    """Return the fading of links under a model; the result of a user's model is checked.

    Raises:
        PartError: If a user's model raises an exception or returns anything but one shape per link.
    """
    links = {"links": len(view.distance_m)}
    return array_from(model, "shape", ask(model, "shape", view), links, finite=False)
