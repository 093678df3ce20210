"""Retelling rule: tell on what a neighbour has not heard of, because the stations that reported it do not reach it.

A relay passes on packets; this rule passes on the objects in them that somebody misses, those of many packets in one message. Who
misses them follows from the lists of heard stations that all stations announce for the choice of relays.

References:
    Ours. Its back-off, in which a station that hears another one tell the same keeps silent, is that of contention-based forwarding
    (ETSI EN 302 636-4-1, annex E; from memory).
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from jaxtyping import Bool

from v2xsim.comms.messages.retelling.rule import RetellingRule, RetellingView
from v2xsim.parts import AtLeast, AtMost, part


@part("unheard")
@dataclass(frozen=True)
class Unheard(RetellingRule):
    """Tell on the objects that a neighbour has not heard of: it hears no station that reported them, and they matter to it."""

    least_relevance: Annotated[
        float,
        AtLeast(0),
        AtMost(1),
        "Least relevance of an object to a neighbour, exp(-t / 4 s) with the time t after which they can meet at the earliest; with a higher value "
        "less is told on, with 0 also what a neighbour can never meet",
    ] = 0.1
    heard_share: Annotated[
        float,
        AtLeast(0),
        AtMost(1),
        "Share of the announcements of a station that must arrive at another one for this one to count as heard; with a higher value more is told on",
    ] = 0.5
    reached_share: Annotated[
        float,
        AtLeast(0),
        AtMost(1),
        "Share of the own announcements that must arrive at a neighbour, if something is to be told on for it",
    ] = 0.5
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
        "Largest number of other stations that are placed better between the reporter and the neighbour, if this one is to tell an object on",
    ] = 0

    def knows(self, view: RetellingView) -> Bool[np.ndarray, "objects stations"]:
        """Return whether each station knows each object, as far as this station can tell."""
        known: np.ndarray = view.is_itself | (view.hears >= self.heard_share) | (view.told >= self.heard_share)
        return known

    def told_on(self, view: RetellingView) -> Bool[np.ndarray, " objects"]:
        """Return whether the station tells each object on."""
        is_fresh = (view.hops < self.hops) & (view.age_us <= self.oldest_ms * 1e3)
        misses = ~self.knows(view) & (view.relevance >= self.least_relevance) & (view.reached >= self.reached_share)
        found: np.ndarray = is_fresh & (misses & (view.better <= self.better)).any(axis=1)
        return found
