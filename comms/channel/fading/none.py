"""No fading: every packet of a link is received with the mean power."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from v2xsim.comms.channel.fading.model import Fading, FadingView
from v2xsim.parts import part


@part("none")
@dataclass(frozen=True)
class NoFading(Fading):
    """No fading: the received power does not vary at random from packet to packet."""

    fades: ClassVar[bool] = False

    def shape(self, view: FadingView) -> Float[np.ndarray, " links"]:
        """Return infinity for each link, which means no fading."""
        return np.full(len(view.distance_m), np.inf)
