"""Streets of road users as meshes, and Open3D's ray caster over the same triangles."""

import numpy as np
import pytest
from solids import Scene, footprint_of, prism_mesh

from v2xsim.gpu.lidar.bodies import SHAPE_NAMES, shapes
from v2xsim.gpu.lidar.mesh_rays import meshes_of
from v2xsim.records import BUILDING, GROUND, NOTHING

SHAPES = shapes()


def meshes_for(rng, boxes):
    """Return meshes for some boxes, of all shapes in turn."""
    return meshes_of(SHAPES, rng.permutation(np.arange(boxes) % len(SHAPE_NAMES)).astype(np.int32))


def open3d_ranges(origin, toward, scene: Scene, meshes, far_m, skip=-1):
    """Return distance and object of each of some rays (unit vectors in the world), for bodies as meshes or boxes."""
    open3d = pytest.importorskip("open3d", reason="Open3D judges the ranges of rays; `make test` installs it")
    boxes, prisms, parts = scene.boxes, scene.obstacles.prisms, []
    for n in range(len(boxes)):
        if n == skip:
            continue
        if meshes.shape[n] < 0:
            mesh = prism_mesh(footprint_of(boxes, n), boxes.center_m[n, 2], boxes.center_m[n, 2] + boxes.size_m[n, 2])
        else:
            shape = SHAPES.shape(int(meshes.shape[n]))
            c, s = np.cos(boxes.yaw_rad[n]), np.sin(boxes.yaw_rad[n])
            turned = (shape.vertices * boxes.size_m[n]) @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])
            mesh = turned + boxes.center_m[n], shape.triangles
        parts.append((mesh, n))
    for n in range(len(prisms)):
        foot = prisms.vertices_m[prisms.offset[n] : prisms.offset[n + 1]]
        parts.append((prism_mesh(foot, prisms.base_m[n], prisms.top_m[n]), BUILDING))
    wide = 3.0 * far_m
    square = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]]) * wide + [origin[0], origin[1], 0.0]
    parts.append(((square, np.array([[0, 1, 2], [0, 2, 3]])), GROUND))
    caster, names = open3d.t.geometry.RaycastingScene(), np.full(len(parts), NOTHING)
    for (vertices, triangles), name in parts:
        handle = caster.add_triangles(
            open3d.core.Tensor((vertices - origin).astype(np.float32)), open3d.core.Tensor(triangles.astype(np.uint32))
        )
        names[handle] = name
    rays = np.concatenate([np.zeros_like(toward), toward], axis=-1).astype(np.float32)
    answer = caster.cast_rays(open3d.core.Tensor(rays))
    distance = answer["t_hit"].numpy().astype(float)
    met = distance <= far_m
    name = np.where(met, names[np.where(met, answer["geometry_ids"].numpy(), 0)], NOTHING)
    # The bottom of a box on the ground is in one plane with it.
    height = origin[2] + np.where(met, distance, 0.0) * toward[..., 2]
    name = np.where(met & (np.abs(height) < 1e-4) & (toward[..., 2] < 0.0), GROUND, name)
    return np.where(met, distance, np.inf), name, answer["primitive_ids"].numpy()
