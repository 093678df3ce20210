"""Points to send and to merge: rigid transforms, thinning to one point per voxel, rounding to the message format."""

import numpy as np
from jaxtyping import Float, Int64

# Sixteen bits in steps of one centimetre reach 327 m in each direction.
STEP_M = 0.01


def transform(
    points_m: Float[np.ndarray, "points 3"], target_from_source: Float[np.ndarray, "4 4"]
) -> Float[np.ndarray, "points 3"]:
    """Return points in another frame, by the rigid transform `target_from_source`."""
    return points_m @ target_from_source[:3, :3].T + target_from_source[:3, 3]


def thinned(points_m: Float[np.ndarray, "points 3"], voxel_m: float) -> Int64[np.ndarray, " kept"]:
    """Return the row numbers, in rising order, of the first point in each cubic voxel of side `voxel_m`."""
    if len(points_m) == 0:
        return np.zeros(0, np.int64)
    voxel = np.floor(points_m / voxel_m).astype(np.int64)
    voxel -= voxel.min(axis=0)
    size = voxel.max(axis=0) + 1
    key = (voxel[:, 0] * size[1] + voxel[:, 1]) * size[2] + voxel[:, 2]
    return np.sort(np.unique(key, return_index=True)[1]).astype(np.int64)


def quantised(
    points_m: Float[np.ndarray, "points 3"], origin_m: Float[np.ndarray, " 3"], step_m: float = STEP_M
) -> Float[np.ndarray, "points 3"]:
    """Return points after rounding their offsets from `origin_m` to signed 16-bit numbers of steps."""
    steps = np.clip(np.round((points_m - origin_m) / step_m), -32768, 32767)
    return steps * step_m + origin_m
