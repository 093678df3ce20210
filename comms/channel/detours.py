"""Records of the corner points of a map, and of the ways of links round them; `v2xsim.comms.channel.corners` computes both."""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int8, Int64


@dataclass(frozen=True)
class CornerMap:
    """The corner points of a map, and which of them see each other.

    Attributes:
        position_m: Corner points, x and y.
        offset: Index in `other` of the first corner point that each one sees; one entry more than corner points.
        other: Corner points in sight of each corner point.
        between_m: Distance to each of these.
    """

    position_m: Float[np.ndarray, "corners 2"]
    offset: Int64[np.ndarray, " corners_plus_1"]
    other: Int64[np.ndarray, " sights"]
    between_m: Float[np.ndarray, " sights"]

    def __len__(self) -> int:
        return len(self.position_m)

    @staticmethod
    def none() -> "CornerMap":
        """Return a map without corner points."""
        return CornerMap(np.zeros((0, 2)), np.zeros(1, np.int64), np.zeros(0, np.int64), np.zeros(0))


@dataclass(frozen=True)
class Detours:
    """For each of some links, the legs of the best way with one corner or, without such a way, of the best with two.

    All legs that a link does not have are infinite.

    Attributes:
        first_m: From the first antenna to the corner.
        second_m: From the corner to the second antenna.
        before_m: With two corners, from the first antenna to the first corner.
        between_m: From the first corner to the second.
        behind_m: From the second corner to the second antenna.
    """

    first_m: Float[np.ndarray, " links"]
    second_m: Float[np.ndarray, " links"]
    before_m: Float[np.ndarray, " links"] = field(repr=False)
    between_m: Float[np.ndarray, " links"] = field(repr=False)
    behind_m: Float[np.ndarray, " links"] = field(repr=False)

    @staticmethod
    def none(links: int) -> "Detours":
        """Return a record of links that have no way round a corner."""
        return Detours(*(np.full(links, np.inf) for _ in range(5)))

    @property
    def corners(self) -> Int8[np.ndarray, " links"]:
        """Number of corners on the way of each link, 1 or 2; 0 if there is no way."""
        two = np.where(np.isfinite(self.before_m), 2, 0)
        return np.where(np.isfinite(self.first_m), 1, two).astype(np.int8)
