"""Scenes of boxes and buildings, and Open3D's ray caster over the same solids as closed triangle meshes."""

from dataclasses import dataclass

import numpy as np
import pytest
from jaxtyping import Float, Int64

from v2xsim.gpu.lidar.models import Beams
from v2xsim.records import BUILDING, GROUND, NOTHING, Boxes, Obstacles, Prisms
from v2xsim.spatial.grid import indexed


@dataclass(frozen=True)
class Scene:
    """What rays may meet. Agent ids start at 100."""

    boxes: Boxes
    agent: Int64[np.ndarray, " boxes"]
    obstacles: Obstacles


def prisms_of(footprints: list[np.ndarray], base_m: list[float], top_m: list[float]) -> Prisms:
    """Return prisms over counter-clockwise footprints."""
    if not footprints:
        return Prisms.none()
    offset = np.concatenate([[0], np.cumsum([len(f) for f in footprints])]).astype(np.int64)
    return Prisms(np.concatenate(footprints).astype(float), offset, np.array(base_m, float), np.array(top_m, float))


def scene_of(
    boxes: list[tuple[float, ...]] = [],  # noqa: B006
    buildings: list[tuple[object, float, float]] = [],  # noqa: B006
) -> Scene:
    """Return a scene of rows (x, y, z, length, width, height, yaw) and of (footprint, base, top)."""
    row = np.array(boxes, float).reshape(-1, 7)
    bodies = Boxes(row[:, :3].copy(), row[:, 3:6].copy(), row[:, 6].copy())
    footprints = [np.array(foot, float) for foot, _, _ in buildings]
    prisms = prisms_of(footprints, [base for _, base, _ in buildings], [top for _, _, top in buildings])
    return Scene(bodies, np.arange(100, 100 + len(row), dtype=np.int64), indexed(prisms))


def random_scene(rng: np.random.Generator, boxes: int, buildings: int, half_m: float) -> Scene:
    """Return road users and star-shaped, mostly concave buildings at random around the origin.

    Args:
        rng: Source of chance.
        boxes: How many road users; a fifth of them hover.
        buildings: How many buildings; a third of them hover.
        half_m: Half the side of the square that holds their centres.
    """
    center = np.column_stack(
        [rng.uniform(-half_m, half_m, (boxes, 2)), np.where(rng.random(boxes) < 0.2, rng.uniform(0, 4, boxes), 0.0)]
    )
    size = rng.uniform([0.4, 0.4, 0.8], [12.0, 2.6, 4.0], (boxes, 3))
    bodies = Boxes(center, size, rng.uniform(-4, 4, boxes))
    footprints = []
    for at in rng.uniform(-half_m, half_m, (buildings, 2)):
        corners = int(rng.integers(3, 11))
        angle = 2 * np.pi * (np.arange(corners) + rng.uniform(-0.3, 0.3, corners)) / corners
        radius = rng.uniform(2.0, 12.0, corners)
        footprints.append(at + np.column_stack([radius * np.cos(angle), radius * np.sin(angle)]))
    base = np.where(rng.random(buildings) < 0.33, rng.uniform(1.0, 4.0, buildings), 0.0)
    top = base + rng.uniform(1.0, 15.0, buildings)
    prisms = prisms_of(footprints, list(base), list(top))
    return Scene(bodies, np.arange(100, 100 + boxes, dtype=np.int64), indexed(prisms))


def directions(beams: Beams) -> Float[np.ndarray, "beams columns 3"]:
    """Return the unit vector of each ray in the sensor's frame."""
    elevation, azimuth = np.meshgrid(beams.elevation_rad, beams.azimuth_rad, indexing="ij")
    return np.stack(
        [np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)], axis=-1
    )


def ears(polygon: Float[np.ndarray, "corners 2"]) -> list[tuple[int, int, int]]:
    """Return triangles that fill a simple counter-clockwise polygon (ear clipping, Meisters 1975)."""

    def turn(a: int, b: int, c: int) -> float:
        p, q = polygon[b] - polygon[a], polygon[c] - polygon[a]
        return float(p[0] * q[1] - p[1] * q[0])

    left, triangles = list(range(len(polygon))), []
    while len(left) > 3:
        for i, b in enumerate(left):
            a, c = left[i - 1], left[(i + 1) % len(left)]
            others = [v for v in left if v not in (a, b, c)]
            inside = [v for v in others if min(turn(a, b, v), turn(b, c, v), turn(c, a, v)) >= 0]
            if turn(a, b, c) > 0 and not inside:
                triangles.append((a, b, c))
                left.pop(i)
                break
        else:
            raise AssertionError("the polygon is not simple or not counter-clockwise")
    return [*triangles, (left[0], left[1], left[2])]


