"""Read-only views of the true world at one tick: road users, stations and links."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int64

from v2xsim.engine.instant import Instant
from v2xsim.mobility.base import Names
from v2xsim.records import LINK_STATE_NAMES, PART_NAMES
from v2xsim.views.kept import kept, not_there, place_text
from v2xsim.world.road_users import KINDS
from v2xsim.world.snapshot import Snapshot


@dataclass(frozen=True, eq=False)
class RoadUser:
    """One road user at an instant.

    Attributes:
        name: Its name in the traffic source.
        kind: Its class in the vehicle catalogue, such as `passenger`.
        pose: x, y, z of the centre of the body's bottom face in metres, and yaw in radians, counter-clockwise from east.
        velocity_mps: Velocity over ground, x and y.
        size_m: Length, width and height of the body.
    """

    name: str
    kind: str
    pose: Float[np.ndarray, " 4"]
    velocity_mps: Float[np.ndarray, " 2"]
    size_m: Float[np.ndarray, " 3"]

    @property
    def speed_mps(self) -> float:
        """Speed over ground."""
        return float(np.hypot(*self.velocity_mps))

    def __repr__(self) -> str:
        return f"<{self.name}, {self.kind}, at {place_text(self.pose)}, {self.speed_mps:.1f} m/s>"


@dataclass(frozen=True, eq=False)
class Part:
    """The front or the rear part of a road user of two parts.

    Attributes:
        name: Name of the road user.
        part: front or rear; the front part carries antenna and lidars.
        pose: Position x, y, z of the centre of its bottom face in metres, and its yaw in radians.
        size_m: Length, width and height.
    """

    name: str
    part: str
    pose: Float[np.ndarray, " 4"]
    size_m: Float[np.ndarray, " 3"]


class RoadUsers:
    """All road users at one instant, one per row of each array; `users["car3"]` is one of them."""

    def __init__(self, snapshot: Snapshot, names: Names) -> None:
        self._snapshot, self._register = snapshot, names

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names in the traffic source."""
        return tuple(self._register.name_of(agent) for agent in self._snapshot.agent.tolist())

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {name: row for row, name in enumerate(self.names)}

    @cached_property
    def agent(self) -> Int64[np.ndarray, " users"]:
        """Numbers by which the result tables call the road users."""
        return kept(self._snapshot.agent)

    @cached_property
    def kinds(self) -> tuple[str, ...]:
        """Classes in the vehicle catalogue."""
        return tuple(KINDS[kind] for kind in self._snapshot.kind.tolist())

    @cached_property
    def pose(self) -> Float[np.ndarray, "users 4"]:
        """Position x, y, z of the centre of each body's bottom face in metres, and yaw in radians."""
        return kept(np.column_stack([self._snapshot.boxes.center_m, self._snapshot.boxes.yaw_rad]))

    @cached_property
    def velocity_mps(self) -> Float[np.ndarray, "users 2"]:
        """Velocity over ground, x and y."""
        return kept(self._snapshot.velocity_mps)

    @cached_property
    def size_m(self) -> Float[np.ndarray, "users 3"]:
        """Length, width and height of each body."""
        return kept(self._snapshot.boxes.size_m)

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """Front and rear parts of the road users of two parts, such as a tractor with its trailer."""
        found = self._snapshot.parts
        poses, size_m = np.column_stack([found.boxes.center_m, found.boxes.yaw_rad]), found.boxes.size_m
        return tuple(
            Part(self.names[owner], PART_NAMES[int(rear)], kept(poses[row]), kept(size_m[row]))
            for row, (owner, rear) in enumerate(zip(found.owner.tolist(), found.is_rear.tolist(), strict=True))
        )

    def __len__(self) -> int:
        return len(self._snapshot)

    def __contains__(self, name: object) -> bool:
        return name in self._rows

    def __iter__(self) -> Iterator[RoadUser]:
        return (self._row(row) for row in range(len(self)))

    def row(self, name: str) -> int:
        """Return the row of a road user in the arrays."""
        if name not in self._rows:
            raise not_there(name, "road user", self.names, self._snapshot.time_us / 1e6)
        return self._rows[name]

    def __getitem__(self, name: str) -> RoadUser:
        return self._row(self.row(name))

    def __repr__(self) -> str:
        return f"<{len(self)} road users at {self._snapshot.time_us / 1e6:.12g} s>"

    def _row(self, row: int) -> RoadUser:
        return RoadUser(self.names[row], self.kinds[row], self.pose[row], self.velocity_mps[row], self.size_m[row])


@dataclass(frozen=True, eq=False)
class Station:
    """One station at an instant, as it truly is.

    Attributes:
        name: Name of the vehicle or roadside unit.
        pose: True x, y, z in metres and yaw in radians.
        velocity_mps: Velocity over ground, x and y.
        antenna_m: Position of the antenna.
        lidars: Number of lidars that it carries.
        is_ego: Whether it requests and fuses data of others.
    """

    name: str
    pose: Float[np.ndarray, " 4"]
    velocity_mps: Float[np.ndarray, " 2"]
    antenna_m: Float[np.ndarray, " 3"]
    lidars: int
    is_ego: bool

    def __repr__(self) -> str:
        role = ", ego" if self.is_ego else ""
        return f"<station {self.name} at {place_text(self.pose)}: {self.lidars} lidars{role}>"


