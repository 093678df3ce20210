"""Choice of the vehicles that have a radio, carry lidars and fuse data: drawn by seed, and kept while vehicles come and go."""

from collections.abc import Callable

import numpy as np

from v2xsim.engine.stations.fleet import Fleet
from v2xsim.scenario.schema import Scenario
from v2xsim.streams import Streams
from v2xsim.world.road_users import CATALOGUE
from v2xsim.world.snapshot import Snapshot


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
        self._egos = scenario.cooperation.egos
        self._streams = streams
        self._name_of = name_of
        self._roadside = [(agent_of(unit.id), unit) for unit in scenario.stations.roadside]
        self._draws: dict[int, tuple[float, float, int]] = {}
        self._connected: set[int] = set()
        self._with_lidar: set[int] = set()

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
        """Return all stations at the instant of a snapshot."""
        connected = self._choose_connected(snapshot)
        self._with_lidar = self._choose_lidars(connected)
        row_of = {int(a): r for r, a in enumerate(snapshot.agent)}
        roadside = dict(self._roadside)
        agents = sorted([*connected, *roadside])
        rows, poses, velocities, antennas, bases, lidars, egos = [], [], [], [], [], [], []
        for agent in agents:
            unit = roadside.get(agent)
            if unit is not None:
                rows.append(-1)
                poses.append((*unit.position_m, 0.0, np.radians(unit.heading_deg)))
                velocities.append((0.0, 0.0))
                antennas.append((*unit.position_m, unit.height_m))
                bases.append(unit.height_m)
                lidars.append(len(self._lidars.mounts) if unit.lidar else 0)
                # "all" means all vehicles; a roadside unit is an ego only if it is named.
                egos.append(isinstance(self._egos, list) and unit.id in self._egos and unit.lidar)
                continue
            row = row_of[agent]
            center = snapshot.boxes.center_m[row]
            rows.append(row)
            poses.append((*center, snapshot.boxes.yaw_rad[row]))
            velocities.append(tuple(snapshot.velocity_mps[row]))
            antennas.append((center[0], center[1], center[2] + snapshot.antenna_height_m[row]))
            bases.append(snapshot.boxes.size_m[row, 2])
            number = self._drawn(agent)[2] if agent in self._with_lidar else 0
            lidars.append(number)
            egos.append(number > 0 and (self._egos == "all" or self._name_of(agent) in self._egos))
        return Fleet(
            np.array(agents, np.int64),
            np.array(rows, np.int64),
            np.array(poses, float).reshape(len(agents), 4),
            np.array(velocities, float).reshape(len(agents), 2),
            np.array(antennas, float).reshape(len(agents), 3),
            np.array(bases, float),
            np.array(lidars, np.int64),
            np.array(egos, bool),
        )

    def _choose_connected(self, snapshot: Snapshot) -> set[int]:
        """Return the agent ids of the vehicles that have a radio; roadside units are not among them."""
        rule = self._stations
        eligible = CATALOGUE.is_motor[snapshot.kind]
        if rule.region is not None:
            x, y = snapshot.boxes.center_m[:, 0], snapshot.boxes.center_m[:, 1]
            eligible = (
                eligible & (x >= rule.region[0]) & (y >= rule.region[1]) & (x <= rule.region[2]) & (y <= rule.region[3])
            )
        named = {int(a) for a in snapshot.agent if self._name_of(int(a)) in rule.include} if rule.include else set()
        candidates = {int(a) for a in snapshot.agent[eligible]}
        if rule.count is not None:
            # A station stays a station: with a new draw at every tick, stations would appear and vanish all the time.
            kept = (self._connected & candidates) | named
            queue = sorted(candidates - kept, key=lambda a: (self._drawn(a)[0], a))
            chosen = kept | set(queue[: max(0, rule.count - len(kept))])
        else:
            share = (
                rule.penetration if rule.penetration is not None else (0.0 if rule.include or rule.roadside else 1.0)
            )
            chosen = {a for a in candidates if self._drawn(a)[0] < share} | named
        self._connected = chosen
        return chosen

    def _choose_lidars(self, connected: set[int]) -> set[int]:
        """Return which of the vehicles with a radio carry lidars; all of them if the scenario names none and no number."""
        rule = self._lidars
        named = {a for a in connected if self._name_of(a) in rule.include} if rule.include else set()
        if rule.count is None:
            return named if rule.include else set(connected)
        kept = (self._with_lidar & connected) | named
        queue = sorted(connected - kept, key=lambda a: (self._drawn(a)[1], a))
        return kept | set(queue[: max(0, rule.count - len(kept))])
