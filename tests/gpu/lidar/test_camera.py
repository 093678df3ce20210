"""A camera whose pixels are rays of the lidar kernel."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mesh_scenes import meshes_for, open3d_ranges
from solids import random_scene, scene_of, share_within_a_millimetre

from v2xsim.gpu.lidar.camera import OPTICAL_FROM_SENSOR, Camera, see
from v2xsim.gpu.lidar.cast import cast
from v2xsim.gpu.lidar.mesh_rays import NO_MESHES
from v2xsim.gpu.lidar.models import Beams, mount_transform
from v2xsim.records import BUILDING, GROUND, NOTHING

CAMERA = Camera(160, 120, 110.0, 105.0, 71.3, 66.1, far_m=90.0)
MOUNTS = [(0.7, 0.0, 0.0), (-2.0, 0.1, -0.05), (0.4, -0.4, 0.3), (2.0, np.pi / 2, 0.0), (0.1, 0.0, np.pi)]


def lidar_along(pose, direction, scene, range_m, meshes):
    """Return what a lidar of one ray hits whose only ray points along a direction of the camera's frame."""
    ahead = direction / np.linalg.norm(direction)
    left = np.cross([0.0, 0.0, 1.0], ahead)
    left /= np.linalg.norm(left)
    turned = pose.copy()
    turned[:3, :3] = pose[:3, :3] @ np.stack([ahead, left, np.cross(ahead, left)], axis=1)
    found = cast(Beams(np.zeros(1), 1, range_m), turned, scene.boxes, scene.agent, scene.obstacles, meshes=meshes)
    return found.range_m[0, 0], found.object_id[0, 0]


@pytest.mark.parametrize("with_meshes", [False, True])
@pytest.mark.parametrize("mount", MOUNTS)
def test_range_and_instance_of_each_pixel_are_those_of_a_lidar_ray(mount, with_meshes):
    rng = np.random.default_rng(4)
    scene = random_scene(rng, boxes=40, buildings=10, half_m=30.0)
    meshes = meshes_for(rng, 40) if with_meshes else NO_MESHES
    pose = mount_transform(0.3, -0.2, 1.6, *mount)
    image = see(CAMERA, pose, scene.boxes, scene.obstacles, meshes=meshes)
    for v, u in zip(rng.integers(0, 120, 400), rng.integers(0, 160, 400), strict=True):
        direction = CAMERA.directions[v, u]
        range_m, met = lidar_along(pose, direction, scene, CAMERA.far_m * np.linalg.norm(direction), meshes)
        assert image.range_m[v, u] == range_m
        assert image.instance[v, u] == (met - 100 if met >= 0 else met)


@pytest.mark.parametrize("mount", MOUNTS)
def test_ranges_of_pixels_are_those_of_open3d(mount):
    rng = np.random.default_rng(6)
    scene = random_scene(rng, boxes=50, buildings=10, half_m=30.0)
    meshes = meshes_for(rng, 50)
    pose = mount_transform(0.3, -0.2, 1.6, *mount)
    image = see(CAMERA, pose, scene.boxes, scene.obstacles, meshes=meshes)
    toward = CAMERA.directions / np.linalg.norm(CAMERA.directions, axis=-1, keepdims=True)
    range_m, name, _ = open3d_ranges(pose[:3, 3], toward @ pose[:3, :3].T, scene, meshes, 3.0 * CAMERA.far_m)
    range_m = np.where(range_m / np.linalg.norm(CAMERA.directions, axis=-1) > CAMERA.far_m, np.inf, range_m)
    assert share_within_a_millimetre(image.range_m, range_m) >= 0.999
    assert (image.instance == np.where(np.isinf(range_m), NOTHING, name)).mean() >= 0.998


def test_depth_is_range_times_the_cosine_to_the_optical_axis():
    scene = random_scene(np.random.default_rng(7), boxes=40, buildings=10, half_m=30.0)
    image = see(CAMERA, mount_transform(0.0, 0.0, 1.6, 0.3), scene.boxes, scene.obstacles)
    cosine = 1.0 / np.linalg.norm(CAMERA.directions, axis=-1)
    seen = np.isfinite(image.depth_m)
    assert 0.2 < seen.mean() < 1.0
    np.testing.assert_allclose(image.depth_m[seen], (image.range_m * cosine)[seen], rtol=2e-7)
    np.testing.assert_array_equal(seen, np.isfinite(image.range_m))