class StationsView:
    """All stations at one instant, one per row of each array; `stations["car3"]` is one of them."""

    def __init__(self, instant: Instant, names: Names) -> None:
        self._fleet, self._time_us, self._register = instant.fleet, instant.time_us, names

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the vehicles and roadside units."""
        return tuple(self._register.name_of(agent) for agent in self._fleet.agent.tolist())

    @cached_property
    def egos(self) -> tuple[str, ...]:
        """Names of the egos: the stations that request and fuse data of others."""
        return tuple(name for name, is_ego in zip(self.names, self.is_ego.tolist(), strict=True) if is_ego)

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {name: row for row, name in enumerate(self.names)}

    @cached_property
    def agent(self) -> Int64[np.ndarray, " stations"]:
        """Numbers by which the result tables call the stations."""
        return kept(self._fleet.agent)

    @cached_property
    def pose(self) -> Float[np.ndarray, "stations 4"]:
        """True x, y, z in metres and yaw in radians."""
        return kept(self._fleet.pose)

    @cached_property
    def velocity_mps(self) -> Float[np.ndarray, "stations 2"]:
        """Velocity over ground, x and y."""
        return kept(self._fleet.velocity_mps)

    @cached_property
    def antenna_m(self) -> Float[np.ndarray, "stations 3"]:
        """Positions of the antennas."""
        return kept(self._fleet.antenna_m)

    @cached_property
    def lidars(self) -> Int64[np.ndarray, " stations"]:
        """Number of lidars that each station carries."""
        return kept(self._fleet.lidars)

    @cached_property
    def is_ego(self) -> Bool[np.ndarray, " stations"]:
        """Whether each station requests and fuses data of others."""
        return kept(self._fleet.ego)

    def __len__(self) -> int:
        return len(self._fleet)

    def __contains__(self, name: object) -> bool:
        return name in self._rows

    def __iter__(self) -> Iterator[Station]:
        return (self._row(row) for row in range(len(self)))

    def row(self, name: str) -> int:
        """Return the row of a station in the arrays."""
        if name not in self._rows:
            raise not_there(name, "station", self.names, self._time_us / 1e6)
        return self._rows[name]

    def __getitem__(self, name: str) -> Station:
        return self._row(self.row(name))

    def __repr__(self) -> str:
        return f"<{len(self)} stations at {self._time_us / 1e6:.12g} s>"

    def _row(self, row: int) -> Station:
        return Station(
            self.names[row], self.pose[row], self.velocity_mps[row], self.antenna_m[row], int(self.lidars[row]),
            bool(self.is_ego[row]),
        )  # fmt: skip


@dataclass(frozen=True)
class Link:
    """The link between two stations at an instant.

    Attributes:
        distance_m: Distance between the antennas.
        state: LOS (clear), NLOSv (vehicle in the way) or NLOSb (building in the way).
        loss_db: Path loss with blockage, without shadowing.
        shadowing_db: Shadowing, to be added to the loss.
        power_dbm: Received power without fading.
    """

    distance_m: float
    state: str
    loss_db: float
    shadowing_db: float
    power_dbm: float


class LinksView:
    """All links at one instant: one row of each array per pair of stations within `radio.range_m`.

    Attributes:
        stations: The stations; `first` and `second` are rows of it.
    """

    def __init__(self, instant: Instant, stations: StationsView) -> None:
        self._links, self.stations = instant.links, stations

    @cached_property
    def first(self) -> Int64[np.ndarray, " links"]:
        """Row of one station of each pair."""
        return kept(self._links.near.first.astype(np.int64))

    @cached_property
    def second(self) -> Int64[np.ndarray, " links"]:
        """Row of the other station of each pair."""
        return kept(self._links.near.second.astype(np.int64))

    @cached_property
    def distance_m(self) -> Float[np.ndarray, " links"]:
        """Distance between the antennas."""
        return kept(self._links.distance_m)

    @cached_property
    def states(self) -> np.ndarray:
        """State of each link as text: LOS, NLOSv or NLOSb."""
        return kept(np.array(LINK_STATE_NAMES)[self._links.state])

    @cached_property
    def loss_db(self) -> Float[np.ndarray, " links"]:
        """Path loss with blockage, without shadowing."""
        return kept(self._links.loss_db)

    @cached_property
    def shadowing_db(self) -> Float[np.ndarray, " links"]:
        """Shadowing, to be added to the loss."""
        return kept(self._links.shadowing_db)

    @cached_property
    def power_dbm(self) -> Float[np.ndarray, " links"]:
        """Received power without fading."""
        return kept(self._links.power_dbm)

    def between(self, one: str, other: str) -> Link | None:
        """Return the link between two stations, None if they are out of range of each other."""
        rows = [self.stations.row(name) for name in (one, other)]
        pair = int(self._links.pair(rows[0], np.array([rows[1]]))[0]) if rows[0] != rows[1] else -1
        if pair < 0:
            return None
        return Link(
            float(self.distance_m[pair]), str(self.states[pair]), float(self.loss_db[pair]), float(self.shadowing_db[pair]),
            float(self.power_dbm[pair]),
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self._links.distance_m)

    def __repr__(self) -> str:
        return f"<{len(self)} links between {len(self.stations)} stations>"


class InstantView:
    """The true world at one tick.

    Attributes:
        time_us: Traffic time in microseconds, as in the result tables.
        road_users: All road users.
        stations: Those of them, and the roadside units, that have a radio.
        links: The links between the stations.
    """

    def __init__(self, instant: Instant, names: Names) -> None:
        self.time_us, self._instant = instant.time_us, instant
        self.road_users = RoadUsers(instant.snapshot, names)
        self.stations = StationsView(instant, names)
        self.links = LinksView(instant, self.stations)

    def shows(self, instant: Instant) -> bool:
        """Return whether this is the view of an instant of the engine."""
        return self._instant is instant

    @property
    def time_s(self) -> float:
        """Traffic time in seconds."""
        return self.time_us / 1e6

    def __repr__(self) -> str:
        return f"<instant {self.time_s:.12g} s: {len(self.road_users)} road users, {len(self.stations)} stations>"
