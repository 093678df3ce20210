"""Ranges of lidar rays against an independent ray caster, and against our own in torch."""

import numpy as np
import pytest

from v2xsim.gpu.lidar.cast import cast
from v2xsim.gpu.lidar.models import evenly_spaced, mount_transform
from v2xsim.gpu.lidar.torch_cast import cast_torch
from v2xsim.gpu.poses import pose_matrix
from v2xsim.records import GROUND, NOTHING, Boxes, Prisms
from v2xsim.spatial import indexed

BEAMS = evenly_spaced(32, 360, -40.0, 20.0, 80.0)


def scene(seed):
    rng = np.random.default_rng(seed)
    count = 40
    center = np.column_stack([rng.uniform(-60, 60, (count, 2)), np.zeros(count)])
    boxes = Boxes(center, rng.uniform([2, 1, 1], [13, 3, 4], (count, 3)), rng.uniform(-4, 4, count))
    foot, top = [], []
    while len(top) < 8:
        x, y = rng.uniform(-70, 70, 2)
        w, h = rng.uniform(5, 20, 2)
        # No building round the sensor: the kernel leaves out what is seen from inside one.
        if x - 1 < 1.5 < x + w + 1 and y - 1 < 2.5 < y + h + 1:
            continue
        foot.append([[x, y], [x + w, y], [x + w, y + h], [x, y + h]])
        top.append(rng.uniform(3, 20))
    vertices = np.array(foot, float).reshape(-1, 2)
    prisms = Prisms(vertices, np.arange(0, 33, 4, dtype=np.int64), np.zeros(8), np.array(top))
    return boxes, np.arange(count, dtype=np.int64), prisms


def sensor(seed):
    tilt = np.random.default_rng(seed).uniform(-0.3, 0.3, 2) if seed % 2 else np.zeros(2)
    return pose_matrix(1.0, 2.0, 0.0, 0.7) @ mount_transform(0.2, 0.1, 5.0, 0.3, *tilt)


def open3d_ranges(boxes, prisms, world_from_sensor):
    open3d = pytest.importorskip("open3d", reason="the oracle of ray ranges; installed by make test")
    raycasting = open3d.t.geometry.RaycastingScene()
    corners = []
    for k in range(len(boxes)):
        length, width, height = boxes.size_m[k]
        low = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * [length / 2, width / 2]
        cos, sin = np.cos(boxes.yaw_rad[k]), np.sin(boxes.yaw_rad[k])
        plan = low @ np.array([[cos, sin], [-sin, cos]]) + boxes.center_m[k, :2]
        corners.append((plan, boxes.center_m[k, 2], boxes.center_m[k, 2] + height))
    for k in range(len(prisms)):
        corners.append((prisms.vertices_m[4 * k : 4 * k + 4], prisms.base_m[k], prisms.top_m[k]))
    faces = [[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7]]
    for i in range(4):
        j = (i + 1) % 4
        faces += [[i, j, j + 4], [i, j + 4, i + 4]]
    for plan, base, top in corners:
        vertex = np.vstack([np.column_stack([plan, np.full(4, z)]) for z in (base, top)]).astype(np.float32)
        raycasting.add_triangles(open3d.core.Tensor(vertex), open3d.core.Tensor(np.array(faces, np.uint32)))
    plane = np.array([[-500, -500, 0], [500, -500, 0], [500, 500, 0], [-500, 500, 0]], np.float32)
    raycasting.add_triangles(open3d.core.Tensor(plane), open3d.core.Tensor(np.array([[0, 1, 2], [0, 2, 3]], np.uint32)))
    el, az = BEAMS.elevation_rad[:, None], BEAMS.azimuth_rad[None, :]
    local = np.stack([np.cos(el) * np.cos(az), np.cos(el) * np.sin(az), np.broadcast_to(np.sin(el), (32, 360))], -1)
    ray = local @ world_from_sensor[:3, :3].T
    origin = np.broadcast_to(world_from_sensor[:3, 3], ray.shape)
    rays = np.concatenate([origin, ray], axis=-1).astype(np.float32)
    depth = raycasting.cast_rays(open3d.core.Tensor(rays))["t_hit"].numpy()
    return np.where(depth <= BEAMS.range_m, depth, np.inf)


def agreement(one, other):
    both = np.isinf(one) & np.isinf(other)
    with np.errstate(invalid="ignore"):
        return float((both | (np.abs(one - other) < 1e-3)).mean())


@pytest.mark.parametrize("seed", range(6))
def test_ranges_agree_with_open3d_to_a_millimetre(seed):
    boxes, name, prisms = scene(seed)
    pose = sensor(seed)
    ours = cast(BEAMS, pose, boxes, name, indexed(prisms)).range_m
    assert agreement(ours, open3d_ranges(boxes, prisms, pose)) >= 0.999


@pytest.mark.parametrize("seed", range(4))
def test_torch_agrees_with_the_compiled_kernel_to_a_millimetre(seed):
    boxes, name, prisms = scene(seed)
    pose, obstacles = sensor(seed), indexed(prisms)
    ours, torchs = cast(BEAMS, pose, boxes, name, obstacles), cast_torch(BEAMS, pose, boxes, name, obstacles)
    assert agreement(ours.range_m, torchs.range_m) >= 0.999
    assert (ours.object_id == torchs.object_id).mean() >= 0.999


def test_an_empty_world_is_ground_below_and_nothing_above():
    scan = cast(BEAMS, sensor(0), Boxes.none(), np.zeros(0, np.int64), indexed(Prisms.none()))
    near = BEAMS.elevation_rad < np.arcsin(-5.0 / 80.0) - 1e-6
    assert (scan.object_id[near] == GROUND).all()
    assert (scan.object_id[~near] == NOTHING).all()


def test_a_lidar_does_not_see_its_own_body():
    boxes = Boxes(np.zeros((1, 3)), np.array([[5.0, 2.0, 8.0]]), np.zeros(1))
    scan = cast(BEAMS, sensor(0), boxes, np.array([7]), indexed(Prisms.none()), skip_id=7)
    assert not (scan.object_id == 7).any()
