"""Buildings for the batched lidar caster: walls, roofs and raised bottoms, seen from many lidars at once."""

from dataclasses import dataclass

import numpy as np
import torch

from v2xsim.gpu.lidar.cast import SEAM_M
from v2xsim.gpu.lidar.torch_windows import Nearest, Sensors, along, blocks, in_frame, rays_of_items, spread
from v2xsim.records import BUILDING, Obstacles


@dataclass(frozen=True)
class Houses:
    """Buildings on a device, in float64.

    Attributes:
        lower: Lower corner of the bounding rectangle of each building.
        upper: Upper corner.
        base: Height of its bottom.
        top: Height of its roof.
        first: Row of its first wall.
        walls: Number of its walls.
        start: Begin of the foot of each wall; walls run counter-clockwise.
        edge: From the begin to the end of the foot.
        is_seam: Whether a wall is a seam, which is passed in both directions and is no wall.
    """

    lower: torch.Tensor
    upper: torch.Tensor
    base: torch.Tensor
    top: torch.Tensor
    first: torch.Tensor
    walls: torch.Tensor
    start: torch.Tensor
    edge: torch.Tensor
    is_seam: torch.Tensor

    @staticmethod
    def on(obstacles: Obstacles, device: str) -> "Houses":
        """Return buildings on a device."""
        prisms = obstacles.prisms
        after = np.arange(1, len(prisms.vertices_m) + 1)
        after[prisms.offset[1:] - 1] = prisms.offset[:-1]
        arrays = (
            obstacles.lower_m, obstacles.upper_m, prisms.base_m, prisms.top_m, prisms.offset[:-1], np.diff(prisms.offset),
            prisms.vertices_m, prisms.vertices_m[after] - prisms.vertices_m, prisms.is_seam,
        )  # fmt: skip
        return Houses(*(torch.as_tensor(np.ascontiguousarray(array), device=device) for array in arrays))


@dataclass(frozen=True)
class _Near:
    """Pairs of a lidar and a building in its range.

    Attributes:
        lidar: The lidar.
        house: The building.
        place: Where the lidar is for this building: a little off its walls.
        bottom: Height of the bottom above the lidar.
        roof: Height of the roof above the lidar.
        is_inside: Whether the lidar is inside the building.
    """

    lidar: torch.Tensor
    house: torch.Tensor
    place: torch.Tensor
    bottom: torch.Tensor
    roof: torch.Tensor
    is_inside: torch.Tensor


def hit_houses(sensors: Sensors, nearest: Nearest, houses: Houses) -> None:
    """Compare the rays of lidars with the buildings in range."""
    if not len(houses.base):
        return
    at = sensors.origin[:, None, :2]
    gap = torch.maximum(houses.lower - at, at - houses.upper).clamp(min=0.0)
    lidar, house = torch.nonzero(torch.hypot(gap[..., 0], gap[..., 1]) <= sensors.far_m, as_tuple=True)
    for part in blocks(houses.walls[house], sensors.most_items):
        near = _near(sensors, houses, lidar[part], house[part])
        _hit_walls(sensors, nearest, houses, near)
        _hit_levels(sensors, nearest, houses, near)


def _near(sensors: Sensors, houses: Houses, lidar: torch.Tensor, house: torch.Tensor) -> _Near:
    """Return where lidars are for buildings in their range: as `cast` does, on a wall a lidar is moved out of the building."""
    pair, number = spread(houses.walls[house])
    wall = houses.first[house[pair]] + number
    at = sensors.origin[lidar, :2]
    ex, ey = houses.edge[wall, 0], houses.edge[wall, 1]
    length = torch.hypot(ex, ey).clamp(min=1e-9)
    ux, uy = ex / length, ey / length
    ax, ay = (at[pair] - houses.start[wall]).unbind(1)
    beside = ux * ax + uy * ay
    on_wall = ((uy * ax - ux * ay).abs() <= SEAM_M) & (beside >= -SEAM_M) & (beside <= length + SEAM_M)
    on_wall &= ~houses.is_seam[wall] & (length > 1e-9)
    normal = torch.stack([uy, -ux], dim=1) * on_wall[:, None]
    out = torch.zeros_like(at).index_add_(0, pair, normal)
    size = torch.hypot(out[:, 0], out[:, 1])[:, None]
    at = at + torch.where(size < 1e-9, 0.0, 2.0 * SEAM_M * out / size.clamp(min=1e-9))
    x, y = (at[pair] - houses.start[wall]).unbind(1)
    crossed = ((y < 0.0) != (y < ey)) & (x < y / torch.where(ey == 0.0, 1.0, ey) * ex)
    is_over = torch.zeros_like(house).index_add_(0, pair, crossed.to(house.dtype)) % 2 == 1
    height = sensors.origin[lidar, 2]
    bottom, roof = houses.base[house] - height, houses.top[house] - height
    # A sensor at the height of a roof counts as standing on it.
    roof = torch.where(roof.abs() < SEAM_M, -SEAM_M, roof)
    return _Near(lidar, house, at, bottom, roof, is_over & (bottom < 0.0) & (roof > 0.0))


