"""Choice of relays for pairs of an ego and a helper whose direct link is too weak."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float

from v2xsim.comms.access.scheme import error_points_of
from v2xsim.comms.channel.path_loss.model import range_of
from v2xsim.comms.phy.error_points import snr_needed_db
from v2xsim.comms.phy.noise import noise_dbm
from v2xsim.comms.relay.choice import chosen_relays, usable_stations
from v2xsim.comms.relay.rule import RelayView
from v2xsim.engine.stations.contents import NOBODY
from v2xsim.engine.stations.own_state import OwnStates
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

    def replan(self, states: OwnStates, delivery: Float[np.ndarray, "stations stations"], frame_us: int) -> None:
        """Choose the relays that are used from now on.

        Args:
            states: State of each station as the station itself knows it.
            delivery: Predicted probability that a data packet crosses each link, 0 to 1; symmetric.
            frame_us: Capture time of the frames for which egos ask, recorded with the choice.
        """
        self.plan = plan_relays(self.plan, states, delivery, self._obstacles, self._rule, self._radio, self._streams)
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
    delivery: Float[np.ndarray, "stations stations"],
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
        delivery: Predicted probability that a data packet crosses each link, 0 to 1; symmetric.
        obstacles: Buildings of the map.
        rule: Section `cooperation` of the scenario.
        radio: Section `radio` of the scenario.
        streams: Random streams, for relay rules that draw.
    """
    # A relay needs at least three stations: an ego, a helper and a third one.
    if not rule.relay.relays or len(states) < 3:
        return RelayPlan.none()
    antenna_m = np.column_stack([states.pose[:, :2], states.antenna_height_m])
    # Helpers farther away are not considered: their matrices overlap the ego's little or not at all.
    reach_m = 2.0 * rule.matrix.extent_m
    gap_m = antenna_m[:, None, :2] - antenna_m[None, :, :2]
    near: Bool[np.ndarray, "stations stations"] = np.hypot(gap_m[..., 0], gap_m[..., 1]) < reach_m
    needs_relay = near & states.ego[:, None] & (states.lidars > 0)[None, :] & (delivery < rule.min_delivery)
    # No station sends requests to itself.
    np.fill_diagonal(needs_relay, False)
    egos, helpers = (rows.astype(np.int64) for rows in np.nonzero(needs_relay))
    if len(egos) == 0:
        return RelayPlan.none()
    pairs = [(int(states.agent[i]), int(states.agent[j])) for i, j in zip(egos, helpers, strict=True)]
    relay_before = np.array([states.index(before.relay_of(*pair)) for pair in pairs], np.int64)

    def draw() -> Float[np.ndarray, "pairs stations"]:
        ego, helper, candidate = np.broadcast_arrays(
            states.agent[egos][:, None], states.agent[helpers][:, None], states.agent[None, :]
        )
        numbers = streams.uniforms("relay", ego.ravel(), helper.ravel(), candidate.ravel())
        return numbers.reshape(ego.shape)

    vehicles = np.flatnonzero(states.is_vehicle)
    body = np.full(len(states), -1, np.int64)
    body[vehicles] = np.arange(len(vehicles))
    view = RelayView(
        egos, helpers, usable_stations(egos, helpers, delivery, rule.min_delivery), states.agent, antenna_m,
        states.velocity_mps, delivery, rule.min_delivery, body,
        Boxes(states.pose[vehicles, :3], states.size_m[vehicles], states.pose[vehicles, 3]), obstacles, radio.carrier_ghz,
        _usable_range_m(rule, radio), draw,
    )  # fmt: skip
    chosen = chosen_relays(rule.relay, view, relay_before)
    return RelayPlan({
        pair: ChosenRelay(
            int(states.agent[row]) if row >= 0 else NOBODY, float(chosen.height[k]), float(chosen.mobility[k]),
            float(chosen.score[k]), float(delivery[egos[k], helpers[k]]),
        )
        for k, (pair, row) in enumerate(zip(pairs, chosen.relay.tolist(), strict=True))
    })  # fmt: skip


def _usable_range_m(rule: Cooperation, radio: Radio) -> float:
    """Return the distance up to which a link without obstacles reaches the required delivery."""
    # For a required delivery of exactly 1, the range from the error curve would be zero.
    weakest_dbm = noise_dbm(radio.bandwidth_mhz, radio.noise_figure_db) + snr_needed_db(
        min(rule.min_delivery, 0.99), error_points_of(radio.access, radio.mcs, radio.bandwidth_mhz)
    )
    eirp_dbm = radio.tx_power_dbm + 2.0 * radio.antenna_gain_dbi
    return range_of(radio.channel, eirp_dbm - weakest_dbm, radio.carrier_ghz)