def prism_mesh(
    footprint: Float[np.ndarray, "corners 2"], base_m: float, top_m: float
) -> tuple[Float[np.ndarray, "vertices 3"], Int64[np.ndarray, "triangles 3"]]:
    """Return a closed triangle mesh of one prism."""
    n = len(footprint)
    vertices = np.vstack([np.column_stack([footprint, np.full(n, z)]) for z in (base_m, top_m)])
    walls = [t for a in range(n) for b in [(a + 1) % n] for t in ((a, b, n + b), (a, n + b, n + a))]
    flat = ears(footprint)
    triangles = walls + flat + [(n + a, n + b, n + c) for a, b, c in flat]
    return vertices, np.array(triangles, np.int64)


def footprint_of(boxes: Boxes, row: int) -> Float[np.ndarray, "4 2"]:
    """Return the corners of a box's bottom face, counter-clockwise."""
    half = 0.5 * boxes.size_m[row, :2]
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half
    cos, sin = np.cos(boxes.yaw_rad[row]), np.sin(boxes.yaw_rad[row])
    return boxes.center_m[row, :2] + corners @ np.array([[cos, sin], [-sin, cos]])


def open3d_scan(
    beams: Beams, world_from_sensor: Float[np.ndarray, "4 4"], scene: Scene, skip_id: int = -1
) -> tuple[Float[np.ndarray, "beams columns"], Int64[np.ndarray, "beams columns"]]:
    """Return range and object id of each ray as Open3D's RaycastingScene finds them on closed triangle meshes."""
    return open3d_hits(beams, world_from_sensor, scene, skip_id)[:2]


def open3d_hits(
    beams: Beams, world_from_sensor: Float[np.ndarray, "4 4"], scene: Scene, skip_id: int = -1
) -> tuple[Float[np.ndarray, "beams columns"], Int64[np.ndarray, "beams columns"], Float[np.ndarray, "beams columns"]]:
    """Return range, object id, and cosine of the angle of incidence of each ray, as Open3D finds them.

    The meshes are moved so that the sensor is the origin: Embree works in single precision. Where a body's bottom lies
    on the ground the ray has met the ground.
    """
    open3d = pytest.importorskip("open3d", reason="Open3D judges the ranges of rays; `make test` installs it")
    origin = world_from_sensor[:3, 3]
    boxes, prisms = scene.boxes, scene.obstacles.prisms
    meshes = [
        (prism_mesh(footprint_of(boxes, n), boxes.center_m[n, 2], boxes.center_m[n, 2] + boxes.size_m[n, 2]), agent)
        for n, agent in enumerate(scene.agent)
        if agent != skip_id
    ]
    for n in range(len(prisms)):
        footprint = prisms.vertices_m[prisms.offset[n] : prisms.offset[n + 1]]
        meshes.append((prism_mesh(footprint, prisms.base_m[n], prisms.top_m[n]), BUILDING))
    wide = 3.0 * beams.range_m
    square = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]]) * wide + [origin[0], origin[1], 0.0]
    meshes.append(((square, np.array([[0, 1, 2], [0, 2, 3]])), GROUND))
    caster = open3d.t.geometry.RaycastingScene()
    names = np.full(len(meshes), NOTHING, np.int64)
    for (vertices, triangles), name in meshes:
        handle = caster.add_triangles(
            open3d.core.Tensor((vertices - origin).astype(np.float32)),
            open3d.core.Tensor(triangles.astype(np.uint32)),
        )
        names[handle] = name
    toward = directions(beams) @ world_from_sensor[:3, :3].T
    rays = np.concatenate([np.zeros_like(toward), toward], axis=-1).astype(np.float32)
    answer = caster.cast_rays(open3d.core.Tensor(rays))
    distance = answer["t_hit"].numpy().astype(float)
    met = distance <= beams.range_m
    object_id = np.where(met, names[np.where(met, answer["geometry_ids"].numpy(), 0)], NOTHING)
    height = origin[2] + np.where(met, distance, 0.0) * toward[..., 2]
    on_ground = met & (np.abs(height) < 1e-4) & (toward[..., 2] < 0)
    cosine = np.abs((answer["primitive_normals"].numpy() * toward).sum(axis=-1))
    return np.where(met, distance, np.inf), np.where(on_ground, GROUND, object_id), cosine


def share_within_a_millimetre(
    one: Float[np.ndarray, "beams columns"], other: Float[np.ndarray, "beams columns"]
) -> float:
    """Return the share of rays on which two casters agree: both met nothing, or both the same range to 1 mm."""
    both_empty = np.isinf(one) & np.isinf(other)
    with np.errstate(invalid="ignore"):
        return float((both_empty | (np.abs(one - other) < 1e-3)).mean())
