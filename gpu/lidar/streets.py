"""Streets full of vehicles, in which lidar and camera kernels are timed."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from v2xsim.gpu.lidar.bodies import shape_of_kind, shapes
from v2xsim.gpu.lidar.mesh_rays import NO_MESHES, Meshes, meshes_of
from v2xsim.gpu.lidar.models import evenly_spaced
from v2xsim.records import Boxes, Obstacles, Prisms
from v2xsim.spatial.grid import indexed

BEAMS = evenly_spaced(64, 1800, -25.0, 15.0, 120.0)
"""Of the lidars that are timed."""


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
        meshes_of(shapes(), np.array([shape_of_kind(name) for name in kind], np.int32)) if has_meshes else NO_MESHES
    )
    return Street(boxes, velocity_mps, indexed(prisms), meshes)
