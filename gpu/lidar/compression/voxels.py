"""A cloud as the set of its occupied voxels: the smallest encoding, without order, doubles and anything but places."""

import struct

import numpy as np
from jaxtyping import Float

from v2xsim.gpu.lidar.compression.entropy import Coder, from_planes, planes
from v2xsim.gpu.lidar.compression.message import joined, opened

_KIND, _LAYOUT = 1, "<fI3i3I"


def encoded(points_m: Float[np.ndarray, "points 3"], voxel_m: float, coder: Coder = "zlib") -> bytes:
    """Return the voxels that hold points, as bytes: the differences of their numbers in rising order.

    Args:
        points_m: The cloud.
        voxel_m: Side of a voxel, above 0. It is stored in single precision, and the voxels are those of the stored side.
        coder: General coder of the bytes.

    Raises:
        ValueError: The side is not positive, a coordinate is not finite, or the cloud spans more voxels than 64 bits can number.
    """
    side = float(np.float32(voxel_m))
    if not side > 0.0 or not np.isfinite(points_m).all():
        raise ValueError(f"a voxel grid needs a side above 0 and finite points, got a side of {voxel_m} m")
    cell = np.floor(np.asarray(points_m, float) / side)
    low = cell.min(axis=0, initial=np.inf) if len(cell) else np.zeros(3)
    span = cell.max(axis=0) - low + 1.0 if len(cell) else np.ones(3)
    if np.abs(low).max() >= 2.0**31 or span.max() >= 2.0**32 or span.prod() >= 2.0**63:
        raise ValueError(
            f"a cloud that spans {span} voxels of {voxel_m} m is too large to number them; take larger voxels"
        )
    x, y, z = (cell - low).astype(np.int64).T
    nx, ny, nz = (int(n) for n in span)
    number = np.unique((x * ny + y) * nz + z)
    step = np.diff(number, prepend=0).astype(np.uint64)
    head = struct.pack(_LAYOUT, side, len(number), *(int(n) for n in low), nx, ny, nz)
    return joined(_KIND, coder, head, planes(step))


def decoded(data: bytes) -> Float[np.ndarray, "voxels 3"]:
    """Return the centres of the voxels: each point of the cloud is at most half a side from one of them along each axis.

    Raises:
        ValueError: The bytes are not those of `encoded`.
    """
    (side, count, low_x, low_y, low_z, _, ny, nz), body = opened(data, _KIND, _LAYOUT)
    number = np.cumsum(from_planes(body, int(count)).astype(np.int64))
    cell = np.column_stack([number // int(ny * nz), number // int(nz) % int(ny), number % int(nz)])
    centres: np.ndarray = (cell + np.array([low_x, low_y, low_z]) + 0.5) * float(side)
    return centres
