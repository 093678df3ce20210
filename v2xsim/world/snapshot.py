"""The true state of all road users at one instant.

Code that makes decisions of a station must not import this module; an import contract checks it.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int8, Int64

from v2xsim.records import Bodies, Boxes


@dataclass(frozen=True)
class Snapshot:
    """All road users at one instant.

    Attributes:
        time_us: Traffic time of the states.
        agent: Agent id of each road user; it stays the same during a run.
        kind: Row of each road user in the vehicle catalogue (v2xsim.world.road_users.KINDS).
        boxes: Body of each road user; of one of two parts, the box that it fills while the parts are in line. Its front is at the
            front bumper and its size does not change.
        velocity_mps: Velocity over ground, x and y.
        antenna_height_m: Height of the antenna above the bottom of the body's box.
        parts: The front and the rear box of each road user of two parts (a tractor with its trailer, an articulated bus); none of
            the others.
    """

    time_us: int
    agent: Int64[np.ndarray, " agents"]
    kind: Int8[np.ndarray, " agents"]
    boxes: Boxes
    velocity_mps: Float[np.ndarray, "agents 2"]
    antenna_height_m: Float[np.ndarray, " agents"]
    parts: Bodies = field(default_factory=Bodies.none)

    def __len__(self) -> int:
        return len(self.agent)

    @staticmethod
    def none(time_us: int) -> "Snapshot":
        """Return a snapshot without road users."""
        return Snapshot(
            time_us, np.zeros(0, np.int64), np.zeros(0, np.int8), Boxes.none(), np.zeros((0, 2)), np.zeros(0)
        )

    @cached_property
    def bodies(self) -> Bodies:
        """All boxes that rays and waves meet: the parts of road users of two parts, and the boxes of all others."""
        rows = np.arange(len(self))
        if len(self.parts) == 0:
            return Bodies(self.boxes, rows)
        single = np.setdiff1d(rows, self.parts.owner)
        owner = np.concatenate([single, self.parts.owner])
        order = np.argsort(owner, kind="stable")
        return Bodies(Boxes.joined([self.boxes[single], self.parts.boxes])[order], owner[order])

    @cached_property
    def body_agent(self) -> Int64[np.ndarray, " boxes"]:
        """Agent id of the road user of each box of `bodies`; two boxes of one road user follow each other."""
        return self.agent if len(self.parts) == 0 else self.agent[self.bodies.owner]

    @cached_property
    def carriers(self) -> Boxes:
        """The part of each road user that carries its antenna and its lidars: the front part of two, else the whole body."""
        return self.boxes if len(self.parts) == 0 else self.bodies.boxes[~self.bodies.is_rear]
