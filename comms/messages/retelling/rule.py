"""The interface of retelling rules: which of the objects that others reported a station tells on to the stations around it.

Each rule is one file in this folder. What is told on is a collective perception message with objects of other stations: it has the
position, velocity and time that the station which detected the object reported, so a receiver uses it like the report itself.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from jaxtyping import Bool, Float, Int64

from v2xsim.part_answers import array_from, without
from v2xsim.parts import AtLeast, AtMost, Kind, Part
from v2xsim.plugins import ask


@dataclass(frozen=True)
class RetellingView:
    """Input of a retelling rule: what one station knows of reported objects and of the stations that want data.

    An object is one reported object that arrived from another station and is still valid. Of several reports of one object, less than 3 m apart, only
    the newest one is an object here; what this station reports itself is none.

    Attributes:
        place_m: Position of each object, extrapolated to the present with its reported velocity.
        speed_mps: Reported speed of each object.
        age_us: Time since each object was captured by the lidar of the station that detected it, by the clocks of both; below 0 if that station's clock
            is ahead.
        hops: How often each object had been told on until it arrived here; 0 if it came from the station that detected it.
        origin: Agent id of the station that detected each object.
        is_mine: Whether this station told each object on itself, in a message that need not have been followed by a newer report yet.
        tellings: Number of messages of other stations that arrived here, told each object on, and count still.
        uniform: Random number from 0 to 1 for each object, the same as long as its report is. A rule that does not set `draws` cannot read it.
        agent: Agent ids of the stations that want data of others, as far as this station knows, in rising order.
        station_m: Their announced positions, extrapolated with their announced velocities.
        reached: Share of this station's announcements that arrive at each of them, 0 to 1, by the list that each announced.
        told: Probability that each of them was told of each object, 0 to 1: that one of the reports of it arrived, each with the share of
            announcements of its sender that arrive there, by the list that the station announced; 1 if it detected or told of the object itself. Only
            reports count that arrived here too, or were sent from here, and that need not have been followed by a newer one yet.
        sees: Whether the newest matrix of each that arrived here has an occupied cell where each object was when it was announced; false without
            a matrix, and where the object was outside of it. A rule that does not set `reads_matrices` cannot read it.
        is_itself: Whether each object is one of them.
        hears: Share of the announcements of the object's own station that arrive at each of them; 0 for objects that announce nothing.
        relevance: Relevance of each object's place to each of them, 0 to 1: exp(-t / 4 s) with the time t after which they can meet at the
            earliest; 0 if never.
        better: Number of other known stations that are placed better between the source, which told this station of each object, and each of
            the stations that want data: of the shares of announcements that arrive over the two hops, the smaller one is greater, or is as
            great and the station is nearer to the one that wants data.
    """

    place_m: Float[np.ndarray, "objects 2"]
    speed_mps: Float[np.ndarray, " objects"]
    age_us: Int64[np.ndarray, " objects"]
    hops: Int64[np.ndarray, " objects"]
    origin: Int64[np.ndarray, " objects"]
    is_mine: Bool[np.ndarray, " objects"]
    tellings: Int64[np.ndarray, " objects"]
    uniform: Float[np.ndarray, " objects"]
    agent: Int64[np.ndarray, " stations"]
    station_m: Float[np.ndarray, "stations 2"]
    reached: Float[np.ndarray, " stations"]
    told: Float[np.ndarray, "objects stations"]
    sees: Bool[np.ndarray, "objects stations"]
    is_itself: Bool[np.ndarray, "objects stations"]
    hears: Float[np.ndarray, "objects stations"]
    relevance: Float[np.ndarray, "objects stations"]
    better: Int64[np.ndarray, "objects stations"]


class RetellingRule(Part):
    """Base of retelling rules.

    Attributes:
        retells: Whether the rule tells anything on; if not, stations do not keep the reports of others for it.
        reads_matrices: Whether the rule reads `RetellingView.sees`.
        draws: Whether the rule reads `RetellingView.uniform`.
        compares: Whether the rule compares what neighbours know. One that does not is a baseline: it tells on what everybody knows, too.
    """

    kind = Kind("retelling rule", "rule", ("told_on",), "v2xsim.comms.messages.retelling")
    retells: ClassVar[bool] = True
    reads_matrices: ClassVar[bool] = False
    draws: ClassVar[bool] = False
    compares: ClassVar[bool] = True

    def told_on(self, view: RetellingView) -> Bool[np.ndarray, " objects"]:
        """Return whether the station tells each object on."""
        raise NotImplementedError


@dataclass(frozen=True)
class FreshOnly(RetellingRule):
    """Base of rules that tell on only what was captured lately and was not told on often."""

    oldest_ms: Annotated[
        float,
        AtLeast(0),
        AtMost(1300),
        "Largest age of what is told on, since its capture by a lidar; older states lead to more false tracks",
    ] = 250.0
    hops: Annotated[
        int, AtLeast(1), AtMost(10), "How often an object may be told on, by one station after the other"
    ] = 3

    def is_fresh(self, view: RetellingView) -> Bool[np.ndarray, " objects"]:
        """Return whether each object may be told on by its age and by how often it was told on."""
        found: np.ndarray = (view.hops < self.hops) & (view.age_us <= self.oldest_ms * 1e3)
        return found


def told_on_by(rule: RetellingRule, view: RetellingView) -> Bool[np.ndarray, " objects"]:
    """Return whether a rule tells each object on; the result of a user's rule is checked.

    Raises:
        PartError: If a user's rule raises an exception or returns anything but one truth value per object.
        AttributeError: If a built-in rule reads what it says it does not.
    """
    objects = len(view.place_m)
    if objects == 0:
        return np.zeros(0, bool)
    for is_read, name, setting in ((rule.reads_matrices, "sees", "reads_matrices"), (rule.draws, "uniform", "draws")):
        if not is_read:
            view = without(view, (name,), f"a retelling rule that reads {name} must set {setting} = True")
    return array_from(rule, "told_on", ask(rule, "told_on", view), {"objects": objects}, "bool")
