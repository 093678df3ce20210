"""Comparison of an index with brute force for a city, where many vehicles update descriptors and look up the nearest ones.

Brute force compares all descriptors with each other, by numpy's matrix product or by a compiled kernel.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from v2xsim.bench.hnsw import QUERIES, K, M, brute_force, made_data, recall
from v2xsim.perception.hnsw.exact import BFIndex
from v2xsim.perception.hnsw.index import Index
from v2xsim.perception.matching.shortlist import ShortList

# Number of repetitions of brute force, and largest number of vehicles up to which it takes at most a few seconds and is
# repeated.
_TURNS, _REPEATED_UP_TO = 5, 20_000
# Number of first seconds that are not counted, because the short list may build its whole index then.
_WARM_UP = 2
_EF_CONSTRUCTION, _EF = 60, 30
_DRIFT = 0.015  # A tenth of the spread of a cluster.


@dataclass(frozen=True)
class CityRow:
    """One simulated second of a city: vehicles update their descriptors, and each looks up its 10 nearest.

    Attributes:
        vehicles: Number of vehicles.
        dim: Number of entries of a descriptor.
        renewals: Updates of each descriptor per second; each vehicle does one lookup per second.
        index_update_s: Time to update the index.
        index_query_s: Time for all lookups in the index.
        recall: Share of the true 10 nearest descriptors that the index finds, 0 to 1.
        brute_s: Time to compare all descriptors by numpy's matrix product; median of 5 turns up to 20,000 vehicles, one
            turn above.
        plain_s: Time to compare all descriptors by BFIndex, a compiled kernel; turns as for `brute_s`.
        short_list_s: Time that ShortList takes; mean over the simulated seconds after the first two. A run uses
            ShortList, which chooses between the index and the compiled kernel.
        picked: Share of the simulated seconds after the first two in which ShortList answered from its index, not by
            comparing all descriptors; 0 to 1.
    """

    vehicles: int
    dim: int
    renewals: float
    index_update_s: float
    index_query_s: float
    recall: float
    brute_s: float
    plain_s: float
    short_list_s: float
    picked: float


def city_rows(
    counts: tuple[int, ...] = (1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000),
    renewals: tuple[float, ...] = (0.1, 0.5, 1.0, 2.0, 5.0),
    dim: int = 64,
) -> Iterator[CityRow]:
    """Measure one simulated second of cities of several sizes and yield a row for each number of vehicles and update rate.

    At an update, each entry of a descriptor changes by about a tenth of the spread of a cluster.
    """
    for count in counts:
        descriptors, _ = made_data("clustered", count, dim, seed=count)
        brute_s, plain_s = _comparing_s(descriptors)
        for rate in renewals:
            index = Index("l2", dim)
            index.init_index(count, M=M, ef_construction=_EF_CONSTRUCTION)
            index.add_items(descriptors)
            index.set_ef(_EF)
            drifting = _Drift(descriptors, rate)
            begun = time.perf_counter()
            for labels, changed in drifting.second():
                index.add_items(changed, labels)
            updated = time.perf_counter()
            nearest = index.knn_query(drifting.now, K)[0]
            queried_at_s = time.perf_counter()
            checked = np.random.default_rng(2).choice(count, min(count, QUERIES), replace=False)
            share = recall(nearest[checked], brute_force(drifting.now, drifting.now[checked]))
            short_list_s, picked = _short_list(descriptors, rate)
            yield CityRow(
                count, dim, rate, updated - begun, queried_at_s - updated, share, brute_s, plain_s, short_list_s, picked
            )


def _comparing_s(descriptors: np.ndarray) -> tuple[float, float]:
    """Return the time in seconds to compare all descriptors: by numpy's matrix product, and by the compiled kernel."""
    plain = BFIndex("l2", descriptors.shape[1])
    plain.init_index(len(descriptors))
    plain.add_items(descriptors)
    taken = []
    for _ in range(_turns(len(descriptors))):
        begun = time.perf_counter()
        brute_force(descriptors, descriptors)
        compared = time.perf_counter()
        plain.knn_query(descriptors, K)
        taken.append((compared - begun, time.perf_counter() - compared))
    brute_s, plain_s = np.median(taken, axis=0).tolist()
    return brute_s, plain_s


def _turns(count: int) -> int:
    return _TURNS if count <= _REPEATED_UP_TO else 1


class _Drift:
    """Descriptors of vehicles that change a little at each update; a part of them is updated at a time."""

    def __init__(self, descriptors: np.ndarray, renewals: float) -> None:
        self.now, self._renewals, self._rng = descriptors.copy(), renewals, np.random.default_rng(1)

    def second(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield labels and descriptors of one second's updates in parts; no label occurs twice in a part."""
        rest = self._renewals
        while rest > 0:
            some = self._rng.choice(len(self.now), max(1, round(min(rest, 1.0) * len(self.now))), replace=False)
            self.now[some] += np.float32(_DRIFT) * self._rng.standard_normal((len(some), self.now.shape[1]), np.float32)
            yield some, self.now[some]
            rest -= 1.0


def _short_list(descriptors: np.ndarray, renewals: float) -> tuple[float, float]:
    """Return the seconds that a ShortList spends on one simulated second, and the share of seconds in which it uses its index."""
    kept, drifting = ShortList("l2", descriptors.shape[1]), _Drift(descriptors, renewals)
    kept.put(np.arange(len(descriptors)), descriptors)
    spent, picked = [], []
    for _ in range(_WARM_UP + _turns(len(descriptors))):
        taken = 0.0
        for labels, changed in drifting.second():
            begun = time.perf_counter()
            kept.put(labels, changed)
            taken += time.perf_counter() - begun
        picked.append(kept.prefers_index(len(descriptors)))
        begun = time.perf_counter()
        kept.ask(drifting.now, K)
        spent.append(taken + time.perf_counter() - begun)
    return float(np.mean(spent[_WARM_UP:])), float(np.mean(picked[_WARM_UP:]))
