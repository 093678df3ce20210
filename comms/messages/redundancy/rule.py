"""What a redundancy rule is: it says which perceived objects need no place in a collective perception message.

The rules are the files beside this one.

References:
    ETSI TR 103 562 (redundancy mitigation), with Artery's limits; not re-read.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Bool, Float, Int64

from v2xsim.part_answers import array_from
from v2xsim.parts import Kind, Part
from v2xsim.plugins import ask

# Two reports are of one object if they put it less than this apart: less than two cars in a queue.
SAME_M = 3.0


@dataclass(frozen=True)
class Copies:
    """Objects that others told of, each as often as it was told.

    Attributes:
        place_m: Where each is by now, moved on by its velocity.
        speed_mps: Of each.
        told_us: When it was received.
        sender_m: Where its sender was.
    """

    place_m: Float[np.ndarray, "copies 2"]
    speed_mps: Float[np.ndarray, " copies"]
    told_us: Int64[np.ndarray, " copies"]
    sender_m: Float[np.ndarray, "copies 2"]

    @staticmethod
    def nothing() -> "Copies":
        """Return no object."""
        return Copies(np.zeros((0, 2)), np.zeros(0), np.zeros(0, np.int64), np.zeros((0, 2)))


@dataclass(frozen=True)
class RedundancyView:
    """What a redundancy rule reads, all of it known to one station.

    Attributes:
        place_m: Where each object is that the station perceives.
        speed_mps: Of each object.
        own_m: Where the station is, as it believes.
        copies: Objects that others told it of within the last second.
        announced_m: Where stations are that announced themselves to it.
        now_us: The instant.
    """

    place_m: Float[np.ndarray, "objects 2"]
    speed_mps: Float[np.ndarray, " objects"]
    own_m: Float[np.ndarray, " 2"]
    copies: Copies
    announced_m: Float[np.ndarray, "stations 2"]
    now_us: int

    def apart_m(self, within_us: int = 1_000_000) -> Float[np.ndarray, "objects copies"]:
        """Return the distance of each object from each copy; infinity for copies that are older."""
        recent = self.now_us - self.copies.told_us <= within_us
        return np.where(recent[None, :], distances_m(self.place_m, self.copies.place_m), np.inf)


class RedundancyRule(Part):
    """Base of redundancy rules.

    Attributes:
        reads_copies: Whether the rule reads what others told; where no rule does, nobody keeps it.
    """

    kind = Kind("redundancy rule", "rule", ("omitted",), "v2xsim.comms.messages.redundancy")
    reads_copies: ClassVar[bool] = True

    def omitted(self, view: RedundancyView) -> Bool[np.ndarray, " objects"]:
        """Return which objects are left out of the message."""
        raise NotImplementedError


def omitted_by(rule: RedundancyRule, view: RedundancyView) -> Bool[np.ndarray, " objects"]:
    """Return which objects are left out under a rule, checked where the rule is a user's.

    Raises:
        PartError: If a user's rule raises an exception or returns something else.
    """
    objects = len(view.place_m)
    if objects == 0:
        return np.zeros(0, bool)
    return array_from(rule, "omitted", ask(rule, "omitted", view), {"objects": objects}, "bool")


def distances_m(
    first_m: Float[np.ndarray, "rows 2"], second_m: Float[np.ndarray, "columns 2"]
) -> Float[np.ndarray, "rows columns"]:
    """Return all distances."""
    gap = first_m[:, None, :] - second_m[None, :, :]
    return np.hypot(gap[..., 0], gap[..., 1])
