"""What each ray of a scan meets: the reflectivity of the surface, and the angle at which the ray meets it."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from v2xsim.gpu.lidar.bodies.materials import MATERIALS, Material
from v2xsim.gpu.lidar.cast import Scan
from v2xsim.gpu.lidar.incidence import incidence_cosines
from v2xsim.gpu.lidar.mesh_incidence import mesh_cosines
from v2xsim.gpu.lidar.mesh_rays import NO_MESHES, Meshes
from v2xsim.gpu.lidar.rays import Rays
from v2xsim.records import BUILDING, GROUND, Boxes, Obstacles

_REFLECTIVITY = np.array([material.reflectivity for material in MATERIALS])


class Surfaces(NamedTuple):
    """The surfaces of a scan; 0 where a ray meets nothing.

    Attributes:
        reflectivity: Share of the light that each surface reflects, relative to a white diffuse one (`v2xsim.gpu.lidar.bodies`).
        incidence_cos: Cosine of the angle between the ray and the normal of the surface, 0 to 1.
    """

    reflectivity: Float[np.ndarray, "beams columns"]
    incidence_cos: Float[np.ndarray, "beams columns"]


def surfaces_of(
    scan: Scan,
    rays: Rays,
    world_from_sensor: Float[np.ndarray, "4 4"],
    boxes: Boxes,
    obstacles: Obstacles,
    meshes: Meshes = NO_MESHES,
    material: UInt8[np.ndarray, " triangles"] | None = None,
) -> Surfaces:
    """Return what the rays of a scan meet.

    Boxes are of paint, the ground is asphalt, and buildings are walls. A retroreflector counts as one that is met squarely.

    Args:
        scan: The scan; its object ids are rows of `boxes`.
        rays: Rays of the lidar.
        world_from_sensor: Pose of the lidar in the world.
        boxes: Bounding boxes of the bodies.
        obstacles: Buildings.
        meshes: Shapes of the bodies.
        material: Material of each triangle of the shapes; needed with meshes.
    """
    met, shape = scan.object_id, scan.object_id.shape
    reflectivity, cosine = np.zeros(shape), np.zeros(shape)
    turn = world_from_sensor[:3, :3]
    # The upward part of the direction of each ray in the world.
    up = (rays.cos_el[:, None] * (turn[2, 0] * rays.cos_az + turn[2, 1] * rays.sin_az)[None]) + (
        rays.sin_el * turn[2, 2]
    )[:, None]
    ground = met == GROUND
    reflectivity[ground], cosine[ground] = _REFLECTIVITY[Material.GROUND], np.abs(up[ground])
    is_mesh = np.zeros(shape, bool)
    if len(meshes.shape):
        is_mesh[met >= 0] = meshes.shape[met[met >= 0]] >= 0
    on_box = ((met >= 0) & ~is_mesh) | (met == BUILDING)
    beam, column = np.nonzero(on_box)
    if len(beam):
        direction = rays.directions(beam, column) @ turn.T
        points_m = world_from_sensor[:3, 3] + scan.range_m[beam, column].astype(np.float64)[:, None] * direction
        found = incidence_cosines(
            points_m, met[beam, column], np.zeros(len(beam), np.uint8), world_from_sensor[None, :3, 3], boxes, np.arange(len(boxes)),
            obstacles, 0.0,
        )  # fmt: skip
        cosine[beam, column] = np.nan_to_num(found, nan=0.0)
        reflectivity[on_box] = np.where(
            met[on_box] == BUILDING, _REFLECTIVITY[Material.WALL], _REFLECTIVITY[Material.PAINT]
        )
    beam, column = np.nonzero(is_mesh)
    if len(beam):
        assert material is not None
        box, triangle = met[beam, column], scan.triangle[beam, column].astype(np.int64)
        kind = material[meshes.first_triangle[meshes.shape[box]] + triangle]
        angle = mesh_cosines(rays.directions(beam, column) @ turn.T, box, triangle, boxes, meshes)
        reflectivity[beam, column] = _REFLECTIVITY[kind]
        # It sends the light back to where it came from.
        cosine[beam, column] = np.where(kind == Material.RETROREFLECTOR, 1.0, angle)
    return Surfaces(reflectivity, cosine)
