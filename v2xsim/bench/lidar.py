"""Rays per second of the lidar and camera kernels beside Embree (Open3D): same scene, same rays, same process, in turns.

All vehicles move between two scans, as they do from tick to tick, so both sides get new bodies each time: Embree builds its scene again, and the time for
this counts; the kernels have nothing to build. Noise and all other effects are off.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, UInt32

from v2xsim.gpu.lidar.bodies import shape_of_kind, shapes
from v2xsim.gpu.lidar.camera import Camera, see
from v2xsim.gpu.lidar.cast import cast
from v2xsim.gpu.lidar.mesh_rays import NO_MESHES, Meshes, meshes_of
from v2xsim.gpu.lidar.models import evenly_spaced, mount_transform
from v2xsim.gpu.lidar.turn import Motion, cast_turning
from v2xsim.records import Boxes, Obstacles, Prisms
from v2xsim.spatial.grid import indexed

BEAMS = evenly_spaced(64, 1800, -25.0, 15.0, 120.0)
CAMERA = Camera.with_view(640, 480, np.radians(90.0), 120.0)
POSE = mount_transform(0.0, 1.75, 1.9, 0.3)
"""Of the sensor: on a vehicle in a street."""

SCENES = (
    "town, boxes",
    "town, meshes",
    "square, boxes",
    "square, meshes",
    "town, boxes, camera",
    "town, meshes, camera",
    "town, boxes, turning",
)
_TURNS = 25
_BOX = np.array(
    [[0, 2, 1], [0, 3, 2], [4, 5, 6], [4, 6, 7], [0, 1, 5], [0, 5, 4], [1, 2, 6], [1, 6, 5], [2, 3, 7], [2, 7, 6], [3, 0, 4], [3, 4, 7]], np.int32
)  # fmt: skip
_CORNERS = np.array([[x, y, z] for z in (0.0, 1.0) for x, y in ((-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5))])


@dataclass(frozen=True)
class Row:
    """The speed of one engine in one scene.

    Attributes:
        engine: v2xsim, or Embree (Open3D).
        scene: Name of the scene.
        threads: Number of threads.
        device: cpu, or the name of the graphics card.
        rays_per_s: Rays per second, from the median time.
        median_ms: Median time of a scan or image.
        against_embree: Rays per second relative to Embree in this scene; None without Open3D.
        equal: Share of the rays whose range is that of Embree to 1 mm; None without Open3D.
    """

    engine: str
    scene: str
    threads: int
    device: str
    rays_per_s: float
    median_ms: float
    against_embree: float | None
    equal: float | None


@dataclass(frozen=True)
class Street:
    """A world for the benchmark.

    Attributes:
        boxes: Bounding boxes of the vehicles.
        velocity_mps: Velocity of each.
        obstacles: Buildings, each a box.
        meshes: Shapes of the vehicles.
    """

    boxes: Boxes
    velocity_mps: Float[np.ndarray, "boxes 2"]
    obstacles: Obstacles
    meshes: Meshes

    def after(self, seconds: float) -> Boxes:
        """Return where the vehicles are after some time."""
        center_m = self.boxes.center_m.copy()
        center_m[:, :2] += self.velocity_mps * seconds
        return Boxes(center_m, self.boxes.size_m, self.boxes.yaw_rad)


def street(has_houses: bool, has_meshes: bool, vehicles: int = 200, houses: int = 60, seed: int = 1) -> Street:
    """Return vehicles in the streets of a town, around the sensor: 7 by 7 streets 60 m apart, or the same without houses and three times as near.

    Args:
        has_houses: Whether there are houses between the streets.
        has_meshes: Whether vehicles are meshes instead of boxes.
        vehicles: Number of vehicles: an eighth are trucks, an eighth vans.
        houses: Number of houses, at most 64.
        seed: Seed of all choices.
    """
    rng = np.random.default_rng(seed)
    wide = 60.0 if has_houses else 20.0
    spots = rng.permutation(np.array([(x, y) for x in range(-4, 4) for y in range(-4, 4)]))[
        : houses if has_houses else 0
    ]
    middle, half = wide * (spots + 0.5), rng.uniform(15.0, 20.0, (len(spots), 2))
    foot = middle[:, None, :] + half[:, None, :] * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    top_m = rng.uniform(6.0, 25.0, len(spots))
    prisms = Prisms(foot.reshape(-1, 2), np.arange(0, 4 * len(spots) + 1, 4), np.zeros(len(spots)), top_m)
    kind = np.array(["truck", "van", *["passenger"] * 6])[np.arange(vehicles) % 8]
    size_m = np.array([{"truck": (10.0, 2.5, 3.6), "van": (5.5, 2.0, 2.3)}.get(name, (4.5, 1.8, 1.5)) for name in kind])
    at, yaw = np.zeros((0, 2)), []
    while len(at) < vehicles:
        along, across = (
            rng.uniform(-2.5 * wide, 2.5 * wide),
            wide * rng.integers(-3, 4) + rng.choice([-5.25, -1.75, 1.75, 5.25]),
        )
        is_east = rng.random() < 0.5
        place = np.array([along, across] if is_east else [across, along])
        if np.hypot(*place) > 4.0 and not (len(at) and np.hypot(*(at - place).T).min() < 6.0):
            at = np.vstack([at, place])
            yaw.append(0.0 if is_east else 0.5 * np.pi)
    yaw_rad = np.array(yaw)
    velocity_mps = rng.uniform(5.0, 15.0, vehicles)[:, None] * np.column_stack([np.cos(yaw_rad), np.sin(yaw_rad)])
    boxes = Boxes(np.column_stack([at, np.zeros(vehicles)]), size_m, yaw_rad)
    meshes = (
        meshes_of(shapes(), np.array([shape_of_kind(name) if name == "passenger" else 0 for name in kind], np.int32))
        if has_meshes
        else NO_MESHES
    )
    return Street(boxes, velocity_mps, indexed(prisms), meshes)


def all_rows(threads: int = 1, scenes: tuple[str, ...] = SCENES, turns: int = _TURNS) -> Iterator[Row]:
    """Measure all engines in some scenes, in turns, and yield their speed.

    Args:
        threads: Number of threads; each scans with a lidar of its own, and Embree shares the rays of one scan among them.
        scenes: Names of the scenes.
        turns: Number of scans of each engine.
    """
    for name in scenes:
        world = street("town" in name, "meshes" in name)
        engines = _engines(name, world, threads)
        taken: dict[str, list[float]] = {engine: [] for engine in engines}
        found: dict[str, np.ndarray] = {}
        for turn in range(turns + 2):
            for engine, scan in engines.items():
                # One process: the clock of the process counts only the time in which it runs, but that of all its threads.
                clock = time.process_time if threads == 1 else time.perf_counter
                prepared = scan(world.after(0.1 * (turn - 2)))
                begun = clock()
                found[engine] = prepared()
                if turn >= 2:
                    taken[engine].append(clock() - begun)
        median = {engine: float(np.median(times)) for engine, times in taken.items()}
        embree = median.get(EMBREE)
        for engine in engines:
            # Embree shares one scan, the kernels make one for each thread.
            rays = found[engine].size * (threads if engine == OURS and threads > 1 else 1)
            relative = None if embree is None else rays / median[engine] * embree / found[EMBREE].size
            yield Row(
                engine, name, threads, "cpu", rays / median[engine], 1e3 * median[engine], relative,
                None if embree is None or "turning" in name else equal_share(found[engine], found[EMBREE]),
            )  # fmt: skip


OURS, EMBREE = "v2xsim", "Embree (Open3D)"

Prepared = Callable[[], np.ndarray]


def absent() -> list[str]:
    """Return the compared libraries that are not installed."""
    return [] if find_spec("open3d") else ["open3d"]


def _engines(name: str, world: Street, threads: int) -> dict[str, Callable[[Boxes], Prepared]]:
    """Return for each engine a function that takes the bodies of a tick and returns the function to be timed, which returns ranges."""
    ids, classes = np.arange(len(world.boxes)), np.zeros(len(world.boxes), np.uint8)
    pool = ThreadPoolExecutor(threads)

    def ours(boxes: Boxes) -> Prepared:
        def scan(_: int = 0) -> np.ndarray:
            if "camera" in name:
                image = see(CAMERA, POSE, boxes, world.obstacles, meshes=world.meshes)
                image.classes(classes)
                return image.range_m
            if "turning" in name:
                motion = Motion(np.array([13.0, 0.0]), 0.0, 0.1)
                return cast_turning(
                    BEAMS, POSE, np.eye(4), motion, boxes, world.velocity_mps, ids, world.obstacles, meshes=world.meshes
                ).range_m
            return cast(BEAMS, POSE, boxes, ids, world.obstacles, meshes=world.meshes).range_m

        return scan if threads == 1 else lambda: list(pool.map(scan, range(threads))).pop()

    engines: dict[str, Callable[[Boxes], Prepared]] = {OURS: ours}
    if find_spec("open3d"):
        engines[EMBREE] = _embree(name, world, threads)
    return engines


def _embree(name: str, world: Street, threads: int) -> Callable[[Boxes], Prepared]:
    """Return how Embree casts the rays of a scene, through Open3D."""
    import open3d

    tensor: Any = open3d.core.Tensor
    if "camera" in name:
        toward = CAMERA.directions / np.linalg.norm(CAMERA.directions, axis=-1, keepdims=True)
    else:
        elevation, azimuth = np.meshgrid(BEAMS.elevation_rad, BEAMS.azimuth_rad, indexing="ij")
        toward = np.stack(
            [np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)], axis=-1
        )
    origin = np.broadcast_to(POSE[:3, 3], toward.shape)
    rays = tensor(np.concatenate([origin, toward @ POSE[:3, :3].T], axis=-1).astype(np.float32))
    far_m = BEAMS.range_m / (toward[..., 0] if "camera" in name else 1.0)

    def embree(boxes: Boxes) -> Prepared:
        vertices, triangles = (tensor(array) for array in triangles_of(boxes, world))

        def scan() -> np.ndarray:
            scene = open3d.t.geometry.RaycastingScene(nthreads=threads)
            scene.add_triangles(vertices, triangles)
            hit = scene.cast_rays(rays, nthreads=threads)["t_hit"].numpy()
            return np.where(hit <= far_m, hit, np.inf)

        return scan

    return embree


def triangles_of(
    boxes: Boxes, world: Street
) -> tuple[Float32[np.ndarray, "vertices 3"], UInt32[np.ndarray, "triangles 3"]]:
    """Return all bodies, houses and the ground as triangles, in the precision of Embree."""
    vertices, triangles = [], []
    for n in range(len(boxes)):
        corners, faces = _CORNERS, _BOX
        if len(world.meshes.shape):
            shape = shapes().shape(int(world.meshes.shape[n]))
            corners, faces = shape.vertices, shape.triangles
        cos, sin = np.cos(boxes.yaw_rad[n]), np.sin(boxes.yaw_rad[n])
        vertices.append(
            (corners * boxes.size_m[n]) @ np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]]) + boxes.center_m[n]
        )
        triangles.append(faces)
    prisms = world.obstacles.prisms
    for n in range(len(prisms)):
        foot = prisms.vertices_m[prisms.offset[n] : prisms.offset[n + 1]]
        vertices.append(
            np.vstack([np.column_stack([foot, np.full(4, z)]) for z in (prisms.base_m[n], prisms.top_m[n])])
        )
        triangles.append(_BOX)
    vertices.append(400.0 * np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]]))
    triangles.append(np.array([[0, 1, 2], [0, 2, 3]], np.int32))
    first = np.cumsum([0, *(len(one) for one in vertices)])
    joined = np.concatenate([one + start for one, start in zip(triangles, first[:-1], strict=True)])
    return np.concatenate(vertices).astype(np.float32), joined.astype(np.uint32)


def equal_share(one: Float[np.ndarray, "*rays"], other: Float[np.ndarray, "*rays"]) -> float:
    """Return the share of the rays whose ranges differ by at most 1 mm, or which both hit nothing."""
    with np.errstate(invalid="ignore"):
        return float((np.isinf(one) & np.isinf(other) | (np.abs(one - other) <= 1e-3)).mean())
