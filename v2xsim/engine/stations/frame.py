"""The data that one station captured at one tick, as the station itself knows it."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from v2xsim.gpu.lidar.returns import Returns
from v2xsim.records import Detections, PerceptionMatrix


@dataclass(frozen=True, eq=False)
class Frame:
    """One capture of a station's lidars. The truth behind it is in `v2xsim.engine.stations.capture`.

    Attributes:
        agent: Agent id of the station.
        time_us: Simulated time of the capture, which identifies the frame. Decisions compare the ages of frames by it, as
            if all clocks agreed; only `stamp_us` has the station's clock error.
        stamp_us: Time of the capture on the station's own clock.
        pose: x, y, z (metres) and yaw (radians) that the station believes.
        velocity_mps: Velocity over ground, x and y, without error.
        returns: Lidar returns. What they hit is not known to the station.
        matrix: The station's perception matrix, placed by the pose that it believes.
        detections: Road users that the station detects by itself, placed by the pose that it believes. Their `truth` is a
            label for metrics; no decision reads it.
    """

    agent: int
    time_us: int
    stamp_us: int
    pose: Float[np.ndarray, " 4"]
    velocity_mps: Float[np.ndarray, " 2"]
    returns: Returns
    matrix: PerceptionMatrix
    detections: Detections

    @property
    def points_m(self) -> Float[np.ndarray, "points 3"]:
        """Lidar returns in the station's own frame: origin at the centre of the body's bottom face, x forward, y left.

        They are computed again at each use.
        """
        return self.returns.points_m
