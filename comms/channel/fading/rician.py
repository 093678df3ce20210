"""Rician fading, with a factor K that depends on the state of the link."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from jaxtyping import Float

from v2xsim.comms.channel.fading.model import Fading, FadingView
from v2xsim.parts import part

# A wave that is stronger or weaker than another one by this much is alone.
_MOST_DB = 100.0


@part("rician")
@dataclass(frozen=True)
class Rician(Fading):
    """Rician fading: the power of the direct wave is K times that of the scattered waves.

    Attributes:
        k_db: K of clear links, of links behind vehicles and of links behind buildings; higher values mean weaker
            fading.
    """

    k_db: Annotated[
        tuple[float, float, float],
        "Rician K factor of clear links, of links behind vehicles and of links behind buildings, -100 to 100 dB; a higher K means less fading",
    ] = (3.48, 0.0, -20.0)

    def __post_init__(self) -> None:
        if not all(-_MOST_DB <= k_db <= _MOST_DB for k_db in self.k_db):
            raise ValueError(
                f"k_db must have values from -{_MOST_DB:g} (no steady wave) to {_MOST_DB:g} dB (no fading), got {list(self.k_db)}"
            )

    def shape(self, view: FadingView) -> Float[np.ndarray, " links"]:
        """Return -K of each link as a ratio, according to its state."""
        minus_k: np.ndarray = -(10.0 ** (0.1 * np.array(self.k_db)))[view.state]
        return minus_k
