"""Choice of the vehicles that have a radio, carry lidars and fuse data: drawn by seed, and kept while vehicles come and go."""

from collections.abc import Callable, Mapping
from heapq import nsmallest

import numpy as np

from v2xsim.comms.pairs import kept_rows
from v2xsim.engine.stations.antennas import Antennas
from v2xsim.engine.stations.attendance import Attendance
from v2xsim.engine.stations.effective_ground import EffectiveGround
from v2xsim.engine.stations.fleet import Fleet
from v2xsim.engine.stations.rigs import Rigs
from v2xsim.notices import Notice
from v2xsim.scenario.schema import Scenario
from v2xsim.scenario.schema_stations import NO_RIG, ROADSIDE, Roadside
from v2xsim.streams import Streams
from v2xsim.world.road_users import CATALOGUE, KINDS
from v2xsim.world.snapshot import Snapshot

# Number of draws of vehicles that have left that are kept, so that they are looked for only now and then.
_SPARE_DRAWS = 1000


class Roster:
    """Draws which vehicles are stations and which carry lidars, and remembers the choice.

    The draws of a vehicle depend only on its name and the seed, so an additional vehicle does not change those of others.
    The number of stations is kept: when a station leaves the region, the eligible vehicle with the lowest draw replaces it.
    """

    def __init__(
        self, scenario: Scenario, streams: Streams, agent_of: Callable[[str], int], name_of: Callable[[int], str]
    ) -> None:
        self._stations = scenario.stations
        self._lidars = scenario.lidars
        self._rigs = Rigs(scenario)
        self._egos = scenario.cooperation.egos
        self._streams = streams
        self._name_of = name_of
        self._roadside = [(agent_of(unit.id), unit) for unit in scenario.stations.roadside]
        units = {ROADSIDE, *(unit.id for unit in scenario.stations.roadside)}
        self._carry_names_vehicles = any(
            rig != NO_RIG for carrier, rig in scenario.lidars.carry.items() if carrier not in units
        )
        self._draws: dict[int, tuple[float, float, int]] = {}
        self._connected: set[int] = set()
        self._with_lidar: set[int] = set()
        self._attendance = Attendance(scenario, name_of)
        self._antennas = Antennas(scenario.stations.antennas, name_of)
        self._ground = EffectiveGround(scenario.radio, name_of)

    def _drawn(self, agent: int) -> tuple[float, float, int]:
        """Return a vehicle's draws for a radio and for a lidar, in [0, 1), and the number of lidars that it would carry."""
        if agent not in self._draws:
            name = self._name_of(agent)
            radio, lidar, number = (
                self._streams.key(f"{purpose}/{name}") / 2.0**64 for purpose in ("radio", "lidar", "lidars")
            )
            # By the vehicle's name, not its agent id, which depends on which vehicles appeared before.
            shares = self._lidars.per_vehicle or {len(self._lidars.mounts): 1.0}
            numbers = sorted(shares)
            edges = np.cumsum([shares[n] for n in numbers])
            self._draws[agent] = (radio, lidar, numbers[int(np.searchsorted(edges, number * edges[-1], side="right"))])
        return self._draws[agent]

    def update(self, snapshot: Snapshot) -> Fleet:
        """Return all stations at the instant of a snapshot.

        Raises:
            UserError: If an antenna is below the effective ground of the channel's models.
        """
        connected = self._choose_connected(snapshot)
        agent = np.array(sorted([*connected, *(agent for agent, _ in self._roadside)]), np.int64)
        row = kept_rows(snapshot.agent, agent)
        # Roadside units are no road users.
        vehicles = np.flatnonzero(row >= 0)
        kinds = {
            one: KINDS[kind]
            for one, kind in zip(agent[vehicles].tolist(), snapshot.kind[row[vehicles]].tolist(), strict=True)
        }
        self._with_lidar = self._choose_lidars(kinds)
        if self._rigs.waits_for_stations:
            for one, kind in kinds.items():
                self._rigs.seen(self._name_of(one), kind)
        boxes, carriers, count = snapshot.boxes, snapshot.carriers, len(agent)
        fleet = Fleet(
            agent, row, np.zeros((count, 4)), np.zeros((count, 2)), np.zeros((count, 3)), np.zeros(count),
            np.zeros(count, np.int64), np.zeros(count, np.int64), np.zeros(count, bool), np.zeros((count, 4)),
            np.zeros(count, bool),
        )  # fmt: skip
        center_m, seen = boxes.center_m[row[vehicles]], row[vehicles]
        fleet.pose[vehicles, :3], fleet.pose[vehicles, 3] = center_m, boxes.yaw_rad[seen]
        fleet.velocity_mps[vehicles] = snapshot.velocity_mps[seen]
        # What a vehicle of two parts carries is on its front part.
        fleet.carrier[vehicles, :3], fleet.carrier[vehicles, 3] = carriers.center_m[seen], carriers.yaw_rad[seen]
        fleet.antenna_m[vehicles] = carriers.center_m[seen]
        fleet.antenna_m[vehicles, 2] += snapshot.antenna_height_m[seen]
        fleet.mount_base_m[vehicles] = carriers.size_m[seen, 2]
        self._antennas.place(fleet, kinds, carriers)
        for place in np.flatnonzero(np.isin(agent, list(self._with_lidar))).tolist():
            self._equip(fleet, place, kinds[int(agent[place])], carriers.size_m[row[place]].tolist())
        for one, unit in self._roadside:
            self._set_up(fleet, int(np.searchsorted(agent, one)), unit)
        self._ground.check(fleet)
        self._attendance.note(snapshot, fleet)
        # Whoever has left gets the same draws when it comes back.
        if len(self._draws) > 2 * len(snapshot) + _SPARE_DRAWS:
            there = set(snapshot.agent.tolist())
            self._draws = {agent: draws for agent, draws in self._draws.items() if agent in there}
        return fleet

    def _equip(self, fleet: Fleet, place: int, kind: str, size_m: list[float]) -> None:
        """Give a vehicle the lidars that it carries.

        Args:
            fleet: All stations; changed in place.
            place: Row of the vehicle in it.
            kind: Kind of the vehicle.
            size_m: Length, width and height of the part that carries them.
        """
        agent = int(fleet.agent[place])
        name = self._name_of(agent)
        rig = self._rigs.assigned(name, kind)
        if rig is None:
            return
        # Only of the rig `mounts` do some vehicles carry less than all.
        number = self._drawn(agent)[2] if rig == 0 else len(self._rigs.lidars(rig))
        length_m, width_m, height_m = size_m
        self._rigs.check(self._rigs.lidars(rig)[:number], name, kind, height_m, (length_m, width_m))
        fleet.lidars[place], fleet.rig[place] = number, rig
        fleet.ego[place] = number > 0 and (self._egos == "all" or name in self._egos)

    def _set_up(self, fleet: Fleet, place: int, unit: Roadside) -> None:
        """Place a roadside unit in its row of a fleet."""
        self._rigs.seen(unit.id, ROADSIDE)
        fleet.pose[place] = fleet.carrier[place] = (*unit.position_m, 0.0, np.radians(unit.heading_deg))
        fleet.antenna_m[place] = (*unit.position_m, unit.height_m)
        fleet.mount_base_m[place] = unit.height_m
        rig = self._rigs.assigned(unit.id, ROADSIDE) if unit.lidar else None
        if rig is not None:
            fleet.lidars[place], fleet.rig[place] = len(self._rigs.lidars(rig)), rig
        # "all" means all vehicles; a roadside unit is an ego only if it is named.
        fleet.ego[place] = isinstance(self._egos, list) and unit.id in self._egos and fleet.lidars[place] > 0

    def _choose_connected(self, snapshot: Snapshot) -> set[int]:
        """Return the agent ids of the vehicles that have a radio; roadside units are not among them."""
        rule = self._stations
        eligible = CATALOGUE.is_motor[snapshot.kind]
        if rule.region is not None:
            x, y = snapshot.boxes.center_m[:, 0], snapshot.boxes.center_m[:, 1]
            eligible = (
                eligible & (x >= rule.region[0]) & (y >= rule.region[1]) & (x <= rule.region[2]) & (y <= rule.region[3])
            )
        named = {a for a in snapshot.agent.tolist() if self._name_of(a) in rule.include} if rule.include else set()
        candidates = set(snapshot.agent[eligible].tolist())
        if rule.count is not None:
            # A station stays a station: with a new draw at every tick, stations would appear and vanish all the time.
            kept = (self._connected & candidates) | named
            missing = max(0, rule.count - len(kept))
            chosen = kept | set(nsmallest(missing, candidates - kept, key=lambda a: (self._drawn(a)[0], a)))
        else:
            share = (
                rule.penetration if rule.penetration is not None else (0.0 if rule.include or rule.roadside else 1.0)
            )
            chosen = {a for a in candidates if self._drawn(a)[0] < share} | named
        self._connected = chosen
        return chosen

    def notices(self, complete: bool = True) -> tuple[Notice, ...]:
        """Return notices about lidars in places where no lidar can be, and about stations that were never there so far.

        Args:
            complete: Whether the run is over. Before its end, who has not come yet may still come.
        """
        return (
            *self._rigs.notices(complete),
            *self._antennas.notices(complete),
            *(self._attendance.notices() if complete else ()),
        )

    def _choose_lidars(self, kinds: Mapping[int, str]) -> set[int]:
        """Return which of the vehicles with a radio carry lidars; all of them if the scenario names none and no number.

        Args:
            kinds: Kind of each vehicle with a radio, by agent id.
        """
        rule = self._lidars
        rigs = {a: rule.rig_of(self._name_of(a), kind) for a, kind in kinds.items()} if rule.carry else {}
        named = {a for a, rig in rigs.items() if rig not in (None, NO_RIG)}
        if rule.include:
            named |= {a for a in kinds if self._name_of(a) in rule.include}
        eligible = {a for a in kinds if rigs.get(a) != NO_RIG}
        if rule.count is None:
            return named & eligible if rule.include or self._carry_names_vehicles else eligible
        kept = ((self._with_lidar & eligible) | named) & eligible
        missing = max(0, rule.count - len(kept))
        return kept | set(nsmallest(missing, eligible - kept, key=lambda a: (self._drawn(a)[1], a)))
