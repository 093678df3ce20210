"""What looks wrong in the traffic and the stations of a run, although every key of the scenario is valid.

`v2xsim check --traffic` runs the traffic alone through these checks; a run makes them on the way.
"""

import numpy as np
from jaxtyping import Bool
from scipy.spatial import cKDTree

from v2xsim.engine.assumed_speeds import AssumedSpeeds
from v2xsim.engine.far_users import FarUsers
from v2xsim.engine.stations.agent_set import AgentSet
from v2xsim.engine.stations.fleet import Fleet
from v2xsim.engine.stations.number_set import NumberSet
from v2xsim.gpu.bev.fusion.scheme import Share
from v2xsim.mobility.base import Names
from v2xsim.notices import Notice
from v2xsim.records import Obstacles
from v2xsim.scenario.schema import Scenario
from v2xsim.world.hidden_speeds import HiddenSpeeds
from v2xsim.world.inside import buildings_around
from v2xsim.world.overlaps import overlapping
from v2xsim.world.road_users import KINDS
from v2xsim.world.snapshot import Snapshot
from v2xsim.world.through_walls import through_walls
from v2xsim.world.usual_sizes import is_unusual_size

FAR_M = 300.0
"""Buildings farther than this from all road users block no link between them."""


class _Places:
    """Counts the road users that were at certain places, and notes who was there first."""

    def __init__(self) -> None:
        self._agents = AgentSet()
        self._first = (0, 0, 0.0, 0.0)

    def __len__(self) -> int:
        return len(self._agents)

    def note(self, snapshot: Snapshot, is_there: Bool[np.ndarray, " agents"]) -> None:
        """Note which road users of a tick are there."""
        rows = np.flatnonzero(is_there)
        if len(rows) and not len(self):
            x_m, y_m = snapshot.boxes.center_m[rows[0], :2].tolist()
            self._first = int(snapshot.agent[rows[0]]), snapshot.time_us, x_m, y_m
        self._agents.add(snapshot.agent[rows])

    def first(self, names: Names) -> str:
        """Return who was there first, when and where, as text."""
        agent, time_us, x_m, y_m = self._first
        return f"first {names.name_of(agent)!r} at {time_us * 1e-6:.12g} s at ({x_m:.1f}, {y_m:.1f})"


