"""What the announced matrices that an ego holds tell it, for fusion schemes that fuse them as they are."""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Int64, UInt8
from numba import njit

from v2xsim.engine.stations.frame import Frame
from v2xsim.engine.stations.neighbours import AnnouncedMatrices
from v2xsim.gpu.bev.fusion.scheme import Share, Told
from v2xsim.records import OCCUPIED, UNOBSERVED, Detections, Obstacles
from v2xsim.scenario.schema import Cooperation
from v2xsim.world.footprints import WallMap
from v2xsim.world.road_directions import RoadDirections
from v2xsim.world.roads import Roads

Telling = Callable[[Sequence[Frame], Sequence[Detections], AnnouncedMatrices], Sequence[Told]]
"""Function that returns what each of some egos is told; arguments as in `TellingMatrices.told`."""

# Matrices whose announced states differ by less than about this are equally old: the usual period of scans. The difference contains the
# errors of the clocks of both stations.
_AGE_CLASS_US = 100_000


class TellingMatrices:
    """Puts the announced matrices that egos hold on the grids of their own ones, with what map and announcements tell besides.

    Args:
        obstacles: Buildings of the map.
        roads: Roads of the map.
        cell_m: Side of a cell of the matrices.
    """

    def __init__(self, obstacles: Obstacles, roads: Roads, cell_m: float) -> None:
        self._walls, self._directions = WallMap(obstacles, cell_m), RoadDirections(roads)

    def told(self, egos: Sequence[Frame], announced: Sequence[Detections], held: AnnouncedMatrices) -> Sequence[Told]:
        """Return what each of some egos is told of the cells that it did not observe.

        Args:
            egos: Frame of each ego, all of one tick.
            announced: Vehicles that each ego knows from their announcements.
            held: The announced matrices that each ego holds.
        """
        if not egos:
            return []
        own = np.array([ego.matrix.code for ego in egos])
        lower = np.array([ego.matrix.lower for ego in egos])
        codes = told_codes(own, lower, np.array([ego.stamp_us for ego in egos], np.int64), held)
        is_open = self._walls.away_from_walls(lower, own[0].shape)
        return [
            Told(code, cells, vehicles, self._directions.yaw_rad)
            for code, cells, vehicles in zip(codes, is_open, announced, strict=True)
        ]


def telling(rule: Cooperation, obstacles: Obstacles, roads: Roads) -> Telling:
    """Return the function that tells egos what announced matrices show, for the fusion scheme of a scenario.

    Args:
        rule: Section `cooperation` of the scenario.
        obstacles: Buildings of the map.
        roads: Roads of the map.
    """
    fuses_matrices = rule.fusion.shares is Share.MATRICES
    return TellingMatrices(obstacles, roads, rule.matrix.cell_m).told if fuses_matrices else nothing_told


def nothing_told(egos: Sequence[Frame], announced: Sequence[Detections], held: AnnouncedMatrices) -> Sequence[Told]:
    """Return that no ego is told anything: fusion schemes that fuse no announced matrices are not told of them."""
    return [Told.nothing()] * len(egos)


def told_codes(
    own: UInt8[np.ndarray, "egos nx ny"], lower: Int64[np.ndarray, "egos 2"], stamp_us: Int64[np.ndarray, " egos"],
    held: AnnouncedMatrices,
) -> UInt8[np.ndarray, "egos nx ny"]:  # fmt: skip
    """Return the code of each cell that an ego did not observe in the matrices that it holds; UNOBSERVED if none has it.

    Of several matrices, the newest ones count. Of equally old ones, occupied counts more than free: one ray across a cell makes it
    free, and beside the ray a body may stand.

    Args:
        own: Codes of each ego's own matrix.
        lower: World cell index of cell (0, 0) of each.
        stamp_us: Capture time of each, by the ego's clock.
        held: The announced matrices that each ego holds.
    """
    age_us = np.repeat(stamp_us, np.diff(held.offset)) - held.stamp_us
    age_class = np.rint(age_us / _AGE_CLASS_US).astype(np.int64)
    codes: UInt8[np.ndarray, "egos nx ny"] = _overlaid(own, lower, held.offset, held.matrix, age_class, *held.stacked)
    return codes


@njit(cache=True, nogil=True)
def _overlaid(own, lower, offset, matrix, age_class, codes, lowers):  # type: ignore[no-untyped-def]
    told = np.full(own.shape, UNOBSERVED, np.uint8)
    nx, ny = own.shape[1:]
    age = np.empty((nx, ny), np.int64)
    for e in range(len(own)):
        for k in range(offset[e], offset[e + 1]):
            m = matrix[k]
            if m < 0:
                continue
            x, y = lower[e, 0] - lowers[m, 0], lower[e, 1] - lowers[m, 1]
            first, last = max(0, -y), min(ny, codes.shape[2] - y)
            for i in range(max(0, -x), min(nx, codes.shape[1] - x)):
                for j in range(first, last):
                    code = codes[m, i + x, j + y]
                    if code == UNOBSERVED or own[e, i, j] != UNOBSERVED:
                        continue
                    is_first = told[e, i, j] == UNOBSERVED
                    if is_first or age_class[k] < age[i, j]:
                        told[e, i, j], age[i, j] = code, age_class[k]
                    elif age_class[k] == age[i, j] and code == OCCUPIED:
                        told[e, i, j] = OCCUPIED
    return told
