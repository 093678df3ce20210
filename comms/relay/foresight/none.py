"""No foresight: stations notice that a link has died when its packets do not arrive."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from v2xsim.comms.relay.foresight.model import ForesightView, LinkForecast
from v2xsim.parts import part


@part("none")
@dataclass(frozen=True)
class NoForesight(LinkForecast):
    """No death of a link is foretold."""

    foresees: ClassVar[bool] = False

    def deaths(self, view: ForesightView) -> Float[np.ndarray, " links"]:
        """Return infinity for each link."""
        return np.full(view.shape, np.inf)
