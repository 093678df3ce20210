"""Road users that follow waypoints written in the scenario."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from v2xsim.mobility.base import Bounds, Mobility, Names, listed, snapshot_of
from v2xsim.mobility.fast_users import FastUsers
from v2xsim.mobility.trailers import Trailers
from v2xsim.mobility.two_parts import TwoParts, given_parts
from v2xsim.notices import Notice
from v2xsim.scenario.schema_world import Agent
from v2xsim.world.road_users import CATALOGUE, KINDS
from v2xsim.world.snapshot import Snapshot

TURN_REACH_M = 5.0
"""Distance before and after a corner of the path over which a body turns; its centre stays on the path."""

# Difference between heading_deg and the way before and after a rest at which one of the two is wrong.
_WRONG_HEADING_RAD = np.radians(45.0)

# Share of a run without any motion from which on the waypoints probably do not fit the run.
_LONG_REST = 0.5

# If a road user of a script is never faster, its times or places are probably in other units.
_SLOW_MPS = 0.1


@dataclass(frozen=True)
class _Track:
    """The path of one road user: straight stretches between waypoints.

    Attributes:
        time_s: Time of each waypoint.
        point_m: Position of each waypoint.
        travelled_m: Length of the path up to each waypoint.
        corner_m: Length of the path up to each corner; corners are the ends of stretches on which the road user moves.
        heading_rad: Heading on each stretch with motion, without jumps of 2 pi.
        rest_rad: Heading while the road user stands still; None keeps the heading of the path.
    """

    time_s: Float[np.ndarray, " n"]
    point_m: Float[np.ndarray, "n 2"]
    travelled_m: Float[np.ndarray, " n"]
    corner_m: Float[np.ndarray, " m"]
    heading_rad: Float[np.ndarray, " k"]
    rest_rad: float | None


def _track(agent: Agent) -> _Track:
    rows = np.array(agent.waypoints, float).reshape(-1, 3)
    step = np.diff(rows[:, 1:], axis=0)
    length = np.hypot(step[:, 0], step[:, 1])
    moving = length > 1e-9
    travelled = np.concatenate([[0.0], np.cumsum(length)])
    # A turn goes the shorter way; a turn by exactly 180 degrees goes counter-clockwise.
    heading = np.unwrap(np.arctan2(step[moving, 1], step[moving, 0]))
    corners = np.concatenate([[0.0], np.cumsum(length[moving])])
    rest = None if agent.heading_deg is None else float(np.deg2rad(agent.heading_deg))
    return _Track(rows[:, 0], rows[:, 1:], travelled, corners, heading, rest)


def _heading_rad(track: _Track, travelled_m: float) -> float:
    """Return the heading at a position on the path: the heading of its stretch, with a linear turn around each corner.

    A turn extends over TURN_REACH_M on both sides of a corner, or over half of the neighbouring stretch if that is shorter.
    """
    if len(track.heading_rad) == 0:
        return 0.0
    stretch = int(
        np.clip(np.searchsorted(track.corner_m, travelled_m, side="right") - 1, 0, len(track.heading_rad) - 1)
    )
    heading = track.heading_rad
    for corner in (stretch, stretch + 1):
        if 0 < corner < len(heading):
            before = track.corner_m[corner] - track.corner_m[corner - 1]
            after = track.corner_m[corner + 1] - track.corner_m[corner]
            reach = min(TURN_REACH_M, 0.5 * before, 0.5 * after)
            along = (travelled_m - track.corner_m[corner]) / (2.0 * reach) + 0.5
            if 0.0 <= along <= 1.0:
                return float(heading[corner - 1] + along * (heading[corner] - heading[corner - 1]))
    return float(heading[stretch])


def _motion_s(track: _Track) -> tuple[float, float]:
    """Return when the first motion of a road user that moves begins, and when the last one ends."""
    moving = np.flatnonzero(np.diff(track.travelled_m) > 1e-9)
    return float(track.time_s[moving[0]]), float(track.time_s[moving[-1] + 1])


class ScriptMobility(Mobility):
    """Road users whose centres move linearly between waypoints, at rest before the first and after the last."""

    def __init__(self, agents: Sequence[Agent], names: Names, run_us: tuple[int, int] | None = None) -> None:
        """Number the road users in the order of the script.

        Args:
            agents: The road users.
            names: Register of names of the run.
            run_us: First instant and end of the run, to report waypoints outside it; None if there is no run.
        """
        super().__init__(names)
        self._run_us = run_us
        self._tracks = [_track(agent) for agent in agents]
        self._agent = np.array([names.register(agent.id, "a road user") for agent in agents], np.int64)
        self._kind = np.array([KINDS.index(agent.kind) for agent in agents], np.int8)
        self._size = np.array(
            [agent.size_m or CATALOGUE.size_m[kind] for agent, kind in zip(agents, self._kind, strict=True)], float
        ).reshape(-1, 3)
        self._trailers = Trailers("traffic.script", self.name_of, self._given_parts(agents))
        self._fast = FastUsers("traffic.script", self.name_of)
        for agent, kind, track in zip(self._agent, self._kind, self._tracks, strict=True):
            self._note_speeds(agent, kind, track)

    def _given_parts(self, agents: Sequence[Agent]) -> dict[int, TwoParts | None]:
        """Return the parts of the road users whose entries have a trailer."""
        return {
            int(self._agent[row]): given_parts(agent.trailer, int(self._kind[row]), self._size[row].tolist(), agent.id)
            for row, agent in enumerate(agents)
            if agent.trailer is not None
        }

    def _note_speeds(self, agent: np.int64, kind: np.int8, track: _Track) -> None:
        """Note on which stretches a road user is faster than usual."""
        for begin_s, speed_mps in zip(track.time_s, np.diff(track.travelled_m) / np.diff(track.time_s), strict=False):
            self._fast.note(round(begin_s * 1e6), np.array([agent]), np.array([kind], np.int64), np.array([speed_mps]))

    @property
    def bounds(self) -> Bounds:
        """Rectangle around all waypoints."""
        if not self._tracks:
            return (0.0, 0.0, 0.0, 0.0)
        points = np.concatenate([track.point_m for track in self._tracks])
        (x_min, y_min), (x_max, y_max) = points.min(axis=0), points.max(axis=0)
        return (float(x_min), float(y_min), float(x_max), float(y_max))

    def snapshot(self, time_us: int) -> Snapshot:
        """Return all road users of the script at an instant; each exists during the whole run."""
        time_s = time_us * 1e-6
        center = np.zeros((len(self._tracks), 2))
        velocity = np.zeros_like(center)
        yaw = np.zeros(len(self._tracks))
        for row, track in enumerate(self._tracks):
            center[row] = [np.interp(time_s, track.time_s, track.point_m[:, axis]) for axis in (0, 1)]
            velocity[row] = _velocity_mps(track, time_s)
            at_rest = not velocity[row].any()
            if at_rest and track.rest_rad is not None:
                yaw[row] = track.rest_rad
            else:
                yaw[row] = _heading_rad(track, float(np.interp(time_s, track.time_s, track.travelled_m)))
        yaw = np.pi - np.mod(np.pi - yaw, 2.0 * np.pi)
        return snapshot_of(time_us, self._agent, self._kind, center, self._size, yaw, velocity, self._trailers)

    def notices(self) -> tuple[Notice, ...]:
        """Return the notices about road users whose waypoints all lie before or after the run, or who all move very slowly."""
        if self._run_us is None:
            return ()
        return (
            *self._outside_run(*self._run_us),
            *self._all_at_rest(*self._run_us),
            *self._slow(),
            *self._turns(*self._run_us),
            *self._fast.notices(),
            *self._trailers.notices(),
        )

    def _outside_run(self, begin_us: int, end_us: int) -> Iterator[Notice]:
        begin_s, end_s = begin_us * 1e-6, end_us * 1e-6
        moving = [row for row, track in enumerate(self._tracks) if len(track.heading_rad)]
        still = [
            row for row in moving if self._tracks[row].time_s[-1] <= begin_s or self._tracks[row].time_s[0] >= end_s
        ]
        if still:
            times_s = [float(self._tracks[row].time_s[end]) for row in still for end in (0, -1)]
            names = [self.names.name_of(int(self._agent[row])) for row in still]
            yield Notice(
                "script.outside_run", len(still),
                f"traffic.script: {len(still)} of {len(moving)} moving road users stand still all the time ({listed(names)}), because their "
                f"waypoints are from {min(times_s):.12g} s to {max(times_s):.12g} s and the run is from {begin_s:.12g} s to {end_s:.12g} s",
            )  # fmt: skip

    def _all_at_rest(self, begin_us: int, end_us: int) -> Iterator[Notice]:
        """Yield a notice if nobody moves in a large part of the run, because all waypoints lie in the rest of it."""
        begin_s, end_s = begin_us * 1e-6, end_us * 1e-6
        motion_s = np.array([_motion_s(track) for track in self._tracks if len(track.heading_rad)]).reshape(-1, 2)
        # Those without any motion in the run have a notice of their own.
        motion_s = motion_s[(motion_s[:, 0] < end_s) & (motion_s[:, 1] > begin_s)]
        if not len(motion_s):
            return
        first_s, last_s = max(float(motion_s[:, 0].min()), begin_s), min(float(motion_s[:, 1].max()), end_s)
        if first_s - begin_s + end_s - last_s <= _LONG_REST * (end_s - begin_s):
            return
        rests = [
            text
            for text, is_there in (
                (f"until {first_s:.12g} s", first_s > begin_s),
                (f"from {last_s:.12g} s on", last_s < end_s),
            )
            if is_there
        ]
        yield Notice(
            "script.all_at_rest", len(self._tracks),
            f"traffic.script: all road users stand still {' and '.join(rests)}, because the first motion between waypoints begins at {first_s:.12g} s and "
            f"the last one ends at {last_s:.12g} s; the run is from {begin_s:.12g} s to {end_s:.12g} s: change run.begin_s and run.duration_s, or add "
            "waypoints",
        )  # fmt: skip

    def _slow(self) -> Iterator[Notice]:
        """Yield a notice about road users that move, but never faster than a person who shuffles."""
        moving = [row for row, track in enumerate(self._tracks) if len(track.heading_rad)]
        fastest_mps = {
            row: float((np.diff(self._tracks[row].travelled_m) / np.diff(self._tracks[row].time_s)).max())
            for row in moving
        }
        slow = [row for row in moving if fastest_mps[row] < _SLOW_MPS]
        if not slow:
            return
        names = [self.name_of(int(self._agent[row])) for row in slow]
        users = (
            "no road user moves"
            if len(slow) == len(moving)
            else f"{len(slow)} of {len(moving)} moving road users never move ({listed(names)})"
        )
        yield Notice(
            "script.slow", len(slow),
            f"traffic.script: {users} faster than {max(fastest_mps[row] for row in slow):.2g} m/s; times of waypoints are in seconds, x and y in "
            "metres (not longitude and latitude)",
        )  # fmt: skip

    def _turns(self, begin_us: int, end_us: int) -> Iterator[Notice]:
        """Yield a notice about road users whose heading at rest is another one than that of their way before or after the rest."""
        found: list[tuple[int, float, float, float]] = []
        for row, track in enumerate(self._tracks):
            rest_rad = track.rest_rad
            if rest_rad is not None and len(track.heading_rad):
                for time_s, way_rad in _ends_of_rest(track, begin_us * 1e-6, end_us * 1e-6):
                    if abs(np.angle(np.exp(1j * (way_rad - rest_rad)))) > _WRONG_HEADING_RAD:
                        found.append((row, time_s, rest_rad, way_rad))
                        break
        if not found:
            return
        row, time_s, rest_rad, way_rad = found[0]
        causes = (
            ("radians", np.degrees(rest_rad)),
            ("degrees clockwise from north", np.pi / 2 - rest_rad),
            ("the opposite direction", rest_rad + np.pi),
        )
        likely = [name for name, yaw_rad in causes if abs(np.angle(np.exp(1j * (way_rad - yaw_rad)))) < 0.1]
        users = "1 road user turns" if len(found) == 1 else f"{len(found)} road users turn"
        yield Notice(
            "script.turns", len(found),
            f"traffic.script: {users} on the spot, first {self.name_of(int(self._agent[row]))!r} at {time_s:.12g} s: its heading_deg is "
            f"{np.degrees(rest_rad):.5g} and its way there has {np.degrees(np.angle(np.exp(1j * way_rad))):.0f} degrees counter-clockwise from "
            f"east{'; heading_deg looks like ' + likely[0] if likely else ''}",
        )  # fmt: skip


def _ends_of_rest(track: _Track, begin_s: float, end_s: float) -> Iterator[tuple[float, float]]:
    """Yield when a road user begins or ends to rest during the run, and the heading of its way then."""
    moves = np.diff(track.travelled_m) > 1e-9
    stretch = -1
    rests = begin_s < track.time_s[0]
    for row, moving in enumerate(moves.tolist()):
        if moving:
            stretch += 1
            if rests and begin_s <= track.time_s[row] < end_s:
                yield float(track.time_s[row]), float(track.heading_rad[stretch])
        elif stretch >= 0 and not rests and begin_s <= track.time_s[row] < end_s:
            yield float(track.time_s[row]), float(track.heading_rad[stretch])
        rests = not moving
    if moves[-1] and begin_s <= track.time_s[-1] < end_s:
        yield float(track.time_s[-1]), float(track.heading_rad[-1])


def _velocity_mps(track: _Track, time_s: float) -> Float[np.ndarray, " 2"]:
    """Return the velocity on the stretch of the path that contains an instant; zero before the first and after the last waypoint."""
    row = int(np.searchsorted(track.time_s, time_s, side="right")) - 1
    if row < 0 or row >= len(track.time_s) - 1:
        return np.zeros(2)
    return np.asarray((track.point_m[row + 1] - track.point_m[row]) / (track.time_s[row + 1] - track.time_s[row]))
