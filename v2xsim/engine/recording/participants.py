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
            vehicles = np.flatnonzero(fleet.row >= 0)
            # The scenario may give an antenna's place.
            self._body_m[fleet.agent[vehicles], 3] = fleet.antenna_m[vehicles, 2] - fleet.pose[vehicles, 2]
            self._stations.add(fleet.agent)
            self._egos.add(fleet.agent[fleet.ego])
            self._lidars = grown(self._lidars, int(fleet.agent.max()) + 1)
            self._lidars[fleet.agent] = np.maximum(self._lidars[fleet.agent], fleet.lidars)
            self._clock_offset_us = grown(self._clock_offset_us, len(self._lidars))
            self._clock_offset_us[fleet.agent] = errors.clock_offset_us

    def write(self, table: Columns, names: Names, roadside_units: list[Roadside]) -> None:
        """Write one row for every road user that appeared and for every roadside unit."""
        count = len(names)
        mast_m = np.zeros(count)
        for unit in roadside_units:
            mast = names.agent_of(unit.id)
            if mast is not None:
                mast_m[mast] = unit.height_m
        has_mast, is_there = mast_m > 0.0, self._there.flags(count)
        # Names in the scenario that never appeared have no row.
        rows = np.flatnonzero(has_mast | is_there)
        if len(rows) == 0:
            return
        body_m = grown(self._body_m, count)[rows]
        # A roadside unit has the height of its mast and no body.
        is_mast_alone = (has_mast & ~is_there)[rows]
        body_m[is_mast_alone] = 0.0
        body_m[is_mast_alone, 2:] = mast_m[rows[is_mast_alone], None]
        kind = np.where(has_mast, len(KINDS), grown(self._kind, count)[:count])
        table.add(
            agent=rows, name=names.names_of(rows.tolist()), kind=Coded(kind[rows], (*KINDS, "roadside")),
            length_m=body_m[:, 0], width_m=body_m[:, 1], height_m=body_m[:, 2], antenna_m=body_m[:, 3],
            station=self._stations.flags(count)[rows], lidars=grown(self._lidars, count)[rows],
            ego=self._egos.flags(count)[rows], clock_offset_us=grown(self._clock_offset_us, count)[rows],
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
        users=Coded(roads.users[number], ROAD_USERS), width_m=roads.width_m[number], limit_mps=roads.limit_mps[number],
        x_m=roads.points_m[:, 0], y_m=roads.points_m[:, 1],
    )  # fmt: skip
