"""Scans of a lidar that moves while it turns: its columns are cast in sectors, each from where the sensor and all bodies are at that time.

A lidar fires its columns one after the other, in the order of their azimuth, within a turn. The turn ends at the instant of the scan: column k of n is
fired (1 - k / n) turns before it. Within a sector, everything stands still, so the sensor is placed at most half of its way in the time of a sector away
from where it fires: 8 mm at 30 m/s, 10 turns per second and 180 sectors. A range is off by that, divided by the cosine of the angle of incidence, and
by more if the body moves or the sensor turns. With as many sectors as columns there is no such error.
"""

import numpy as np
from jaxtyping import Float, Int64
from numba import njit

from v2xsim.gpu.lidar.cast import Scan, cast_rays, plain, scan_of
from v2xsim.gpu.lidar.effects.motion import EgoMotion, column_time_s, displacement
from v2xsim.gpu.lidar.mesh_rays import NO_MESHES, Meshes
from v2xsim.gpu.lidar.models import Beams
from v2xsim.gpu.lidar.rays import View, rays_of
from v2xsim.records import Boxes, Obstacles


def poses_before(
    motion: EgoMotion, world_from_vehicle: Float[np.ndarray, "4 4"], ago_s: Float[np.ndarray, " times"]
) -> Float[np.ndarray, "times 4 4"]:
    """Return the poses of a vehicle some times before it has a pose."""
    x, y, yaw = displacement(motion, -ago_s).T
    now_from_then = np.tile(np.eye(4), (len(ago_s), 1, 1))
    now_from_then[:, 0, 0] = now_from_then[:, 1, 1] = np.cos(yaw)
    now_from_then[:, 1, 0] = np.sin(yaw)
    now_from_then[:, 0, 1] = -now_from_then[:, 1, 0]
    now_from_then[:, 0, 3], now_from_then[:, 1, 3] = x, y
    moved: np.ndarray = world_from_vehicle @ now_from_then
    return moved


def cast_turning(
    beams: Beams,
    world_from_vehicle: Float[np.ndarray, "4 4"],
    vehicle_from_sensor: Float[np.ndarray, "4 4"],
    motion: EgoMotion,
    period_s: float,
    boxes: Boxes,
    velocity_mps: Float[np.ndarray, "boxes 2"],
    box_id: Int64[np.ndarray, " boxes"],
    obstacles: Obstacles,
    skip_id: int = -1,
    *,
    sectors: int = 180,
    meshes: Meshes = NO_MESHES,
) -> Scan:
    """Return what each ray of a lidar hits first, if the lidar and the bodies move during its turn.

    The ranges are measured from where the sensor is when it fires. A sensor that does not know its motion places all of them as if it had fired them at
    the instant of the scan.

    Args:
        beams: Beam pattern of the lidar.
        world_from_vehicle: Pose of the vehicle at the instant of the scan.
        vehicle_from_sensor: Pose of the lidar on the vehicle.
        motion: Motion of the vehicle at the instant of the scan.
        period_s: Duration of a turn of the lidar.
        boxes: Bounding boxes of the road users at the instant of the scan.
        velocity_mps: Their velocities over ground.
        box_id: Agent id of each box.
        obstacles: Buildings.
        skip_id: Identity of the agent whose body the rays ignore: the vehicle with the lidar.
        sectors: Number of sectors of a turn; it is limited to the number of columns.
        meshes: Shapes of the bodies.
    """
    if sectors < 1:
        raise ValueError(f"a turn needs at least one sector, and has {sectors}")
    rays = rays_of(beams)
    bound = np.round(np.linspace(0, beams.columns, min(sectors, beams.columns) + 1)).astype(np.int64)
    middle = 0.5 * (bound[:-1] + bound[1:] - 1)
    ago_s = period_s - column_time_s(middle, beams.columns, period_s)
    poses = poses_before(motion, world_from_vehicle, ago_s) @ vehicle_from_sensor
    depth, row, faces = _sectors(
        rays, bound, np.ascontiguousarray(poses), ago_s, meshes, boxes.center_m, np.ascontiguousarray(velocity_mps, np.float64),
        boxes.size_m, boxes.yaw_rad, box_id, skip_id, plain(obstacles),
    )  # fmt: skip
    return scan_of(depth, row, box_id, faces)


@njit(cache=True, nogil=True, error_model="numpy")
def _sectors(rays, bound, poses, ago_s, meshes, center, velocity, size, yaw, box_id, skip, buildings):  # type: ignore[no-untyped-def]
    """Return depth, row and triangle of each ray of a turn, cast sector by sector."""
    beams, columns = len(rays.elevation), len(rays.cos_az)
    depth, row = np.empty((beams, columns)), np.empty((beams, columns), np.int32)
    met = np.empty((beams, columns) if len(meshes.shape) else (0, 0), np.int32)
    moved = center.copy()
    for s in range(len(poses)):
        c0, c1 = bound[s], bound[s + 1]
        for n in range(len(center)):
            moved[n, 0] = center[n, 0] - velocity[n, 0] * ago_s[s]
            moved[n, 1] = center[n, 1] - velocity[n, 1] * ago_s[s]
        view = View(False, rays.range_m, columns, c0)
        faces = np.empty((beams, c1 - c0) if len(meshes.shape) else (0, 0), np.int32)
        found = cast_rays(
            rays.elevation, rays.cos_el, rays.sin_el, rays.cos_az[c0:c1], rays.sin_az[c0:c1], rays.range_m, view, meshes, faces, poses[s],
            moved, size, yaw, box_id, skip, *buildings,
        )  # fmt: skip
        depth[:, c0:c1] = found[0]
        row[:, c0:c1] = found[1]
        if len(meshes.shape):
            met[:, c0:c1] = faces
    return depth, row, met