def _hit_walls(sensors: Sensors, nearest: Nearest, houses: Houses, near: _Near) -> None:
    """Compare rays with the walls that face their lidar, or, inside a building, with all that it sees from their backs."""
    pair, number = spread(houses.walls[near.house])
    wall = houses.first[near.house[pair]] + number
    ax, ay = (houses.start[wall] - near.place[pair]).unbind(1)
    length = torch.hypot(houses.edge[wall, 0], houses.edge[wall, 1])
    ux, uy = (houses.edge[wall] / length.clamp(min=1e-9)[:, None]).unbind(1)
    across, start = uy * ax - ux * ay, ux * ax + uy * ay
    beside = torch.maximum(start, -(start + length)).clamp(min=0.0)
    shows = ((across < 0.0) != near.is_inside[pair]) & (torch.hypot(across, beside) <= sensors.far_m)
    kept = torch.nonzero(shows & ~houses.is_seam[wall] & (length >= 1e-9))[:, 0]
    pair, across, start, length, ux, uy = (each[kept] for each in (pair, across, start, length, ux, uy))
    lidar, turn = near.lidar[pair], sensors.turn[near.lidar[pair]]
    axes = torch.stack(
        [uy[:, None] * turn[:, 0] - ux[:, None] * turn[:, 1], ux[:, None] * turn[:, 0] + uy[:, None] * turn[:, 1], turn[:, 2]], dim=1
    )  # fmt: skip
    # Walls are a little larger, so that no ray passes between two of them.
    start, end = start - SEAM_M, start + length + SEAM_M
    low, high = near.bottom[pair] - SEAM_M, near.roof[pair] + SEAM_M
    corner = torch.stack([torch.stack([across, s, z], dim=1) for s in (start, end) for z in (low, high)], dim=1)
    bounds = torch.stack([across, start, end, low, high], dim=1).to(sensors.local.dtype)
    for item, ray in rays_of_items(sensors, lidar, in_frame(axes, corner), axes[:, 0] * across[:, None]):
        away, beside, up = along(sensors, axes, item, ray)
        off, begin, stop, under, over = bounds[item].unbind(1)
        reach = off / away
        beside, up = reach * beside, reach * up
        hit = (beside >= begin) & (beside <= stop) & (up >= under) & (up <= over)
        nearest.take(ray[hit], reach[hit], torch.full_like(ray[hit], BUILDING))


def _hit_levels(sensors: Sensors, nearest: Nearest, houses: Houses, near: _Near) -> None:
    """Compare rays with the roofs below their lidar, the raised bottoms above it, and both around it."""
    for level, shows in (
        (near.roof, near.is_inside | (near.roof < 0.0)),
        (near.bottom, (houses.base[near.house] > 0.0) & (near.is_inside | (near.bottom > 0.0))),
    ):
        pair = torch.nonzero(shows)[:, 0]
        lidar, house, up, place = near.lidar[pair], near.house[pair], level[pair], near.place[pair]
        turn = sensors.turn[lidar]
        # The bounding rectangle, with a margin for the move off a wall.
        lower, upper = houses.lower[house] - place - 1e-5, houses.upper[house] - place + 1e-5
        corner = torch.stack([torch.stack([x[:, 0], y[:, 1], up], dim=1) for x in (lower, upper) for y in (lower, upper)], dim=1)  # fmt: skip
        middle = in_frame(turn, corner.mean(dim=1, keepdim=True))[:, 0]
        for item, ray in rays_of_items(sensors, lidar, in_frame(turn, corner), middle):
            _hit_level(sensors, nearest, houses, house, place, up, (turn, item, ray))


def _hit_level(
    sensors: Sensors,
    nearest: Nearest,
    houses: Houses,
    house: torch.Tensor,
    place: torch.Tensor,
    up: torch.Tensor,
    pairs: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
) -> None:
    """Compare rays with horizontal polygons: a ray hits one if an odd number of its edges lies east of the hit."""
    turn, item, ray = pairs
    east, north, rise = along(sensors, turn, item, ray)
    reach = up.to(rise.dtype)[item] / rise
    kept = torch.nonzero((reach > 0.0) & (reach < nearest.depth[ray]))[:, 0]
    item, ray, reach = item[kept], ray[kept], reach[kept]
    x, y = reach * east[kept], reach * north[kept]
    for part in blocks(houses.walls[house[item]], sensors.most):
        hit, number = spread(houses.walls[house[item[part]]])
        hit = hit + part.start
        wall = houses.first[house[item[hit]]] + number
        start = (houses.start[wall] - place[item[hit]]).to(x.dtype)
        edge = houses.edge[wall].to(x.dtype)
        over = y[hit] - start[:, 1]
        spans = (over < 0.0) != (over < edge[:, 1])
        slope = edge[:, 0] / torch.where(edge[:, 1] == 0.0, 1.0, edge[:, 1])
        crossed = spans & (x[hit] < start[:, 0] + slope * over)
        times = torch.zeros(part.stop - part.start, dtype=torch.int32, device=x.device)
        times.index_add_(0, hit - part.start, crossed.to(torch.int32))
        own = times % 2 == 1
        nearest.take(ray[part][own], reach[part][own], torch.full_like(ray[part][own], BUILDING))
