"""Retelling rule: tell on what neighbours have not heard of, because the stations that reported it do not reach them.

A relay passes on packets; this rule passes on the objects in them that somebody misses, those of many packets in one message. Who
misses them follows from the lists of heard stations that all stations announce for the choice of relays.

References:
    Ours. Its silence, if another station has told the same, is that of contention-based forwarding (ETSI EN 302 636-4-1, annex E; from memory).
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from jaxtyping import Bool, Float

from v2xsim.comms.messages.retelling.rule import RetellingRule, RetellingView
from v2xsim.parts import AtLeast, AtMost, part


@part("unheard")
@dataclass(frozen=True)
class Unheard(RetellingRule):
    """Tell on the objects of which neighbours have hardly heard and that matter to them, unless another station is placed better."""

    least_gain: Annotated[
        float,
        AtLeast(0),
        AtMost(1000),
        "Least gain of telling an object on: its relevance to a neighbour, times the probabilities that the neighbour does not know it and that the "
        "message arrives there, summed over neighbours; with a higher value less is told on",
    ] = 0.2
    oldest_ms: Annotated[
        float,
        AtLeast(0),
        AtMost(1300),
        "Largest age of what is told on, since its capture by a lidar; older states lead to more false tracks",
    ] = 250.0
    hops: Annotated[
        int, AtLeast(1), AtMost(10), "How often an object may be told on, by one station after the other"
    ] = 3
    better: Annotated[
        int,
        AtLeast(0),
        AtMost(1000),
        "Largest number of other stations that are placed better between the source of an object and a neighbour, if this station is to count the neighbour",
    ] = 0

    def known(self, view: RetellingView) -> Float[np.ndarray, "objects stations"]:
        """Return how likely each station knows each object, 0 to 1, as far as this station can tell."""
        misses: np.ndarray = (1.0 - view.told) * (1.0 - view.hears) * ~view.is_itself
        return 1.0 - misses

    def told_on(self, view: RetellingView) -> Bool[np.ndarray, " objects"]:
        """Return whether the station tells each object on."""
        is_fresh = (view.hops < self.hops) & (view.age_us <= self.oldest_ms * 1e3)
        gain = (1.0 - self.known(view)) * view.relevance * view.reached * (view.better <= self.better)
        # Not above 0, but for a neighbour: with no least gain, what brings nothing is not told on either.
        found: np.ndarray = is_fresh & (gain.sum(axis=1) >= self.least_gain) & (gain > 0.0).any(axis=1)
        return found
