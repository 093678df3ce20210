"""The truth around one ego at the instant of a frame: what its detections and tracks are compared with."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int64

from v2xsim.perception.metrics.awareness import conflicts
from v2xsim.records import Boxes

MODES = ("ego", "fused")
"""Ways in which an ego perceives: alone, and after fusion with what arrived."""


@dataclass(frozen=True)
class Scene:
    """An ego and all road users when the ego captured a frame.

    Attributes:
        ego: Agent id of the ego. A vehicle is also one of the road users, a roadside unit is not.
        time_us: Capture, true time.
        ego_m: Where the ego was.
        believed_ego_m: Where the ego believed it was.
        ego_velocity_mps: Over ground.
        agent: Identity of each road user.
        boxes: Their bodies.
        apparent: Their bodies as the ego would place them: the truth moved by the ego's error of pose. Detections and
            tracks are compared with these.
        velocity_mps: Over ground.
        own_points: Returns of the ego's own lidars on each road user.
    """

    ego: int
    time_us: int
    ego_m: Float[np.ndarray, " 2"]
    believed_ego_m: Float[np.ndarray, " 2"]
    ego_velocity_mps: Float[np.ndarray, " 2"]
    agent: Int64[np.ndarray, " agents"]
    boxes: Boxes
    apparent: Boxes
    velocity_mps: Float[np.ndarray, "agents 2"]
    own_points: Int64[np.ndarray, " agents"]

    @property
    def others(self) -> Bool[np.ndarray, " agents"]:
        """Which road users are not the ego itself."""
        return self.agent != self.ego

    @property
    def distance_m(self) -> Float[np.ndarray, " agents"]:
        """Distance of each road user from the ego, by the truth."""
        offset_m = self.boxes.center_m[:, :2] - self.ego_m
        return np.hypot(offset_m[:, 0], offset_m[:, 1])

    @property
    def hidden(self) -> Bool[np.ndarray, " agents"]:
        """Which road users no lidar of the ego's own hit."""
        return self.own_points == 0

    @property
    def conflict(self) -> Bool[np.ndarray, " agents"]:
        """Which other road users are on a collision course with the ego, if nobody changes velocity."""
        courses = conflicts(self.ego_m, self.ego_velocity_mps, self.boxes.center_m[:, :2], self.velocity_mps)
        return self.others & courses

    def near(self, range_m: float) -> Bool[np.ndarray, " agents"]:
        """Return which other road users are in range: those that the ego is scored on."""
        return self.others & (self.distance_m <= range_m)
