"""How often a helper that is worth asking is out of reach, and how often a relay would reach it: the truth of a scenario.

Nothing here is known to any station. No message is sent, so no relay rule, access scheme or load matters.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int64

from v2xsim.engine.channel.true_delivery import TrueDelivery
from v2xsim.engine.simulation import Simulation
from v2xsim.engine.stations.frame import Frame
from v2xsim.engine.stations.roster import Roster
from v2xsim.errors import UserError
from v2xsim.mobility.base import Names
from v2xsim.mobility.source import extra_buildings, named_roads, open_mobility, roads_of_run
from v2xsim.perception.matching.gain import gains
from v2xsim.perception.matching.matrix import shifted
from v2xsim.records import NLOSB, NLOSV, UNOBSERVED
from v2xsim.scenario import Scenario
from v2xsim.streams import Streams
from v2xsim.world.buildings import load_obstacles

USEFUL_GAIN = 0.05
"""A helper is useful if its view fills at least this share of the ego's blind zone, weighted by relevance."""

ALIVE = 0.7
"""Delivery from which a path counts as alive: the default of `cooperation.min_delivery`."""

FAMILIES = (
    "nlos_grid", "t_junction", "t_junction_rsu", "overtaking", "motorway", "crowded", "hidden_grid", "rural_trucks",
)  # fmt: skip
"""The packaged scenarios of the table in docs/nlos.md."""

_TRUE_VIEWS = {
    "cooperation.fusion": "late", "cooperation.transport": "synchronous", "record.clouds_every_s": 0, "errors.gnss_sigma_m": 0,
    "errors.heading_sigma_deg": 0, "errors.clock_sigma_ms": 0,
}  # fmt: skip


@dataclass
class Pairs:
    """Pairs of an ego and a useful helper, one entry for each pair and instant.

    Attributes:
        direct: True delivery of the direct link.
        best: Product of the deliveries of the two hops over the best relay.
        candidates: Number of stations over which this product is alive.
        state: State of the direct link: LOS, NLOSV or NLOSB; -1 beyond the radio range.
        distance_m: Distance between ego and helper.
    """

    direct: list[Float[np.ndarray, " pairs"]] = field(default_factory=list)
    best: list[Float[np.ndarray, " pairs"]] = field(default_factory=list)
    candidates: list[Int64[np.ndarray, " pairs"]] = field(default_factory=list)
    state: list[Int64[np.ndarray, " pairs"]] = field(default_factory=list)
    distance_m: list[Float[np.ndarray, " pairs"]] = field(default_factory=list)


@dataclass(frozen=True)
class SituationRow:
    """What relays could do in one scenario; shares are 0 to 1, means over the seeds, and None where there is nothing to share.

    Attributes:
        scenario: Name of the scenario.
        seeds: Number of runs, each with a seed of its own.
        useful_s: Ego-helper-seconds in which the helper is useful, per run.
        dead: Share of these in which the direct link is dead.
        behind_building: Share of the dead ones whose direct link a building blocks.
        behind_vehicle: Share of the dead ones whose direct link a vehicle blocks, and no building.
        relayable: Share of the useful ego-helper-seconds that are dead directly and alive over two hops.
        relayable_least: Smallest such share of a run.
        relayable_most: Largest such share of a run.
        choice: Share of the relayable ones with two or more candidates.
        choice_least: Smallest such share of a run.
        choice_most: Largest such share of a run.
        distance_m: Mean distance between ego and helper of the relayable ones.
    """

    scenario: str
    seeds: int
    useful_s: float
    dead: float | None
    behind_building: float | None
    behind_vehicle: float | None
    relayable: float | None
    relayable_least: float | None
    relayable_most: float | None
    choice: float | None
    choice_least: float | None
    choice_most: float | None
    distance_m: float | None


