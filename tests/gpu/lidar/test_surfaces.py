"""What the rays of a scan meet: reflectivity and angle of incidence of each surface."""

import numpy as np
import pytest
from mesh_scenes import SHAPES, meshes_for
from solids import directions, open3d_hits, random_scene, scene_of

from v2xsim.gpu.lidar.bodies import MATERIALS, Material, shape_of_kind
from v2xsim.gpu.lidar.cast import cast
from v2xsim.gpu.lidar.mesh_rays import meshes_of
from v2xsim.gpu.lidar.models import evenly_spaced, mount_transform
from v2xsim.gpu.lidar.rays import rays_of
from v2xsim.gpu.lidar.surfaces import surfaces_of
from v2xsim.records import BUILDING, GROUND, NOTHING

BEAMS = evenly_spaced(32, 360, -30.0, 15.0, 60.0)


def surfaces(scene, pose, meshes=None):
    more = {} if meshes is None else {"meshes": meshes}
    scan = cast(BEAMS, pose, scene.boxes, np.arange(len(scene.boxes)), scene.obstacles, **more)
    if meshes is not None:
        more["material"] = SHAPES.material
    return scan, surfaces_of(
        scan.range_m,
        scan.object_id,
        scan.triangle,
        rays_of(BEAMS).every_direction(),
        pose,
        scene.boxes,
        scene.obstacles,
        **more,
    )


@pytest.mark.parametrize("mount", [(0.7, 0.0, 0.0), (0.3, 0.2, -0.1)])
def test_angles_on_boxes_walls_and_ground_are_those_of_open3d(mount):
    scene = random_scene(np.random.default_rng(2), boxes=30, buildings=8, half_m=25.0)
    pose = mount_transform(0.3, -0.2, 1.9, *mount)
    scan, found = surfaces(scene, pose)
    _, object_id, cosine = open3d_hits(BEAMS, pose, scene)
    met = (object_id == np.where(scan.object_id >= 0, scan.object_id + 100, scan.object_id)) & (object_id != NOTHING)
    assert met.mean() > 0.5
    # On an edge, two faces are equally near.
    assert (np.abs(found.incidence_cos - cosine)[met] < 1e-3).mean() > 0.995


def test_each_surface_has_the_reflectivity_of_its_material():
    scene = random_scene(np.random.default_rng(2), boxes=30, buildings=8, half_m=25.0)
    scan, found = surfaces(scene, mount_transform(0.3, -0.2, 1.9, 0.7))
    for met, material in ((GROUND, Material.GROUND), (BUILDING, Material.WALL)):
        assert (found.reflectivity[scan.object_id == met] == MATERIALS[material].reflectivity).all()
    assert (found.reflectivity[scan.object_id >= 0] == MATERIALS[Material.PAINT].reflectivity).all()
    assert (found.reflectivity[scan.object_id == NOTHING] == 0.0).all()


def test_a_mesh_has_the_materials_of_its_triangles():
    scene = scene_of(boxes=[(8.0, 0.0, 0.0, 4.7, 1.85, 1.46, np.pi / 2)])
    scan, found = surfaces(
        scene, mount_transform(0.0, 0.0, 0.9), meshes_of(SHAPES, np.array([shape_of_kind("passenger")], np.int32))
    )
    on_car = scan.object_id == 0
    kinds = set(np.unique(found.reflectivity[on_car]).tolist())
    assert {MATERIALS[m].reflectivity for m in (Material.PAINT, Material.RUBBER, Material.GLASS)} <= kinds


def test_angles_on_meshes_are_those_of_the_triangles():
    rng = np.random.default_rng(4)
    scene = random_scene(rng, boxes=40, buildings=0, half_m=20.0)
    meshes = meshes_for(rng, 40)
    pose = mount_transform(0.0, 0.0, 1.9, 0.4)
    scan, found = surfaces(scene, pose, meshes)
    beam, column = np.nonzero(scan.object_id >= 0)
    toward = (directions(BEAMS) @ pose[:3, :3].T)[beam, column]
    assert len(beam) > 300
    for n in rng.choice(len(beam), 200, replace=False):
        row = scan.object_id[beam[n], column[n]]
        shape = SHAPES.shape(int(meshes.shape[row]))
        a, b, c = shape.vertices[shape.triangles[scan.triangle[beam[n], column[n]]]] * scene.boxes.size_m[row]
        normal = np.cross(b - a, c - a)
        yaw = scene.boxes.yaw_rad[row]
        turned = np.array([[np.cos(yaw), -np.sin(yaw), 0], [np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]]) @ normal
        cosine = -(turned @ toward[n]) / np.linalg.norm(normal)
        # From within the box of a body, a ray may meet the back of a triangle.
        if shape.material[scan.triangle[beam[n], column[n]]] != Material.RETROREFLECTOR:
            assert found.incidence_cos[beam[n], column[n]] == pytest.approx(abs(cosine), abs=1e-5)
