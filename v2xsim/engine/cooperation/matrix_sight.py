"""Whether an announced perception matrix shows a body."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int64, UInt8
from numba import njit

from v2xsim.engine.stations.neighbours import AnnouncedMatrices
from v2xsim.records import OCCUPIED


class Matrices(NamedTuple):
    """Announced matrices.

    Attributes:
        cell_m: Side of a cell.
        lower: World cell index of cell (0, 0) of each.
        code: Codes of each.
    """

    cell_m: float
    lower: Int64[np.ndarray, "matrices 2"]
    code: UInt8[np.ndarray, "matrices nx ny"]


NO_MATRICES = Matrices(1.0, np.zeros((0, 2), np.int64), np.zeros((0, 1, 1), np.uint8))
"""No announced matrices."""


class Bodies(NamedTuple):
    """Bodies at the present.

    Attributes:
        place_m: Position of the centre of each.
        velocity_mps: Velocity of each.
        size_m: Length, width and height of each.
        yaw_rad: Heading of each.
    """

    place_m: Float[np.ndarray, "bodies 2"]
    velocity_mps: Float[np.ndarray, "bodies 2"]
    size_m: Float[np.ndarray, "bodies 3"]
    yaw_rad: Float[np.ndarray, " bodies"]


def stacked(announced: AnnouncedMatrices) -> Matrices:
    """Return announced matrices, which have one size, as arrays."""
    codes, lowers = announced.stacked
    return Matrices(float(announced.matrices[0].cell_m) if announced.matrices else 1.0, lowers, codes)


@njit(cache=True, nogil=True)
def covers(objects, thing, x, y, margin_m):  # type: ignore[no-untyped-def]
    """Return whether a point lies in the box of an object, grown by a margin on each side."""
    cos, sin = np.cos(objects.yaw_rad[thing]), np.sin(objects.yaw_rad[thing])
    dx, dy = x - objects.place_m[thing, 0], y - objects.place_m[thing, 1]
    is_along = abs(dx * cos + dy * sin) <= objects.size_m[thing, 0] / 2.0 + margin_m
    return is_along and abs(dy * cos - dx * sin) <= objects.size_m[thing, 1] / 2.0 + margin_m


@njit(cache=True, nogil=True)
def is_occupied(objects, thing, age_s, matrices, row):  # type: ignore[no-untyped-def]
    """Return whether a matrix has an occupied cell that an object touched when the matrix was announced.

    A lidar marks only the cells of the surface that it sees, so one occupied cell of the box is enough.
    """
    cell_m, nx, ny = matrices.cell_m, matrices.code.shape[1], matrices.code.shape[2]
    cos, sin = abs(np.cos(objects.yaw_rad[thing])), abs(np.sin(objects.yaw_rad[thing]))
    back_x, back_y = objects.velocity_mps[thing, 0] * age_s, objects.velocity_mps[thing, 1] * age_s
    x, y = objects.place_m[thing, 0] - back_x, objects.place_m[thing, 1] - back_y
    reach_x = (objects.size_m[thing, 0] * cos + objects.size_m[thing, 1] * sin) / 2.0
    reach_y = (objects.size_m[thing, 0] * sin + objects.size_m[thing, 1] * cos) / 2.0
    # Box and cell touch if they do along the axes of the map, here, and along those of the box, in `_covers`.
    margin_m = cell_m / 2.0 * (cos + sin)
    i_0, j_0 = matrices.lower[row, 0], matrices.lower[row, 1]
    first_i, end_i = int(np.floor((x - reach_x) / cell_m)) - i_0, int(np.ceil((x + reach_x) / cell_m)) - i_0
    first_j, end_j = int(np.floor((y - reach_y) / cell_m)) - j_0, int(np.ceil((y + reach_y) / cell_m)) - j_0
    for i in range(max(first_i, 0), min(end_i, nx)):
        for j in range(max(first_j, 0), min(end_j, ny)):
            if matrices.code[row, i, j] == OCCUPIED and covers(
                objects, thing, (i_0 + i + 0.5) * cell_m + back_x, (j_0 + j + 0.5) * cell_m + back_y, margin_m
            ):
                return True
    return False
