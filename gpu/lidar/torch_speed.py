"""Rays per second of the batched lidar caster in torch.

`v2xsim bench lidar` measures it where torch finds a GPU. On a machine that has numpy, numba, torch and jaxtyping only, `python -m v2xsim.gpu.lidar.torch_speed` prints the
same rows.
"""

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch

from v2xsim.gpu.lidar.models import Beams, mount_transform
from v2xsim.gpu.lidar.streets import BEAMS, street
from v2xsim.gpu.lidar.torch_batch import BLOCK_PAIRS, cast_batch_on

LIDARS = 64
"""Of a batch on a GPU."""

SCENES = ("town, boxes", "town, meshes", "square, boxes", "square, meshes")
# A GPU needs large blocks to be busy; these take up to 7 GB.
_ON_GPU = 1 << 25


@dataclass(frozen=True)
class Speed:
    """The speed of the batched caster in one scene.

    Attributes:
        engine: v2xsim torch.
        scene: Name of the scene.
        lidars: Number of lidars of a batch.
        threads: Number of threads of torch on the CPU.
        device: cpu, or the name of the graphics card.
        rays_per_s: Rays per second, from the median time.
        median_ms: Median time of a batch.
    """

    engine: str
    scene: str
    lidars: int
    threads: int
    device: str
    rays_per_s: float
    median_ms: float


def batch_speed(
    scene: str,
    device: str,
    lidars: int = LIDARS,
    turns: int = 25,
    beams: Beams = BEAMS,
    dtype: torch.dtype = torch.float32,
) -> Speed:
    """Measure how fast lidars on the roofs of some of the 200 vehicles of a scene are cast together.

    All vehicles move between two turns. The time has everything from numpy arrays of a tick to ranges, objects and triangles on the device, the copy of the
    scene to the device included, the copy of results from it left out.

    Args:
        scene: Name of the scene.
        device: Torch device.
        lidars: Number of lidars, at most 200.
        turns: Number of timed batches, after two that are not.
        beams: Beam pattern of the lidars.
        dtype: Type in which rays are compared.
    """
    is_gpu = torch.device(device).type == "cuda"
    world = street("town" in scene, "meshes" in scene)
    ids, seconds = np.arange(len(world.boxes)), []
    for turn in range(turns + 2):
        boxes = world.after(0.1 * (turn - 2))
        places = zip(boxes.center_m[:lidars], boxes.size_m[:lidars, 2], boxes.yaw_rad[:lidars], strict=True)
        poses = np.array([mount_transform(at[0], at[1], high + 0.3, yaw) for at, high, yaw in places])
        if is_gpu:
            torch.cuda.synchronize()
        begun = time.perf_counter()
        cast_batch_on(
            beams, poses, boxes, ids, world.obstacles, ids[:lidars], world.meshes,
            device=device, dtype=dtype, block_pairs=_ON_GPU if is_gpu else BLOCK_PAIRS,
        )  # fmt: skip
        if is_gpu:
            torch.cuda.synchronize()
        if turn >= 2:
            seconds.append(time.perf_counter() - begun)
    median_s = float(np.median(seconds))
    name = torch.cuda.get_device_name() if is_gpu else "cpu"
    rays = lidars * len(beams.elevation_rad) * beams.columns
    return Speed("v2xsim torch", scene, lidars, torch.get_num_threads(), name, rays / median_s, 1e3 * median_s)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the speed in all scenes as JSON, one object a line."""
    parser = argparse.ArgumentParser(description="Rays per second of the batched lidar caster in torch.")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--lidars", type=int, default=LIDARS)
    parser.add_argument("--turns", type=int, default=25)
    parser.add_argument("--scenes", nargs="+", choices=SCENES, default=SCENES)
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float32")
    asked = parser.parse_args(arguments)
    for scene in asked.scenes:
        speed = batch_speed(scene, asked.device, asked.lidars, asked.turns, dtype=getattr(torch, asked.dtype))
        print(json.dumps(asdict(speed)), flush=True)


if __name__ == "__main__":
    main()
