"""The batched lidar caster in torch answers as the compiled kernel does."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from mesh_scenes import SHAPES, meshes_for
from solids import Scene, prisms_of, random_scene, scene_of, share_within_a_millimetre
from test_ray_ranges import FACADES, MOUNTS, PLACES, YARD_HOUSE, town

from v2xsim.gpu.lidar.bodies import shape_of_kind
from v2xsim.gpu.lidar.cast import cast
from v2xsim.gpu.lidar.mesh_rays import NO_MESHES, meshes_of
from v2xsim.gpu.lidar.models import evenly_spaced, mount_transform
from v2xsim.gpu.lidar.torch_batch import BatchScan, cast_batch
from v2xsim.records import BUILDING, GROUND, NOTHING, Boxes
from v2xsim.spatial.grid import indexed

BEAMS = evenly_spaced(32, 360, -40.0, 20.0, 80.0)
EVERYWHERE = evenly_spaced(30, 90, -90.0, 90.0, 80.0)
NOBODY = -1


@pytest.fixture(autouse=True)
def _one_thread():
    # Threads of torch wait for each other; on a busy machine, small arrays take many times as long on two.
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def poses_in(rng, lidars, half_m=25.0):
    """Return poses of lidars at random places: every third in any orientation, the others as on vehicles."""
    poses = []
    for n in range(lidars):
        tilt = rng.uniform(-3.0, 3.0, 2) if n % 3 == 2 else rng.uniform(-0.05, 0.05, 2)
        poses.append(
            mount_transform(*rng.uniform(-half_m, half_m, 2), rng.uniform(1.0, 9.0), rng.uniform(-4, 4), *tilt)
        )
    return np.array(poses)


def batch(beams, poses, scene: Scene, meshes=NO_MESHES, skip=None, **options) -> BatchScan:
    skip_id = np.full(len(poses), NOBODY) if skip is None else np.array(skip)
    return cast_batch(beams, poses, scene.boxes, scene.agent, scene.obstacles, skip_id, meshes, **options)


def assert_as_the_kernel(ours: BatchScan, beams, poses, scene: Scene, meshes=NO_MESHES, skip=None) -> int:
    """Compare a batch with the kernel, all lidars together, and return the number of rays that hit meshes."""
    skip_id = [NOBODY] * len(poses) if skip is None else skip
    kernel = [
        cast(beams, pose, scene.boxes, scene.agent, scene.obstacles, own, meshes)
        for pose, own in zip(poses, skip_id, strict=True)
    ]
    range_m, object_id = np.array([one.range_m for one in kernel]), np.array([one.object_id for one in kernel])
    assert share_within_a_millimetre(ours.range_m, range_m) >= 0.999
    assert (ours.object_id == object_id).mean() >= 0.998
    if not len(meshes.shape):
        assert (ours.triangle == -1).all()
        return 0
    on_mesh = (ours.object_id == object_id) & (object_id >= 0)
    on_mesh[on_mesh] &= meshes.shape[object_id[on_mesh] - 100] >= 0
    triangle = np.array([one.triangle for one in kernel])
    assert (ours.triangle[on_mesh] == triangle[on_mesh]).mean() >= 0.99
    assert (ours.triangle[~on_mesh & (ours.object_id < 0)] == -1).all()
    return int(on_mesh.sum())


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_lidars_among_boxes_meshes_and_houses_measure_what_the_kernel_measures(seed):
    rng = np.random.default_rng(seed)
    scene = random_scene(rng, boxes=60, buildings=8, half_m=30.0)
    meshes = meshes_for(rng, 60)
    meshes.shape[::7] = -1
    poses = poses_in(rng, 6)
    assert assert_as_the_kernel(batch(BEAMS, poses, scene, meshes), BEAMS, poses, scene, meshes) > 500


def test_lidars_among_boxes_measure_what_the_kernel_measures_wherever_they_are():
    scene = town(4)
    poses = np.array([mount_transform(*place, *mount) for place in PLACES.values() for mount in MOUNTS.values()])
    assert_as_the_kernel(batch(EVERYWHERE, poses, scene), EVERYWHERE, poses, scene)


def test_a_lidar_inside_a_mesh_sees_it_from_within():
    scene = scene_of(boxes=[(0, 0, 0, 12.0, 2.5, 3.2, 0.4)])
    meshes = meshes_of(SHAPES, np.array([shape_of_kind("bus")], np.int32))
    poses = np.array([mount_transform(0.1, 0.1, 2.0, turn) for turn in (0.0, 1.0)])
    assert assert_as_the_kernel(batch(EVERYWHERE, poses, scene, meshes), EVERYWHERE, poses, scene, meshes) > 1000


def test_lidars_on_facades_and_roofs_measure_what_the_kernel_measures():
    cars = [(x, y, 0.0, 2.0, 2.0, 6.0, 0.3) for x in (-10, 20, 30, 50) for y in (-10, 20, 50)]
    scene = scene_of(cars, [YARD_HOUSE])
    beams = evenly_spaced(9, 720, -30.0, 10.0, 80.0)
    poses = np.array(
        [mount_transform(x, y, 4.0, 0.2) for x, y in FACADES.values()]
        + [mount_transform(10.0, 20.0, 15.0, 0.2), mount_transform(20.0, 40.0, 15.0, 0.2)]
    )
    ours = batch(beams, poses, scene)
    assert_as_the_kernel(ours, beams, poses, scene)
    on_roof = ours.object_id[-2]
    assert (on_roof[beams.elevation_rad < -0.01] == BUILDING).mean() > 0.3
    assert not (on_roof[beams.elevation_rad > 0.01] == BUILDING).any()


def test_no_ray_slips_out_through_the_corners_of_a_room():
    beams = evenly_spaced(21, 36, -5.0, 5.0, 60.0)
    rng = np.random.default_rng(4)
    for _ in range(5):
        pose = mount_transform(*rng.uniform(-1, 1, 2), 2.0, rng.uniform(-3, 3))
        azimuth, reach = beams.azimuth_rad[::4], rng.uniform(4, 20, 9)
        corners = np.column_stack([reach * np.cos(azimuth), reach * np.sin(azimuth), 0 * reach, reach**0])
        room = scene_of(buildings=[((corners @ pose.T)[:, :2], 0, 12)])
        assert not (batch(beams, pose[None], room).object_id == NOTHING).any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_what_is_under_a_body_on_the_ground_is_the_ground(dtype):
    scene = scene_of(boxes=[(0.3, 0.1, 0, 5, 2, 3, 0.4)])
    pose = mount_transform(0, 0, 2.1, 0.3, 0.05)
    scan = batch(evenly_spaced(8, 90, -90.0, -75.0, 50.0), pose[None], scene, dtype=dtype)
    assert (scan.object_id == GROUND).all()


@pytest.fixture(scope="module")
def crowd():
    rng = np.random.default_rng(11)
    scene = random_scene(rng, boxes=40, buildings=6, half_m=25.0)
    return scene, meshes_for(rng, 40), poses_in(rng, 4)


def assert_same(one: BatchScan, other: BatchScan) -> None:
    for name in ("range_m", "object_id", "triangle"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_a_batch_is_its_lidars_one_by_one(crowd):
    scene, meshes, poses = crowd
    skip = scene.agent[:4]
    together = batch(BEAMS, poses, scene, meshes, skip)
    for n in range(4):
        alone = batch(BEAMS, poses[n : n + 1], scene, meshes, skip[n : n + 1])
        assert_same(alone, BatchScan(*(each[n : n + 1] for each in (together.range_m, together.object_id, together.triangle))))  # fmt: skip
        assert together.scan(n).range_m.shape == (32, 360)


@pytest.mark.parametrize("block_pairs", [8000, 100_000])
def test_the_size_of_a_block_does_not_matter(crowd, block_pairs):
    scene, meshes, poses = crowd
    assert_same(batch(BEAMS, poses, scene, meshes, block_pairs=block_pairs), batch(BEAMS, poses, scene, meshes))


def test_blocks_of_one_pair_give_the_same_result():
    scene = scene_of(boxes=[(6, 0, 0, 4, 2, 1.5, 0.3)], buildings=[YARD_HOUSE])
    meshes = meshes_of(SHAPES, np.array([shape_of_kind("bicycle")], np.int32))
    beams, poses = evenly_spaced(3, 20, -10.0, 5.0, 40.0), mount_transform(1.0, -3.0, 1.5)[None]
    assert_same(batch(beams, poses, scene, meshes, block_pairs=1), batch(beams, poses, scene, meshes))


def test_no_block_is_larger_than_the_limit(crowd, monkeypatch):
    scene, meshes, poses = crowd
    from v2xsim.gpu.lidar import torch_windows

    largest = []
    take = torch_windows.Nearest.take

    def noted(self, ray, *rest):
        largest.append(len(ray))
        take(self, ray, *rest)

    def spread(count):
        largest.append(int(count.sum()))
        return split(count)

    split = torch_windows.spread
    monkeypatch.setattr(torch_windows.Nearest, "take", noted)
    monkeypatch.setattr(torch_windows, "spread", spread)
    batch(BEAMS, poses, scene, meshes, block_pairs=20_000)
    # A window may hold all 11,520 rays, so all blocks but single windows stay below the limit.
    assert 12_000 < max(largest) <= 20_000


def test_all_arrays_are_made_on_the_device_that_is_asked_for(crowd):
    # A tensor without a device would be made on that of the context, where it has no values; on a GPU, it would lie in the wrong memory.
    scene, meshes, poses = crowd
    expected = batch(BEAMS, poses[:2], scene, meshes)
    with torch.device("meta"):
        assert_same(batch(BEAMS, poses[:2], scene, meshes, device="cpu"), expected)


def test_the_number_of_threads_does_not_matter(crowd):
    scene, meshes, poses = crowd
    one = batch(BEAMS, poses, scene, meshes)
    torch.set_num_threads(2)
    assert_same(batch(BEAMS, poses, scene, meshes), one)


def test_single_precision_stays_within_its_error(crowd):
    scene, meshes, poses = crowd
    beams = evenly_spaced(32, 720, -25.0, 15.0, 120.0)
    exact = batch(beams, poses, scene, meshes)
    rough = batch(beams, poses, scene, meshes, dtype=torch.float32)
    assert share_within_a_millimetre(rough.range_m, exact.range_m) >= 0.999
    assert (rough.object_id == exact.object_id).mean() >= 0.999
    both = (rough.object_id == exact.object_id) & (rough.triangle == exact.triangle) & np.isfinite(exact.range_m)
    # On the same surface; a building has several, whose edges are left out by the quantile.
    off_m = np.abs(rough.range_m[both] - exact.range_m[both])
    assert np.quantile(off_m, 0.999) < 1e-3
    assert not np.array_equal(rough.range_m, exact.range_m)


@pytest.mark.parametrize("bodies", [True, False])
@pytest.mark.parametrize("houses", [True, False])
def test_worlds_without_bodies_or_houses_are_cast_too(crowd, bodies, houses):
    full, meshes, poses = crowd
    scene = Scene(
        full.boxes if bodies else Boxes.none(),
        full.agent if bodies else np.zeros(0, np.int64),
        full.obstacles if houses else indexed(prisms_of([], [], [])),
    )
    meshes = meshes if bodies else meshes._replace(shape=np.zeros(0, np.int32))
    found = batch(BEAMS, poses, scene, meshes)
    assert_as_the_kernel(found, BEAMS, poses, scene, meshes)
    assert (found.object_id == BUILDING).any() == houses
    assert (found.object_id >= 0).any() == bodies


def test_a_batch_of_no_lidar_is_empty(crowd):
    scene, meshes, _ = crowd
    found = batch(BEAMS, np.zeros((0, 4, 4)), scene, meshes)
    assert found.range_m.shape == found.object_id.shape == found.triangle.shape == (0, 32, 360)
    assert len(found) == 0


def test_each_lidar_skips_its_own_body_and_no_other():
    scene = scene_of(boxes=[(0, 0, 0, 5, 2, 1.5, 0), (10, 0, 0, 5, 2, 1.5, 0)])
    meshes = meshes_of(SHAPES, np.full(2, shape_of_kind("passenger"), np.int32))
    poses = np.array([mount_transform(x, 0.0, 1.9) for x in (0.0, 10.0, 0.0)])
    for shapes in (meshes, NO_MESHES):
        found = batch(BEAMS, poses, scene, shapes, [100, 101, NOBODY])
        seen = [set(np.unique(one[one >= 0])) for one in found.object_id]
        assert seen == [{101}, {100}, {100, 101}]


def test_ranges_do_not_depend_on_where_the_map_has_its_origin(crowd):
    scene, meshes, poses = crowd
    off = np.array([500_000.0, 5e6, 0.0])
    prisms = scene.obstacles.prisms
    moved = Scene(
        replace(scene.boxes, center_m=scene.boxes.center_m + off), scene.agent,
        indexed(replace(prisms, vertices_m=prisms.vertices_m + off[:2])),
    )  # fmt: skip
    there = poses.copy()
    there[:, :3, 3] += off
    far = batch(BEAMS, there, moved, meshes, dtype=torch.float32)
    assert share_within_a_millimetre(far.range_m, batch(BEAMS, poses, scene, meshes).range_m) > 0.998


def test_what_does_not_fit_together_is_refused(crowd):
    scene, meshes, poses = crowd
    with pytest.raises(ValueError, match="one skip_id for each of 4 lidars, got 3"):
        batch(BEAMS, poses, scene, meshes, [1, 2, 3])
    with pytest.raises(ValueError, match="one shape for each of 40 boxes, or none, got 39"):
        batch(BEAMS, poses, scene, meshes._replace(shape=meshes.shape[1:]))
    with pytest.raises(ValueError, match="block_pairs must be at least 1, got 0"):
        batch(BEAMS, poses, scene, meshes, block_pairs=0)
