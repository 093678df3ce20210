"""The truth around one ego at the instant of a frame, for comparison with the ego's detections and tracks."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int64

from v2xsim.perception.metrics.awareness import conflicts
from v2xsim.records import Boxes

MODES = ("ego", "fused")
"""The modes of perception: the ego alone, and after fusion with received data."""


@dataclass(frozen=True)
class Scene:
    """An ego and all road users at the instant of the ego's capture.

    Attributes:
        ego: Agent id of the ego. A vehicle is also one of the road users; a roadside unit is not.
        time_us: True time of the capture.
        ego_m: True position of the ego.
        believed_ego_m: Position at which the ego believed it was.
        ego_velocity_mps: True velocity of the ego over ground.
        agent: Agent id of each road user.
        boxes: True body of each road user.
        apparent: Body of each road user where the ego would place it: the true body moved by the error of the ego's pose.
            Detections and tracks are compared with the moved bodies.
        velocity_mps: True velocity of each road user over ground.
        own_points: Number of returns of the ego's own lidars on each road user.
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

    def __repr__(self) -> str:
        return (
            f"<scene around agent {self.ego} at {self.time_us / 1e6:.12g} s: {int(self.others.sum())} other road users, "
            f"{int((self.hidden & self.others).sum())} hidden, {int(self.conflict.sum())} on a collision course>"
        )

    @property
    def users(self) -> tuple[int, int, int]:
        """A key that is equal for scenes of one tick with the same true road users in the same arrays."""
        return id(self.agent), id(self.boxes), id(self.velocity_mps)

    @property
    def others(self) -> Bool[np.ndarray, " agents"]:
        """Whether each road user is another one than the ego."""
        return self.agent != self.ego

    @property
    def distance_m(self) -> Float[np.ndarray, " agents"]:
        """True distance of each road user from the ego."""
        offset_m = self.boxes.center_m[:, :2] - self.ego_m
        return np.hypot(offset_m[:, 0], offset_m[:, 1])

    @property
    def hidden(self) -> Bool[np.ndarray, " agents"]:
        """Whether none of the ego's own lidars hit each road user."""
        return self.own_points == 0

    @property
    def conflict(self) -> Bool[np.ndarray, " agents"]:
        """Whether each other road user is on a collision course with the ego, if neither changes its velocity."""
        courses = conflicts(self.ego_m, self.ego_velocity_mps, self.boxes.center_m[:, :2], self.velocity_mps)
        return self.others & courses

    def near(self, range_m: float) -> Bool[np.ndarray, " agents"]:
        """Return whether each other road user is in range, so that the ego is scored on it."""
        return self.others & (self.distance_m <= range_m)
