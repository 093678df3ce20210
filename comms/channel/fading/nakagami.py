"""Nakagami fading whose shape m depends on the distance."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from jaxtyping import Float

from v2xsim.comms.channel.fading.model import Fading, FadingView
from v2xsim.parts import Unit, part


@part("nakagami")
@dataclass(frozen=True)
class Nakagami(Fading):
    """Nakagami fading whose shape m depends on the distance; the default values are those of Torrent-Moreno et al.

    Attributes:
        shapes: Rows of distance in metres and shape m; each m applies from its distance on. 1 is Rayleigh fading;
            larger values mean weaker fading.
    """

    shapes: Annotated[
        tuple[tuple[float, float], ...],
        Unit("m, 1"),
        "Rows of distance and Nakagami shape m (at least 0.5); each m applies from its distance on, and a larger m means less fading",
    ] = ((0.0, 3.0), (50.0, 1.5), (150.0, 1.0))

    def __post_init__(self) -> None:
        begins = [row[0] for row in self.shapes]
        if not begins or begins != sorted(set(begins)) or any(row[1] < 0.5 for row in self.shapes):
            raise ValueError("shapes must have rows whose distances rise strictly and whose m is at least 0.5 each")

    def shape(self, view: FadingView) -> Float[np.ndarray, " links"]:
        """Return the shape m of each link: that of the last row whose distance is not above the link's distance."""
        begin, shape = np.array(self.shapes).T
        shapes: np.ndarray = shape[np.maximum(0, np.searchsorted(begin, view.distance_m, "right") - 1)]
        return shapes
