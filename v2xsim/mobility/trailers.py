"""The motion of vehicles of two parts: each part follows the point that pulls it, as an axle on a line without slip does.

The front bumper pulls the front part by its rear axle, and the joint, a point of the front part, pulls the rear part by its axle.
An axle at a distance L behind a point that moves by s in the direction phi turns towards it: with delta the angle from the heading
to phi, d(delta)/ds = -sin(delta) / L, that is a yaw rate of v sin(delta) / L (the kinematic single-track model; Rajamani, Vehicle
Dynamics and Control, chapter 2). From tick to tick the point moves along a straight line, for which the solution is exact:
tan(delta / 2) shrinks by exp(-s / L). So the result depends on the path of the bumper alone, and hardly on the length of a tick.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int64

from v2xsim.comms.pairs import kept_rows
from v2xsim.mobility.two_parts import LONGEST_M, SHORTEST_M, WIDEST_M, TwoParts, usual_parts
from v2xsim.notices import Notice
from v2xsim.records import Bodies, Boxes
from v2xsim.world.road_users import BUS, TRUCK

# A bumper that moves farther in a tick than this many times what its speed gives, plus a margin, was put elsewhere (a teleport, a
# turn on the spot). A body that turns while it drives swings its bumper faster than its centre.
_MOST_SPEEDS, _MARGIN_M = 2.0, 1.0


@dataclass(frozen=True)
class _State:
    """The vehicles of two parts at the latest instant: agent ids, bumpers, headings of the body and of its parts, and speeds."""

    time_us: int
    agent: Int64[np.ndarray, " vehicles"]
    bumper_m: Float[np.ndarray, "vehicles 2"]
    yaw_rad: Float[np.ndarray, " vehicles"]
    front_rad: Float[np.ndarray, " vehicles"]
    rear_rad: Float[np.ndarray, " vehicles"]
    speed_mps: Float[np.ndarray, " vehicles"]


class Trailers:
    """Gives the boxes of the parts of all vehicles of two parts, instant by instant.

    A vehicle that appears, comes back or is put elsewhere has its parts in line.

    Args:
        source: Name of the traffic, for messages.
        name_of: Function that returns the name of a road user.
        given: The parts of road users for which the scenario has them, by agent id; None for one body. All others have those that are
            usual for their kind and size.
    """

    def __init__(
        self, source: str, name_of: Callable[[int], str], given: dict[int, TwoParts | None] | None = None
    ) -> None:
        self._source, self._name_of, self._given = source, name_of, dict(given or {})
        self._given_agents = np.array(list(self._given), np.int64)
        self._known: dict[tuple[int, float, float], TwoParts | None] = {}
        none = np.zeros(0)
        self._before = _State(-1, np.zeros(0, np.int64), np.zeros((0, 2)), none, none, none, none)
        self._seen: dict[int, None] = {}
        self._straightened: dict[int, int] = {}
        self._at_limit: dict[int, int] = {}
        # Long trucks and buses without parts, and the length of each.
        self._rigid: dict[int, float] = {}

    def give(self, agent: int, parts: TwoParts | None) -> None:
        """Set the parts of a road user that appears; None for one body."""
        self._given[agent] = parts
        self._given_agents = np.array(list(self._given), np.int64)

    def parts(
        self,
        time_us: int,
        agent: Int64[np.ndarray, " agents"],
        kind: np.ndarray,
        boxes: Boxes,
        velocity_mps: Float[np.ndarray, "agents 2"],
    ) -> Bodies:
        """Return the front and the rear box of each vehicle of two parts at an instant; instants rise.

        Args:
            time_us: The instant.
            agent: Agent id of each road user.
            kind: Class of each road user.
            boxes: Body of each road user, with its parts in line.
            velocity_mps: Velocity of each road user.
        """
        # Few road users are long, so the others are left out at once.
        may_have = np.flatnonzero((boxes.size_m[:, 0] > SHORTEST_M) | np.isin(agent, self._given_agents))
        users = zip(
            agent[may_have].tolist(), kind[may_have].tolist(), *boxes.size_m[may_have, :2].T.tolist(), strict=True
        )
        specs = [self._parts_of(*user) for user in users]
        rows = may_have[[spec is not None for spec in specs]]
        two = [spec for spec in specs if spec is not None]
        self._note_rigid(may_have[[spec is None for spec in specs]], agent, kind, boxes)
        if not two:
            self._before = _State(time_us, *(array[:0] for array in _arrays(self._before)))
            return Bodies.none()
        body = boxes[rows]
        bumper_m = body.center_m[:, :2] + 0.5 * body.size_m[:, :1] * _ahead(body.yaw_rad)
        speed_mps = np.hypot(velocity_mps[rows, 0], velocity_mps[rows, 1])
        front, rear = self._followed(time_us, agent[rows], bumper_m, body.yaw_rad, speed_mps, two)
        self._before = _State(time_us, agent[rows], bumper_m, body.yaw_rad, front, rear, speed_mps)
        return _boxes(rows, body, bumper_m, front, rear, two)

    def _note_rigid(
        self, rows: Int64[np.ndarray, " rows"], agent: Int64[np.ndarray, " agents"], kind: np.ndarray, boxes: Boxes
    ) -> None:
        """Note the long trucks and buses of which neither the scenario nor their size gives the parts."""
        for row in rows.tolist():
            if kind[row] in (TRUCK, BUS) and int(agent[row]) not in self._given:
                self._rigid.setdefault(int(agent[row]), float(boxes.size_m[row, 0]))

    def _parts_of(self, agent: int, kind: int, length_m: float, width_m: float) -> TwoParts | None:
        if agent in self._given:
            return self._given[agent]
        key = (kind, length_m, width_m)
        if key not in self._known:
            self._known[key] = usual_parts(*key)
        return self._known[key]

    def _followed(
        self,
        time_us: int,
        agent: Int64[np.ndarray, " vehicles"],
        bumper_m: Float[np.ndarray, "vehicles 2"],
        yaw_rad: Float[np.ndarray, " vehicles"],
        speed_mps: Float[np.ndarray, " vehicles"],
        two: list[TwoParts],
    ) -> tuple[Float[np.ndarray, " vehicles"], Float[np.ndarray, " vehicles"]]:
        """Return the headings of the front and the rear parts."""
        before, row = self._before, kept_rows(self._before.agent, agent)
        hitch_m = np.array([one.hitch_m for one in two])
        known = row >= 0
        moved_m, fastest_mps = np.zeros_like(bumper_m), speed_mps.copy()
        moved_m[known] = bumper_m[known] - before.bumper_m[row[known]]
        fastest_mps[known] = np.maximum(speed_mps[known], before.speed_mps[row[known]])
        reach_m = _MOST_SPEEDS * fastest_mps * (time_us - before.time_us) * 1e-6 + _MARGIN_M
        elsewhere = known & (np.hypot(moved_m[:, 0], moved_m[:, 1]) > reach_m)
        follows = known & ~elsewhere
        self._note(agent, elsewhere, follows)
        front, rear = yaw_rad.copy(), yaw_rad.copy()
        if not follows.any():
            return front, rear
        n, old = np.flatnonzero(follows), row[follows]
        was_front, was_rear, step_m = before.front_rad[old], before.rear_rad[old], moved_m[n]
        front[n] = _pulled(was_front, step_m, np.array([two[k].front_axle_m for k in n]))
        joint_m = step_m - hitch_m[n, None] * (_ahead(front[n]) - _ahead(was_front))
        rear[n] = _pulled(was_rear, joint_m, np.array([two[k].rear_axle_m for k in n]))
        # A driver who reverses steers against the joint, so a body that goes backwards turns as one piece.
        backwards = (step_m * _ahead(was_front)).sum(axis=1) < 0.0
        turned = yaw_rad[n] - before.yaw_rad[old]
        front[n] = np.where(backwards, was_front + turned, front[n])
        rear[n] = np.where(backwards, was_rear + turned, rear[n])
        return front, self._limited(agent, front, rear, two)

    def _note(
        self,
        agent: Int64[np.ndarray, " vehicles"],
        elsewhere: Bool[np.ndarray, " vehicles"],
        follows: Bool[np.ndarray, " vehicles"],
    ) -> None:
        """Count the vehicles that were put elsewhere, and those that came back after an absence."""
        for one in agent[~follows].tolist():
            if one in self._seen:
                self._straightened[one] = self._straightened.get(one, 0) + 1
        self._seen |= dict.fromkeys(agent.tolist())

    def _limited(
        self,
        agent: Int64[np.ndarray, " vehicles"],
        front: Float[np.ndarray, " vehicles"],
        rear: Float[np.ndarray, " vehicles"],
        two: list[TwoParts],
    ) -> Float[np.ndarray, " vehicles"]:
        """Return the headings of the rear parts within the limits of the joints."""
        angle, most = _wrapped(rear - front), np.array([one.most_rad for one in two])
        for one in agent[np.abs(angle) > most].tolist():
            self._at_limit[one] = self._at_limit.get(one, 0) + 1
        return np.where(np.abs(angle) > most, front + np.clip(angle, -most, most), rear)

    def notices(self) -> tuple[Notice, ...]:
        """Return which vehicles had their parts put in line again, which joints reached their limit, and which long ones have no joint."""
        moving = tuple(
            Notice(subject, sum(counts.values()), f"{self._source}: {self._listed(counts)} {text}")
            for subject, counts, text in (
                (
                    "traffic.straightened", self._straightened,
                    "jumped, or was away and came back; its trailer or rear part was put in line with the front part there",
                ),
                (
                    "traffic.hitch_limit", self._at_limit,
                    "turned its joint up to the limit (90 degrees of a trailer, 54 of a bus): its path has a bend that is too tight",
                ),
            )
            if counts
        )  # fmt: skip
        if not self._rigid:
            return moving
        first, length_m = next(iter(self._rigid.items()))
        others = f" and {len(self._rigid) - 1:,} more trucks and buses" if len(self._rigid) > 1 else ""
        return (*moving, Notice(
            "traffic.one_body", len(self._rigid),
            f"{self._source}: {self._name_of(first)!r} ({length_m:.4g} m){others} longer than {SHORTEST_M:g} m move as one rigid body: trucks of up to "
            f"{LONGEST_M[TRUCK]:g} m and buses of up to {LONGEST_M[BUS]:g} m have two parts if they are not wider than {WIDEST_M:.2f} m, and others those that the "
            "scenario gives (trailer, traffic.trailers)",
        ))  # fmt: skip

    def _listed(self, counts: dict[int, int]) -> str:
        first = next(iter(counts))
        return f"{self._name_of(first)!r}" + (f" and {len(counts) - 1:,} more vehicles" if len(counts) > 1 else "")


def _pulled(
    heading_rad: Float[np.ndarray, " n"], step_m: Float[np.ndarray, "n 2"], arm_m: Float[np.ndarray, " n"]
) -> Float[np.ndarray, " n"]:
    """Return the headings of parts whose pulled points have moved straight by some steps.

    Args:
        heading_rad: Heading of each part before.
        step_m: Motion of the point that pulls it.
        arm_m: Distance from that point to the axle.
    """
    length_m = np.hypot(step_m[:, 0], step_m[:, 1])
    direction = np.arctan2(step_m[:, 1], step_m[:, 0])
    half = 0.5 * _wrapped(direction - heading_rad)
    left = 2.0 * np.arctan2(np.sin(half) * np.exp(-length_m / arm_m), np.cos(half))
    # A vehicle at rest keeps its heading to the last digit.
    return np.where(length_m > 0.0, direction - left, heading_rad)


def _boxes(
    rows: Int64[np.ndarray, " n"], body: Boxes, bumper_m: Float[np.ndarray, "n 2"], front: Float[np.ndarray, " n"],
    rear: Float[np.ndarray, " n"], two: list[TwoParts],
) -> Bodies:  # fmt: skip
    """Return the two boxes of each vehicle: the front one, then the rear one."""
    length_m, width_m, height_m = body.size_m.T
    hitch_m, rear_m = (np.array([getattr(one, name) for one in two]) for name in ("hitch_m", "rear_m"))
    ahead_m = hitch_m + rear_m - length_m
    size = [
        (one.front_m(long, wide), one.front_height_m) for one, long, wide in zip(two, length_m, width_m, strict=True)
    ]
    front_m = np.array([long for long, _ in size])
    front_height_m = np.array([high if tall is None else tall for (_, tall), high in zip(size, height_m, strict=True)])
    center_m = np.zeros((len(two), 2, 3))
    center_m[:, 0, :2] = bumper_m - 0.5 * front_m[:, None] * _ahead(front)
    joint_m = bumper_m - hitch_m[:, None] * _ahead(front)
    center_m[:, 1, :2] = joint_m + (ahead_m - 0.5 * rear_m)[:, None] * _ahead(rear)
    center_m[:, :, 2] = body.center_m[:, None, 2]
    size_m = np.stack(
        [np.column_stack([front_m, width_m, front_height_m]), np.column_stack([rear_m, width_m, height_m])], axis=1
    )
    yaw_rad = _wrapped(np.column_stack([front, rear]))
    return Bodies(Boxes(center_m.reshape(-1, 3), size_m.reshape(-1, 3), yaw_rad.ravel()), np.repeat(rows, 2))


def _ahead(yaw_rad: Float[np.ndarray, " n"]) -> Float[np.ndarray, "n 2"]:
    return np.stack([np.cos(yaw_rad), np.sin(yaw_rad)], axis=1)


def _wrapped(angle_rad: np.ndarray) -> np.ndarray:
    """Return angles in (-pi, pi]."""
    return np.pi - np.mod(np.pi - angle_rad, 2.0 * np.pi)


def _arrays(state: _State) -> tuple[np.ndarray, ...]:
    return state.agent, state.bumper_m, state.yaw_rad, state.front_rad, state.rear_rad, state.speed_mps
