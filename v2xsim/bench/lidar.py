"""Rays per second of the lidar and camera kernels beside Embree (Open3D): same scene, same rays, same process, in turns.

All vehicles move between two scans, as they do from tick to tick, so both sides get new bodies each time: Embree builds its scene again, and the time for
this counts; the kernels have nothing to build. Where many lidars share a scene, Embree builds it once, so the time without building is measured, too. Noise and
all other effects are off.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, UInt32

from v2xsim.gpu.lidar.bodies import shapes
from v2xsim.gpu.lidar.camera import Camera, see
from v2xsim.gpu.lidar.cast import cast
from v2xsim.gpu.lidar.effects.motion import EgoMotion
from v2xsim.gpu.lidar.models import mount_transform
from v2xsim.gpu.lidar.streets import BEAMS, Street, street
from v2xsim.gpu.lidar.turn import cast_turning
from v2xsim.records import Boxes

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
        engine: v2xsim, v2xsim torch, or Embree (Open3D), whose scene is built anew or was built before.
        scene: Name of the scene.
        threads: Number of threads.
        device: cpu, or the name of the graphics card.
        rays_per_s: Rays per second, from the median time.
        median_ms: Median time of a scan or image.
        against_embree: Rays per second relative to Embree with a scene that is built anew; None without Open3D, and for torch.
        equal: Share of the rays whose range is that of Embree to 1 mm; None without Open3D, and for torch.
    """

    engine: str
    scene: str
    threads: int
    device: str
    rays_per_s: float
    median_ms: float
    against_embree: float | None
    equal: float | None


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


def torch_rows(turns: int = _TURNS, on_cpu: bool = False) -> Iterator[Row]:
    """Measure the batched caster in torch, and yield its speed on a GPU if torch finds one.

    Args:
        turns: Number of casts of each scene.
        on_cpu: Whether to measure on the CPU if there is no GPU: with few lidars, since it is slow there.
    """
    import torch

    from v2xsim.gpu.lidar.torch_speed import LIDARS, batch_speed

    if not (torch.cuda.is_available() or on_cpu):
        return
    device, lidars = ("cuda", LIDARS) if torch.cuda.is_available() else ("cpu", 4)
    for name in (name for name in SCENES if "camera" not in name and "turning" not in name):
        speed = batch_speed(name, device, lidars, turns)
        yield Row(
            TORCH, f"{name}, {lidars} lidars", speed.threads, speed.device, speed.rays_per_s, speed.median_ms, None, None
        )  # fmt: skip


OURS, EMBREE, TORCH = "v2xsim", "Embree (Open3D)", "v2xsim torch"
BUILT_BEFORE = "Embree (Open3D), scene built before"

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
                motion = EgoMotion(13.0)
                return cast_turning(
                    BEAMS,
                    POSE,
                    np.eye(4),
                    motion,
                    0.1,
                    boxes,
                    world.velocity_mps,
                    ids,
                    world.obstacles,
                    meshes=world.meshes,
                ).range_m
            return cast(BEAMS, POSE, boxes, ids, world.obstacles, meshes=world.meshes).range_m

        return scan if threads == 1 else lambda: list(pool.map(scan, range(threads))).pop()

    engines: dict[str, Callable[[Boxes], Prepared]] = {OURS: ours}
    if find_spec("open3d"):
        engines[EMBREE] = _embree(name, world, threads)
        engines[BUILT_BEFORE] = _embree(name, world, threads, is_built_before=True)
    return engines


def _embree(name: str, world: Street, threads: int, is_built_before: bool = False) -> Callable[[Boxes], Prepared]:
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

        def built() -> Any:
            scene = open3d.t.geometry.RaycastingScene(nthreads=threads)
            scene.add_triangles(vertices, triangles)
            return scene

        before = None
        if is_built_before:
            before = built()
            # The first ray builds it.
            before.cast_rays(rays[:1, :1], nthreads=threads)

        def scan() -> np.ndarray:
            scene = before or built()
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
