"""Points to send and to merge: rigid transforms, thinning to one point per voxel, rounding to the message format."""

import numpy as np
from jaxtyping import Float, Int64
from numba import njit

from v2xsim.spatial.products import fused_multiply_add

# Sixteen bits in steps of one centimetre reach 327 m in each direction.
STEP_M = 0.01


def transform(
    points_m: Float[np.ndarray, "points 3"], target_from_source: Float[np.ndarray, "4 4"]
) -> Float[np.ndarray, "points 3"]:
    """Return points in another frame, by the rigid transform `target_from_source`."""
    return points_m @ target_from_source[:3, :3].T + target_from_source[:3, 3]


def thinned(points_m: Float[np.ndarray, "points 3"], voxel_m: float) -> Int64[np.ndarray, " kept"]:
    """Return the row numbers, in rising order, of the first point in each cubic voxel of side `voxel_m`."""
    rows: np.ndarray = _thinned(np.ascontiguousarray(points_m, np.float64), float(voxel_m))
    return rows


@njit(cache=True, nogil=True, error_model="numpy")
def _thinned(points_m, voxel_m):  # type: ignore[no-untyped-def]
    """Return the rows of `thinned`, by a hash table of the voxels that have a point."""
    voxel = np.empty(points_m.shape, np.int64)
    for n in range(len(points_m)):
        for axis in range(3):
            voxel[n, axis] = int(np.floor(points_m[n, axis] / voxel_m))
    kept, count = np.empty(len(points_m), np.int64), 0
    size = 256
    table = np.full(size, -1, np.int64)
    for n in range(len(points_m)):
        # Neighbours in the cloud often lie in one voxel.
        if n > 0 and _are_equal(voxel, n, n - 1):
            continue
        if 2 * count >= size:
            size *= 4
            table = _table(voxel, kept[:count], size)
        slot = _slot(table, voxel, n)
        if table[slot] < 0:
            table[slot] = kept[count] = n
            count += 1
    return kept[:count].copy()


@njit(cache=True, nogil=True, error_model="numpy")
def _table(voxel, rows, size):  # type: ignore[no-untyped-def]
    """Return a hash table with some rows of `voxel`, all different; its size is a power of two, and -1 marks a free slot."""
    table = np.full(size, -1, np.int64)
    for row in rows:
        table[_slot(table, voxel, row)] = row
    return table


@njit(cache=True, nogil=True, error_model="numpy")
def _slot(table, voxel, row):  # type: ignore[no-untyped-def]
    """Return the slot of the table with the voxel of a row, or the free slot for it."""
    mask = len(table) - 1
    mixed = (voxel[row, 0] * 73856093) ^ (voxel[row, 1] * 19349663) ^ (voxel[row, 2] * 83492791)
    slot = (mixed ^ (mixed >> 16)) & mask
    while table[slot] >= 0 and not _are_equal(voxel, table[slot], row):
        slot = (slot + 1) & mask
    return slot


@njit(cache=True, nogil=True, error_model="numpy")
def _are_equal(voxel, one, other):  # type: ignore[no-untyped-def]
    return voxel[one, 0] == voxel[other, 0] and voxel[one, 1] == voxel[other, 1] and voxel[one, 2] == voxel[other, 2]


def as_sent(
    points_m: Float[np.ndarray, "points 3"], target_from_source: Float[np.ndarray, "4 4"]
) -> Float[np.ndarray, "points 3"]:
    """Return points as `transform` does, after rounding their coordinates to signed 16-bit numbers of steps of STEP_M."""
    sent: np.ndarray = _as_sent(np.ascontiguousarray(points_m, np.float64), target_from_source)
    return sent


@njit(cache=True, nogil=True, error_model="numpy")
def _as_sent(points_m, target_from_source):  # type: ignore[no-untyped-def]
    """Return the points of `as_sent`. Each product and sum is rounded once, in the order of numpy's product with the matrix."""
    sent, step = np.empty(points_m.shape), np.empty(3)
    for n in range(len(points_m)):
        for j in range(3):
            # The sum makes -0.0 positive.
            step[j] = min(max(np.rint(points_m[n, j] / STEP_M), -32768.0), 32767.0) * STEP_M + 0.0
        for i in range(3):
            total = 0.0
            for k in range(3):
                # Numpy adds the terms of a single row from the last to the first.
                j = 2 - k if len(points_m) == 1 else k
                total = fused_multiply_add(step[j], target_from_source[i, j], total)
            sent[n, i] = total + target_from_source[i, 3]
    return sent
