"""Lidar ray casting in torch, for a GPU: many lidars at once, over boxes, meshes, buildings and flat ground.

It answers as the compiled kernel `cast` does. For each lidar, each thing in range is compared only with the rays of its window (`torch_windows`); a triangle of a mesh
has a window of its own. Nothing loops over rays, bodies, walls or triangles, only over blocks of them.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32, Int32, Int64

from v2xsim.gpu.lidar.cast import FOUNDATION_M, Scan
from v2xsim.gpu.lidar.mesh_rays import NO_MESHES, Meshes
from v2xsim.gpu.lidar.models import Beams
from v2xsim.gpu.lidar.rays import Rays, rays_of
from v2xsim.gpu.lidar.torch_walls import Houses, hit_houses
from v2xsim.gpu.lidar.torch_windows import Nearest, Sensors, along, blocks, in_frame, rays_of_items, slices, spread
from v2xsim.records import GROUND, NOTHING, Boxes, Obstacles

BLOCK_PAIRS = 1 << 22
"""Pairs of ray and item at once; a pair takes up to 200 bytes."""


@dataclass(frozen=True)
class BatchScan:
    """What each ray of several lidars hits.

    Attributes:
        range_m: Distance along each ray to the first hit; infinite if nothing is in range.
        object_id: What each ray hits: an agent id, GROUND, BUILDING or NOTHING.
        triangle: Number of the triangle within its shape, where a ray hits a mesh, and -1 elsewhere.
    """

    range_m: Float32[np.ndarray, "lidars beams columns"]
    object_id: Int64[np.ndarray, "lidars beams columns"]
    triangle: Int32[np.ndarray, "lidars beams columns"]

    def __len__(self) -> int:
        return len(self.range_m)

    def scan(self, lidar: int) -> Scan:
        """Return the scan of one lidar."""
        return Scan(self.range_m[lidar], self.object_id[lidar], self.triangle[lidar])


@dataclass(frozen=True)
class _Bodies:
    """Boxes and meshes on a device, in float64.

    Attributes:
        center: Centre of each bottom face.
        size: Length, width and height.
        yaw: Heading.
        name: Agent id of each.
        shape: Shape of each; -1 for a box.
        corner: Corners of each triangle of all shapes in their unit frames, [triangles, 3, 3].
        first: First triangle of each shape.
        triangles: Number of triangles of each shape.
    """

    center: torch.Tensor
    size: torch.Tensor
    yaw: torch.Tensor
    name: torch.Tensor
    shape: torch.Tensor
    corner: torch.Tensor
    first: torch.Tensor
    triangles: torch.Tensor

    @staticmethod
    def on(boxes: Boxes, box_id: Int64[np.ndarray, " boxes"], meshes: Meshes, device: str) -> "_Bodies":
        """Return boxes and meshes on a device."""
        shape = meshes.shape if len(meshes.shape) else np.full(len(boxes), -1, np.int32)
        triangles = np.diff(meshes.first_triangle)
        vertex = meshes.triangle + np.repeat(meshes.first_vertex[:-1], triangles)[:, None]
        arrays = (
            boxes.center_m, boxes.size_m, boxes.yaw_rad, box_id, shape.astype(np.int64), meshes.vertex[vertex], meshes.first_triangle[:-1], triangles,
        )  # fmt: skip
        return _Bodies(*(torch.as_tensor(np.ascontiguousarray(array), device=device) for array in arrays))


@dataclass(frozen=True)
class _Seen:
    """Pairs of a lidar and a body.

    Attributes:
        lidar: The lidar.
        row: The body.
        axes: Axes of the body (forward, left, up) as rows, in the frame of the lidar.
        at: Where the lidar is, along these axes from the centre of the body's bottom face.
        half: Half the length, half the width and the height of the body.
    """

    lidar: torch.Tensor
    row: torch.Tensor
    axes: torch.Tensor
    at: torch.Tensor
    half: torch.Tensor

    def of(self, rows: slice | torch.Tensor) -> "_Seen":
        """Return some of the pairs."""
        return _Seen(self.lidar[rows], self.row[rows], self.axes[rows], self.at[rows], self.half[rows])

    def corners(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the corners of each body's box and the direction of the side that faces the lidar most, in the frame of the lidar."""
        x, y, up = self.half.unbind(1)
        zero = torch.zeros_like(up)
        corner = torch.stack([torch.stack([a * x, b * y, z], dim=1) for a in (-1, 1) for b in (-1, 1) for z in (zero, up)], dim=1)  # fmt: skip
        is_long = (self.at[:, 0].abs() - x > self.at[:, 1].abs() - y)[:, None]
        toward = torch.where(
            is_long, -self.at[:, :1].sign() * self.axes[:, 0], -self.at[:, 1:2].sign() * self.axes[:, 1]
        )
        return in_frame(self.axes, corner - self.at[:, None]), toward


