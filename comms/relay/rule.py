"""The interface of relay rules: a rule gives a score to each candidate, a station that could forward messages for a pair.

Each built-in rule is one file in `rules`. `hybrid` is our reading of the abstract of *NLOS Dies Twice* (arXiv
2307.06615), whose full text was not available to us. The terms that it combines are properties of `RelayView`, so that
other rules can use them too.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

import numpy as np
from jaxtyping import Bool, Float, Int64

from v2xsim.comms.relay.hops import Hops, KnownBodies
from v2xsim.comms.relay.lifetime import lifetimes_s
from v2xsim.part_answers import LockedProperty
from v2xsim.parts import AtLeast, Kind, Part
from v2xsim.records import Obstacles

# Instants at which the SNR of hops is looked at. Choices are made again at each frame; looking 2 s ahead, rules picked worse candidates.
_AHEAD_S = (0.0, 0.5, 1.0)

USUAL_MARGIN_DB = 10.0
"""Margin of the SNR that gives half of the best mobility term: fading and shadowing in streets move packets by about as much; our choice."""

HYSTERESIS = 0.05
"""Hysteresis of rules that score graded terms: 2 dB at a margin of 10 dB, 0.2 radii at a clearance of one radius."""

NEVER = -np.inf
"""Score of a candidate that must not relay under a rule; a pair all of whose candidates have it has no relay."""


def graded(value: Float[np.ndarray, "*rows"]) -> Float[np.ndarray, "*rows"]:
    """Return x / (1 + |x|): between -1 and 1, rising throughout, and steepest around 0, where more matters most.

    Terms are graded and not clipped, so that two different candidates hardly ever have the same term.
    """
    term: np.ndarray = np.copysign(1.0 - 1.0 / (1.0 + np.abs(value)), value)
    return term


@dataclass(frozen=True)
class Ends:
    """State of some stations as the station that decides knows it: from their announcements, extrapolated to now.

    Attributes:
        agent: Identity of each station.
        antenna_m: Position of its antenna in the world; the third column is the height above ground.
        velocity_mps: Announced velocity over ground.
        is_roadside: Whether the station is a roadside unit.
        busy_share: Busy ratio of the channel that the station measured last and announced, 0 to 1.
    """

    agent: Int64[np.ndarray, " stations"]
    antenna_m: Float[np.ndarray, "stations 3"]
    velocity_mps: Float[np.ndarray, "stations 2"]
    is_roadside: Bool[np.ndarray, " stations"]
    busy_share: Float[np.ndarray, " stations"]

    def __len__(self) -> int:
        return len(self.agent)


@dataclass(frozen=True)
class HopQuality:
    """Quality of the hop between each candidate and one end of its pair, as the station that decides knows it.

    Attributes:
        delivery: Share of announcements that cross the hop, 0 to 1; the worse direction if the candidate must forward both ways.
        snr_db: Mean signal-to-noise ratio that was measured on the hop; the worse direction if both are needed.
    """

    delivery: Float[np.ndarray, " candidates"]
    snr_db: Float[np.ndarray, " candidates"]


@dataclass(frozen=True)
class RelayView:
    """Input of relay rules: the candidates for some pairs of stations, as the station that decides knows them.

    One station decides about each pair: the requester itself, or a station that may relay for the pair. What it knows, it has
    from announcements, from its own measurements and sensors, and from its map. All candidates qualify: the delivery of both
    hops is at least `min_delivery`, and the candidate is not one of the pair.

    Attributes:
        requester: Station that requests data, for each pair that cannot reach each other well enough.
        helper: Station that should send the data, for each pair.
        candidate: Stations that may relay.
        pair: Row of each candidate's pair.
        to_requester: Quality of the hop between each candidate and the requester.
        to_helper: Quality of the hop between each candidate and the helper.
        min_delivery: Least delivery probability of a usable link, 0 to 1.
        decider: Row in `bodies` of the station that decides, for each pair.
        bodies: Vehicles that each of these stations knows, connected or not.
        obstacles: Buildings of the map.
        carrier_ghz: Centre frequency of the channel.
        range_m: Distance up to which a link with nothing in its way is usable.
        least_snr_db: SNR from which a hop is usable.
        outlook: Function that returns the SNR of the hops to requester and helper after some times, without shadowing, as the station
            that decides works it out: from courses, the map, and the vehicles that it knows; with False, only from those that announced
            themselves.
        draw: Function that returns a uniform random number in (0, 1) for each candidate; for the same pair and candidate it is
            the same during the whole run.
        counts_detected: Whether vehicles count that the station detected and that announce nothing.
    """

    requester: Ends
    helper: Ends
    candidate: Ends
    pair: Int64[np.ndarray, " candidates"]
    to_requester: HopQuality
    to_helper: HopQuality
    min_delivery: float
    decider: Int64[np.ndarray, " pairs"]
    bodies: KnownBodies
    obstacles: Obstacles
    carrier_ghz: float
    range_m: float
    least_snr_db: float
    outlook: Callable[[Sequence[float], bool], Float[np.ndarray, "times candidates 2"]]
    draw: Callable[[], Float[np.ndarray, " candidates"]]
    counts_detected: bool = True

    @property
    def shape(self) -> tuple[int]:
        """Shape of the array of scores: the number of candidates, in a tuple."""
        return (len(self.pair),)

    @LockedProperty
    def requester_hops(self) -> Hops:
        """Hop between each candidate and the requester of its pair."""
        return self._hops(self.requester)

    @LockedProperty
    def helper_hops(self) -> Hops:
        """Hop between each candidate and the helper of its pair."""
        return self._hops(self.helper)

    def _hops(self, end: Ends) -> Hops:
        return Hops(
            self.candidate.antenna_m, end.antenna_m[self.pair], self.candidate.velocity_mps, end.velocity_mps[self.pair],
            self.decider[self.pair],
        )  # fmt: skip

    @LockedProperty
    def clearance(self) -> Float[np.ndarray, "candidates 2"]:
        """Clearance of the hops to requester and helper over whatever reaches highest, in radii of the first Fresnel zone; below 0 if blocked.

        Known vehicles, buildings of the map and the ground count (`v2xsim.comms.relay.clearance`).
        """
        # Imported here, so that a scenario can be checked without loading compiled kernels.
        from v2xsim.comms.relay.clearance import clearances

        hops = (self.requester_hops, self.helper_hops)
        return np.stack([clearances(one, self.bodies, self.obstacles, self.carrier_ghz) for one in hops], axis=1)

    @LockedProperty
    def lifetime_s(self) -> Float[np.ndarray, "candidates 2"]:
        """How long the hops to requester and helper last if velocities do not change (`v2xsim.comms.relay.lifetime`).

        A hop ends at the first of `range_m`, a building of the map and a known vehicle that comes between its ends.
        """
        hops = (self.requester_hops, self.helper_hops)
        return np.stack([lifetimes_s(one, self.bodies, self.obstacles, self.range_m) for one in hops], axis=1)

    @LockedProperty
    def height(self) -> Float[np.ndarray, " candidates"]:
        """Height term of each candidate: the clearance of its worse hop, graded (`graded`), -1 to 1."""
        return graded(self.clearance.min(axis=1, initial=np.inf))

    @LockedProperty
    def margin_db(self) -> Float[np.ndarray, "candidates 2"]:
        """Measured SNR of the hops to requester and helper above `least_snr_db`; below 0 if the hop is too weak."""
        return np.stack([self.to_requester.snr_db, self.to_helper.snr_db], axis=1) - self.least_snr_db

    @LockedProperty
    def margin_ahead_db(self) -> Float[np.ndarray, "candidates 2"]:
        """Least SNR of the hops to requester and helper above `least_snr_db` during the next second.

        The SNR ahead is the measured one, changed as `outlook` changes. So a hop round a corner that works now counts as working, and gets
        worse where its way becomes longer or a known vehicle comes between.
        """
        if len(self.pair) == 0:
            return np.zeros((0, 2))
        ahead_db = self.outlook(_AHEAD_S, self.counts_detected)
        with np.errstate(invalid="ignore"):
            margin_db = self.margin_db + ahead_db - ahead_db[0]
        least_db: np.ndarray = np.where(np.isnan(margin_db), -np.inf, margin_db).min(axis=0)
        return least_db

    @LockedProperty
    def mobility(self) -> Float[np.ndarray, " candidates"]:
        """Mobility term of each candidate: the margin ahead of its worse hop in units of 10 dB, graded (`graded`), -1 to 1."""
        return graded(self.margin_ahead_db.min(axis=1, initial=np.inf) / USUAL_MARGIN_DB)

    @LockedProperty
    def mobility_now(self) -> Float[np.ndarray, " candidates"]:
        """The mobility term without a look ahead: the present margin of the worse hop in units of 10 dB, graded, -1 to 1."""
        now_db = np.where(np.isnan(self.margin_db), -np.inf, self.margin_db)
        return graded(now_db.min(axis=1, initial=np.inf) / USUAL_MARGIN_DB)

    @LockedProperty
    def load(self) -> Float[np.ndarray, " candidates"]:
        """Load term of each candidate: the busy ratio of the channel around it, 0 to 1."""
        return self.candidate.busy_share

    @LockedProperty
    def with_announced_bodies(self) -> "RelayView":
        """The same pairs and candidates, for a station that knows only the vehicles that announced themselves."""
        return replace(self, bodies=self.bodies.only_announced(), counts_detected=False)

    @LockedProperty
    def weaker_delivery(self) -> Float[np.ndarray, " candidates"]:
        """Delivery of the worse of the two hops through each candidate, 0 to 1."""
        return np.minimum(self.to_requester.delivery, self.to_helper.delivery)

    @LockedProperty
    def weaker_snr_db(self) -> Float[np.ndarray, " candidates"]:
        """Measured SNR of the worse of the two hops through each candidate; minus infinity if that of a hop is unknown."""
        return np.minimum(self.to_requester.snr_db, self.to_helper.snr_db)

    @LockedProperty
    def uniform(self) -> Float[np.ndarray, " candidates"]:
        """A uniform random number in (0, 1) for each pair and candidate, from the seed of the run."""
        return self.draw()


class RelayRule(Part):
    """Base of relay rules.

    Attributes:
        relays: Whether the rule chooses relays at all (False switches relaying off).
        repeats: Whether, instead, packets of a weak direct link may be sent as often as a relayed path would send them.
        hysteresis: Difference in score, in the unit of the rule's score, by which another station must exceed the present
            relay to replace it; our addition, to avoid frequent changes.
    """

    kind = Kind("relay rule", "rule", ("score",), "v2xsim.comms.relay.rules")
    relays: ClassVar[bool] = True
    repeats: ClassVar[bool] = False
    hysteresis: ClassVar[Annotated[float, AtLeast(0)]] = 0.1

    @property
    def copies(self) -> int:
        """Number of stations that forward each packet, at least 1: the ones with the highest scores."""
        return 1

    def score(self, view: RelayView) -> Float[np.ndarray, " candidates"]:
        """Return a score for each candidate; of the candidates of a pair, the one with the highest score relays.

        Of equal scores, the one with the larger `RelayView.uniform` relays. A candidate with the score `NEVER` does not relay.
        """
        raise NotImplementedError
