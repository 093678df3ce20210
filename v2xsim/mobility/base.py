"""The interface of all sources of traffic: they return the road users at one instant after the other, with their ids."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType

import numpy as np
from jaxtyping import Float, Int8, Int64

from v2xsim.errors import UserError
from v2xsim.mobility.trailers import Trailers
from v2xsim.notices import Notice
from v2xsim.records import Bodies, Boxes
from v2xsim.streams import NameKeys
from v2xsim.world.road_users import antenna_heights_m
from v2xsim.world.roads import Roads
from v2xsim.world.snapshot import Snapshot

Progress = Callable[[int], None]
"""Function called with the traffic time in microseconds while the traffic runs up to the start of the measurement."""

Bounds = tuple[float, float, float, float]
"""A rectangle in the world frame: x_min, y_min, x_max and y_max in metres."""


class MobilityError(UserError):
    """Traffic cannot be produced; the message has the file and the reason."""


class Names:
    """The names of all road users and roadside units of a run, numbered from 0 in order of first appearance.

    The engine creates this register, enters the roadside units first, and passes it to the source of traffic.

    Attributes:
        keys: The keys of the names for random draws.
    """

    def __init__(self) -> None:
        self._id: dict[str, int] = {}
        self._name: list[str] = []
        self._owner: list[str] = []
        self.keys = NameKeys()

    def __len__(self) -> int:
        return len(self._name)

    def register(self, name: str, owner: str = "") -> int:
        """Return the number (agent id) of a name; a new name gets the next number.

        Args:
            name: The name.
            owner: What a new name stands for, such as "vehicle", so that `owner_of` can return it.
        """
        agent = self._id.setdefault(name, len(self._name))
        if agent == len(self._name):
            self._name.append(name)
            self._owner.append(owner)
            self.keys.add(agent, name)
        return agent

    def name_of(self, agent: int) -> str:
        """Return the name of the road user or roadside unit with an agent id."""
        return self._name[agent]

    def names_of(self, agents: Iterable[int]) -> list[str]:
        """Return the names of road users and roadside units with some agent ids."""
        names = self._name
        return [names[agent] for agent in agents]

    def owner_of(self, agent: int) -> str:
        """Return what an agent id stands for, as it was registered."""
        return self._owner[agent]

    def agent_of(self, name: str) -> int | None:
        """Return the agent id of a name, or None if the name has not appeared yet."""
        return self._id.get(name)


class NameTakenError(ValueError):
    """A name stands for two different things."""


Body = tuple[int, float, float, float]
"""What tells road users of one name apart: class (row of the catalogue), length, width and height."""


class Identities:
    """Enters road users into a register of names, so that no two different ones get the same agent id.

    A source of traffic may use a name again for another road user, after the first one has left. If the second has another
    body, it gets a name of its own with a number, such as `car#2`.
    """

    def __init__(self, names: Names) -> None:
        self._names = names
        # By agent id; None for one that was entered elsewhere. Equal bodies are one object: a long run has many road users.
        self._body_of: list[Body | None] = []
        self._bodies: dict[Body, Body] = {}
        # The road users with a name that stands for another one, too: all but the first one, and how many the name stands for.
        self._others: dict[tuple[str, Body], int] = {}
        self._count_of: dict[str, int] = {}
        self.renamed: list[str] = []
        # The name in the source of each road user whose name stands for several.
        self.sharing: dict[int, str] = {}

    def agent(self, name: str, owner: str, body: Body) -> int:
        """Return the agent id of a road user; a new one is entered into the register.

        Raises:
            NameTakenError: If the name already stands for something else than `owner`.
        """
        first = self._first_of(name)
        if first is not None and self._body_of[first] == body:
            return first
        agent = self._others.get((name, body))
        return self._entered(name, owner, body, first) if agent is None else agent

    def _first_of(self, name: str) -> int | None:
        """Return the first road user with a name in the source; None if there is none."""
        agent = self._names.agent_of(name)
        if agent is None or agent >= len(self._body_of) or self._body_of[agent] is None:
            return None
        # A name such as `car#2` may be the one that another road user got here.
        return agent if self.sharing.get(agent, name) == name else None

    def _entered(self, name: str, owner: str, body: Body, first: int | None) -> int:
        number = self._count_of.get(name, 0 if first is None else 1) + 1
        own_name = name if number == 1 else f"{name}#{number}"
        for taken in {name, own_name}:
            present = self._names.agent_of(taken)
            if present is not None and (number == 1 or taken != name or self._names.owner_of(present) != owner):
                raise NameTakenError(
                    f"{owner} and {self._names.owner_of(present) or 'another road user'} have the same name {taken!r}; rename one of them"
                )
        agent = self._names.register(own_name, owner)
        self._body_of += [None] * (agent + 1 - len(self._body_of))
        self._body_of[agent] = self._bodies.setdefault(body, body)
        if first is not None:
            self._others[name, body], self._count_of[name] = agent, number
            self.renamed.append(own_name)
            self.sharing |= {first: name, agent: name}
        return agent

    def notices(self, source: str) -> tuple[Notice, ...]:
        """Return the notice about names that stand for several road users."""
        if not self.renamed:
            return ()
        return (
            Notice(
                "traffic.names_used_again", len(self.renamed),
                f"{source}: {counted(len(self.renamed), 'road user')} with the name of an earlier one of another class or size: "
                f"{listed(self.renamed)}; they count as different road users",
            ),
        )  # fmt: skip


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, such as `1 vehicle` or `2 vehicles`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def listed(names: Iterable[str], most: int = 5) -> str:
    """Return the first few of some names in quotes, separated by commas."""
    all_names = list(names)
    return ", ".join(repr(name) for name in all_names[:most]) + (", ..." if len(all_names) > most else "")


def riders_text(riders: Mapping[str, tuple[int, str]]) -> str:
    """Return what happens to persons who ride in vehicles, for a notice.

    Args:
        riders: For each rider the time in microseconds at which it rides first, and its vehicle then.
    """
    name, (time_us, vehicle) = next(iter(riders.items()))
    persons = "1 person rides in a vehicle" if len(riders) == 1 else f"{len(riders):,} persons ride in vehicles"
    others = f"; also {listed(list(riders)[1:])}" if len(riders) > 1 else ""
    return (
        f"{persons} ({'first ' if len(riders) > 1 else ''}{name!r} in {vehicle!r} at {time_us / 1e6:.12g} s{others}). A person inside a vehicle is no road user of its "
        "own; before and after the ride it counts as a pedestrian"
    )


class Mobility(ABC):
    """A source of traffic; it converts positions to the world frame (docs/frames.md), so that no other code has to."""

    def __init__(self, names: Names) -> None:
        self.names = names

    @property
    @abstractmethod
    def bounds(self) -> Bounds:
        """Rectangle around all positions that road users can have."""

    @abstractmethod
    def snapshot(self, time_us: int) -> Snapshot:
        """Return all road users at one instant, by rising agent id. Each call needs a later instant than the one before."""

    def warm_up(self, until_us: int, progress: Progress | None = None) -> None:
        """Advance the traffic to an instant without reading states; the next snapshot is at that instant or later."""
        if progress is not None:
            progress(until_us)

    def enter(self, name: str, owner: str, where: str) -> int:
        """Return the agent id of a road user that appears for the first time.

        Args:
            name: Name of the road user in the run.
            owner: What it is, such as "a vehicle".
            where: Source and time, for the message of an error.

        Raises:
            MobilityError: If the name stands for something else already, such as a roadside unit.
        """
        present = self.names.agent_of(name)
        if present is not None:
            raise MobilityError(
                f"{where}: {owner} and {self.names.owner_of(present) or 'another road user'} have the same name {name!r}; rename one of them"
            )
        return self.names.register(name, owner)

    def notices(self) -> tuple[Notice, ...]:
        """Return what this source has left out, repaired or assumed so far; complete after the last snapshot."""
        return ()

    def roads(self) -> Roads:
        """Return the roads of the traffic; none if the source does not know them."""
        return Roads.none()

    def set_speed(self, agent: int, speed_mps: float | None) -> None:
        """Set the speed at which a vehicle wants to drive from the next step on; None lets the traffic decide again.

        Raises:
            MobilityError: If this source replays its traffic, or the vehicle is not on the road.
        """
        raise MobilityError(
            f"the speed of {self.name_of(agent)} cannot be set: its motion is replayed from waypoints, a trace or a run; use traffic that "
            "SUMO simulates (traffic.sumocfg, grid or highway)"
        )

    def name_of(self, agent: int) -> str:
        """Return the name of a road user."""
        return self.names.name_of(agent)

    def agent_of(self, name: str) -> int | None:
        """Return the agent id of a road user, or None if the road user has not appeared yet."""
        return self.names.agent_of(name)

    def close(self) -> None:  # noqa: B027  # a source without a process or a file has nothing to give back
        """Release files and processes; a second call does nothing."""

    def __enter__(self) -> "Mobility":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def yaw_of_compass_rad(angle_deg: Float[np.ndarray, " agents"]) -> Float[np.ndarray, " agents"]:
    """Return the yaw of a SUMO angle: counter-clockwise from east, in (-pi, pi]; SUMO counts clockwise from north."""
    yaw = np.deg2rad(90.0 - np.asarray(angle_deg, float))
    return np.pi - np.mod(np.pi - yaw, 2.0 * np.pi)


def center_of_front_m(
    front_m: Float[np.ndarray, "agents 2"],
    yaw_rad: Float[np.ndarray, " agents"],
    length_m: Float[np.ndarray, " agents"],
) -> Float[np.ndarray, "agents 2"]:
    """Return the centres of bodies, given the positions of their front bumpers, as SUMO reports them."""
    ahead = np.stack([np.cos(yaw_rad), np.sin(yaw_rad)], axis=1)
    return np.asarray(front_m - 0.5 * length_m[:, None] * ahead)


def snapshot_of(
    time_us: int,
    agent: Int64[np.ndarray, " agents"],
    kind: Int8[np.ndarray, " agents"],
    center_m: Float[np.ndarray, "agents 2"],
    size_m: Float[np.ndarray, "agents 3"],
    yaw_rad: Float[np.ndarray, " agents"],
    velocity_mps: Float[np.ndarray, "agents 2"],
    trailers: Trailers | None = None,
) -> Snapshot:
    """Return the snapshot of road users that stand on the ground z = 0, by rising agent id.

    Args:
        time_us: The instant.
        agent: Agent id of each road user.
        kind: Class of each.
        center_m: Centre of each body.
        size_m: Length, width and height of each body.
        yaw_rad: Heading of each.
        velocity_mps: Velocity of each.
        trailers: What moves the parts of vehicles of two parts; None if every road user is one body.
    """
    order = np.argsort(agent, kind="stable")
    center = np.zeros((len(agent), 3))
    center[:, :2] = center_m[order]
    size = np.ascontiguousarray(size_m[order], float)
    agent, kind = np.ascontiguousarray(agent[order], np.int64), np.ascontiguousarray(kind[order], np.int8)
    boxes = Boxes(center, size, np.ascontiguousarray(yaw_rad[order], float))
    velocity_mps = np.ascontiguousarray(velocity_mps[order], float)
    parts = Bodies.none() if trailers is None else trailers.parts(time_us, agent, kind, boxes, velocity_mps)
    return Snapshot(time_us, agent, kind, boxes, velocity_mps, antenna_heights_m(kind, boxes, parts), parts)
