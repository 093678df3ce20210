"""No redundancy rule: no object is left out of a message."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Bool

from v2xsim.comms.messages.redundancy.rule import RedundancyRule, RedundancyView
from v2xsim.parts import part


@part("none")
@dataclass(frozen=True)
class NoRedundancyRule(RedundancyRule):
    """No redundancy rule: a message contains every object that is due."""

    reads_copies: ClassVar[bool] = False

    def omitted(self, view: RedundancyView) -> Bool[np.ndarray, " objects"]:
        """Return whether each object is left out of the message: none is."""
        return np.zeros(len(view.place_m), bool)
