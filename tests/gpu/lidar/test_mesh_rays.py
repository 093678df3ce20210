"""Lidar rays over bodies that are triangle meshes."""

import numpy as np
import pytest
from mesh_scenes import SHAPES, meshes_for, open3d_ranges
from solids import directions, random_scene, scene_of, share_within_a_millimetre

from v2xsim.gpu.lidar.bodies import Material, shape_of_kind
from v2xsim.gpu.lidar.cast import cast
from v2xsim.gpu.lidar.mesh_rays import meshes_of
from v2xsim.gpu.lidar.models import Beams, evenly_spaced, mount_transform
from v2xsim.records import GROUND

BEAMS = evenly_spaced(48, 720, -40.0, 20.0, 80.0)
CAR = np.array([shape_of_kind("passenger")], np.int32)


def one_car(kind="passenger", size=(4.5, 1.8, 1.5)):
    """A body 10 m ahead of the sensor, seen from the side."""
    scene = scene_of(boxes=[(10.0, 0.0, 0.0, *size, np.pi / 2)])
    return scene, meshes_of(SHAPES, np.array([shape_of_kind(kind)], np.int32))


def hit(scene, meshes, height_m, aside_m=0.0, sensor_m=(0.0, 0.0)):
    """Return the scan of one level ray at a height that passes beside the middle of the body."""
    pose = mount_transform(*sensor_m, height_m)
    pose[1, 3] += aside_m
    return cast(Beams(np.zeros(1), 1, 50.0), pose, scene.boxes, scene.agent, scene.obstacles, meshes=meshes)


@pytest.mark.parametrize("mount", [(0.7, 0.0, 0.0), (-2.0, 0.3, -0.2), (0.4, 0.0, np.pi / 2), (0.1, 0.0, np.pi)])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_ranges_over_meshes_are_those_of_open3d(seed, mount):
    rng = np.random.default_rng(seed)
    scene = random_scene(rng, boxes=60, buildings=8, half_m=30.0)
    meshes = meshes_for(rng, 60)
    meshes.shape[::7] = -1
    pose = mount_transform(0.3, -0.2, 1.9, *mount)
    ours = cast(BEAMS, pose, scene.boxes, scene.agent, scene.obstacles, meshes=meshes)
    toward = directions(BEAMS) @ pose[:3, :3].T
    range_m, name, triangle = open3d_ranges(pose[:3, 3], toward, scene, meshes, BEAMS.range_m)
    assert share_within_a_millimetre(ours.range_m, range_m) >= 0.999
    # From inside a body, the lower sides of its wheels lie in one plane with the ground.
    ours_name = np.where(ours.object_id >= 0, ours.object_id - 100, ours.object_id)
    same = (ours_name == name) | ((name == GROUND) & np.isclose(ours.range_m, range_m, atol=1e-5))
    assert same.mean() >= 0.999
    on_mesh = (ours.object_id >= 0) & (ours_name == name)
    on_mesh[on_mesh] &= meshes.shape[name[on_mesh]] >= 0
    assert on_mesh.sum() > 500
    # An edge belongs to two triangles.
    assert (ours.triangle[on_mesh] == triangle[on_mesh]).mean() > 0.99


def test_a_mesh_lies_within_its_box_and_reaches_it():
    rng = np.random.default_rng(5)
    scene = random_scene(rng, boxes=40, buildings=0, half_m=25.0)
    pose = mount_transform(0.0, 0.0, 1.9, 0.3)
    boxes = cast(BEAMS, pose, scene.boxes, scene.agent, scene.obstacles)
    bodies = cast(BEAMS, pose, scene.boxes, scene.agent, scene.obstacles, meshes=meshes_for(rng, 40))
    # Whatever a mesh hides, its box hides, too.
    assert (bodies.range_m >= boxes.range_m - 1e-4).all()
    on_both = (bodies.object_id == boxes.object_id) & (bodies.object_id >= 0)
    assert on_both.sum() > 500
    assert (bodies.object_id >= 0).sum() < (boxes.object_id >= 0).sum()


def test_a_ray_passes_under_a_car_and_meets_its_glass_above():
    scene, meshes = one_car()
    under = hit(scene, meshes, 0.08)
    assert np.isinf(under.range_m[0, 0])
    assert hit(scene, meshes_of(SHAPES, np.array([-1], np.int32)), 0.08).range_m[0, 0] == pytest.approx(9.1)
    window = hit(scene, meshes, 1.2)
    own = SHAPES.shape(int(CAR[0]))
    assert own.material[window.triangle[0, 0]] == Material.GLASS
    assert 9.1 < window.range_m[0, 0] < 9.7


def test_no_ray_passes_between_the_triangles_of_a_closed_body():
    # Rays at the side of a car between sill and window: of 160,000, none may come out on the other side.
    scene, meshes = one_car()
    beams = Beams(np.linspace(-0.01, 0.01, 400), 7200, 50.0)
    scan = cast(beams, mount_transform(0.0, 0.0, 0.7), scene.boxes, scene.agent, scene.obstacles, meshes=meshes)
    ahead = np.r_[0:200, -200:0]
    assert (scan.object_id[:, ahead] == 100).all()


def test_the_order_of_bodies_changes_nothing():
    rng = np.random.default_rng(8)
    scene = random_scene(rng, boxes=50, buildings=5, half_m=30.0)
    meshes = meshes_for(rng, 50)
    turned = np.arange(50)[::-1]
    pose = mount_transform(0.3, -0.2, 1.9, 0.7)
    one = cast(BEAMS, pose, scene.boxes, scene.agent, scene.obstacles, meshes=meshes)
    other = cast(
        BEAMS, pose, scene.boxes[turned], scene.agent[turned], scene.obstacles, meshes=meshes._replace(shape=meshes.shape[turned])
    )  # fmt: skip
    np.testing.assert_array_equal(one.range_m, other.range_m)


def test_a_car_does_not_see_its_own_body_and_sees_the_ground_beside_it():
    scene, meshes = one_car()
    pose = mount_transform(10.0, 0.0, 1.8)
    scan = cast(BEAMS, pose, scene.boxes, scene.agent, scene.obstacles, skip_id=100, meshes=meshes)
    assert set(np.unique(scan.object_id[scan.object_id > -3])) == {GROUND}


def test_a_number_that_is_no_shape_is_refused():
    with pytest.raises(ValueError, match=f"shape numbers must be -1 to {len(SHAPES) - 1}"):
        meshes_of(SHAPES, np.array([len(SHAPES)], np.int32))
