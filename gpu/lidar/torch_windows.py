"""What the stages of the batched lidar caster share: the rays of its lidars, the windows of rays of its items, and the nearest hits.

An item is one thing seen by one lidar: a box, a wall, a level of a building or a triangle. Its window holds all rays of this lidar that can hit it: some beams times some
columns. So an item is compared with the few rays that point at it, and not with all of them. Windows are computed in float64; they may be too wide, but never too narrow.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch

# Windows are wider by this angle, so that rounding loses no ray.
_MARGIN_RAD = 1e-7
_PER_ROW = 1 << 32
_LARGEST = torch.iinfo(torch.int64).max


@dataclass(frozen=True)
class Sensors:
    """Some lidars with one beam pattern, on a device.

    Attributes:
        origin: Positions in the world, float64 [lidars, 3].
        turn: Rotations from the frame of each lidar to the world, float64 [lidars, 3, 3].
        elevation: Elevation of each beam in radians, in rising order, float64 [beams].
        columns: Number of columns of a turn.
        local: Unit vector of each ray in the frame of its lidar, [rays, 3], in the type in which rays are cast.
        far_m: Range of the lidars.
        most: Largest number of pairs of ray and item that are worked on at once.
    """

    origin: torch.Tensor
    turn: torch.Tensor
    elevation: torch.Tensor
    columns: int
    local: torch.Tensor
    far_m: float
    most: int

    @property
    def rays(self) -> int:
        """Number of rays of one lidar."""
        return len(self.local)

    @property
    def most_items(self) -> int:
        """Largest number of items that are prepared at once: an item takes about 16 times the memory of a pair."""
        return max(1, self.most // 16)


class Nearest:
    """The nearest hit of each ray so far, as in a depth buffer.

    Of two hits at the same distance, the earlier call wins, and within a call the lower row, then the lower triangle. So the result depends neither on blocks nor on the
    order in which a device works.

    Attributes:
        depth: Distance of the hit along each ray, or a little more than the range, [lidars * rays].
        key: What is hit, int64 [lidars * rays]; see `row` and `triangle`.
    """

    def __init__(self, depth: torch.Tensor, row: torch.Tensor) -> None:
        self.depth = depth
        self.key = row.to(torch.int64) * _PER_ROW

    def take(
        self, ray: torch.Tensor, reach: torch.Tensor, row: torch.Tensor, triangle: torch.Tensor | int = -1
    ) -> None:
        """Take hits of rays that are nearer than what these rays have hit so far.

        Args:
            ray: Ray of each hit, counted over all lidars; a ray may occur several times.
            reach: Distance of each hit; anything that is not positive, or not a number, is no hit.
            row: Row of the hit body, or BUILDING.
            triangle: Triangle of its shape, -1 where it is no mesh.
        """
        hit = torch.nonzero((reach > 0.0) & (reach < self.depth[ray]))[:, 0]
        ray, reach = ray[hit], reach[hit]
        key = row[hit] * _PER_ROW + ((triangle[hit] if isinstance(triangle, torch.Tensor) else triangle) + 1)
        self.depth.scatter_reduce_(0, ray, reach, "amin")
        first = torch.nonzero(reach == self.depth[ray])[:, 0]
        ray, key = ray[first], key[first]
        self.key.scatter_(0, ray, _LARGEST)
        self.key.scatter_reduce_(0, ray, key, "amin")

    @property
    def row(self) -> torch.Tensor:
        """Row of the body that each ray hits, or GROUND, BUILDING or NOTHING."""
        return self.key >> 32

    @property
    def triangle(self) -> torch.Tensor:
        """Triangle that each ray hits within its shape, -1 where it hits no mesh."""
        return (self.key & (_PER_ROW - 1)) - 1


def slices(count: int, most: int) -> Iterator[slice]:
    """Yield slices of at most so many of some rows."""
    for first in range(0, count, most):
        yield slice(first, min(count, first + most))


def blocks(count: torch.Tensor, most: int) -> Iterator[slice]:
    """Yield slices of consecutive rows whose counts sum up to at most a number; a row with a larger count is alone in its slice."""
    end = torch.cumsum(count, 0).cpu()
    first, done = 0, 0
    while first < len(end):
        stop = max(first + 1, int(torch.searchsorted(end, done + most, right=True)))
        yield slice(first, stop)
        first, done = stop, int(end[stop - 1])


def spread(count: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return for rows that occur `count` times each: the row of each occurrence, and its number within its row."""
    row = torch.repeat_interleave(torch.arange(len(count), device=count.device), count)
    first = torch.cumsum(count, 0) - count
    return row, torch.arange(len(row), device=count.device) - first[row]