class Plausibility:
    """Notes the road users and stations of every tick, and reports what looks wrong in them.

    Args:
        scenario: Scenario of the run.
        obstacles: Buildings of the world.
        hidden_speeds: Speeds that hidden road users are assumed to have; None where nobody reads them.
    """

    def __init__(self, scenario: Scenario, obstacles: Obstacles, hidden_speeds: HiddenSpeeds | None = None) -> None:
        self._scenario, self._obstacles, self._buildings = scenario, obstacles, len(obstacles.prisms)
        # Pairs of overlapping bodies, each as one number: both agent ids have at most 32 bits. And the first pair, and when.
        self._overlaps = NumberSet()
        self._first_overlap: tuple[int, int, int] | None = None
        # Road users with a size that their class does not have; of the first, also time, agent id, class and size.
        self._odd_sizes = AgentSet()
        self._first_odd: tuple[int, int, int, tuple[float, ...]] = (0, 0, 0, ())
        self._most_stations = 0
        self._stations, self._with_lidar, self._egos = AgentSet(), AgentSet(), AgentSet()
        self._nearest_helper_m = np.inf
        # Road users inside buildings, and those whose bodies walls pass through although their centre is in no building.
        self._inside, self._in_walls = _Places(), _Places()
        # By agent id: antennas of roadside units inside buildings.
        self._units_inside: dict[int, tuple[float, float, float]] = {}
        # SUMO keeps its road users on its roads.
        traffic = scenario.traffic
        self._far_users = (
            FarUsers(str(traffic.fcd) if traffic.fcd is not None else "traffic.script")
            if traffic.fcd is not None or traffic.script is not None
            else None
        )
        # Nothing reads the assumed speed of a run whose egos ask nobody.
        asks = scenario.cooperation.matching.asks and scenario.cooperation.fusion.shares.asked_for
        extent_m = scenario.cooperation.matrix.extent_m
        self._assumed_speeds = AssumedSpeeds(hidden_speeds, extent_m) if asks and hidden_speeds is not None else None
        self._least_m, self._largest_m = np.full(2, np.inf), np.full(2, -np.inf)

    def note(self, snapshot: Snapshot, fleet: Fleet) -> None:
        """Note the road users and stations of a tick; ticks must come in order of time."""
        pairs = snapshot.body_agent[overlapping(snapshot.bodies.boxes)]
        # The parts of one vehicle meet at its joint.
        pairs = np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0)
        if len(pairs):
            if self._first_overlap is None:
                self._first_overlap = int(pairs[0, 0]), int(pairs[0, 1]), snapshot.time_us
            self._overlaps.add(pairs[:, 0] << 32 | pairs[:, 1])
        odd = np.flatnonzero(is_unusual_size(snapshot.kind, snapshot.boxes.size_m))
        if len(odd) and not len(self._odd_sizes):
            row = int(odd[0])
            size_m = tuple(snapshot.boxes.size_m[row].tolist())
            self._first_odd = snapshot.time_us, int(snapshot.agent[row]), int(snapshot.kind[row]), size_m
        self._odd_sizes.add(snapshot.agent[odd])
        self._note_places(snapshot, fleet)
        if self._far_users is not None:
            self._far_users.note(snapshot)
        if self._assumed_speeds is not None:
            self._assumed_speeds.note(snapshot, fleet)
        self._most_stations = max(self._most_stations, len(fleet))
        self._stations.add(fleet.agent)
        self._with_lidar.add(fleet.agent[fleet.lidars > 0])
        self._egos.add(fleet.agent[fleet.ego])
        self._nearest_helper_m = min(self._nearest_helper_m, _nearest_helper_m(fleet))

    def _note_places(self, snapshot: Snapshot, fleet: Fleet) -> None:
        """Note who is inside a building, and the rectangle in which road users and stations are."""
        bottom_m = snapshot.boxes.center_m
        inside = buildings_around(bottom_m, bottom_m[:, 2] + snapshot.boxes.size_m[:, 2], self._obstacles) >= 0
        self._inside.note(snapshot, inside)
        in_walls = np.zeros(len(snapshot), bool)
        np.logical_or.at(in_walls, snapshot.bodies.owner, through_walls(snapshot.bodies.boxes, self._obstacles))
        self._in_walls.note(snapshot, in_walls & ~inside)
        units = np.flatnonzero(fleet.row < 0)
        antenna_m = fleet.antenna_m[units]
        hidden = buildings_around(antenna_m, antenna_m[:, 2], self._obstacles) >= 0
        for agent, (x_m, y_m, z_m) in zip(fleet.agent[units[hidden]].tolist(), antenna_m[hidden].tolist(), strict=True):
            self._units_inside.setdefault(agent, (x_m, y_m, z_m))
        for places_m in (bottom_m[:, :2], antenna_m[:, :2]):
            if len(places_m):
                self._least_m = np.minimum(self._least_m, places_m.min(axis=0))
                self._largest_m = np.maximum(self._largest_m, places_m.max(axis=0))

    def notices(self, names: Names) -> tuple[Notice, ...]:
        """Return what looked wrong in the ticks so far.

        Args:
            names: Names of the road users and stations.
        """
        found = (
            self._overlapping_bodies(names), None if self._far_users is None else self._far_users.notice(names), self._unusual_sizes(names),
            self._users_inside(names), self._users_in_walls(names), self._antennas_inside(names), self._far_buildings(),
            self._no_buildings(), self._states_without_buildings(), self._few_relays(), self._without_lidar(), self._far_helpers(),
            None if self._assumed_speeds is None else self._assumed_speeds.notice(names),
        )  # fmt: skip
        return tuple(notice for notice in found if notice is not None)

    def _overlapping_bodies(self, names: Names) -> Notice | None:
        if self._first_overlap is None:
            return None
        first, second, time_us = self._first_overlap
        count = len(self._overlaps)
        pairs = "1 pair of road users has" if count == 1 else f"{count} pairs of road users have"
        text = (
            f"traffic: {pairs} overlapping bodies, first {names.name_of(first)!r} and {names.name_of(second)!r} at "
            f"{time_us * 1e-6:.12g} s; check their sizes and paths"
        )
        return Notice("traffic.overlapping", count, text)

    def _unusual_sizes(self, names: Names) -> Notice | None:
        if not self._odd_sizes:
            return None
        time_us, agent, kind, size_m = self._first_odd
        count = len(self._odd_sizes)
        users = "1 road user has" if count == 1 else f"{count} road users have"
        text = (
            f"traffic: {users} a size that is unusual for its class, first {names.name_of(agent)!r} ({KINDS[kind]}) at "
            f"{time_us * 1e-6:.12g} s: {' x '.join(f'{part:.4g}' for part in size_m)} m; sizes are length, width and height in metres"
        )
        return Notice("traffic.sizes", count, text)

    def _users_inside(self, names: Names) -> Notice | None:
        if not self._inside:
            return None
        count, first = len(self._inside), self._inside.first(names)
        users = "1 road user was" if count == 1 else f"{count} road users were"
        text = (
            f"world.buildings: {users} inside buildings, {first}; the walls round them block their lidars and links. Correct the paths or the outlines, or raise the "
            "underside of the building (base_m, or min_height in a polygon file)"
        )
        return Notice("traffic.inside_building", count, text)

    def _users_in_walls(self, names: Names) -> Notice | None:
        if not self._in_walls:
            return None
        count, first = len(self._in_walls), self._in_walls.first(names)
        users = "1 road user" if count == 1 else f"{count} road users"
        text = (
            f"world.buildings: walls passed through the bodies of {users}, {first}; a lidar or an antenna in the part behind the wall sees and hears nothing outside. Correct the paths or "
            "the outlines"
        )
        return Notice("traffic.in_wall", count, text)

    def _antennas_inside(self, names: Names) -> Notice | None:
        if not self._units_inside:
            return None
        agent, (x_m, y_m, z_m) = next(iter(self._units_inside.items()))
        count = len(self._units_inside)
        units = "1 roadside unit has its antenna" if count == 1 else f"{count} roadside units have their antennas"
        text = (
            f"stations.roadside: {units} inside a building, first {names.name_of(agent)!r} at ({x_m:.1f}, {y_m:.1f}), {z_m:g} m "
            "above ground; it hears nothing outside"
        )
        return Notice("stations.inside_building", count, text)

    def _far_buildings(self) -> Notice | None:
        if self._buildings == 0 or not np.isfinite(self._least_m).all():
            return None
        gap_m = np.maximum(
            np.maximum(self._obstacles.lower_m - self._largest_m, self._least_m - self._obstacles.upper_m), 0.0
        )
        nearest_m = float(np.hypot(gap_m[:, 0], gap_m[:, 1]).min())
        if nearest_m < FAR_M:
            return None
        text = (
            f"world.buildings: all {self._buildings} buildings are at least {nearest_m:.0f} m from the rectangle in which the road "
            "users are; the outlines and the traffic may have different origins (netOffset of the network)"
        )
        return Notice("buildings.far", self._buildings, text)

    def _no_buildings(self) -> Notice | None:
        radio = self._scenario.radio
        if self._buildings or not radio.channel.urban or radio.propagation.states != "geometry" or radio.access.ideal:
            return None
        text = (
            f"world: there are no buildings, so radio.channel {radio.channel.name}, which models streets in a town, never has a link "
            "behind a building; set world.buildings, or choose a channel for open roads"
        )
        return Notice("world.no_buildings", 1, text)

    def _states_without_buildings(self) -> Notice | None:
        radio = self._scenario.radio
        if not self._buildings or radio.propagation.states == "geometry" or radio.access.ideal:
            return None
        text = (
            f"radio.propagation.states: {radio.propagation.states} draws link states by distance, so the {self._buildings:,} buildings "
            "of the world block lidars but no links; set it to geometry to give both the same world"
        )
        return Notice("radio.ignores_buildings", self._buildings, text)

    def _few_relays(self) -> Notice | None:
        work = self._scenario.cooperation
        # Requests and reports are relayed, and announcements where something is shared.
        sends = work.matching.asks if work.fusion.shares.asked_for else work.fusion.shares is not Share.NOTHING
        if not sends or not self._relays or not 0 < self._most_stations <= 3:
            return None
        candidates = max(0, self._most_stations - 2)
        outcome = "so nothing can be relayed" if candidates == 0 else "so a relay rule has nothing to choose from"
        stations = (
            "is never more than 1 station"
            if self._most_stations == 1
            else f"are never more than {self._most_stations} stations"
        )
        text = (
            f"cooperation.relay: there {stations} at a time, which leaves "
            f"{'no candidate' if candidates == 0 else '1 candidate'} for a relay between two of them, {outcome}"
        )
        return Notice("cooperation.few_relays", 1, text)

    @property
    def _relays(self) -> bool:
        """Whether a relay rule has messages that may be lost."""
        work = self._scenario.cooperation
        return work.relay.relays and work.transport == "radio" and not self._scenario.radio.access.ideal

    def _without_lidar(self) -> Notice | None:
        work = self._scenario.cooperation
        # Whoever carries a lidar is a station.
        idle = len(self._stations) - len(self._with_lidar)
        if idle == 0 or not self._egos or work.fusion.shares is Share.NOTHING:
            return None
        if self._relays or work.retelling.retells or self._scenario.radio.access.ideal:
            return None  # They can relay or tell on, or load no channel.
        use = (
            "they announce their own position and load the channel, but have nothing to share, and they relay nothing"
            if work.transport == "radio"
            else f"they have nothing to share, and with cooperation.transport: {work.transport} nothing is sent or relayed"
        )
        text = f"lidars: {idle} of {len(self._stations)} stations never carry a lidar; {use}"
        return Notice("lidars.none_to_share", idle, text)

    def _far_helpers(self) -> Notice | None:
        work = self._scenario.cooperation
        reach_m = 2.0 * work.matrix.extent_m
        asks = work.matching.asks and work.fusion.shares.asked_for
        if not asks or not self._egos or self._nearest_helper_m <= reach_m:
            return None
        nearest = (
            "no other station has a lidar"
            if np.isinf(self._nearest_helper_m)
            else f"the nearest other station with a lidar is never closer than {self._nearest_helper_m:.0f} m in x or y"
        )
        text = (
            f"cooperation.matrix.extent_m: matrices of {work.matrix.extent_m:g} m to each side overlap up to {reach_m:g} m, but "
            f"{nearest}; no ego ever has a helper"
        )
        return Notice("cooperation.no_helper_in_range", 1, text)


def _nearest_helper_m(fleet: Fleet) -> float:
    """Return the least distance, along x or y, from an ego to another station with a lidar; infinite without such a pair.

    Matrices are squares along x and y, so two of them overlap if the larger one of the distances along x and y is small.
    """
    egos, helpers = np.flatnonzero(fleet.ego), np.flatnonzero(fleet.lidars > 0)
    if len(egos) == 0 or len(helpers) < 2:
        return float("inf")
    # A tree, because a town may have thousands of egos and helpers. Of the two nearest helpers one may be the ego itself.
    distance_m, nearest = cKDTree(fleet.pose[helpers, :2]).query(fleet.pose[egos, :2], k=2, p=np.inf)
    distance_m[helpers[nearest] == egos[:, None]] = np.inf
    return float(distance_m.min())
