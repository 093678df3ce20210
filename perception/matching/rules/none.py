"""Ask nobody."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Int64

from v2xsim.parts import part
from v2xsim.perception.matching.rule import MatchingRule, MatchingView


@part("none")
@dataclass(frozen=True)
class NoMatching(MatchingRule):
    """Nobody is asked for anything."""

    asks: ClassVar[bool] = False

    def choose(self, view: MatchingView) -> Int64[np.ndarray, " chosen"]:
        """Return nobody."""
        return np.zeros(0, np.int64)
