"""How well each descriptor ranks helpers, compared with the gain of exact matching.

The matrices come from a run with traffic and buildings.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from v2xsim.engine.simulation import Simulation
from v2xsim.engine.stations.frame import Frame
from v2xsim.engine.stations.roster import Roster
from v2xsim.mobility.base import Names
from v2xsim.mobility.source import extra_buildings, open_mobility
from v2xsim.perception.matching.descriptors import complement_query, complement_stored, pooled, rings
from v2xsim.perception.matching.gain import gains
from v2xsim.perception.matching.matrix import shifted
from v2xsim.records import UNOBSERVED
from v2xsim.scenario import load
from v2xsim.streams import Streams
from v2xsim.world.buildings import load_obstacles

_BEST = 5
_ASKED_FOR = (5, 10, 20)


@dataclass(frozen=True)
class Ranking:
    """How well one descriptor ranks helpers.

    Attributes:
        descriptor: Name of the descriptor.
        entries: Number of entries of the descriptor.
        rank_correlation: Spearman's rank correlation between the descriptor's score and the true gain, -1 to 1; mean over
            egos.
        found_5: Share of the truly best 5 helpers that are among the descriptor's first 5, 0 to 1.
        found_10: Share of the truly best 5 helpers that are among the descriptor's first 10, 0 to 1.
        found_20: Share of the truly best 5 helpers that are among the descriptor's first 20, 0 to 1.
        gain_10: Gain of the best helper among the descriptor's first 10, relative to the gain of the best helper of all.
    """

    descriptor: str
    entries: int
    rank_correlation: float
    found_5: float
    found_10: float
    found_20: float
    gain_10: float


@dataclass
class _Recorder:
    """Collects egos with the weights of their blind cells, and the frames of all stations at the same instant."""

    asked: list[tuple[Frame, Float[np.ndarray, "nx ny"], list[Frame]]] = field(default_factory=list)


class _Watched(Simulation):
    """A simulation that records the possible helpers instead of sending requests."""

    recorder: _Recorder

    def _match(self, frame_us: int) -> None:
        states, now_us = self.instant.states, self.clock.now_us
        newest = [self.stations.detected_frame(agent, now_us) for agent in states.agent[states.lidars > 0].tolist()]
        frames = [frame for frame in newest if frame is not None]
        for ego in frames:
            if ego.time_us == frame_us and states.ego[states.index(ego.agent)]:
                others = [frame for frame in frames if frame.agent != ego.agent]
                self.recorder.asked.append((ego, self._blind_zones.of(ego).weight, others))


def recorded(stations: int = 150, egos_apart: int = 7) -> _Recorder:
    """Return the frames of connected vehicles in a grid of streets between buildings, recorded at a few instants."""
    scenario = load(
        "urban_grid",
        [
            "run.duration_s=0.6", "traffic.grid.blocks=8", "traffic.grid.vehicles_per_hour=14000", f"stations.count={stations}",
            f"lidars.count={stations}", "cooperation.transport=synchronous", "record.clouds_every_s=0",
        ],
    )  # fmt: skip
    names = Names()
    obstacles, _ = load_obstacles(scenario.world, extra_buildings(scenario.traffic))
    with open_mobility(scenario.traffic, scenario.run, names) as mobility:
        mobility.warm_up(round(scenario.run.begin_s * 1e6), lambda _: None)
        roster = Roster(scenario, Streams(scenario.run.seed), names.register, names.name_of)
        simulation = _Watched(scenario, mobility, obstacles, roster, 2)
        simulation.recorder = _Recorder()
        simulation.run()
    recorder = simulation.recorder
    # Neighbouring instants and egos give nearly the same data, so only every few egos are recorded.
    recorder.asked = [item for item in recorder.asked if len(item[2]) > 30][::egos_apart]
    return recorder


def all_rankings() -> Iterator[Ranking]:
    """Yield the results of every descriptor on one recording; the complement descriptor is tried at several lengths."""
    recording = recorded()
    yield from rankings(recording, 128)
    for dim in (256, 512, 1024):
        yield next(rankings(recording, dim))


def rankings(recording: _Recorder, dim: int = 128) -> Iterator[Ranking]:
    """Yield the results of each descriptor, made with `dim` entries."""
    from scipy.stats import spearmanr

    entries = {"complement": dim, "rings": 64, "pooled": 128, "nearest first": 2}
    scores: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {name: [] for name in entries}
    for ego, weight, others in recording.asked:
        shape = ego.matrix.code.shape
        seen = np.stack([shifted(o.matrix, ego.matrix.lower, shape) != UNOBSERVED for o in others])
        true = gains(weight, seen, np.zeros(shape, bool))
        if np.count_nonzero(true) < _BEST:
            continue
        query = complement_query(ego.matrix, weight, dim)
        ring, pool = rings(ego.matrix, ego.pose[:2]), pooled(ego.matrix)
        scores_of = {
            "complement": [float(query @ complement_stored(o.matrix, dim)) for o in others],
            "rings": [-float(np.linalg.norm(ring - rings(o.matrix, o.pose[:2]))) for o in others],
            "pooled": [-float(np.linalg.norm(pool - pooled(o.matrix))) for o in others],
            "nearest first": [-float(np.hypot(*(o.pose[:2] - ego.pose[:2]))) for o in others],
        }
        for name, score in scores_of.items():
            scores[name].append((true, np.array(score)))
    for name, pairs in scores.items():
        share = {n: float(np.mean([_found(true, score, n) for true, score in pairs])) for n in _ASKED_FOR}
        best = float(np.mean([true[np.argsort(-score)[:10]].max() / true.max() for true, score in pairs]))
        correlation = float(np.mean([spearmanr(true, score).statistic for true, score in pairs]))
        yield Ranking(name, entries[name], correlation, share[5], share[10], share[20], best)


def _found(true: np.ndarray, score: np.ndarray, first: int) -> float:
    return len(set(np.argsort(-true)[:_BEST].tolist()) & set(np.argsort(-score)[:first].tolist())) / _BEST