def cast_batch(
    beams: Beams,
    world_from_sensor: Float[np.ndarray, "lidars 4 4"],
    boxes: Boxes,
    box_id: Int64[np.ndarray, " boxes"],
    obstacles: Obstacles,
    skip_id: Int64[np.ndarray, " one_each"],
    meshes: Meshes = NO_MESHES,
    *,
    device: str = "cpu",
    dtype: torch.dtype = torch.float64,
    block_pairs: int = BLOCK_PAIRS,
) -> BatchScan:
    """Return what each ray of several lidars with one beam pattern hits first.

    The other arguments are those of `cast.cast`, with one pose and one `skip_id` for each lidar.

    Args:
        beams: Beam pattern of all lidars.
        world_from_sensor: Pose of each lidar in the world, in any orientation.
        boxes: Bounding boxes of the road users.
        box_id: Agent id of each box.
        obstacles: Buildings.
        skip_id: Identity of the agent whose body the rays of each lidar ignore; -1 for none.
        meshes: Shapes of the bodies; without any, all are boxes.
        device: Torch device.
        dtype: Type in which rays are compared: float64, or float32 for speed. Windows, ground and planes are float64 in both. In float32, 99.9 % of the ranges are within
            1 mm of those in float64 up to 120 m; rays at edges may hit or miss.
        block_pairs: Largest number of pairs of ray and item at once. Beside scene and results, memory stays below about 200 bytes times this number, or
            times the number of rays of one lidar if that is larger.

    Raises:
        ValueError: If there is not one `skip_id` for each lidar, no shape for each box, or no pair in a block.
    """
    range_m, object_id, triangle = cast_batch_on(
        beams, world_from_sensor, boxes, box_id, obstacles, skip_id, meshes, device=device, dtype=dtype, block_pairs=block_pairs
    )  # fmt: skip
    return BatchScan(range_m.cpu().numpy(), object_id.cpu().numpy(), triangle.cpu().numpy())


