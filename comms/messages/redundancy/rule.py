"""The interface of redundancy rules: a rule leaves perceived objects out of a collective perception message.

Each rule is one file in this folder.

References:
    ETSI TR 103 562 (redundancy mitigation), with Artery's limits; not checked against the document.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Bool, Float, Int64

from v2xsim.part_answers import array_from
from v2xsim.parts import Kind, Part
from v2xsim.plugins import ask

# Two reports describe the same object if their positions are closer than this. The centres of two cars in a queue are
# farther apart.
SAME_M = 3.0


@dataclass(frozen=True)
class Copies:
    """Reports of objects received from other stations; an object that was reported n times has n rows.

    Attributes:
        place_m: Position of each reported object, extrapolated to the present with its reported velocity.
        speed_mps: Speed of each reported object.
        told_us: Time at which each report was received.
        sender_m: Position of the sender of each report.
    """

    place_m: Float[np.ndarray, "copies 2"]
    speed_mps: Float[np.ndarray, " copies"]
    told_us: Int64[np.ndarray, " copies"]
    sender_m: Float[np.ndarray, "copies 2"]

    @staticmethod
    def nothing() -> "Copies":
        """Return an empty set of reports."""
        return Copies(np.zeros((0, 2)), np.zeros(0), np.zeros(0, np.int64), np.zeros((0, 2)))


@dataclass(frozen=True)
class RedundancyView:
    """Input of a redundancy rule: what one station knows.

    Attributes:
        place_m: Position of each object that the station perceives.
        speed_mps: Speed of each object that the station perceives.
        own_m: Position of the station by its own estimate.
        copies: Reports that the station received from others within the last second.
        announced_m: Positions of the vehicles from which this station received awareness messages.
        now_us: Present simulation time.
    """

    place_m: Float[np.ndarray, "objects 2"]
    speed_mps: Float[np.ndarray, " objects"]
    own_m: Float[np.ndarray, " 2"]
    copies: Copies
    announced_m: Float[np.ndarray, "stations 2"]
    now_us: int

    def apart_m(self, within_us: int = 1_000_000) -> Float[np.ndarray, "objects copies"]:
        """Return the distance in metres of each object from each report; infinity for reports older than `within_us`."""
        recent = self.now_us - self.copies.told_us <= within_us
        return np.where(recent[None, :], distances_m(self.place_m, self.copies.place_m), np.inf)


class RedundancyRule(Part):
    """Base of redundancy rules.

    Attributes:
        reads_copies: Whether the rule reads the reports of other stations; if not, reports are not stored for it.
    """

    kind = Kind("redundancy rule", "rule", ("omitted",), "v2xsim.comms.messages.redundancy")
    reads_copies: ClassVar[bool] = True

    def omitted(self, view: RedundancyView) -> Bool[np.ndarray, " objects"]:
        """Return whether each object is left out of the message."""
        raise NotImplementedError


def omitted_by(rule: RedundancyRule, view: RedundancyView) -> Bool[np.ndarray, " objects"]:
    """Return whether a rule leaves each object out of the message; the result of a user's rule is checked.

    Raises:
        PartError: If a user's rule raises an exception or returns anything but one truth value per object.
    """
    objects = len(view.place_m)
    if objects == 0:
        return np.zeros(0, bool)
    return array_from(rule, "omitted", ask(rule, "omitted", view), {"objects": objects}, "bool")


def distances_m(
    first_m: Float[np.ndarray, "rows 2"], second_m: Float[np.ndarray, "columns 2"]
) -> Float[np.ndarray, "rows columns"]:
    """Return the distance of each point of the first set from each point of the second set."""
    gap = first_m[:, None, :] - second_m[None, :, :]
    return np.hypot(gap[..., 0], gap[..., 1])
