"""Retelling rule: tell on what neighbours have not heard of, because the stations that reported it do not reach them.

A relay passes on packets; this rule passes on the objects in them that somebody misses, those of many packets in one message. Who
misses them follows from the lists of heard stations that all stations announce for the choice of relays.

References:
    Objects of collective perception messages over several hops: Wolff, Xhoxhi and Tautz, arXiv 2404.07761 (2024), who forward them without asking who
    knows them. Silence of those whose neighbours have it: neighbour-knowledge methods, Williams and Camp, MobiHoc 2002. Relevance and what a receiver
    knows: Higuchi et al., IEEE IV 2019. All from memory. Ours is the gain: relevance times the chance that a message brings something new, from announced lists.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from jaxtyping import Bool, Float

from v2xsim.comms.messages.retelling.rule import FreshOnly, RetellingView
from v2xsim.parts import AtLeast, AtMost, part


@part("unheard")
@dataclass(frozen=True)
class Unheard(FreshOnly):
    """Tell on the objects of which neighbours have hardly heard and that matter to them, unless another station is placed better."""

    least_gain: Annotated[
        float,
        AtLeast(0),
        AtMost(1000),
        "Least gain of telling an object on: its relevance to a neighbour, times the probabilities that the neighbour does not know it and that the "
        "message arrives there, summed over neighbours; with a higher value less is told on",
    ] = 0.2
    heard: Annotated[
        bool,
        "Whether it counts what neighbours were told and hear; if not, they know nothing but themselves: for comparison",
    ] = True
    relevant: Annotated[
        bool, "Whether the relevance to neighbours counts; if not, each object has relevance 1 to each: for comparison"
    ] = True
    better: Annotated[
        int,
        AtLeast(0),
        AtMost(1000),
        "Largest number of other stations that are placed better between the source of an object and a neighbour, if this station is to count the neighbour",
    ] = 0

    def known(self, view: RetellingView) -> Float[np.ndarray, "objects stations"]:
        """Return how likely each station knows each object, 0 to 1, as far as this station can tell."""
        misses = np.where(view.is_itself, 0.0, 1.0)
        if self.heard:
            misses *= (1.0 - view.told) * (1.0 - view.hears)
        known: np.ndarray = 1.0 - misses
        return known

    def told_on(self, view: RetellingView) -> Bool[np.ndarray, " objects"]:
        """Return whether the station tells each object on."""
        is_fresh = self.is_fresh(view)
        relevance = view.relevance if self.relevant else np.ones(view.relevance.shape)
        if not self.heard:
            # Nothing else would keep a station from telling the same at each look.
            is_fresh &= ~view.is_mine
        gain = (1.0 - self.known(view)) * relevance * view.reached * (view.better <= self.better)
        # Also with a least gain of 0, what brings nobody anything is not told on.
        found: np.ndarray = is_fresh & (gain.sum(axis=1) >= self.least_gain) & (gain > 0.0).any(axis=1)
        return found
