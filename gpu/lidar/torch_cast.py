"""Lidar ray casting in torch, for a GPU: every ray against every body in range, in blocks that fit into memory.

The ranges agree with those of the compiled kernel in `cast` within 1 mm on 99.9 % of rays. The two programs compute in
float64, but a ray that grazes an edge may hit or miss it because of rounding.
"""

import numpy as np
import torch
from jaxtyping import Float, Int64

from v2xsim.gpu.lidar.cast import FOUNDATION_M, SEAM_M, Scan, off_the_walls
from v2xsim.gpu.lidar.models import Beams
from v2xsim.records import BUILDING, GROUND, NOTHING, Boxes, Obstacles

# Largest number of pairs of ray and body in one block; it limits the memory of the intermediate arrays.
_PAIRS_AT_ONCE = 4_000_000


def cast_torch(
    beams: Beams,
    world_from_sensor: Float[np.ndarray, "4 4"],
    boxes: Boxes,
    box_id: Int64[np.ndarray, " boxes"],
    obstacles: Obstacles,
    skip_id: int = -1,
    *,
    device: str = "cpu",
) -> Scan:
    """Return what each ray of one lidar hits first; the arguments are those of `cast.cast` and the torch device."""

    def on(array: np.ndarray) -> torch.Tensor:
        return torch.as_tensor(np.ascontiguousarray(array, np.float64), device=device)

    origin = world_from_sensor[:3, 3]
    elevation, azimuth = beams.elevation_rad[:, None], beams.azimuth_rad[None, :]
    shape = (len(beams.elevation_rad), beams.columns)
    local = np.stack(
        [np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth),
         np.broadcast_to(np.sin(elevation), shape)], axis=-1,
    ).reshape(-1, 3)  # fmt: skip
    ray = on(local) @ on(world_from_sensor[:3, :3]).T
    infinity = torch.full((len(ray),), float("inf"), dtype=torch.float64, device=device)
    ground = torch.where(ray[:, 2] * origin[2] < 0.0, -origin[2] / ray[:, 2], infinity)
    depth = torch.where(ground > 0, ground, infinity)
    name = torch.full((len(ray),), GROUND, dtype=torch.int64, device=device)
    near = np.linalg.norm(boxes.center_m - origin, axis=1) <= beams.range_m + np.linalg.norm(boxes.size_m, axis=1)
    rows = np.flatnonzero(near & (box_id != skip_id))
    walls, prism_rows = _walls_near(obstacles, origin, beams.range_m)
    chunk = max(1024, _PAIRS_AT_ONCE // max(1, len(rows), len(walls)))
    for first in range(0, len(ray), chunk):
        part = slice(first, first + chunk)
        if len(rows):
            reach, which = _box_depth(
                ray[part],
                on(origin - boxes.center_m[rows]),
                on(boxes.size_m[rows]),
                on(boxes.yaw_rad[rows]),
                on(np.where(boxes.center_m[rows, 2] > 0.0, 0.0, -FOUNDATION_M)),
            )
            ids = torch.as_tensor(box_id[rows], device=device)[which]
            name[part] = torch.where(reach < depth[part], ids, name[part])
            depth[part] = torch.minimum(reach, depth[part])
        if len(walls):
            reach = _prism_depth(ray[part], on(walls), torch.as_tensor(prism_rows, device=device), origin)
            name[part] = torch.where(reach < depth[part], torch.full_like(name[part], BUILDING), name[part])
            depth[part] = torch.minimum(reach, depth[part])
    lost = depth > beams.range_m
    name[lost], depth[lost] = NOTHING, float("inf")
    return Scan(depth.reshape(shape).to(torch.float32).cpu().numpy(), name.reshape(shape).cpu().numpy())


def _walls_near(
    obstacles: Obstacles, origin: Float[np.ndarray, " 3"], range_m: float
) -> tuple[Float[np.ndarray, "walls 6"], Int64[np.ndarray, " walls"]]:
    """Return the walls of prisms in range (start x, y, end x, y, base, top), and the row of each wall's prism."""
    gap = np.maximum(np.maximum(obstacles.lower_m - origin[:2], origin[:2] - obstacles.upper_m), 0.0)
    rows = np.flatnonzero(np.hypot(gap[:, 0], gap[:, 1]) <= range_m) if len(gap) else np.zeros(0, np.int64)
    prisms, walls, owner = obstacles.prisms, [], []
    for number, row in enumerate(rows):
        own = slice(prisms.offset[row], prisms.offset[row + 1])
        foot = prisms.vertices_m[own]
        # For a sensor on its outline, the prism is moved by as much as `cast` moves the sensor.
        moved = np.array(off_the_walls(foot, prisms.is_seam[own], float(origin[0]), float(origin[1])))
        foot = foot - (moved - origin[:2])
        level = np.tile([prisms.base_m[row], prisms.top_m[row]], (len(foot), 1))
        # The two passes along a seam cancel out where crossings are counted, so both are left out.
        wall = ~prisms.is_seam[own]
        walls.append(np.hstack([foot, np.roll(foot, -1, axis=0), level])[wall])
        owner.append(np.full(int(wall.sum()), number, np.int64))
    if not walls:
        return np.zeros((0, 6)), np.zeros(0, np.int64)
    return np.concatenate(walls), np.concatenate(owner)


def _box_depth(
    ray: torch.Tensor, offset: torch.Tensor, size: torch.Tensor, yaw: torch.Tensor, bottom: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the distance along each ray to the nearest box, and the box's row, by the slab test in the box's own frame."""
    cos, sin = torch.cos(yaw), torch.sin(yaw)
    inf = float("inf")
    enter = torch.full((len(ray), len(yaw)), -inf, dtype=ray.dtype, device=ray.device)
    leave = torch.full_like(enter, inf)
    axes = (
        (cos, sin, torch.zeros_like(cos), -0.5 * size[:, 0], 0.5 * size[:, 0]),
        (-sin, cos, torch.zeros_like(cos), -0.5 * size[:, 1], 0.5 * size[:, 1]),
        (torch.zeros_like(cos), torch.zeros_like(cos), torch.ones_like(cos), bottom, size[:, 2]),
    )
    for ax, ay, az, low, high in axes:
        slope = ray[:, :1] * ax + ray[:, 1:2] * ay + ray[:, 2:3] * az
        start = offset[:, 0] * ax + offset[:, 1] * ay + offset[:, 2] * az
        one, two = (low - start) / slope, (high - start) / slope
        parallel = slope == 0
        outside = (start < low) | (start > high)
        first = torch.where(parallel, torch.where(outside, inf, -inf), torch.minimum(one, two))
        last = torch.where(parallel, torch.where(outside, -inf, inf), torch.maximum(one, two))
        enter, leave = torch.maximum(enter, first), torch.minimum(leave, last)
    hit = (enter <= leave) & (leave > 0)
    reach = torch.where(hit, torch.where(enter > 0, enter, leave), torch.full_like(enter, inf))
    return reach.min(dim=1)


def _prism_depth(
    ray: torch.Tensor, wall: torch.Tensor, owner: torch.Tensor, origin: Float[np.ndarray, " 3"]
) -> torch.Tensor:
    """Return the distance along each ray to the nearest wall, roof or bottom of a prism."""
    inf = float("inf")
    ax, ay = wall[:, 0] - origin[0], wall[:, 1] - origin[1]
    ex, ey = wall[:, 2] - wall[:, 0], wall[:, 3] - wall[:, 1]
    dx, dy, dz = ray[:, :1], ray[:, 1:2], ray[:, 2:3]
    crossing = dx * ey - dy * ex
    depth = (ax * ey - ay * ex) / crossing
    along = (ax * dy - ay * dx) / crossing
    height = origin[2] + depth * dz
    seam = SEAM_M / torch.hypot(ex, ey).clamp(min=SEAM_M)
    on_wall = (crossing != 0) & (depth > 0) & (along >= -seam) & (along <= 1 + seam)
    on_wall &= (height >= wall[:, 4] - SEAM_M) & (height <= wall[:, 5] + SEAM_M)
    best = torch.where(on_wall, depth, torch.full_like(depth, inf)).amin(dim=1)
    count = int(owner.max()) + 1
    for column in (4, 5):
        # A hit on a bottom at ground level counts as a hit on the ground.
        closed = torch.ones(count, dtype=torch.bool, device=wall.device)
        if column == 4:
            closed = closed.index_copy(0, owner, wall[:, column] > 0)
        level = torch.zeros(count, dtype=wall.dtype, device=wall.device).index_copy(0, owner, wall[:, column])
        up = level - origin[2]
        if column == 5:
            up = torch.where(
                up.abs() < SEAM_M, -SEAM_M, up
            )  # A sensor exactly at the height of a roof counts as standing on it.
        reach = up / dz
        # Count how many walls of the prism a horizontal line from the point crosses: an odd number means that the point
        # is inside.
        px, py = (reach * dx)[:, owner], (reach * dy)[:, owner]
        by = ay + ey
        spans = (ay > py) != (by > py)
        right = spans & (px < ax + (py - ay) / torch.where(ey == 0, torch.ones_like(ey), ey) * ex)
        crossings = torch.zeros((len(ray), count), dtype=torch.int64, device=ray.device)
        crossings.index_add_(1, owner, right.to(torch.int64))
        hit = closed & (crossings % 2 == 1) & (reach > 0) & torch.isfinite(reach)
        best = torch.minimum(best, torch.where(hit, reach, torch.full_like(reach, inf)).amin(dim=1))
    return best
