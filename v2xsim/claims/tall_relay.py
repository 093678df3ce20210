"""How much farther a tall vehicle reaches than a car, on a motorway whose vehicles block links: the range at 90 % delivery."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from v2xsim.engine.channel.links import LinkBudget, next_budget
from v2xsim.engine.channel.true_delivery import TrueDelivery
from v2xsim.engine.stations.roster import Roster
from v2xsim.mobility.base import Names
from v2xsim.mobility.source import open_mobility
from v2xsim.records import Prisms
from v2xsim.scenario import Scenario, load
from v2xsim.spatial.grid import indexed
from v2xsim.streams import Streams
from v2xsim.world.road_users import BUS, PASSENGER, TRUCK

WANTED = 0.9
"""Delivery up to which a distance is in range."""

_BIN_M = 25.0
# Fewer links in a bin say little about its mean delivery.
_LEAST_LINKS = 100


@dataclass(frozen=True)
class RangeRow:
    """Ranges of one hop on a motorway on which every vehicle has a radio on its roof; means over the seeds.

    A value is None if a run has too few links of one of the two sorts.

    Attributes:
        truck_share: Share of trucks, 0 to 1.
        car_m: Distance between two cars up to which the mean delivery is at least 0.9.
        tall_m: The same between a car and a truck or bus.
        gain: Excess of the second range over the first one, relative to the first one.
        gain_least: Smallest such gain of a run.
        gain_most: Largest such gain of a run.
    """

    truck_share: float
    car_m: float | None
    tall_m: float | None
    gain: float | None
    gain_least: float | None
    gain_most: float | None


def range_rows(truck_shares: tuple[float, ...] = (0.1, 0.3), seeds: int = 3) -> Iterator[RangeRow]:
    """Yield the ranges at each share of trucks, from runs of the packaged motorway with the seeds 1, 2, and so on."""
    for share in truck_shares:
        ranges_m = np.array([_ranges_m(_scenario(share, seed)) for seed in range(1, seeds + 1)])
        gain = ranges_m[:, 1] / ranges_m[:, 0] - 1.0
        values = [*ranges_m.mean(axis=0).tolist(), float(gain.mean()), float(gain.min()), float(gain.max())]
        yield RangeRow(share, *(value if np.isfinite(value) else None for value in values))


def _scenario(truck_share: float, seed: int) -> Scenario:
    return load("motorway").with_({
        "run.seed": seed, "run.duration_s": 10.0, "run.step_s": 1.0, "traffic.highway.truck_share": truck_share, "stations.penetration": 1.0,
    })  # fmt: skip


def _ranges_m(scenario: Scenario) -> tuple[float, float]:
    """Return the range between two cars, and that between a car and a tall vehicle, over all instants of a run."""
    delivery, distance_m, tall_ends = (np.concatenate(rows) for rows in zip(*_links(scenario), strict=True))
    return range_m(distance_m[tall_ends == 0], delivery[tall_ends == 0]), range_m(
        distance_m[tall_ends == 1], delivery[tall_ends == 1]
    )


def _links(scenario: Scenario) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield delivery, distance and number of tall ends of the links between cars and tall vehicles at each instant."""
    names, delivery = Names(), TrueDelivery(scenario.radio)
    streams = Streams(scenario.run.seed, names.keys)
    nothing, links = indexed(Prisms.none()), LinkBudget.none()
    begin_us, step_us = round(scenario.run.begin_s * 1e6), round(scenario.run.step_s * 1e6)
    with open_mobility(scenario.traffic, scenario.run, names) as mobility:
        mobility.warm_up(begin_us)
        roster = Roster(scenario, streams, names.register, names.name_of)
        for time_us in range(begin_us, begin_us + round(scenario.run.duration_s * 1e6), step_us):
            snapshot = mobility.snapshot(time_us)
            fleet = roster.update(snapshot)
            links = next_budget(links, fleet, snapshot, nothing, scenario.radio, streams)
            kind = snapshot.kind[fleet.row]
            is_tall: Bool[np.ndarray, " stations"] = (kind == TRUCK) | (kind == BUS)
            counts = is_tall | (kind == PASSENGER)
            one, other = links.near.first, links.near.second
            kept = counts[one] & counts[other]
            tall_ends = is_tall[one].astype(np.int64) + is_tall[other]
            yield delivery.of(links)[kept], links.distance_m[kept], tall_ends[kept]


def range_m(distance_m: Float[np.ndarray, " links"], delivery: Float[np.ndarray, " links"]) -> float:
    """Return the distance at which the mean delivery of links falls below `WANTED` for the first time.

    The mean is taken in bins of 25 m, and interpolated between their centres. NaN if it never falls below, or a bin before has too
    few links.
    """
    number = (distance_m / _BIN_M).astype(np.int64)
    count = np.bincount(number)
    mean = np.bincount(number, delivery) / np.maximum(count, 1)
    below = np.flatnonzero((mean < WANTED) & (count >= _LEAST_LINKS))
    if len(below) == 0 or (count[: below[0]] < _LEAST_LINKS).any():
        return float("nan")
    row = int(below[0])
    if row == 0:
        return 0.0
    centers_m = (np.array([row - 1, row]) + 0.5) * _BIN_M
    return float(np.interp(-WANTED, -mean[row - 1 : row + 1], centers_m))
