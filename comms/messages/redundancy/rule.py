"""The interface of redundancy rules: a rule leaves perceived objects out of a collective perception message.

Each rule is one file in this folder.

References:
    ETSI TR 103 562 (redundancy mitigation), with Artery's limits; not checked against the document.
"""

from dataclasses import dataclass, fields, replace
from typing import ClassVar

import numpy as np
from jaxtyping import Bool, Float, Int64

from v2xsim.part_answers import array_from, without
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
        sender: Agent id of the sender of each report.
        is_valid: Whether each is valid for fusion: its sender need not have reported the object again yet.
    """

    place_m: Float[np.ndarray, "copies 2"]
    speed_mps: Float[np.ndarray, " copies"]
    told_us: Int64[np.ndarray, " copies"]
    sender_m: Float[np.ndarray, "copies 2"]
    sender: Int64[np.ndarray, " copies"]
    is_valid: Bool[np.ndarray, " copies"]

    @staticmethod
    def nothing() -> "Copies":
        """Return an empty set of reports."""
        numbers = np.zeros(0, np.int64)
        return Copies(np.zeros((0, 2)), np.zeros(0), numbers, np.zeros((0, 2)), numbers, np.zeros(0, bool))


@dataclass(frozen=True)
class Nearby:
    """The stations that want data of others, as a station knows them from the announcements that reached it.

    All of it holds at the capture of the station's own frame. Where the station of an object is meant, it is the announced vehicle
    nearest to the object, less than 3 m away.

    Attributes:
        agent: Agent ids of these stations, in rising order.
        place_m: Their announced positions, extrapolated with their announced velocities.
        has_matrix: Whether a perception matrix of each arrived, and is still used. Without one nobody knows what it sees; it has a lidar, or had one.
        age_us: Time since the state that each announced with this matrix, which may not be its newest state; since its newest one without a matrix.
        sees: Whether the matrix of each has an occupied cell where each object was when that matrix was announced; false without
            a matrix, and where the object was outside the matrix.
        is_itself: Whether each object is this station.
        hears: Share of the announcements of the object's station that arrive at each of these stations, by the list that it announced, 0
            to 1; 0 for objects that announce nothing.
        relevance: Relevance of each object's place to each of these stations, 0 to 1, as for hidden road users (`docs/models.md`,
            "Choice of helpers and relays"): exp(-t / 4 s) with the time t after which they can meet at the earliest; 0 if never.
    """

    agent: Int64[np.ndarray, " stations"]
    place_m: Float[np.ndarray, "stations 2"]
    has_matrix: Bool[np.ndarray, " stations"]
    age_us: Int64[np.ndarray, " stations"]
    sees: Bool[np.ndarray, "objects stations"]
    is_itself: Bool[np.ndarray, "objects stations"]
    hears: Float[np.ndarray, "objects stations"]
    relevance: Float[np.ndarray, "objects stations"]

    @staticmethod
    def nobody(objects: int) -> "Nearby":
        """Return no stations, for a number of objects."""
        flags, shares = np.zeros((objects, 0), bool), np.zeros((objects, 0))
        numbers = np.zeros(0, np.int64)
        return Nearby(numbers, np.zeros((0, 2)), np.zeros(0, bool), numbers, flags, flags, shares, shares)


@dataclass(frozen=True)
class RedundancyView:
    """Input of a redundancy rule: what one station knows.

    Attributes:
        place_m: Position of each object that the station perceives.
        speed_mps: Speed of each object that the station perceives.
        own_m: Position of the station by its own estimate.
        copies: Reports that the station received from others within the last second. A rule that sets `reads_copies` to False cannot read them.
        announced_m: Positions of the vehicles from which this station received awareness messages.
        now_us: Present simulation time.
        unsent_us: Time since the station last sent each object, or since it first perceived the object if it never sent it.
        nearby: The stations that want data of others, and what they see of each object. A rule that does not set `reads_matrices` cannot read it.
    """

    place_m: Float[np.ndarray, "objects 2"]
    speed_mps: Float[np.ndarray, " objects"]
    own_m: Float[np.ndarray, " 2"]
    copies: Copies
    announced_m: Float[np.ndarray, "stations 2"]
    now_us: int
    unsent_us: Int64[np.ndarray, " objects"]
    nearby: Nearby

    def apart_m(self, within_us: int = 1_000_000) -> Float[np.ndarray, "objects copies"]:
        """Return the distance in metres of each object from each report; infinity for reports older than `within_us`."""
        recent = self.now_us - self.copies.told_us <= within_us
        return np.where(recent[None, :], distances_m(self.place_m, self.copies.place_m), np.inf)


class RedundancyRule(Part):
    """Base of redundancy rules.

    Attributes:
        reads_copies: Whether the rule reads the reports of other stations; if not, reports are not stored for it.
        reads_matrices: Whether the rule reads `RedundancyView.nearby`. If so, all stations keep announcements, not only egos.
    """

    kind = Kind("redundancy rule", "rule", ("omitted",), "v2xsim.comms.messages.redundancy")
    reads_copies: ClassVar[bool] = True
    reads_matrices: ClassVar[bool] = False

    def omitted(self, view: RedundancyView) -> Bool[np.ndarray, " objects"]:
        """Return whether each object is left out of the message."""
        raise NotImplementedError


def omitted_by(rule: RedundancyRule, view: RedundancyView) -> Bool[np.ndarray, " objects"]:
    """Return whether a rule leaves each object out of the message; the result of a user's rule is checked.

    Raises:
        PartError: If a user's rule raises an exception or returns anything but one truth value per object.
        AttributeError: If a built-in rule reads what it says it does not.
    """
    objects = len(view.place_m)
    if objects == 0:
        return np.zeros(0, bool)
    for is_read, name, setting in (
        (rule.reads_copies, "copies", "reads_copies"),
        (rule.reads_matrices, "nearby", "reads_matrices"),
    ):
        if not is_read:
            record = getattr(view, name)
            names = [field.name for field in fields(record)]
            why = f"a redundancy rule that reads {name} must set {setting} = True"
            view = replace(view, **{name: without(record, names, why)})
    return array_from(rule, "omitted", ask(rule, "omitted", view), {"objects": objects}, "bool")


def distances_m(
    first_m: Float[np.ndarray, "rows 2"], second_m: Float[np.ndarray, "columns 2"]
) -> Float[np.ndarray, "rows columns"]:
    """Return the distance of each point of the first set from each point of the second set."""
    gap = first_m[:, None, :] - second_m[None, :, :]
    return np.hypot(gap[..., 0], gap[..., 1])
