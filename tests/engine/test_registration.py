"""A body that several stations scan lies in one place, as far as their poses allow."""

import numpy as np
import pytest

import v2xsim
from v2xsim.gpu.lidar.bodies import shape_of_kind, shapes

TARGET = np.array([0.0, 0.0]), np.array([4.5, 1.8, 1.5])
SCANNERS = ("east", "west", "north", "pole")
SCENE = """
name: registration
run: {seed: 3, duration_s: 0.6, step_s: 0.1}
world: {roads: [{center_m: [[-60, 0], [60, 0]]}]}
traffic:
  script:
    - {id: target, size_m: [4.5, 1.8, 1.5], heading_deg: 0, waypoints: [[0, 0, 0]]}
    - {id: east, waypoints: [[0, 14, 4], [1, 13, 4]]}
    - {id: west, waypoints: [[0, -16, -5], [1, -12, -5]]}
    - {id: north, waypoints: [[0, 5, 13], [1, 5, 12]]}
stations:
  include: [east, west, north]
  roadside: [{id: pole, position_m: [9, -9], height_m: 6, heading_deg: 135, lidar: true}]
lidars: {include: [east, west, north], range_noise_m: 0.02, model: beam64}
"""


def clouds(folder, *settings):
    """Return, for each station, the points of its own scan on the target, in the world by its own pose, and that pose and the true one."""
    path = folder / "scene.yaml"
    path.write_text(SCENE)
    v2xsim.run(v2xsim.load(path, list(settings)), out=folder / "run")
    run = v2xsim.open(folder / "run")
    (target,) = [
        agent
        for agent, name in zip(*(run.tables["agents"][key].to_pylist() for key in ("agent", "name")), strict=True)
        if name == "target"
    ]
    found = {}
    for name in SCANNERS:
        cloud = run.station_cloud(name, 0.3)
        found[name] = cloud.points_m[cloud.object == target]
    return run, found


def off_the_body(points_m):
    """Return the signed distance of points from the surface of the target's box, negative inside."""
    center, size = TARGET
    beyond = np.column_stack(
        [np.abs(points_m[:, :2] - center) - 0.5 * size[:2], points_m[:, 2] - size[2], -points_m[:, 2]]
    )
    return beyond.max(axis=1)


def test_points_of_three_vehicles_and_a_roadside_unit_lie_on_one_body(tmp_path):
    _, found = clouds(tmp_path)
    for name, points_m in found.items():
        assert len(points_m) > 100, name
        off_m = off_the_body(points_m)
        # The noise is along the ray, so it is at most this far across the surface.
        assert np.sqrt((off_m**2).mean()) < 0.02, name
        assert abs(off_m.mean()) < 0.01, name
    # Each side of the body is seen by one of them at least.
    every = np.concatenate(list(found.values()))
    for axis, half in ((0, 2.25), (1, 0.9)):
        for side in (-1, 1):
            assert (np.abs(every[:, axis] - side * half) < 0.06).sum() > 50


def test_with_wrong_poses_each_cloud_is_off_as_its_pose_is(tmp_path):
    run, found = clouds(tmp_path, "errors.gnss_sigma_m=0.8", "errors.heading_sigma_deg=1.5")
    stations = {row["name"]: row["agent"] for row in run.tables["agents"].select(["agent", "name"]).to_pylist()}
    moved = 0
    for name in ("east", "west", "north"):
        believed = run._truth.believed(300_000, stations[name])
        snapshot = run._truth.snapshot(300_000)
        row = int(np.flatnonzero(snapshot.agent == stations[name])[0])
        true = np.array([*snapshot.boxes.center_m[row], snapshot.boxes.yaw_rad[row]])
        turn = true[3] - believed[3]
        cos, sin = np.cos(turn), np.sin(turn)
        back = (found[name][:, :2] - believed[:2]) @ np.array([[cos, sin], [-sin, cos]]) + true[:2]
        assert np.sqrt((off_the_body(np.column_stack([back, found[name][:, 2]])) ** 2).mean()) < 0.02
        moved += np.sqrt((off_the_body(found[name]) ** 2).mean()) > 0.1
    assert moved >= 2


def test_meshes_lie_in_one_place_too(tmp_path):
    open3d = pytest.importorskip("open3d", reason="Open3D measures the distance to a mesh; `make test` installs it")
    _, found = clouds(tmp_path, "lidars.bodies=meshes", "lidars.range_noise_m=0")
    shape = shapes().shape(shape_of_kind("passenger"))
    scene = open3d.t.geometry.RaycastingScene()
    center, size = TARGET
    vertices_m = (shape.vertices * size + [*center, 0.0]).astype(np.float32)
    scene.add_triangles(open3d.core.Tensor(vertices_m), open3d.core.Tensor(shape.triangles.astype(np.uint32)))
    for name, points_m in found.items():
        away_m = scene.compute_distance(open3d.core.Tensor(points_m.astype(np.float32))).numpy()
        assert away_m.max() < 1e-3, name
