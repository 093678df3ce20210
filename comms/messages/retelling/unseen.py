"""Retelling rule: tell on what a neighbour has neither heard of nor sees by its announced perception matrix.

References:
    Ours, as `unheard`, of which it is a variant.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Bool

from v2xsim.comms.messages.retelling.rule import RetellingView
from v2xsim.comms.messages.retelling.unheard import Unheard
from v2xsim.parts import part


@part("unseen")
@dataclass(frozen=True)
class Unseen(Unheard):
    """Tell on the objects that a neighbour has neither heard of nor sees by its announced perception matrix, and that matter to it."""

    reads_matrices: ClassVar[bool] = True

    def knows(self, view: RetellingView) -> Bool[np.ndarray, "objects stations"]:
        """Return whether each station knows each object, as far as this station can tell."""
        known: np.ndarray = super().knows(view) | view.sees
        return known
