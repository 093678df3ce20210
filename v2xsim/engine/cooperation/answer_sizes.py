"""The sizes of answers, as an ego predicts them from perception matrices alone."""

from typing import TypeVar

import numpy as np

from v2xsim.comms.messages.sizes import CPM_BASE_BYTES, CPM_OBJECT_BYTES, POINT_BYTES, POINTS_HEADER_BYTES
from v2xsim.gpu.bev.fusion.scheme import Share

_Number = TypeVar("_Number", int, np.ndarray)


def predicted_bytes(
    occupied_cells: _Number, asked_cells: _Number, shares: Share, voxel_m: float, cell_m: float
) -> float | np.ndarray:
    """Return an estimate of the size of an answer, computed from perception matrices alone.

    The estimate for points assumes that a body shows one or two faces to the lidar: in an occupied cell, points thinned to
    one per voxel cover a strip as long as the cell and about 1.5 m high. The estimate for boxes assumes that a body covers
    about four cells.
    """
    if shares.is_boxes:
        return CPM_BASE_BYTES + codes_bytes(asked_cells) + CPM_OBJECT_BYTES * occupied_cells / 4.0
    points = occupied_cells * max(1.0, cell_m / voxel_m) * max(1.0, 1.5 / voxel_m)
    return POINTS_HEADER_BYTES + codes_bytes(asked_cells) + POINT_BYTES * points


def codes_bytes(cells: _Number) -> _Number:
    """Return the number of bytes that the codes of some cells need: two bits for unobserved, free or occupied."""
    return -(-cells * 2 // 8)