def cast_batch_on(
    beams: Beams,
    world_from_sensor: Float[np.ndarray, "lidars 4 4"],
    boxes: Boxes,
    box_id: Int64[np.ndarray, " boxes"],
    obstacles: Obstacles,
    skip_id: Int64[np.ndarray, " one_each"],
    meshes: Meshes = NO_MESHES,
    *,
    device: str = "cpu",
    dtype: torch.dtype = torch.float64,
    block_pairs: int = BLOCK_PAIRS,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return ranges, agent ids and triangles as `cast_batch` does, as tensors that stay on the device."""
    lidars = len(world_from_sensor)
    if len(skip_id) != lidars:
        raise ValueError(
            f"cast_batch needs one skip_id for each of {lidars} lidars, got {len(skip_id)}; -1 skips nothing"
        )
    if len(meshes.shape) not in (0, len(boxes)):
        raise ValueError(f"cast_batch needs one shape for each of {len(boxes)} boxes, or none, got {len(meshes.shape)}")
    if block_pairs < 1:
        raise ValueError(f"block_pairs must be at least 1, got {block_pairs}")
    rays = rays_of(beams)
    size = (lidars, len(rays.elevation), beams.columns)
    way = _directions(rays, device)
    pose = torch.as_tensor(np.ascontiguousarray(world_from_sensor, np.float64), device=device)
    elevation, local = torch.as_tensor(rays.elevation, device=device), way.to(dtype)
    skip = torch.as_tensor(np.ascontiguousarray(skip_id, np.int64), device=device)
    bodies, houses = _Bodies.on(boxes, box_id, meshes, device), Houses.on(obstacles, device)
    range_m = torch.empty((lidars, len(way)), dtype=torch.float32, device=device)
    object_id = torch.empty((lidars, len(way)), dtype=torch.int64, device=device)
    triangle = torch.empty((lidars, len(way)), dtype=torch.int32, device=device)
    for part in slices(lidars, max(1, block_pairs // max(len(way), len(boxes), len(houses.base)))):
        sensors = Sensors(
            pose[part, :3, 3], pose[part, :3, :3], elevation, beams.columns, local, float(beams.range_m), block_pairs
        )
        nearest = _ground(sensors, way)
        seen = _bodies_near(sensors, bodies, skip[part])
        is_mesh = bodies.shape[seen.row] >= 0
        _hit_boxes(sensors, nearest, bodies, seen.of(~is_mesh))
        hit_houses(sensors, nearest, houses)
        # Last, as in `cast`, since most of them are hidden by buildings and by boxes.
        _hit_meshes(sensors, nearest, bodies, seen.of(is_mesh))
        row = nearest.row.reshape(-1, len(way))
        range_m[part] = torch.where(row == NOTHING, float("inf"), nearest.depth.reshape(-1, len(way))).to(torch.float32)
        object_id[part] = torch.where(row >= 0, bodies.name[row.clamp(min=0)], row) if len(boxes) else row
        triangle[part] = nearest.triangle.reshape(-1, len(way)).to(torch.int32)
    return range_m.reshape(size), object_id.reshape(size), triangle.reshape(size)


def _directions(rays: Rays, device: str) -> torch.Tensor:
    """Return the unit vector of each ray in the frame of its lidar, float64 [rays, 3], computed on the device."""
    cos_el, sin_el, cos_az, sin_az = (
        torch.as_tensor(each, device=device) for each in (rays.cos_el, rays.sin_el, rays.cos_az, rays.sin_az)
    )
    flat, up = cos_el[:, None], sin_el[:, None].expand(-1, len(cos_az))
    return torch.stack([flat * cos_az, flat * sin_az, up], dim=-1).reshape(-1, 3)


def _ground(sensors: Sensors, way: torch.Tensor) -> Nearest:
    """Return what rays hit if there is nothing but the ground; in float64, since most rays meet it at a small angle."""
    down = sensors.turn[:, 2, None]
    fall = way[:, 0] * down[..., 0] + way[:, 1] * down[..., 1] + way[:, 2] * down[..., 2]
    reach = -sensors.origin[:, 2:] / fall
    # A hit at exactly the range still counts.
    most = torch.tensor(sensors.far_m, dtype=sensors.local.dtype, device="cpu")
    beyond = float(torch.nextafter(most, torch.full_like(most, float("inf"))))
    hit = (reach > 0.0) & (reach <= sensors.far_m)
    row = torch.where(hit, GROUND, NOTHING).reshape(-1)
    return Nearest(torch.where(hit, reach, beyond).to(sensors.local.dtype).reshape(-1), row)


def _bodies_near(sensors: Sensors, bodies: _Bodies, skip: torch.Tensor) -> _Seen:
    """Return the pairs of a lidar and a body in its range."""
    apart = torch.hypot(
        sensors.origin[:, None, 0] - bodies.center[:, 0], sensors.origin[:, None, 1] - bodies.center[:, 1]
    )
    near = apart <= sensors.far_m + 0.5 * torch.hypot(bodies.size[:, 0], bodies.size[:, 1])
    lidar, row = torch.nonzero(near & (bodies.name != skip[:, None]), as_tuple=True)
    turn = sensors.turn[lidar]
    cos, sin = torch.cos(bodies.yaw[row])[:, None], torch.sin(bodies.yaw[row])[:, None]
    axes = torch.stack([cos * turn[:, 0] + sin * turn[:, 1], cos * turn[:, 1] - sin * turn[:, 0], turn[:, 2]], dim=1)
    off = sensors.origin[lidar] - bodies.center[row]
    at = torch.cat([cos * off[:, :1] + sin * off[:, 1:2], cos * off[:, 1:2] - sin * off[:, :1], off[:, 2:]], dim=1)
    half = bodies.size[row] * torch.tensor([0.5, 0.5, 1.0], dtype=at.dtype, device=at.device)
    return _Seen(lidar, row, axes, at, half)


def _slab_hits(
    sensors: Sensors, seen: _Seen, below: torch.Tensor, margin: float
) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]]:
    """Yield pair, ray, and where the ray enters and leaves the box, for all rays that hit the box of a body, in blocks.

    The boxes reach `below` metres deeper than the bodies, and `margin` farther on all sides.
    """
    size = seen.half + margin
    lowest = torch.stack([-size[:, 0], -size[:, 1], -below - margin], dim=1)
    near, far = ((end - seen.at).to(sensors.local.dtype) for end in (lowest, size))
    corner, toward = seen.corners()
    for item, ray in rays_of_items(sensors, seen.lidar, corner, toward):
        enter = torch.full(item.shape, -float("inf"), dtype=near.dtype, device=near.device)
        leave = -enter
        for number, slope in enumerate(along(sensors, seen.axes, item, ray)):
            one, two = near[:, number][item] / slope, far[:, number][item] / slope
            # `fmin` and `fmax` ignore what is not a number: a ray along a side that it starts on.
            enter, leave = torch.maximum(enter, torch.fmin(one, two)), torch.minimum(leave, torch.fmax(one, two))
        hit = torch.nonzero((enter <= leave) & (leave > 0.0))[:, 0]
        yield item[hit], ray[hit], enter[hit], leave[hit]


def _hit_boxes(sensors: Sensors, nearest: Nearest, bodies: _Bodies, seen: _Seen) -> None:
    """Compare rays with boxes; a lidar in a box sees its walls from within."""
    for part in slices(len(seen.row), sensors.most_items):
        some = seen.of(part)
        below = torch.where(bodies.center[some.row, 2] <= 0.0, FOUNDATION_M, 0.0)
        for item, ray, enter, leave in _slab_hits(sensors, some, below, 0.0):
            nearest.take(ray, torch.where(enter > 0.0, enter, leave), some.row[item])


def _hit_meshes(sensors: Sensors, nearest: Nearest, bodies: _Bodies, seen: _Seen) -> None:
    """Compare rays with the triangles of meshes whose boxes are not hidden."""
    for part in slices(len(seen.row), sensors.most_items):
        some = seen.of(part)
        shows = torch.zeros(len(some.row), dtype=torch.bool, device=some.row.device)
        for item, ray, enter, _ in _slab_hits(sensors, some, torch.zeros_like(some.half[:, 0]), 1e-4):
            shows[item[enter < nearest.depth[ray]]] = True
        some = some.of(shows)
        count = bodies.triangles[bodies.shape[some.row]]
        for few in blocks(count, sensors.most_items):
            _hit_triangles(sensors, nearest, bodies, some.of(few), count[few])


def _hit_triangles(sensors: Sensors, nearest: Nearest, bodies: _Bodies, seen: _Seen, count: torch.Tensor) -> None:
    """Compare rays with all triangles of some bodies that their lidar sees from outside, or, in the box of the body, from any side.

    A ray d hits the triangle a, b, c if d (b x c), d (c x a) and d (a x b) have the sign of a (b x c), as in `mesh_rays`.
    """
    pair, number = spread(count)
    own = bodies.corner[bodies.first[bodies.shape[seen.row]][pair] + number]
    three = in_frame(seen.axes[pair], own * bodies.size[seen.row][pair][:, None] - seen.at[pair][:, None])
    a, b, c = three.unbind(1)
    plane = torch.stack([torch.linalg.cross(b, c), torch.linalg.cross(c, a), torch.linalg.cross(a, b)], dim=1)
    top = a[:, 0] * plane[:, 0, 0] + a[:, 1] * plane[:, 0, 1] + a[:, 2] * plane[:, 0, 2]
    is_inside = (seen.at[:, :2].abs() <= seen.half[:, :2]).all(dim=1)
    is_inside &= (seen.at[:, 2] >= 0.0) & (seen.at[:, 2] <= seen.half[:, 2])
    # Seen from outside, the vertices run counter-clockwise, and the product is negative.
    kept = torch.nonzero((top < 0.0) | (is_inside[pair] & (top > 0.0)))[:, 0]
    pair, number, three, plane, top = pair[kept], number[kept], three[kept], plane[kept], top[kept]
    plane = plane * top.sign()[:, None, None]
    # The sum is made in float64 here, not from rounded products of each ray.
    plane = torch.cat([plane, plane.sum(dim=1, keepdim=True)], dim=1)
    distance = top.abs().to(sensors.local.dtype)
    for item, ray in rays_of_items(sensors, seen.lidar[pair], three, three.mean(dim=1)):
        u, v, w, slope = along(sensors, plane, item, ray)
        hit = torch.nonzero((u >= 0.0) & (v >= 0.0) & (w >= 0.0))[:, 0]
        nearest.take(ray[hit], distance[item[hit]] / slope[hit], seen.row[pair[item[hit]]], number[item[hit]])