def in_frame(axes: torch.Tensor, point: torch.Tensor) -> torch.Tensor:
    """Return points [items, points, 3], given along axes [items, 3, 3] (rows, in the frame of the lidar), in the frame of the lidar."""
    # Sums are written out: the order of the terms of a product of matrices may depend on the number of threads.
    axes = axes[:, None]
    return point[..., :1] * axes[:, :, 0] + point[..., 1:2] * axes[:, :, 1] + point[..., 2:] * axes[:, :, 2]


def along(sensors: Sensors, rows: torch.Tensor, item: torch.Tensor, ray: torch.Tensor) -> list[torch.Tensor]:
    """Return the products of the directions of rays with each of the vectors [items, vectors, 3] of their items, in the frame of the lidar."""
    way = sensors.local[ray % sensors.rays]
    x, y, z = way[:, 0], way[:, 1], way[:, 2]
    products = []
    for number in range(rows.shape[1]):
        vector = rows[:, number].to(way.dtype)[item]
        products.append(x * vector[:, 0] + y * vector[:, 1] + z * vector[:, 2])
    return products


def rays_of_items(
    sensors: Sensors, lidar: torch.Tensor, corner: torch.Tensor, toward: torch.Tensor
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield the pairs of item and ray that can meet, in blocks.

    Args:
        sensors: The lidars.
        lidar: Lidar of each item.
        corner: Points whose convex hull holds the item, [items, points, 3], float64, in the frame of the lidar.
        toward: A direction in which the item lies, [items, 3], of any length, in the frame of the lidar. Windows are narrow if all corners lie ahead in this direction.
    """
    first, width, low, high = _windows(sensors, corner, toward)
    count = width * high
    for part in blocks(count, sensors.most):
        item, number = spread(count[part])
        item += part.start
        beam, column = low[item] + number // width[item], first[item] + number % width[item]
        yield item, lidar[item] * sensors.rays + beam * sensors.columns + column % sensors.columns


def _windows(
    sensors: Sensors, corner: torch.Tensor, toward: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return first column, number of columns, first beam and number of beams of the window of each item."""
    x, y, z = corner[..., 0], corner[..., 1], corner[..., 2]
    length = torch.hypot(toward[:, 0], toward[:, 1]).clamp(min=1e-12)
    tx, ty = (toward[:, 0] / length)[:, None], (toward[:, 1] / length)[:, None]
    ahead, aside = x * tx + y * ty, y * tx - x * ty
    nearest = ahead.amin(dim=1)
    # Corners that all lie ahead span less than half a turn, and the outermost ones bound all between them. Otherwise, the window is a whole turn.
    is_ahead = nearest > 1e-9
    azimuth, step = torch.atan2(aside, ahead), 2.0 * math.pi / sensors.columns
    middle = torch.atan2(ty, tx)[:, 0]
    first = torch.ceil((middle + azimuth.amin(dim=1) - _MARGIN_RAD) / step).to(torch.int64)
    last = torch.floor((middle + azimuth.amax(dim=1) + _MARGIN_RAD) / step).to(torch.int64)
    whole = torch.full_like(first, sensors.columns)
    width = torch.where(is_ahead, (last - first + 1).clamp(0, sensors.columns), whole)
    first = torch.where(is_ahead, first, torch.zeros_like(first))
    # The horizontal distance of a point of the item lies between these two.
    near, far = nearest.clamp(min=0.0), torch.hypot(x, y).amax(dim=1)
    top, bottom = z.amax(dim=1), z.amin(dim=1)
    highest = torch.atan2(top, torch.where(top > 0.0, near, far)) + _MARGIN_RAD
    lowest = torch.atan2(bottom, torch.where(bottom < 0.0, near, far)) - _MARGIN_RAD
    low = torch.searchsorted(sensors.elevation, lowest)
    return first, width, low, (torch.searchsorted(sensors.elevation, highest, right=True) - low).clamp(min=0)
