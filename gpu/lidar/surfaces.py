"""What each ray of a scan or each pixel of an image meets: the material of the surface, and the angle at which the ray meets it."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Int32, Integer, UInt8

from v2xsim.gpu.lidar.bodies.materials import MATERIALS, Material
from v2xsim.gpu.lidar.incidence import incidence_cosines
from v2xsim.gpu.lidar.mesh_incidence import mesh_cosines
from v2xsim.gpu.lidar.mesh_rays import NO_MESHES, Meshes
from v2xsim.records import BUILDING, GROUND, Boxes, Obstacles

_REFLECTIVITY = np.array([*(material.reflectivity for material in MATERIALS), 0.0])

NO_MATERIAL = len(MATERIALS)
"""Material of a ray that meets nothing."""


class Surfaces(NamedTuple):
    """The surfaces of a scan.

    Attributes:
        material: Material of each surface, a value of `Material`; NO_MATERIAL where a ray meets nothing.
        incidence_cos: Cosine of the angle between the ray and the normal of the surface, 0 to 1; 0 where a ray meets nothing.
    """

    material: UInt8[np.ndarray, "rows columns"]
    incidence_cos: Float[np.ndarray, "rows columns"]

    @property
    def reflectivity(self) -> Float[np.ndarray, "rows columns"]:
        """Share of the light that each surface reflects, relative to a white diffuse one (`v2xsim.gpu.lidar.bodies`)."""
        found: np.ndarray = _REFLECTIVITY[self.material]
        return found


def surfaces_of(
    range_m: Float32[np.ndarray, "rows columns"],
    met: Integer[np.ndarray, "rows columns"],
    triangle: Int32[np.ndarray, "rows_or_none columns_or_none"],
    toward: Float[np.ndarray, "rows columns 3"],
    world_from_sensor: Float[np.ndarray, "4 4"],
    boxes: Boxes,
    obstacles: Obstacles,
    meshes: Meshes = NO_MESHES,
    material: UInt8[np.ndarray, " triangles"] | None = None,
) -> Surfaces:
    """Return what the rays of a scan or the pixels of an image meet.

    Boxes are of paint, the ground is asphalt, and buildings are walls. A retroreflector counts as one that is met squarely.

    Args:
        range_m: Distance along each ray.
        met: What each ray meets: a row of `boxes`, GROUND, BUILDING, or anything else for nothing.
        triangle: Triangle of its shape, where it meets a mesh.
        toward: Unit vector of each ray in the sensor's frame.
        world_from_sensor: Pose of the sensor in the world.
        boxes: Bounding boxes of the bodies.
        obstacles: Buildings.
        meshes: Shapes of the bodies.
        material: Material of each triangle of the shapes; needed with meshes.
    """
    shape = met.shape
    kind, cosine = np.full(shape, NO_MATERIAL, np.uint8), np.zeros(shape)
    turn = world_from_sensor[:3, :3]
    ground = met == GROUND
    kind[ground], cosine[ground] = Material.GROUND, np.abs(toward[ground] @ turn[2])
    is_mesh = np.zeros(shape, bool)
    if len(meshes.shape):
        is_mesh[met >= 0] = meshes.shape[met[met >= 0]] >= 0
    on_box = ((met >= 0) & ~is_mesh) | (met == BUILDING)
    beam, column = np.nonzero(on_box)
    if len(beam):
        direction = toward[beam, column] @ turn.T
        points_m = world_from_sensor[:3, 3] + range_m[beam, column].astype(np.float64)[:, None] * direction
        found = incidence_cosines(
            points_m, met[beam, column].astype(np.int64), np.zeros(len(beam), np.uint8), world_from_sensor[None, :3, 3], boxes, np.arange(len(boxes)),
            obstacles, 0.0,
        )  # fmt: skip
        cosine[beam, column] = np.nan_to_num(found, nan=0.0)
        kind[on_box] = np.where(met[on_box] == BUILDING, Material.WALL, Material.PAINT)
    beam, column = np.nonzero(is_mesh)
    if len(beam):
        assert material is not None
        box, number = met[beam, column].astype(np.int64), triangle[beam, column].astype(np.int64)
        kind[beam, column] = material[meshes.first_triangle[meshes.shape[box]] + number]
        angle = mesh_cosines(toward[beam, column] @ turn.T, box, number, boxes, meshes)
        # It sends the light back to where it came from.
        cosine[beam, column] = np.where(kind[beam, column] == Material.RETROREFLECTOR, 1.0, angle)
    return Surfaces(kind, cosine)
