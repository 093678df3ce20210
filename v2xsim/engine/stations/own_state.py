"""The state of each station at one instant, as the station itself knows it."""

from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int64


@dataclass(frozen=True)
class OwnStates:
    """The state of each station as the station itself knows it: one row per station, in rising order of their agent ids.

    Each row is the knowledge of its own station only, and each decision reads the row of one station.

    Attributes:
        agent: Agent id of each station.
        time_us: Simulated time of the states.
        stamp_us: Time of the states on each station's own clock.
        pose: x, y, z (metres) and yaw (radians) that each station believes.
        odometry: x, y and yaw without the error of satellite navigation. Message rules use changes of position and yaw,
            because a vehicle measures the distance it drives and the angle it turns without satellites.
        velocity_mps: Velocity over ground, x and y, without error.
        acceleration_mps2: Change of the speed since the last tick, per second; 0 at a station's first tick.
        turn_radps: Change of the heading since the last tick, per second; 0 at a station's first tick.
        antenna_height_m: Height of the antenna above ground.
        size_m: Length, width and height of the body; zeros for a roadside unit.
        is_vehicle: Whether the station is a vehicle; the others are roadside units.
        lidars: Number of lidars that each station carries.
        ego: Whether each station is an ego: a station that fuses data of others.
    """

    agent: Int64[np.ndarray, " stations"]
    time_us: int
    stamp_us: Int64[np.ndarray, " stations"]
    pose: Float[np.ndarray, "stations 4"]
    odometry: Float[np.ndarray, "stations 3"]
    velocity_mps: Float[np.ndarray, "stations 2"]
    acceleration_mps2: Float[np.ndarray, " stations"]
    turn_radps: Float[np.ndarray, " stations"]
    antenna_height_m: Float[np.ndarray, " stations"]
    size_m: Float[np.ndarray, "stations 3"]
    is_vehicle: Bool[np.ndarray, " stations"]
    lidars: Int64[np.ndarray, " stations"]
    ego: Bool[np.ndarray, " stations"]

    @staticmethod
    def none() -> "OwnStates":
        """Return the states of no station, for the time before the first tick."""
        ids, flags = np.zeros(0, np.int64), np.zeros(0, bool)
        return OwnStates(
            agent=ids, time_us=0, stamp_us=ids, pose=np.zeros((0, 4)), odometry=np.zeros((0, 3)), velocity_mps=np.zeros((0, 2)),
            acceleration_mps2=np.zeros(0), turn_radps=np.zeros(0), antenna_height_m=np.zeros(0), size_m=np.zeros((0, 3)), is_vehicle=flags, lidars=ids, ego=flags,
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.agent)

    def some(self, rows: Int64[np.ndarray, " rows"]) -> "OwnStates":
        """Return only the states of some stations, given by their rows in rising order."""
        columns = (getattr(self, column.name) for column in fields(self))
        return OwnStates(*(column[rows] if isinstance(column, np.ndarray) else column for column in columns))

    def since(self, before: "OwnStates") -> "OwnStates":
        """Return the same states with acceleration and yaw rate, which each station measures since its state at the tick before."""
        row = rows_of(before.agent, self.agent)
        now, old = np.flatnonzero(row >= 0), row[row >= 0]
        step_s = (self.time_us - before.time_us) * 1e-6
        if len(now) == 0 or step_s <= 0.0:
            return self
        change, turn = np.zeros(len(self)), np.zeros(len(self))
        speed, speed_before = (np.hypot(one[:, 0], one[:, 1]) for one in (self.velocity_mps, before.velocity_mps))
        turned = self.odometry[now, 2] - before.odometry[old, 2]
        change[now] = (speed[now] - speed_before[old]) / step_s
        turn[now] = ((turned + np.pi) % (2.0 * np.pi) - np.pi) / step_s
        return replace(self, acceleration_mps2=change, turn_radps=turn)

    def index(self, agent: int) -> int:
        """Return the row of a station, -1 if there is no station with this agent id."""
        return self._row_of.get(agent, -1)

    @cached_property
    def _row_of(self) -> dict[int, int]:
        # Each of thousands of announcements asks for the row of its sender.
        return {agent: row for row, agent in enumerate(self.agent.tolist())}


def row_of(agents: Int64[np.ndarray, " stations"], agent: int) -> int:
    """Return the index of an agent id in an array of rising agent ids, -1 if the array does not contain it."""
    row = int(np.searchsorted(agents, agent))
    return row if row < len(agents) and agents[row] == agent else -1


def rows_of(
    agents: Int64[np.ndarray, " stations"], wanted: Int64[np.ndarray, " wanted"]
) -> Int64[np.ndarray, " wanted"]:
    """Return the index of each wanted agent id in an array of rising agent ids, -1 for those that it does not contain."""
    if len(agents) == 0:
        return np.full(len(wanted), -1, np.int64)
    row = np.minimum(np.searchsorted(agents, wanted), len(agents) - 1)
    return np.where(agents[row] == wanted, row, -1).astype(np.int64)
