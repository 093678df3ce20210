"""From a scan to lidar returns: range noise, drop-out, points in the vehicle's frame."""

import numpy as np
from jaxtyping import Float, Int64, UInt8
from numba import njit

from v2xsim.gpu.lidar.cast import Scan
from v2xsim.gpu.lidar.models import Beams
from v2xsim.records import NOTHING, PointCloud

Part = tuple[Float[np.ndarray, "points 3"], Int64[np.ndarray, " points"], UInt8[np.ndarray, " points"]]


def returns(
    scan: Scan,
    beams: Beams,
    vehicle_from_sensor: Float[np.ndarray, "4 4"],
    lidar: int,
    range_noise_m: float,
    dropout: float,
    rng: np.random.Generator,
) -> Part:
    """Return the points of one lidar in the vehicle's frame, what they hit, and the lidar's number.

    Args:
        scan: Ranges without noise.
        beams: The lidar.
        vehicle_from_sensor: Its mount.
        lidar: Its number on the vehicle.
        range_noise_m: Standard deviation of the normal error of each range.
        dropout: Probability that a return is lost.
        rng: Chance of this scan.
    """
    shape = scan.range_m.shape
    noise = rng.standard_normal(shape, np.float32) * np.float32(range_noise_m)
    luck = rng.random(shape, np.float32)
    points, object_id = _returns(
        scan.range_m, scan.object_id, noise, luck, np.float32(dropout),
        beams.elevation_rad, beams.columns, np.ascontiguousarray(vehicle_from_sensor, np.float64),
    )  # fmt: skip
    return points, object_id, np.full(len(object_id), lidar, np.uint8)


@njit(cache=True, nogil=True)
def _returns(ranges, object_id, noise, luck, dropout, elevation, columns, pose):  # type: ignore[no-untyped-def]
    cos_az = np.cos(np.arange(columns) * (2.0 * np.pi / columns))
    sin_az = np.sin(np.arange(columns) * (2.0 * np.pi / columns))
    points = np.empty((ranges.size, 3))
    names = np.empty(ranges.size, np.int64)
    count = 0
    for b in range(len(elevation)):
        ce, se = np.cos(elevation[b]), np.sin(elevation[b])
        for k in range(columns):
            if object_id[b, k] == NOTHING or luck[b, k] < dropout:
                continue
            r = max(0.0, float(ranges[b, k]) + float(noise[b, k]))
            x, y, z = r * ce * cos_az[k], r * ce * sin_az[k], r * se
            for i in range(3):
                points[count, i] = pose[i, 0] * x + pose[i, 1] * y + pose[i, 2] * z + pose[i, 3]
            names[count] = object_id[b, k]
            count += 1
    return points[:count].copy(), names[:count].copy()


def joined_cloud(time_us: int, parts: list[Part]) -> PointCloud:
    """Return the cloud of a station from the returns of its lidars."""
    return PointCloud(
        time_us,
        np.concatenate([p[0] for p in parts]) if parts else np.zeros((0, 3)),
        np.concatenate([p[1] for p in parts]) if parts else np.zeros(0, np.int64),
        np.concatenate([p[2] for p in parts]) if parts else np.zeros(0, np.uint8),
    )