class _Watched(Simulation):
    """A simulation that records useful pairs instead of sending requests."""

    pairs: Pairs
    delivery: TrueDelivery

    def _match(self, frame_us: int) -> None:
        states, now_us, links = self.instant.states, self.clock.now_us, self.instant.links
        newest = [self.stations.detected_frame(agent, now_us) for agent in states.agent[states.lidars > 0].tolist()]
        frames = [frame for frame in newest if frame is not None and frame.time_us == frame_us]
        square = self.delivery.square(links)
        row_of = {agent: row for row, agent in enumerate(links.agent.tolist())}
        for ego in frames:
            if not states.ego[states.index(ego.agent)]:
                continue
            helpers = self._useful(ego, [frame for frame in frames if frame.agent != ego.agent])
            e, rows = row_of[ego.agent], np.array([row_of[helper.agent] for helper in helpers], np.int64)
            if len(rows) == 0:
                continue
            hops = square[e][None, :] * square[rows]
            # Neither end relays for itself.
            hops[:, e] = 0.0
            hops[np.arange(len(rows)), rows] = 0.0
            pair = links.pair(e, rows)
            gap_m = links.antenna_m[rows, :2] - links.antenna_m[e, :2]
            self.pairs.direct.append(square[e, rows])
            self.pairs.best.append(hops.max(axis=1))
            self.pairs.candidates.append((hops >= ALIVE).sum(axis=1))
            self.pairs.state.append(np.where(pair >= 0, links.state[pair], -1).astype(np.int64))
            self.pairs.distance_m.append(np.hypot(gap_m[:, 0], gap_m[:, 1]))

    def _useful(self, ego: Frame, others: Sequence[Frame]) -> list[Frame]:
        """Return the frames of other stations that fill enough of the blind zone of an ego."""
        if not others:
            return []
        shape = ego.matrix.code.shape
        seen = np.stack([shifted(other.matrix, ego.matrix.lower, shape) != UNOBSERVED for other in others])
        gain = gains(self._blind_zones.of(ego).weight, seen, np.zeros(shape, bool))
        return [other for other, value in zip(others, gain.tolist(), strict=True) if value >= USEFUL_GAIN]


def watched(scenario: Scenario) -> Pairs:
    """Run a scenario without messages, and return all pairs of an ego and a useful helper.

    Errors of poses and clocks are switched off: the views are those that the stations truly have.
    """
    if scenario.radio.access.ideal:
        raise UserError(
            f"{scenario.name}: radio.access must be a scheme with a channel, got ideal; over it, every link is alive"
        )
    scenario = scenario.with_(_TRUE_VIEWS)
    names = Names()
    for unit in scenario.stations.roadside:
        names.register(unit.id, "a roadside unit")
    obstacles, _ = load_obstacles(scenario.world, extra_buildings(scenario.traffic))
    with open_mobility(scenario.traffic, scenario.run, names) as mobility:
        mobility.warm_up(round(scenario.run.begin_s * 1e6), lambda _: None)
        roads = roads_of_run(named_roads(scenario.world), mobility)
        roster = Roster(scenario, Streams(scenario.run.seed), names.register, names.name_of)
        simulation = _Watched(scenario, mobility, obstacles, roster, 2, names=names, roads=roads)
        simulation.pairs, simulation.delivery = Pairs(), TrueDelivery(scenario.radio)
        simulation.run()
    return simulation.pairs


def situation_rows(scenarios: Sequence[Scenario], seeds: int = 3) -> Iterator[SituationRow]:
    """Yield the row of each scenario, from runs with the seeds 1, 2, and so on."""
    for scenario in scenarios:
        runs = [
            shares_of(watched(scenario.with_({"run.seed": seed})), scenario.run.step_s) for seed in range(1, seeds + 1)
        ]
        columns = {
            name: [value for run in runs if (value := getattr(run, name)) is not None]
            for name in Shares.__dataclass_fields__
        }
        mean = {name: float(np.mean(values)) if values else None for name, values in columns.items()}
        spread = {
            f"{name}_{word}": extreme(columns[name]) if columns[name] else None
            for name in ("relayable", "choice") for word, extreme in (("least", min), ("most", max))
        }  # fmt: skip
        yield SituationRow(scenario.name, seeds, **(mean | spread))


@dataclass(frozen=True)
class Shares:
    """What relays could do in one run; attributes as in `SituationRow`."""

    useful_s: float
    dead: float | None = None
    behind_building: float | None = None
    behind_vehicle: float | None = None
    relayable: float | None = None
    choice: float | None = None
    distance_m: float | None = None


def shares_of(pairs: Pairs, step_s: float) -> Shares:
    """Return the shares of one run; a share of nothing is None.

    Args:
        pairs: Pairs of the run.
        step_s: Time between two instants.
    """
    if not pairs.direct:
        return Shares(0.0)
    direct, best, candidates, state, distance_m = (
        np.concatenate(rows) for rows in (pairs.direct, pairs.best, pairs.candidates, pairs.state, pairs.distance_m)
    )
    dead = direct < ALIVE
    relayable = dead & (best >= ALIVE)
    return Shares(
        len(direct) * step_s, _mean(dead), _mean(state[dead] == NLOSB), _mean(state[dead] == NLOSV), _mean(relayable),
        _mean(candidates[relayable] >= 2), _mean(distance_m[relayable]),
    )  # fmt: skip


def _mean(values: np.ndarray) -> float | None:
    return float(values.mean()) if len(values) else None
