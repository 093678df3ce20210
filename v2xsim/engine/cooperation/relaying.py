"""Choice of relays for pairs of an ego and a helper whose direct link is too weak."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int64

from v2xsim.comms.access.scheme import error_points_of
from v2xsim.comms.channel.neighbours import neighbours
from v2xsim.comms.channel.path_loss.model import range_of
from v2xsim.comms.phy.error_points import snr_needed_db
from v2xsim.comms.phy.noise import noise_dbm
from v2xsim.comms.relay.choice import chosen_relays, usable_stations
from v2xsim.comms.relay.links import LinkDelivery
from v2xsim.comms.relay.rule import RelayView
from v2xsim.engine.stations.contents import NOBODY
from v2xsim.engine.stations.own_state import OwnStates, rows_of
from v2xsim.records import Boxes, Obstacles
from v2xsim.results.tables import Columns
from v2xsim.scenario.schema import Cooperation
from v2xsim.scenario.schema_radio import Radio
from v2xsim.streams import Streams


@dataclass(frozen=True)
class ChosenRelay:
    """The relay between one ego and one helper whose direct link is too weak.

    Attributes:
        relay: Agent id of the station that forwards messages, NOBODY if no station qualifies.
        height: Height term of the relay's score, -1 to 1; NaN if the relay rule has no such term.
        mobility: Mobility term of the relay's score, 0 to 1; NaN if the relay rule has no such term.
        score: Score of the relay under the relay rule; higher is better.
        delivery: Predicted probability that a data packet crosses the direct link, 0 to 1.
    """

    relay: int
    height: float
    mobility: float
    score: float
    delivery: float


@dataclass(frozen=True)
class RelayPlan:
    """The relays in use at one tick, one for each pair of ego and helper that needs one."""

    choices: dict[tuple[int, int], ChosenRelay]

    @staticmethod
    def none() -> "RelayPlan":
        """Return a plan without relays."""
        return RelayPlan({})

    @cached_property
    def forwarders(self) -> dict[int, set[int]]:
        """Agent ids of the relays that forward each helper's announcements to egos beyond the helper's own range."""
        forwarders: dict[int, set[int]] = {}
        for (_, helper), choice in self.choices.items():
            if choice.relay != NOBODY:
                forwarders.setdefault(helper, set()).add(choice.relay)
        return forwarders

    def relay_of(self, ego: int, helper: int) -> int:
        """Return the agent id of the relay between an ego and a helper; NOBODY if they have none."""
        choice = self.choices.get((ego, helper))
        return NOBODY if choice is None else choice.relay

    def relays_of(
        self, ego: Int64[np.ndarray, " pairs"], helper: Int64[np.ndarray, " pairs"]
    ) -> Int64[np.ndarray, " pairs"]:
        """Return the agent id of the relay of each pair; NOBODY if it has none."""
        pairs = zip(ego.tolist(), helper.tolist(), strict=True)
        return np.array([self.relay_of(*pair) for pair in pairs], np.int64)


class Relaying:
    """Keeps the relays in use, and chooses them again each time before egos send requests.

    Args:
        obstacles: Buildings of the map.
        rule: Section `cooperation` of the scenario.
        radio: Section `radio` of the scenario.
        streams: Random streams, for relay rules that draw.
        table: Table in which the chosen relays are recorded.
    """

    def __init__(self, obstacles: Obstacles, rule: Cooperation, radio: Radio, streams: Streams, table: Columns) -> None:
        self._obstacles, self._rule, self._radio, self._streams, self._table = obstacles, rule, radio, streams, table
        self.plan = RelayPlan.none()

    def replan(
        self, states: OwnStates, delivery: LinkDelivery, predict: Callable[[], LinkDelivery], frame_us: int
    ) -> None:
        """Choose the relays that are used from now on.

        Args:
            states: State of each station as the station itself knows it.
            delivery: Predicted delivery of the links of stations with lidars.
            predict: Function that returns the predicted delivery of all links.
            frame_us: Capture time of the frames for which egos ask, recorded with the choice.
        """
        self.plan = plan_relays(
            self.plan, states, delivery, predict, self._obstacles, self._rule, self._radio, self._streams
        )
        pairs, choices = list(self.plan.choices), list(self.plan.choices.values())
        if pairs:
            self._table.add(
                time_us=frame_us, requester=np.array([ego for ego, _ in pairs]),
                helper=np.array([helper for _, helper in pairs]), relay=np.array([c.relay for c in choices]),
                height=np.array([c.height for c in choices]), mobility=np.array([c.mobility for c in choices]),
                score=np.array([c.score for c in choices]), delivery=np.array([c.delivery for c in choices]),
            )  # fmt: skip


def plan_relays(
    before: RelayPlan,
    states: OwnStates,
    delivery: LinkDelivery,
    predict: Callable[[], LinkDelivery],
    obstacles: Obstacles,
    rule: Cooperation,
    radio: Radio,
    streams: Streams,
) -> RelayPlan:
    """Return a relay for every pair of ego and helper whose direct link is too weak.

    The inputs are the map and data that stations announce or measure: position, antenna height, velocity and size of each
    station, and the quality of the links on which it hears others. The plan is made once for all stations, as if the
    data, with exact velocities, reached all stations at once. No real station would know all of this.

    Args:
        before: The plan of the tick before; a relay in use is kept unless another one is clearly better.
        states: State of each station as the station itself knows it.
        delivery: Predicted delivery of the links of stations with lidars.
        predict: Function that returns the predicted delivery of all links, for relay rules that read it.
        obstacles: Buildings of the map.
        rule: Section `cooperation` of the scenario.
        radio: Section `radio` of the scenario.
        streams: Random streams, for relay rules that draw.
    """
    # A relay needs at least three stations: an ego, a helper and a third one.
    if not rule.relay.relays or len(states) < 3:
        return RelayPlan.none()
    # Helpers farther away are not considered: their matrices overlap the ego's little or not at all.
    egos, helpers = _near(states, 2.0 * rule.matrix.extent_m)
    direct = delivery.between(egos, helpers)
    is_weak = direct < rule.min_delivery
    egos, helpers, direct = egos[is_weak], helpers[is_weak], direct[is_weak]
    if len(egos) == 0:
        return RelayPlan.none()
    pairs = list(zip(states.agent[egos].tolist(), states.agent[helpers].tolist(), strict=True))
    # A relay rule reads the stations that may relay, and not thousands that no pair reaches.
    is_read = delivery.reached(egos, helpers, rule.min_delivery)
    is_read[egos] = is_read[helpers] = True
    rows = np.flatnonzero(is_read)
    requester, helper = np.searchsorted(rows, egos), np.searchsorted(rows, helpers)
    links, agent = delivery.among(rows), states.agent[rows]

    def draw() -> Float[np.ndarray, "pairs stations"]:
        keys = np.broadcast_arrays(agent[requester][:, None], agent[helper][:, None], agent[None, :])
        return streams.uniforms("relay", *(key.ravel() for key in keys)).reshape(keys[0].shape)

    vehicles = np.flatnonzero(states.is_vehicle)
    body = np.full(len(states), -1, np.int64)
    body[vehicles] = np.arange(len(vehicles))
    view = RelayView(
        requester, helper, usable_stations(requester, helper, links, rule.min_delivery), agent,
        np.column_stack([states.pose[rows, :2], states.antenna_height_m[rows]]), states.velocity_mps[rows], links,
        rule.min_delivery, body[rows], Boxes(states.pose[vehicles, :3], states.size_m[vehicles], states.pose[vehicles, 3]),
        obstacles, radio.carrier_ghz, _usable_range_m(rule, radio), draw, lambda: predict().among(rows).square(),
    )  # fmt: skip
    relay_before = rows_of(agent, before.relays_of(states.agent[egos], states.agent[helpers]))
    chosen = chosen_relays(rule.relay, view, relay_before)
    relay = np.where(chosen.relay >= 0, agent[chosen.relay], NOBODY)
    terms = (chosen.height.tolist(), chosen.mobility.tolist(), chosen.score.tolist(), direct.tolist())
    return RelayPlan({
        pair: ChosenRelay(*values) for pair, *values in zip(pairs, relay.tolist(), *terms, strict=True)
    })  # fmt: skip


def _near(states: OwnStates, reach_m: float) -> tuple[Int64[np.ndarray, " pairs"], Int64[np.ndarray, " pairs"]]:
    """Return the rows of all pairs of an ego and another station with a lidar that are closer than a distance."""
    has_lidar = states.lidars > 0
    rows = np.flatnonzero(has_lidar | states.ego)
    place_m = states.pose[rows, :2]
    # Slightly more than the distance, with which the pairs are compared below, because of rounding errors.
    near = neighbours(place_m, reach_m * (1.0 + 1e-6))
    one, other = np.repeat(np.arange(len(rows)), np.diff(near.offset)), near.other
    gap_m = place_m[one] - place_m[other]
    wanted = states.ego[rows[one]] & has_lidar[rows[other]] & (np.hypot(gap_m[:, 0], gap_m[:, 1]) < reach_m)
    return rows[one[wanted]], rows[other[wanted]]


def _usable_range_m(rule: Cooperation, radio: Radio) -> float:
    """Return the distance up to which a link without obstacles reaches the required delivery."""
    # For a required delivery of exactly 1, the range from the error curve would be zero.
    weakest_dbm = noise_dbm(radio.bandwidth_mhz, radio.noise_figure_db) + snr_needed_db(
        min(rule.min_delivery, 0.99), error_points_of(radio.access, radio.mcs, radio.bandwidth_mhz)
    )
    eirp_dbm = radio.tx_power_dbm + 2.0 * radio.antenna_gain_dbi
    return range_of(radio.channel, eirp_dbm - weakest_dbm, radio.carrier_ghz)
