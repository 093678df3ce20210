"""The true state of all road users at one instant.

Code that makes decisions of a station must not import this module; an import contract checks it.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int8, Int64

from v2xsim.records import Boxes


@dataclass(frozen=True)
class Snapshot:
    """All road users at one instant.

    Attributes:
        time_us: Traffic time of the states.
        agent: Agent id of each road user; it stays the same during a run.
        kind: Row of each road user in the vehicle catalogue (v2xsim.world.road_users.KINDS).
        boxes: Body of each road user.
        velocity_mps: Velocity over ground, x and y.
        antenna_height_m: Height of the antenna above the bottom of the body's box.
    """

    time_us: int
    agent: Int64[np.ndarray, " agents"]
    kind: Int8[np.ndarray, " agents"]
    boxes: Boxes
    velocity_mps: Float[np.ndarray, "agents 2"]
    antenna_height_m: Float[np.ndarray, " agents"]

    def __len__(self) -> int:
        return len(self.agent)

    @staticmethod
    def none(time_us: int) -> "Snapshot":
        """Return a snapshot without road users."""
        return Snapshot(
            time_us, np.zeros(0, np.int64), np.zeros(0, np.int8), Boxes.none(), np.zeros((0, 2)), np.zeros(0)
        )
