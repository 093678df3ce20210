"""No retelling rule: stations report only what they detected themselves, as the standard has it."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Bool

from v2xsim.comms.messages.retelling.rule import RetellingRule, RetellingView
from v2xsim.parts import part


@part("none")
@dataclass(frozen=True)
class NoRetellingRule(RetellingRule):
    """No retelling rule: stations report only what they detected themselves."""

    retells: ClassVar[bool] = False

    def told_on(self, view: RetellingView) -> Bool[np.ndarray, " objects"]:
        """Return whether the station tells each object on: none is."""
        return np.zeros(len(view.place_m), bool)
