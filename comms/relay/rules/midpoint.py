"""Relay rule by position: the station nearest to the middle of the pair; a baseline that uses only positions."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from v2xsim.comms.relay.rule import RelayRule, RelayView
from v2xsim.parts import part


@part("midpoint")
@dataclass(frozen=True)
class Midpoint(RelayRule):
    """Prefer the candidate nearest to the midpoint between the two stations, by more than a twentieth of their distance."""

    hysteresis: ClassVar[float] = 0.05

    def score(self, view: RelayView) -> Float[np.ndarray, " candidates"]:
        """Return minus the candidate's distance from the midpoint, divided by the distance between the two stations."""
        one, other = view.requester.antenna_m[view.pair, :2], view.helper.antenna_m[view.pair, :2]
        apart_m = np.maximum(np.linalg.norm(one - other, axis=1), 1e-9)
        score: np.ndarray = -np.linalg.norm(view.candidate.antenna_m[:, :2] - 0.5 * (one + other), axis=1) / apart_m
        return score
