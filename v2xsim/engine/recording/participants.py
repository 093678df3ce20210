"""The road users, stations, roadside units, buildings and roads of a run, as rows of the tables `agents`, `buildings` and `roads`."""

import numpy as np

from v2xsim.engine.instant import Instant
from v2xsim.engine.stations.agent_set import AgentSet, grown
from v2xsim.mobility.base import Names
from v2xsim.records import Prisms
from v2xsim.results.tables import Coded, Columns
from v2xsim.scenario.schema_stations import Roadside
from v2xsim.world.road_users import KINDS
from v2xsim.world.roads import ROAD_KINDS, ROAD_USERS, Roads


class Participants:
    """Remembers every road user and station that appears during a run: one small row for each."""

    def __init__(self) -> None:
        self._there, self._stations, self._egos = AgentSet(), AgentSet(), AgentSet()
        # By agent: class; length, width, height, antenna height; largest number of lidars that it carried; error of its clock.
        self._kind, self._body_m, self._lidars = np.zeros(0, np.int8), np.zeros((0, 4)), np.zeros(0, np.int64)
        self._clock_offset_us = np.zeros(0, np.int64)

    def note(self, instant: Instant) -> None:
        """Remember the road users and stations of a tick."""
        snapshot, fleet, errors = instant.snapshot, instant.fleet, instant.errors
        new = np.flatnonzero(self._there.add(snapshot.agent))
        if len(new):
            agent, size_m = snapshot.agent[new], snapshot.boxes.size_m[new]
            count = int(agent.max()) + 1
            self._kind, self._body_m = grown(self._kind, count), grown(self._body_m, count)
            self._kind[agent] = snapshot.kind[new]
            self._body_m[agent] = np.column_stack([size_m, snapshot.antenna_height_m[new]])
        if len(fleet):
            self._stations.add(fleet.agent)
            self._egos.add(fleet.agent[fleet.ego])
            self._lidars = grown(self._lidars, int(fleet.agent.max()) + 1)
            self._lidars[fleet.agent] = np.maximum(self._lidars[fleet.agent], fleet.lidars)
            self._clock_offset_us = grown(self._clock_offset_us, len(self._lidars))
            self._clock_offset_us[fleet.agent] = errors.clock_offset_us

    def write(self, table: Columns, names: Names, roadside_units: list[Roadside]) -> None:
        """Write one row for every road user that appeared and for every roadside unit."""
        height_of = {unit.id: unit.height_m for unit in roadside_units}
        mast_m = {agent: height_of[name] for agent in range(len(names)) if (name := names.name_of(agent)) in height_of}
        # Names in the scenario that never appeared have no row.
        agents = [agent for agent in range(len(names)) if agent in mast_m or agent in self._there]
        if not agents:
            return
        rows, count = np.array(agents, np.int64), len(names)
        kind, body_m, lidars = (
            grown(self._kind, count)[rows],
            grown(self._body_m, count)[rows],
            grown(self._lidars, count),
        )
        for row, agent in enumerate(agents):
            # A roadside unit has the height of its mast and no body.
            if agent in mast_m and agent not in self._there:
                body_m[row] = 0.0, 0.0, mast_m[agent], mast_m[agent]
        table.add(
            agent=rows, name=[names.name_of(agent) for agent in agents],
            kind=["roadside" if agent in mast_m else KINDS[code] for agent, code in zip(agents, kind, strict=True)],
            length_m=body_m[:, 0], width_m=body_m[:, 1], height_m=body_m[:, 2], antenna_m=body_m[:, 3],
            station=np.array([agent in self._stations for agent in agents]), lidars=lidars[rows],
            ego=np.array([agent in self._egos for agent in agents]),
            clock_offset_us=grown(self._clock_offset_us, count)[rows],
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
