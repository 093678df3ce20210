"""Which station passes on for whom: relays for pairs of an ego and a helper that cannot reach each other directly."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int64

from v2xsim.comms.channel.path_loss.model import range_of
from v2xsim.comms.phy.error_rate import snr_needed_db
from v2xsim.comms.phy.noise import noise_dbm
from v2xsim.comms.relay.choice import chosen_relays, usable_stations
from v2xsim.comms.relay.rule import RelayView
from v2xsim.engine.channel.messages import NOBODY
from v2xsim.engine.stations.fleet import Fleet
from v2xsim.records import Boxes, Obstacles
from v2xsim.scenario.schema import Cooperation
from v2xsim.scenario.schema_radio import Radio
from v2xsim.streams import Streams


@dataclass(frozen=True)
class RelayPlan:
    """The relays of one tick.

    Attributes:
        relay_of: Relay by pair of ego and helper; NOBODY where no station qualifies.
        forwards: Stations that pass on the awareness messages of an origin.
        height: Height term of each choice, NaN without one.
        mobility: Mobility term.
        score: Score under the rule.
    """

    relay_of: dict[tuple[int, int], int]
    forwards: dict[int, set[int]]
    height: dict[tuple[int, int], float]
    mobility: dict[tuple[int, int], float]
    score: dict[tuple[int, int], float]

    @staticmethod
    def none() -> "RelayPlan":
        """Return a plan without relays."""
        return RelayPlan({}, {}, {}, {}, {})


def plan_relays(
    before: RelayPlan,
    fleet: Fleet,
    believed_antenna_m: Float[np.ndarray, "stations 3"],
    delivery: Float[np.ndarray, "stations stations"],
    announced: Boxes,
    body: Int64[np.ndarray, " stations"],
    obstacles: Obstacles,
    rule: Cooperation,
    radio: Radio,
    streams: Streams,
) -> RelayPlan:
    """Return the relay of every ego and helper that cannot reach each other well enough.

    It is worked out from what stations announce: where they are, how high their antennas are, how they move, whom they
    hear and how well, the bodies that announced themselves, and the map. It is computed once for all stations, as if all of
    this, exact velocities included, reached everybody at once: no station knows as much.

    Args:
        before: The plan of the tick before, for the hysteresis.
        fleet: Stations; only announced quantities of it are read.
        believed_antenna_m: Where stations say their antennas are.
        delivery: Predicted delivery of each link from measured SNR.
        announced: Bodies of the vehicles that are stations.
        body: Row of `announced` of each station, -1 for roadside units.
        obstacles: Buildings of the map.
        rule: The scenario's section.
        radio: The scenario's section.
        streams: For rules that draw.
    """
    if not rule.relay.relays or len(fleet) < 3:
        return RelayPlan.none()
    reach_m = 2.0 * rule.matrix.extent_m
    gap = believed_antenna_m[:, None, :2] - believed_antenna_m[None, :, :2]
    near: Bool[np.ndarray, "stations stations"] = np.hypot(gap[..., 0], gap[..., 1]) < reach_m
    wanted = near & fleet.ego[:, None] & (fleet.lidars > 0)[None, :] & (delivery < rule.min_delivery)
    np.fill_diagonal(wanted, False)
    egos, helpers = (rows.astype(np.int64) for rows in np.nonzero(wanted))
    if len(egos) == 0:
        return RelayPlan.none()
    keys = [(int(fleet.agent[i]), int(fleet.agent[j])) for i, j in zip(egos, helpers, strict=True)]
    previous = np.array([fleet.index(before.relay_of.get(key, NOBODY)) for key in keys], np.int64)

    def draw() -> Float[np.ndarray, "pairs stations"]:
        asker, asked, candidate = np.broadcast_arrays(
            fleet.agent[egos][:, None], fleet.agent[helpers][:, None], fleet.agent[None, :]
        )
        numbers = streams.uniforms("relay", asker.ravel(), asked.ravel(), candidate.ravel())
        return numbers.reshape(asker.shape)

    view = RelayView(
        egos, helpers, usable_stations(egos, helpers, delivery, rule.min_delivery), fleet.agent, believed_antenna_m,
        fleet.velocity_mps, delivery, rule.min_delivery, body, announced, obstacles, radio.carrier_ghz,
        _usable_range_m(rule, radio), draw,
    )  # fmt: skip
    chosen = chosen_relays(rule.relay, view, previous)
    plan = RelayPlan.none()
    for k, key in enumerate(keys):
        row = int(chosen.relay[k])
        plan.relay_of[key] = int(fleet.agent[row]) if row >= 0 else NOBODY
        plan.height[key], plan.mobility[key] = float(chosen.height[k]), float(chosen.mobility[k])
        plan.score[key] = float(chosen.score[k])
        if row >= 0:
            plan.forwards.setdefault(key[1], set()).add(int(fleet.agent[row]))
    return plan


def _usable_range_m(rule: Cooperation, radio: Radio) -> float:
    """Return the distance up to which a clear link delivers well enough."""
    weakest_dbm = noise_dbm(radio.bandwidth_mhz, radio.noise_figure_db) + snr_needed_db(
        min(rule.min_delivery, 0.99), radio.mcs, radio.bandwidth_mhz
    )
    eirp_dbm = radio.tx_power_dbm + 2.0 * radio.antenna_gain_dbi
    return range_of(radio.channel, eirp_dbm - weakest_dbm, radio.carrier_ghz)
