"""No matching: the requester asks no helper."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Int64

from v2xsim.parts import part
from v2xsim.perception.matching.rule import MatchingRule, MatchingView


@part("none")
@dataclass(frozen=True)
class NoMatching(MatchingRule):
    """No helper is asked."""

    asks: ClassVar[bool] = False

    def choose(self, view: MatchingView) -> Int64[np.ndarray, " chosen"]:
        """Return an empty list of rows."""
        return np.zeros(0, np.int64)
