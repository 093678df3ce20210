"""The true state of all stations at one instant; which vehicles are stations is chosen in `roster`."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int64

from v2xsim.engine.stations.own_state import row_of


@dataclass(frozen=True)
class Fleet:
    """All stations at one instant, in rising order of their agent ids.

    Attributes:
        agent: Identity.
        row: Row of the snapshot, -1 for a roadside unit.
        pose: x, y, z, yaw of the centre of the body's bottom face; of the foot of the pole for a roadside unit.
        velocity_mps: Over ground.
        antenna_m: Position of the antenna.
        mount_base_m: Height of the roof, or of the pole, that lidar mounts count from.
        lidars: Lidars carried.
        ego: Whether the station fuses.
    """

    agent: Int64[np.ndarray, " stations"]
    row: Int64[np.ndarray, " stations"]
    pose: Float[np.ndarray, "stations 4"]
    velocity_mps: Float[np.ndarray, "stations 2"]
    antenna_m: Float[np.ndarray, "stations 3"]
    mount_base_m: Float[np.ndarray, " stations"]
    lidars: Int64[np.ndarray, " stations"]
    ego: Bool[np.ndarray, " stations"]

    def __len__(self) -> int:
        return len(self.agent)

    def index(self, agent: int) -> int:
        """Return the row of a station, -1 if it is not there."""
        return row_of(self.agent, agent)

    @staticmethod
    def none() -> "Fleet":
        """Return no stations."""
        none = np.zeros(0, np.int64)
        return Fleet(
            none, none, np.zeros((0, 4)), np.zeros((0, 2)), np.zeros((0, 3)), np.zeros(0), none, np.zeros(0, bool)
        )
