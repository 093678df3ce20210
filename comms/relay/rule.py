"""The interface of relay rules: a rule gives a score to each station that could forward messages for a pair.

Each built-in rule is one file in `rules`. `hybrid` is our reading of the abstract of *NLOS Dies Twice* (arXiv
2307.06615), whose full text was not available to us. The terms that it combines are properties of `RelayView`, so that
other rules can use them too.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from jaxtyping import Bool, Float, Int64

from v2xsim.comms.relay.lifetime import WANTED_S, link_expiration_s
from v2xsim.comms.relay.links import LinkDelivery
from v2xsim.part_answers import LockedProperty
from v2xsim.parts import AtLeast, Kind, Part
from v2xsim.records import Boxes, Obstacles


@dataclass(frozen=True)
class RelayView:
    """Input of relay rules: the state of stations, what they measured on each other's packets, and the map.

    The stations are those that are one of a pair or qualify as its relay.

    The states are those of this moment, with exact velocities, as if announcements arrived at once and without loss. A
    single station could not know all of this.

    Attributes:
        requester: Row of the station that requests data, for each pair that cannot reach each other well enough.
        helper: Row of the station that should send the data, for each pair.
        usable: Whether each station qualifies as the relay of each pair: the delivery of both hops is at least
            `min_delivery`, and the station is not one of the pair.
        agent: Identity of each station, in rising order.
        antenna_m: Position of each station's antenna in the world, where the station believes it is at this moment; the
            third column is the height above ground.
        velocity_mps: Velocity of each station over ground, exact.
        links: Predicted delivery of the links of requesters and helpers.
        min_delivery: Least delivery probability of a usable link, 0 to 1.
        body: Row in `boxes` of each station's body; -1 for a roadside unit.
        boxes: Bounding boxes of all vehicles that are stations.
        obstacles: Buildings of the map.
        carrier_ghz: Centre frequency of the channel.
        range_m: Distance up to which a link with nothing in its way is usable.
        draw: Function that returns a uniform random number in (0, 1) for each pair and station; for the same pair and
            station it is the same during the whole run.
        predict: Function that returns `delivery`.
    """

    requester: Int64[np.ndarray, " pairs"]
    helper: Int64[np.ndarray, " pairs"]
    usable: Bool[np.ndarray, "pairs stations"]
    agent: Int64[np.ndarray, " stations"]
    antenna_m: Float[np.ndarray, "stations 3"]
    velocity_mps: Float[np.ndarray, "stations 2"]
    links: LinkDelivery
    min_delivery: float
    body: Int64[np.ndarray, " stations"]
    boxes: Boxes
    obstacles: Obstacles
    carrier_ghz: float
    range_m: float
    draw: Callable[[], Float[np.ndarray, "pairs stations"]]
    predict: Callable[[], Float[np.ndarray, "stations stations"]]

    @property
    def shape(self) -> tuple[int, int]:
        """Number of pairs and number of stations: the shape of the array of scores."""
        return len(self.requester), len(self.agent)

    @property
    def roadside(self) -> Bool[np.ndarray, " stations"]:
        """Whether each station is a roadside unit."""
        units: np.ndarray = self.body < 0
        return units

    @LockedProperty
    def delivery(self) -> Float[np.ndarray, "stations stations"]:
        """Predicted probability that a data packet crosses each link, 0 to 1; symmetric."""
        return self.predict()

    @LockedProperty
    def distance_m(self) -> Float[np.ndarray, "stations stations"]:
        """Horizontal distance between any two stations."""
        offset = self.antenna_m[None, :, :2] - self.antenna_m[:, None, :2]
        distance: np.ndarray = np.hypot(offset[..., 0], offset[..., 1])
        return distance

    @LockedProperty
    def clearance(self) -> Float[np.ndarray, "stations stations"]:
        """Clearance of each link over the worst vehicle, in radii of the first Fresnel zone, -1 to 1; -1 behind a building."""
        # Imported here, so that a scenario can be checked without loading compiled kernels.
        from v2xsim.comms.relay.clearance import clearance_margin

        return clearance_margin(self.antenna_m, self.body, self.boxes, self.obstacles, self.carrier_ghz)

    @LockedProperty
    def lifetime_s(self) -> Float[np.ndarray, "stations stations"]:
        """How long each link stays within `range_m` if the velocities do not change; 0 if it is longer than `range_m` now.

        The time is infinite if the two stations are within range and do not move relative to each other.
        """
        offset = self.antenna_m[None, :, :2] - self.antenna_m[:, None, :2]
        return link_expiration_s(offset, self.velocity_mps[None] - self.velocity_mps[:, None], self.range_m)

    @LockedProperty
    def height(self) -> Float[np.ndarray, "pairs stations"]:
        """Height term of each candidate: the clearance of its worse hop, -1 to 1; -1 for stations that are not usable."""
        from v2xsim.comms.relay.clearance import clearances

        # Only the hops through usable stations: there are far fewer of them than links between all stations.
        pair, station = np.nonzero(self.usable)
        hop = np.concatenate([self.requester[pair], self.helper[pair]]), np.concatenate([station, station])
        ends, index = np.unique(np.stack([np.minimum(*hop), np.maximum(*hop)]), axis=1, return_inverse=True)
        clearance = clearances(
            ends[0], ends[1], self.antenna_m, self.body, self.boxes, self.obstacles, self.carrier_ghz
        )[index.ravel()]
        term = np.full(self.shape, -1.0)
        term[pair, station] = np.minimum(clearance[: len(pair)], clearance[len(pair) :])
        return term

    @LockedProperty
    def mobility(self) -> Float[np.ndarray, "pairs stations"]:
        """Mobility term of each candidate: the lifetime of its shorter-lived hop divided by 5 s, limited to 0 to 1."""
        shorter_s = np.minimum(self._lifetimes_s(self.requester), self._lifetimes_s(self.helper))
        term: np.ndarray = np.clip(shorter_s / WANTED_S, 0.0, 1.0)
        return term

    def _lifetimes_s(self, end: Int64[np.ndarray, " pairs"]) -> Float[np.ndarray, "pairs stations"]:
        """Return how long the link of each station with one station of each pair lasts, as in `lifetime_s`."""
        offset = self.antenna_m[None, :, :2] - self.antenna_m[end, None, :2]
        return link_expiration_s(offset, self.velocity_mps[None] - self.velocity_mps[end, None], self.range_m)

    @LockedProperty
    def weaker_delivery(self) -> Float[np.ndarray, "pairs stations"]:
        """Predicted delivery probability of the worse of the two hops through each candidate, 0 to 1."""
        return self.links.weaker(self.requester, self.helper)

    @LockedProperty
    def uniform(self) -> Float[np.ndarray, "pairs stations"]:
        """A uniform random number in (0, 1) for each pair and station, from the seed of the run."""
        return self.draw()


class RelayRule(Part):
    """Base of relay rules.

    Attributes:
        relays: Whether the rule chooses relays at all (False switches relaying off).
        hysteresis: Difference in score by which another station must exceed the present relay to replace it; our
            addition, to avoid frequent changes.
    """

    kind = Kind("relay rule", "rule", ("score",), "v2xsim.comms.relay.rules")
    relays: ClassVar[bool] = True
    hysteresis: ClassVar[Annotated[float, AtLeast(0)]] = 0.1

    def score(self, view: RelayView) -> Float[np.ndarray, "pairs stations"]:
        """Return a score for each pair and station; of the usable stations, the one with the highest score relays.

        Of equal scores, the lowest row wins. Scores of stations that are not usable are ignored, but must be numbers.
        """
        raise NotImplementedError
