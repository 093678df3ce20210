"""Normals of the triangles that rays hit on meshes, and the angle of incidence there."""

import numpy as np
from jaxtyping import Float, Float32, Int64

from v2xsim.gpu.lidar.mesh_rays import Meshes
from v2xsim.records import Boxes


def normals_of(
    box: Int64[np.ndarray, " hits"], triangle: Int64[np.ndarray, " hits"], boxes: Boxes, meshes: Meshes
) -> Float[np.ndarray, "hits 3"]:
    """Return the outward unit normal, in the world, of the triangle that each of some rays hit.

    Args:
        box: Row of the body that each ray hit; a mesh.
        triangle: Number of the triangle within its shape.
        boxes: Bounding boxes of the bodies.
        meshes: Their shapes.
    """
    shape = meshes.shape[box]
    corner = meshes.triangle[meshes.first_triangle[shape] + triangle] + meshes.first_vertex[shape][:, None]
    # Stretched to the size of the body: the edges are, and with them their cross product.
    a, b, c = (meshes.vertex[corner[:, k]] * boxes.size_m[box] for k in range(3))
    normal = np.cross(b - a, c - a)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    cos, sin = np.cos(boxes.yaw_rad[box]), np.sin(boxes.yaw_rad[box])
    return np.column_stack(
        [cos * normal[:, 0] - sin * normal[:, 1], sin * normal[:, 0] + cos * normal[:, 1], normal[:, 2]]
    )


def mesh_cosines(
    direction: Float[np.ndarray, "hits 3"],
    box: Int64[np.ndarray, " hits"],
    triangle: Int64[np.ndarray, " hits"],
    boxes: Boxes,
    meshes: Meshes,
) -> Float32[np.ndarray, " hits"]:
    """Return the cosine of the angle between each ray and the normal of the triangle that it hit, 0 (grazing) to 1.

    Args:
        direction: Unit vector of each ray in the world.
        box: As of `normals_of`, and so are the others.
        triangle: Number of the triangle within its shape.
        boxes: Bounding boxes of the bodies.
        meshes: Their shapes.
    """
    cosine: np.ndarray = np.abs((direction * normals_of(box, triangle, boxes, meshes)).sum(axis=1)).astype(np.float32)
    return cosine
