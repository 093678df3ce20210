"""The true state of all stations at one instant; module `roster` chooses which vehicles are stations."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int64


@dataclass(frozen=True)
class Fleet:
    """All stations at one instant, in rising order of their agent ids.

    Attributes:
        agent: Agent id of each station.
        row: Row of each station in the snapshot of road users, -1 for a roadside unit.
        pose: x, y, z and yaw of the centre of the body's bottom face, or of the foot of a roadside unit's pole.
        velocity_mps: Velocity over ground, x and y.
        antenna_m: Position of the antenna.
        mount_base_m: Height of the roof that carries the lidars, or of the pole, above ground; heights of lidar mounts count from it.
        lidars: Number of lidars that each station carries.
        rig: Number of each station's rig (`v2xsim.engine.stations.rigs`); it carries the first `lidars` of it.
        ego: Whether each station is an ego: a station that fuses data of others.
        carrier: x, y, z and yaw of the part of the body that carries antenna and lidars: the front part of a vehicle of two parts;
            for all others the same as `pose`.
        antenna_inside: Whether the scenario puts the station's antenna below the roof of that part, which may then block its links.
    """

    agent: Int64[np.ndarray, " stations"]
    row: Int64[np.ndarray, " stations"]
    pose: Float[np.ndarray, "stations 4"]
    velocity_mps: Float[np.ndarray, "stations 2"]
    antenna_m: Float[np.ndarray, "stations 3"]
    mount_base_m: Float[np.ndarray, " stations"]
    lidars: Int64[np.ndarray, " stations"]
    rig: Int64[np.ndarray, " stations"]
    ego: Bool[np.ndarray, " stations"]
    carrier: Float[np.ndarray, "stations 4"]
    antenna_inside: Bool[np.ndarray, " stations"]

    def __len__(self) -> int:
        return len(self.agent)

    def index(self, agent: int) -> int:
        """Return the row of a station, -1 if there is no station with this agent id."""
        return self._row_of.get(agent, -1)

    @cached_property
    def _row_of(self) -> dict[int, int]:
        # Each of thousands of messages asks for the row of its sender.
        return {agent: row for row, agent in enumerate(self.agent.tolist())}

    @staticmethod
    def none() -> "Fleet":
        """Return a fleet without stations."""
        none = np.zeros(0, np.int64)
        return Fleet(
            none,
            none,
            np.zeros((0, 4)),
            np.zeros((0, 2)),
            np.zeros((0, 3)),
            np.zeros(0),
            none,
            none,
            np.zeros(0, bool),
            np.zeros((0, 4)),
            np.zeros(0, bool),
        )
