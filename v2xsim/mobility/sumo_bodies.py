"""The bodies of SUMO's road users, which stay the same as long as they are on the road."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int8, Int64


@dataclass(frozen=True)
class Body:
    """The body of one road user.

    Attributes:
        agent: Agent id.
        kind: Row in the vehicle catalogue.
        speed_row: Row in `v2xsim.world.top_speeds.TOP_SPEEDS`.
    """

    agent: int
    kind: int
    length_m: float
    width_m: float
    height_m: float
    speed_row: int


@dataclass(frozen=True)
class Bodies:
    """The bodies of all road users at one instant, and the same as columns."""

    each: list[Body]
    agent: Int64[np.ndarray, " users"]
    kind: Int8[np.ndarray, " users"]
    size_m: Float[np.ndarray, "users 3"]
    speed_row: Int64[np.ndarray, " users"]

    @staticmethod
    def of(bodies: list[Body]) -> "Bodies":
        """Return the columns of some bodies."""
        return Bodies(
            bodies, np.array([b.agent for b in bodies], np.int64), np.array([b.kind for b in bodies], np.int8),
            np.array([(b.length_m, b.width_m, b.height_m) for b in bodies], float).reshape(-1, 3),
            np.array([b.speed_row for b in bodies], np.int64),
        )  # fmt: skip

    def now(self, bodies: list[Body]) -> "Bodies":
        """Return the columns of the bodies of the next instant; from one step to the next, they are nearly always the same."""
        return self if bodies == self.each else Bodies.of(bodies)
