"""What each station knows of itself at one instant."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int64


@dataclass(frozen=True)
class OwnStates:
    """What each station knows of itself: one row per station, in rising order of their agent ids.

    A row is that station's own knowledge. Whoever reads the rows of others reads more than one station knows; relay rules do so
    today (`v2xsim.engine.cooperation.relaying`).

    Attributes:
        agent: Identity.
        time_us: The instant.
        stamp_us: The instant on each station's own clock.
        pose: x, y, z, yaw as each station believes them.
        odometry: x, y, yaw without the error of satellite navigation. Message rules read changes of it, as a vehicle counts its
            own metres and degrees.
        velocity_mps: Velocity over ground, without error.
        antenna_height_m: Height of the antenna above ground.
        size_m: Length, width and height of the body; zeros for a roadside unit.
        is_vehicle: Whether the station is a vehicle; the others are roadside units.
        lidars: Number of lidars carried.
        ego: Whether the station fuses.
    """

    agent: Int64[np.ndarray, " stations"]
    time_us: int
    stamp_us: Int64[np.ndarray, " stations"]
    pose: Float[np.ndarray, "stations 4"]
    odometry: Float[np.ndarray, "stations 3"]
    velocity_mps: Float[np.ndarray, "stations 2"]
    antenna_height_m: Float[np.ndarray, " stations"]
    size_m: Float[np.ndarray, "stations 3"]
    is_vehicle: Bool[np.ndarray, " stations"]
    lidars: Int64[np.ndarray, " stations"]
    ego: Bool[np.ndarray, " stations"]

    def __len__(self) -> int:
        return len(self.agent)

    def index(self, agent: int) -> int:
        """Return the row of a station, -1 if it is not there."""
        return row_of(self.agent, agent)


def row_of(agents: Int64[np.ndarray, " stations"], agent: int) -> int:
    """Return the row of an agent among rising agent ids, -1 if it is not there."""
    row = int(np.searchsorted(agents, agent))
    return row if row < len(agents) and agents[row] == agent else -1
