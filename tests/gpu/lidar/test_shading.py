"""The flat-shaded picture of a camera."""

import numpy as np
from mesh_scenes import SHAPES
from solids import random_scene, scene_of

from v2xsim.gpu.lidar.bodies import shape_of_kind
from v2xsim.gpu.lidar.camera import Camera, see
from v2xsim.gpu.lidar.mesh_rays import meshes_of
from v2xsim.gpu.lidar.models import mount_transform
from v2xsim.gpu.lidar.shading import shaded
from v2xsim.records import BUILDING, GROUND, NOTHING

CAMERA = Camera.with_view(120, 80, np.radians(90), 80.0)


def test_sky_ground_and_walls_have_colours_of_their_own():
    scene = random_scene(np.random.default_rng(9), boxes=20, buildings=6, half_m=25.0)
    pose = mount_transform(0.0, 0.0, 1.6, 0.8)
    image = see(CAMERA, pose, scene.boxes, scene.obstacles)
    picture = shaded(image, CAMERA, pose, scene.boxes, scene.obstacles)
    assert picture.shape == (80, 120, 3)
    colours = {met: np.unique(picture[image.instance == met], axis=0) for met in (NOTHING, GROUND, BUILDING)}
    assert len(colours[NOTHING]) == len(colours[GROUND]) == 1
    assert len(colours[BUILDING]) > 3
    assert colours[NOTHING].mean() > colours[GROUND].mean()


def test_a_wall_is_brightest_where_the_camera_looks_at_it_squarely():
    scene = scene_of(buildings=[([(10, -40), (12, -40), (12, 40), (10, 40)], 0.0, 30.0)])
    pose = mount_transform(0.0, 0.0, 1.6)
    image = see(CAMERA, pose, scene.boxes, scene.obstacles)
    row = shaded(image, CAMERA, pose, scene.boxes, scene.obstacles)[20].sum(axis=1).astype(int)
    assert abs(int(row.argmax()) - 60) <= 3
    assert (np.diff(row[:57]) >= 0).all()
    assert row[0] < 0.95 * row.max()


def test_a_car_shows_glass_tyres_and_paint():
    scene = scene_of(boxes=[(6.0, 0.0, 0.0, 4.7, 1.85, 1.46, np.pi / 2)])
    meshes = meshes_of(SHAPES, np.array([shape_of_kind("passenger")], np.int32))
    pose = mount_transform(0.0, 0.0, 1.2)
    image = see(CAMERA, pose, scene.boxes, scene.obstacles, meshes=meshes)
    picture = shaded(image, CAMERA, pose, scene.boxes, scene.obstacles, meshes, SHAPES.material)
    brightness = picture[image.instance == 0].sum(axis=1)
    assert (brightness < 100).any()
    assert (brightness > 400).any()
