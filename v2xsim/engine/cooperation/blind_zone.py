"""The cells around an ego that it does not see (its blind zone), and the relevance of each of these cells."""

from collections.abc import Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
from jaxtyping import Bool, Float

from v2xsim.engine.stations.frame import Frame
from v2xsim.perception.matching.relevance import CellSpeeds, blind_weight
from v2xsim.world.footprints import FootprintMap
from v2xsim.world.hidden_speeds import HiddenSpeeds
from v2xsim.world.roads import Roads


@dataclass(frozen=True)
class BlindZone:
    """The cells around an ego that it does not see.

    Attributes:
        open_ground: Whether each cell lies outside the buildings of the map, or in the building in which the ego stands. Only
            such cells count as blind: the ego has the map.
        weight: Relevance of each blind cell, 0 to 1; 0 for cells that the ego sees and for cells inside buildings.
    """

    open_ground: Bool[np.ndarray, "nx ny"]
    weight: Float[np.ndarray, "nx ny"]


class BlindZones:
    """The blind zone of each ego frame, computed once: both requests and the coverage metric use it.

    Args:
        footprints: Buildings of the map.
        hidden_speeds: Highest speed that a road user hidden at each place is assumed to have; None takes 14 m/s everywhere.

    Attributes:
        hidden_speeds: These speeds.
    """

    def __init__(self, footprints: FootprintMap, hidden_speeds: HiddenSpeeds | None = None) -> None:
        self._footprints = footprints
        self.hidden_speeds = hidden_speeds or HiddenSpeeds(Roads.none(), 1.0)
        self._of: WeakKeyDictionary[Frame, BlindZone] = WeakKeyDictionary()

    def of(self, frame: Frame) -> BlindZone:
        """Return the blind zone of an ego's frame."""
        zone = self._of.get(frame)
        return self.of_all([frame])[0] if zone is None else zone

    def of_all(self, frames: Sequence[Frame]) -> list[BlindZone]:
        """Return the blind zones of egos' frames, whose matrices have one size."""
        new = [frame for frame in frames if frame not in self._of]
        if new:
            matrices = [frame.matrix for frame in new]
            lower, pose = np.array([matrix.lower for matrix in matrices]), np.array([frame.pose for frame in new])
            shape = matrices[0].code.shape
            ground = self._footprints.open_ground(lower, shape, pose[:, :3])
            speeds = CellSpeeds(self.hidden_speeds.speed_mps, self.hidden_speeds.rows(lower, shape))
            weight = blind_weight(
                lower, matrices[0].cell_m, np.array([matrix.code for matrix in matrices]), ground, pose[:, :2],
                np.array([frame.velocity_mps for frame in new]), speeds,
            )  # fmt: skip
            self._of.update(zip(new, map(BlindZone, ground, weight), strict=True))
        return [self._of[frame] for frame in frames]