@given(
    x=st.floats(4.0, 60.0), y=st.floats(-20.0, 20.0), z=st.floats(-4.0, 8.0), yaw=st.floats(-3.0, 3.0),
    pitch=st.floats(-0.4, 0.4), roll=st.floats(-0.4, 0.4),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_a_point_is_seen_where_the_intrinsics_put_it(x, y, z, yaw, pitch, roll):
    pose = mount_transform(3.0, -2.0, 10.0, yaw, pitch, roll)
    at = pose @ np.array([x, y, z, 1.0])
    if at[2] < 0.5:
        return
    scene = scene_of(boxes=[(at[0], at[1], at[2] - 0.2, 0.4, 0.4, 0.4, 0.3)])
    u, v, depth = CAMERA.intrinsics @ (OPTICAL_FROM_SENSOR @ np.array([x, y, z, 1.0]))[:3]
    u, v = u / depth, v / depth
    if not (3 < u < CAMERA.width - 4 and 3 < v < CAMERA.height - 4):
        return
    image = see(CAMERA, pose, scene.boxes, scene.obstacles)
    rows, columns = np.nonzero(image.instance == 0)
    if x > 30.0 and len(rows) == 0:  # smaller than a pixel
        return
    assert abs(columns.mean() - u) < 1.0 + 0.05 * np.ptp(columns)
    assert abs(rows.mean() - v) < 1.0 + 0.05 * np.ptp(rows)
    assert depth - 0.5 < image.depth_m[rows, columns].min() < depth


def test_a_long_body_beside_the_camera_is_seen_only_in_front_of_it():
    # A wall of 200 m along the way, 2 m to the left: it fills the left half of the picture below its upper edge, and no pixel of the right half.
    scene = scene_of(buildings=[([(-100, 2), (100, 2), (100, 3), (-100, 3)], 0.0, 30.0)])
    camera = Camera.with_view(200, 100, np.radians(100), 90.0)
    image = see(camera, mount_transform(0.0, 0.0, 1.5), scene.boxes, scene.obstacles)
    aside = camera.directions[..., 1]
    depth = np.where(aside > 0.0, 2.0 / np.maximum(aside, 1e-9), np.inf)
    height = 1.5 + depth * camera.directions[..., 2]
    shown = (depth <= 90.0) & (height > 0.01) & (height < 29.9)
    assert (image.instance[shown] == BUILDING).all()
    np.testing.assert_allclose(image.depth_m[shown], depth[shown], rtol=1e-5)
    assert (image.instance[:, 100:] != BUILDING).all()


def test_a_body_behind_the_camera_is_not_seen():
    scene = scene_of(boxes=[(-5.0, 0.0, 0.0, 4.5, 1.8, 1.5, 0.0)])
    image = see(CAMERA, mount_transform(0.0, 0.0, 1.5), scene.boxes, scene.obstacles)
    assert (image.instance < 0).all()


def test_a_camera_sees_ground_below_the_horizon_and_sky_above():
    scene = scene_of()
    image = see(CAMERA, mount_transform(0.0, 0.0, 1.5), scene.boxes, scene.obstacles)
    above = CAMERA.directions[..., 2]
    near = 1.5 / np.maximum(-above, 1e-9) <= CAMERA.far_m
    assert (image.instance == np.where((above < 0.0) & near, GROUND, NOTHING)).all()
    assert set(np.unique(image.classes(np.zeros(0, np.uint8)))) == {0, 1}


def test_classes_are_sky_ground_building_and_those_of_the_bodies():
    scene = random_scene(np.random.default_rng(9), boxes=20, buildings=6, half_m=25.0)
    image = see(CAMERA, mount_transform(0.0, 0.0, 1.6, 0.8), scene.boxes, scene.obstacles)
    box_class = np.arange(20, dtype=np.uint8) % 7
    found = image.classes(box_class)
    for name, number in ((NOTHING, 0), (GROUND, 1), (BUILDING, 2)):
        assert ((found == number) == (image.instance == name)).all()
    bodies = image.instance >= 0
    assert bodies.any()
    assert (found[bodies] == 3 + box_class[image.instance[bodies]]).all()


def test_the_carrier_of_a_camera_is_not_seen():
    scene = scene_of(boxes=[(1.0, 0.0, 0.0, 4.5, 1.8, 1.5, 0.0), (12.0, 0.0, 0.0, 4.5, 1.8, 1.5, 0.0)])
    image = see(CAMERA, mount_transform(0.0, 0.0, 1.2), scene.boxes, scene.obstacles, skip=0)
    assert set(np.unique(image.instance)) == {1, GROUND, NOTHING}


@pytest.mark.parametrize(
    "bad", [{"width": 0}, {"height": -1}, {"fx": 0.0}, {"fy": np.inf}, {"cx": np.nan}, {"far_m": 0.0}], ids=str
)
def test_intrinsics_that_make_no_picture_are_refused(bad):
    good = {"width": 10, "height": 8, "fx": 9.0, "fy": 9.0, "cx": 4.5, "cy": 3.5, "far_m": 50.0}
    Camera(**good)
    with pytest.raises(ValueError, match=r"must be|needs at least"):
        Camera(**(good | bad))


@pytest.mark.parametrize("angle", [0.0, -1.0, np.pi, np.nan])
def test_an_angle_of_view_that_no_plane_can_show_is_refused(angle):
    with pytest.raises(ValueError, match="view_rad must lie between 0 and pi"):
        Camera.with_view(640, 480, angle)


def test_the_edges_of_the_first_and_last_column_enclose_the_angle_of_view():
    camera = Camera.with_view(640, 480, 1.2)
    left = np.arctan((camera.cx + 0.5) / camera.fx)
    right = np.arctan((camera.width - 0.5 - camera.cx) / camera.fx)
    assert left + right == pytest.approx(1.2)
