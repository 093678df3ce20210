"""The road users, stations, roadside units, buildings and roads of a run, as rows of the tables `agents`, `buildings` and `roads`."""

import numpy as np

from v2xsim.engine.instant import Instant
from v2xsim.engine.stations.station_errors import StationErrors
from v2xsim.mobility.base import Names
from v2xsim.records import Prisms
from v2xsim.results.tables import Coded, Columns
from v2xsim.scenario.schema_stations import Roadside
from v2xsim.world.road_users import KINDS
from v2xsim.world.roads import ROAD_KINDS, ROAD_USERS, Roads


class Participants:
    """Remembers every road user and station that appears during a run."""

    def __init__(self) -> None:
        # By agent: kind, length, width, height, antenna height.
        self._bodies: dict[int, tuple[int, float, float, float, float]] = {}
        # By agent: largest number of lidars that it carried, and whether it ever was an ego.
        self._stations: dict[int, tuple[int, bool]] = {}
        self._errors = StationErrors.none(0)

    def note(self, instant: Instant) -> None:
        """Remember the road users and stations of a tick."""
        snapshot, fleet, self._errors = instant.snapshot, instant.fleet, instant.errors
        for row, agent in enumerate(snapshot.agent.tolist()):
            if agent not in self._bodies:
                size_m = snapshot.boxes.size_m[row]
                self._bodies[agent] = (
                    int(snapshot.kind[row]), float(size_m[0]), float(size_m[1]), float(size_m[2]),
                    float(snapshot.antenna_height_m[row]),
                )  # fmt: skip
        for agent, lidars, is_ego in zip(fleet.agent.tolist(), fleet.lidars.tolist(), fleet.ego.tolist(), strict=True):
            most, was_ego = self._stations.get(agent, (0, False))
            self._stations[agent] = (max(most, lidars), was_ego or is_ego)

    def write(self, table: Columns, names: Names, roadside_units: list[Roadside]) -> None:
        """Write one row for every road user that appeared and for every roadside unit."""
        unit_of = {unit.id: unit for unit in roadside_units}
        clock_offset_us = dict(zip(self._errors.agent.tolist(), self._errors.clock_offset_us.tolist(), strict=True))
        for agent in range(len(names)):
            name = names.name_of(agent)
            unit = unit_of.get(name)
            # Names in the scenario that never appeared have no row.
            if unit is None and agent not in self._bodies:
                continue
            mast_m = unit.height_m if unit else 0.0
            kind, length_m, width_m, height_m, antenna_m = self._bodies.get(agent, (0, 0.0, 0.0, mast_m, mast_m))
            lidars, ego = self._stations.get(agent, (0, False))
            table.add(
                agent=agent, name=[name], kind=["roadside" if unit else KINDS[kind]], length_m=length_m, width_m=width_m,
                height_m=height_m, antenna_m=antenna_m, station=agent in self._stations, lidars=lidars, ego=ego,
                clock_offset_us=clock_offset_us.get(agent, 0),
            )  # fmt: skip


def write_buildings(table: Columns, prisms: Prisms) -> None:
    """Write one row for each corner of each building."""
    if len(prisms) == 0:
        return
    number = np.repeat(np.arange(len(prisms)), np.diff(prisms.offset))
    table.add(
        building=number, x_m=prisms.vertices_m[:, 0], y_m=prisms.vertices_m[:, 1],
        base_m=prisms.base_m[number], top_m=prisms.top_m[number],
    )  # fmt: skip


def write_roads(table: Columns, roads: Roads) -> None:
    """Write one row for each point of each road."""
    if len(roads) == 0:
        return
    number = np.repeat(np.arange(len(roads)), np.diff(roads.offset))
    table.add(
        road=number, name=Coded(number, roads.name), kind=Coded(roads.kind[number], ROAD_KINDS),
        users=Coded(roads.users[number], ROAD_USERS), width_m=roads.width_m[number], x_m=roads.points_m[:, 0],
        y_m=roads.points_m[:, 1],
    )  # fmt: skip
