"""The hops of relayed paths: straight tracks of two antennas, and the bodies that the station that decides knows."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int64

from v2xsim.records import Boxes


@dataclass(frozen=True)
class Hops:
    """Links between two antennas that move straight on.

    Attributes:
        first_m: Position of one antenna of each hop; the third column is the height above ground.
        second_m: Position of the other antenna.
        first_mps: Horizontal velocity of the one antenna.
        second_mps: Horizontal velocity of the other antenna.
        group: Row in `KnownBodies.offset` of the station that knows each hop.
    """

    first_m: Float[np.ndarray, "hops 3"]
    second_m: Float[np.ndarray, "hops 3"]
    first_mps: Float[np.ndarray, "hops 2"]
    second_mps: Float[np.ndarray, "hops 2"]
    group: Int64[np.ndarray, " hops"]

    def __len__(self) -> int:
        return len(self.first_m)


@dataclass(frozen=True)
class KnownBodies:
    """The vehicles that each station that decides knows, from announcements and from its own sensors.

    A body over which an end of a hop stands never obstructs it: it is the body of that station.

    Attributes:
        offset: Index of the first body that each station knows; one entry more than stations.
        boxes: Bounding boxes of the bodies, where they are by now.
        velocity_mps: Horizontal velocity of each body; 0 if it is unknown.
        announced: Whether the body announced itself; the others were only detected.
    """

    offset: Int64[np.ndarray, " groups_plus_1"]
    boxes: Boxes
    velocity_mps: Float[np.ndarray, "bodies 2"]
    announced: Bool[np.ndarray, " bodies"]

    @staticmethod
    def none(groups: int) -> "KnownBodies":
        """Return no body for each of some stations."""
        return KnownBodies(np.zeros(groups + 1, np.int64), Boxes.none(), np.zeros((0, 2)), np.zeros(0, bool))

    def only_announced(self) -> "KnownBodies":
        """Return only the bodies that announced themselves."""
        kept = self.announced
        offset = np.concatenate([[0], np.cumsum(kept)])[self.offset].astype(np.int64)
        boxes = Boxes(self.boxes.center_m[kept], self.boxes.size_m[kept], self.boxes.yaw_rad[kept])
        return KnownBodies(offset, boxes, self.velocity_mps[kept], kept[kept])
