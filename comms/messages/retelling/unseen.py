"""Retelling rule: tell on what neighbours have hardly heard of and do not see by their announced perception matrices.

References:
    Ours, as `unheard`, of which it is a variant.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from v2xsim.comms.messages.retelling.rule import RetellingView
from v2xsim.comms.messages.retelling.unheard import Unheard
from v2xsim.parts import part


@part("unseen")
@dataclass(frozen=True)
class Unseen(Unheard):
    """Tell on as `unheard`, but a neighbour whose announced perception matrix shows the object knows it."""

    reads_matrices: ClassVar[bool] = True

    def known(self, view: RetellingView) -> Float[np.ndarray, "objects stations"]:
        """Return how likely each station knows each object, 0 to 1, as far as this station can tell."""
        known: np.ndarray = np.maximum(super().known(view), view.sees)
        return known
