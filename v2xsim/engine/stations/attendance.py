"""Who was there during a run: road users and stations that a scenario names or counts, compared with those that came."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from v2xsim.engine.stations.agent_set import AgentSet
from v2xsim.engine.stations.fleet import Fleet
from v2xsim.notices import Notice
from v2xsim.scenario.explain import nearest
from v2xsim.scenario.schema import Scenario
from v2xsim.world.road_users import CATALOGUE
from v2xsim.world.snapshot import Snapshot

# A roadside unit that is always farther from all road users is no part of their world.
_FAR_M = 1000.0

# Number of names that a notice lists.
_SHOWN = 5


class _Shortage:
    """Compares how many of something there are at each tick with how many a scenario wants."""

    def __init__(self, wanted: int | None) -> None:
        self.wanted, self.most, self.short_ticks = wanted, 0, 0

    def note(self, present: int) -> None:
        """Note the number at a tick."""
        self.most = max(self.most, present)
        self.short_ticks += self.wanted is not None and present < self.wanted


class Attendance:
    """Notes the road users and stations of every tick, and reports those that the scenario asks for and that never came.

    Args:
        scenario: Scenario of the run.
        name_of: Function that returns the name of an agent.
    """

    def __init__(self, scenario: Scenario, name_of: Callable[[int], str]) -> None:
        self._scenario, self._name_of = scenario, name_of
        self._begin_us, self._last_us = round(scenario.run.begin_s * 1e6), 0
        self._ticks = 0
        self._empty_ticks = 0
        self._agents = AgentSet()
        self._in_region = False
        self._lower_m, self._upper_m = np.full(2, np.inf), np.full(2, -np.inf)
        units = scenario.stations.roadside
        self._unit_m = np.array([unit.position_m for unit in units], float).reshape(-1, 2)
        # Least distance of each roadside unit to a road user.
        self._unit_nearest_m = np.full(len(units), np.inf)
        self._stations, self._with_lidar, self._egos = AgentSet(), AgentSet(), AgentSet()
        self._station_count = _Shortage(scenario.stations.count)
        self._lidar_count = _Shortage(scenario.lidars.count)

    def note(self, snapshot: Snapshot, fleet: Fleet) -> None:
        """Note the road users and stations of a tick."""
        self._ticks += 1
        self._last_us = snapshot.time_us
        self._empty_ticks += len(snapshot) == 0
        self._agents.add(snapshot.agent)
        if len(snapshot):
            place_m = snapshot.boxes.center_m[:, :2]
            self._lower_m, self._upper_m = (
                np.minimum(self._lower_m, place_m.min(axis=0)), np.maximum(self._upper_m, place_m.max(axis=0)),
            )  # fmt: skip
            if len(self._unit_m):
                away_m = np.hypot(*(self._unit_m[:, None] - place_m[None]).transpose(2, 0, 1))
                self._unit_nearest_m = np.minimum(self._unit_nearest_m, away_m.min(axis=1))
            region = self._scenario.stations.region
            if region is not None and not self._in_region:
                inside = (place_m >= region[:2]).all(axis=1) & (place_m <= region[2:]).all(axis=1)
                self._in_region = bool((inside & CATALOGUE.is_motor[snapshot.kind]).any())
        self._stations.add(fleet.agent)
        self._with_lidar.add(fleet.agent[fleet.lidars > 0])
        self._egos.add(fleet.agent[fleet.ego])
        vehicle = fleet.row >= 0
        self._station_count.note(int(vehicle.sum()))
        self._lidar_count.note(int((vehicle & (fleet.lidars > 0)).sum()))

    def notices(self) -> tuple[Notice, ...]:
        """Return what the scenario asked for and what was not there at any of the ticks so far."""
        if self._ticks == 0:
            return ()
        return (
            *self._nobody(), *self._absent(), *self._idle(), *self._too_few(), *self._no_stations(), *self._far_units(),
        )  # fmt: skip

    def _nobody(self) -> Iterator[Notice]:
        traffic = self._scenario.traffic
        span = f"from {self._begin_us / 1e6:.12g} s to {self._last_us / 1e6:.12g} s"
        if self._empty_ticks == self._ticks:
            yield Notice(
                "traffic.nobody", self._ticks,
                f"traffic.{traffic.source}: NO ROAD USER is there at any of the {self._ticks:,} steps {span}, so all results are empty; check "
                "run.begin_s and the times of the traffic",
            )  # fmt: skip
        elif self._empty_ticks and traffic.fcd is None:
            yield Notice(
                "traffic.empty_steps", self._empty_ticks,
                f"traffic.{traffic.source}: no road user is there at {self._empty_ticks:,} of {self._ticks:,} steps {span}",
            )  # fmt: skip

    def _named(self) -> Iterator[tuple[str, list[str]]]:
        """Yield the keys that name road users or stations, with the names."""
        egos = self._scenario.cooperation.egos
        yield "stations.include", self._scenario.stations.include
        yield "lidars.include", self._scenario.lidars.include
        yield "cooperation.egos", [] if isinstance(egos, str) else egos

    def _absent(self) -> Iterator[Notice]:
        """Yield a notice for each key that names road users who never came."""
        came = {self._name_of(agent) for agent in self._agents.agents}
        units = {unit.id for unit in self._scenario.stations.roadside}
        for key, names in self._named():
            known = came | units if key == "cooperation.egos" else came
            absent = [name for name in dict.fromkeys(names) if name not in known]
            if not absent:
                continue
            person = f"person:{absent[0]}"
            hint = (
                f"; did you mean {person!r}?"
                if person in known
                else nearest(absent[0], sorted(known))
                if len(absent) == 1
                else ""
            )
            lost = (
                "; NO EGO was ever there, so the metrics of perception and fusion are empty"
                if key == "cooperation.egos" and not self._egos
                else ""
            )
            yield Notice(
                "names.never_there", len(absent),
                f"{key}: {len(absent)} of {len(set(names))} names never appeared among {len(came):,} road users ({_some(sorted(came))}): "
                f"{_some(absent)}{hint}{lost}",
            )  # fmt: skip

    def _idle(self) -> Iterator[Notice]:
        """Yield the notices about names of road users who came, but never were what the key is for."""
        agents, stations, with_lidar, egos = (
            {self._name_of(agent) for agent in noted.agents}
            for noted in (self._agents, self._stations, self._with_lidar, self._egos)
        )
        came = agents | stations
        named = dict(self._named())
        idle = [name for name in dict.fromkeys(named["cooperation.egos"]) if name in came and name not in egos]
        if idle:
            units = {unit.id for unit in self._scenario.stations.roadside}
            source = "stations.roadside.lidar" if idle[0] in units else "lidars.include"
            reason = (
                f"carries no lidar ({source})"
                if idle[0] in stations - with_lidar
                else "has no radio (stations.include)"
            )
            lost = "; no ego was ever there, so the metrics of perception and fusion are empty" if not egos else ""
            yield Notice(
                "egos.never_ego", len(idle),
                f"cooperation.egos: {_some(idle)} never fused data: {idle[0]!r} {reason}{lost}",
            )  # fmt: skip
        bare = [name for name in dict.fromkeys(named["lidars.include"]) if name in came and name not in with_lidar]
        if bare:
            yield Notice(
                "lidars.no_station", len(bare),
                f"lidars.include: {_some(bare)} never carried a lidar, because it was no station; add it to stations.include",
            )  # fmt: skip

    def _too_few(self) -> Iterator[Notice]:
        """Yield the notices about numbers of stations and lidars that were never reached."""
        for key, shortage, what in (
            ("stations.count", self._station_count, "connected vehicles"),
            ("lidars.count", self._lidar_count, "connected vehicles with a lidar"),
        ):
            if shortage.short_ticks:
                where = " in stations.region" if self._scenario.stations.region is not None else ""
                yield Notice(
                    f"{key}_not_reached", shortage.short_ticks,
                    f"{key}: {shortage.wanted} wanted, but at most {shortage.most} {what}{where} at a time; fewer than wanted at "
                    f"{shortage.short_ticks:,} of {self._ticks:,} steps",
                )  # fmt: skip
        region = self._scenario.stations.region
        if region is not None and not self._in_region and self._agents:
            box = [f"{value:.0f}" for value in (*self._lower_m, *self._upper_m)]
            yield Notice(
                "stations.region_empty", 1,
                f"stations.region: no motor vehicle ever came into {list(region)}; the traffic was between ({box[0]}, {box[1]}) and "
                f"({box[2]}, {box[3]})",
            )  # fmt: skip

    def _far_units(self) -> Iterator[Notice]:
        """Yield the notice about roadside units that are far from all traffic, probably in another frame."""
        far = [
            (unit.id, nearest_m)
            for unit, nearest_m in zip(self._scenario.stations.roadside, self._unit_nearest_m.tolist(), strict=True)
            if np.isfinite(nearest_m) and nearest_m > _FAR_M
        ]
        if far:
            yield Notice(
                "roadside.far", len(far),
                f"stations.roadside: {_some(name for name, _ in far)} never came closer than {far[0][1]:,.0f} m to a road user; position_m is in "
                "metres in the frame of the traffic",
            )  # fmt: skip

    def _no_stations(self) -> Iterator[Notice]:
        """Yield a notice if nobody ever had a radio or was an ego, and no other notice says why."""
        if not self._agents:
            return
        if not self._stations:
            yield Notice(
                "stations.none", 1,
                f"stations: none of {len(self._agents):,} road users was ever a station, so nothing is sent; raise stations.penetration or "
                "stations.count",
            )  # fmt: skip
        elif not self._egos and self._scenario.cooperation.egos == "all" and self._lidar_count.wanted != 0:
            yield Notice(
                "egos.none", 1,
                "cooperation.egos: no connected vehicle ever carried a lidar, so there was no ego and the metrics of perception and fusion "
                "are empty; see lidars and stations",
            )  # fmt: skip


def _some(names: Iterable[str]) -> str:
    """Return the first few names in quotes, separated by commas."""
    shown = list(names)
    return ", ".join(repr(name) for name in shown[:_SHOWN]) + (", ..." if len(shown) > _SHOWN else "")
