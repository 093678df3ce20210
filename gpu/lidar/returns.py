"""Conversion of a scan to lidar returns: range noise, drop-out, and points in the vehicle's frame."""

from functools import lru_cache
from statistics import NormalDist

import numpy as np
from jaxtyping import Float, Int64, UInt8
from numba import njit

from v2xsim.gpu.lidar.cast import Scan
from v2xsim.gpu.lidar.models import Beams
from v2xsim.records import NOTHING, PointCloud

# Constants of splitmix64.
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_16, _27, _30, _31 = np.uint64(16), np.uint64(27), np.uint64(30), np.uint64(31)
_LOW_16 = np.uint64(0xFFFF)

Part = tuple[Float[np.ndarray, "_points 3"], Int64[np.ndarray, " _points"], UInt8[np.ndarray, " _points"]]


def returns(
    scan: Scan,
    beams: Beams,
    vehicle_from_sensor: Float[np.ndarray, "4 4"],
    lidar: int,
    range_noise_m: float,
    dropout: float,
    key: int,
) -> Part:
    """Return the points of one lidar in the vehicle's frame, what they lie on, and the number of the lidar.

    The random number of a ray depends only on the key and on the number of the ray, never on what other rays hit.

    Args:
        scan: Exact ranges and hit objects of all rays.
        beams: Beam pattern of the lidar.
        vehicle_from_sensor: Pose of the lidar on the vehicle.
        lidar: Number of the lidar on the vehicle.
        range_noise_m: Standard deviation of the normal error of each range; 0 for none.
        dropout: Probability that a return is lost, 0 to 1.
        key: Random key of this scan, with 64 bits.
    """
    points, object_id = _returns(
        scan.range_m, scan.object_id, np.uint64(key), _normal_quantiles(), float(range_noise_m),
        np.uint64(round(dropout * 2.0**48)), beams.elevation_rad, beams.columns,
        np.ascontiguousarray(vehicle_from_sensor, np.float64),
    )  # fmt: skip
    return points, object_id, np.full(len(object_id), lidar, np.uint8)


@lru_cache(maxsize=1)
def _normal_quantiles() -> Float[np.ndarray, " 65536"]:
    """Return the standard normal quantiles at the centres of 65,536 equal probability steps: up to 4.3 standard deviations."""
    inverse = NormalDist().inv_cdf
    upper = np.array([inverse(0.5 + (i + 0.5) / 65536.0) for i in range(32768)])
    return np.concatenate([-upper[::-1], upper])


@njit(cache=True, nogil=True)
def _returns(ranges, object_id, key, quantile, range_noise_m, lost_below, elevation, columns, pose):  # type: ignore[no-untyped-def]
    cos_az = np.cos(np.arange(columns) * (2.0 * np.pi / columns))
    sin_az = np.sin(np.arange(columns) * (2.0 * np.pi / columns))
    most = 0
    for b in range(len(elevation)):
        for k in range(columns):
            most += object_id[b, k] != NOTHING
    points = np.empty((most, 3))
    names = np.empty(most, np.int64)
    count = 0
    for b in range(len(elevation)):
        ce, se = np.cos(elevation[b]), np.sin(elevation[b])
        # The direction in the vehicle's frame is cos_az * p + sin_az * q + s.
        px, qx, sx = pose[0, 0] * ce, pose[0, 1] * ce, pose[0, 2] * se
        py, qy, sy = pose[1, 0] * ce, pose[1, 1] * ce, pose[1, 2] * se
        pz, qz, sz = pose[2, 0] * ce, pose[2, 1] * ce, pose[2, 2] * se
        for k in range(columns):
            if object_id[b, k] == NOTHING:
                continue
            # splitmix64 of the ray's number (Steele, Lea, Flood, OOPSLA 2014): 48 bits decide whether the return is
            # lost, 16 bits give the noise.
            bits = key + np.uint64(b * columns + k + 1) * _GOLDEN
            bits = (bits ^ (bits >> _30)) * _MIX_1
            bits = (bits ^ (bits >> _27)) * _MIX_2
            bits = bits ^ (bits >> _31)
            if bits >> _16 < lost_below:
                continue
            r = max(0.0, float(ranges[b, k]) + range_noise_m * quantile[bits & _LOW_16])
            c, s = cos_az[k], sin_az[k]
            points[count, 0] = r * (c * px + s * qx + sx) + pose[0, 3]
            points[count, 1] = r * (c * py + s * qy + sy) + pose[1, 3]
            points[count, 2] = r * (c * pz + s * qz + sz) + pose[2, 3]
            names[count] = object_id[b, k]
            count += 1
    return points[:count], names[:count]


def joined_cloud(time_us: int, parts: list[Part]) -> PointCloud:
    """Return the point cloud of a station, joined from the returns of its lidars."""
    if len(parts) == 1:
        return PointCloud(time_us, *parts[0])
    return PointCloud(
        time_us,
        np.concatenate([p[0] for p in parts]) if parts else np.zeros((0, 3)),
        np.concatenate([p[1] for p in parts]) if parts else np.zeros(0, np.int64),
        np.concatenate([p[2] for p in parts]) if parts else np.zeros(0, np.uint8),
    )


def hits_per_agent(
    object_id: Int64[np.ndarray, " points"], agent: Int64[np.ndarray, " agents"]
) -> Int64[np.ndarray, " agents"]:
    """Return the number of lidar returns on each road user; `agent` must be in rising order."""
    hits: np.ndarray = _hits(object_id, agent)
    return hits


@njit(cache=True, nogil=True)
def _hits(object_id, agent):  # type: ignore[no-untyped-def]
    hits = np.zeros(len(agent), np.int64)
    if len(agent) == 0:
        return hits
    row = np.full(agent[-1] + 1, -1, np.int64)
    for r in range(len(agent)):
        row[agent[r]] = r
    for n in range(len(object_id)):
        name = object_id[n]
        if 0 <= name < len(row) and row[name] >= 0:
            hits[row[name]] += 1
    return hits
