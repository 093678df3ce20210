"""Redundancy rule: report only what a neighbour misses by its announced perception matrix, and could meet soon.

It is the other direction of a request: the station that sees an object decides who needs it, before anybody asks.

References:
    Ours. Value of information as an inclusion rule is in ETSI TR 103 562 as rules by entropy, and in Higuchi et al., "Value-anticipating V2V
    communications for cooperative perception", IEEE IV 2019, where a sender predicts what a receiver knows; both from memory.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from jaxtyping import Bool, Int64

from v2xsim.comms.messages.redundancy.rule import SAME_M, RedundancyRule, RedundancyView
from v2xsim.parts import AtLeast, AtMost, part

# A matrix older than this shows another place: at 100 km/h a station has moved by 28 m.
_STALE_US = 1_000_000
# A station from which this share of announcements arrives is heard every 0.2 s at the usual 10 Hz.
_HEARD_SHARE = 0.5


@part("missed")
@dataclass(frozen=True)
class Missed(RedundancyRule):
    """Leave out objects that no neighbour misses: each one sees them by its announced matrix, knows them already, or will not meet them soon.

    A neighbour is a station that announced itself and wants data of others. It misses an object that matters to it, unless its
    matrix has an occupied cell there, the object is the neighbour itself or a station that it hears, or it reported the object itself. A
    neighbour without a matrix, or with one older than 1 s, sees nothing.
    """

    reads_matrices: ClassVar[bool] = True

    least_relevance: Annotated[
        float,
        AtLeast(0),
        AtMost(1),
        "Least relevance of an object to a neighbour, exp(-t / 4 s) with the time t after which they can meet at the earliest; with a higher value "
        "more objects are left out, with 0 also those count that a neighbour can never meet",
    ] = 0.1
    senders: Annotated[
        int,
        AtLeast(1),
        AtMost(1000),
        "Number of other stations whose valid reports of an object suffice, so that it is left out: one report may be lost on its way to the neighbour",
    ] = 2
    repeat_ms: Annotated[
        float,
        AtLeast(0),
        AtMost(3_600_000),
        "Longest time for which an object is left out without being sent once: stations that this one cannot hear may miss it",
    ] = 1000.0

    def omitted(self, view: RedundancyView) -> Bool[np.ndarray, " objects"]:
        """Return whether each object is left out of the message."""
        near, copies = view.nearby, view.copies
        is_fresh = near.has_matrix & (near.age_us <= _STALE_US)
        # A report is valid until its sender must send it again; so the next one is awaited, and a lost one is replaced.
        is_copy = (view.apart_m() < SAME_M) & copies.is_valid[None, :]
        sender, by_sender = _by_sender(is_copy, copies.sender)
        reported_it = by_sender @ (sender[:, None] == near.agent[None, :])
        knows = (near.sees & is_fresh[None, :]) | near.is_itself | (near.hears >= _HEARD_SHARE) | reported_it
        is_missed = (~knows & (near.relevance >= self.least_relevance)).any(axis=1)
        is_told = by_sender.sum(axis=1) >= self.senders
        left_out: np.ndarray = (~is_missed | is_told) & (view.unsent_us < self.repeat_ms * 1e3)
        return left_out


def _by_sender(
    is_copy: Bool[np.ndarray, "objects copies"], sender: Int64[np.ndarray, " copies"]
) -> tuple[Int64[np.ndarray, " senders"], Bool[np.ndarray, "objects senders"]]:
    """Return the senders of copies, in rising order, and whether a copy of each of them is of each object."""
    order = np.argsort(sender, kind="stable")
    senders, first = np.unique(sender[order], return_index=True)
    if len(senders) == 0:
        return senders, np.zeros((len(is_copy), 0), bool)
    return senders, np.logical_or.reduceat(is_copy[:, order], first, axis=1)
