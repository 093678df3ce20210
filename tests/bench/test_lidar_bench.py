"""`v2xsim bench lidar`: it compares equal work, and its rows are what programs read."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from v2xsim.bench import lidar
from v2xsim.cli.app import app


@pytest.fixture(scope="module")
def rows():
    pytest.importorskip("open3d", reason="Open3D is what the kernels are compared with; `make test` installs it")
    return list(lidar.all_rows(turns=2))


def test_both_engines_measure_the_same_ranges_in_every_scene(rows):
    assert {row.scene for row in rows} == set(lidar.SCENES)
    assert {row.engine for row in rows} == {lidar.OURS, lidar.EMBREE, lidar.BUILT_BEFORE}
    assert all(row.equal is None or row.equal >= 0.999 for row in rows)
    assert sum(row.equal is not None for row in rows) >= 12


def test_speeds_are_relative_to_embree_in_the_same_scene(rows):
    for row in rows:
        (embree,) = [one for one in rows if one.scene == row.scene and one.engine == lidar.EMBREE]
        assert row.against_embree == pytest.approx(row.rays_per_s / embree.rays_per_s)
        assert row.rays_per_s * row.median_ms * 1e-3 == pytest.approx(640 * 480 if "camera" in row.scene else 64 * 1800)


@pytest.mark.parametrize(("has_houses", "has_meshes"), [(True, False), (False, True)])
def test_the_street_has_what_the_comparison_promises(has_houses, has_meshes):
    world = lidar.street(has_houses, has_meshes)
    assert len(world.boxes) == 200
    assert len(world.obstacles.prisms) == (60 if has_houses else 0)
    assert len(world.meshes.shape) == (200 if has_meshes else 0)
    # No two vehicles in one place, and none on the sensor.
    apart = np.linalg.norm(world.boxes.center_m[:, None] - world.boxes.center_m[None], axis=-1) + 99.0 * np.eye(200)
    assert apart.min() > 5.9
    assert np.hypot(*world.boxes.center_m[:, :2].T).min() > 3.9
    assert not np.array_equal(world.after(0.1).center_m, world.boxes.center_m)


def test_json_has_the_rows_that_programs_read(monkeypatch):
    monkeypatch.setattr(
        lidar,
        "all_rows",
        lambda threads, turns: [lidar.Row(lidar.OURS, "town, boxes", threads, "cpu", 1e8, 1.0 * turns, None, None)],
    )
    monkeypatch.setattr(lidar, "torch_rows", lambda turns, on_cpu: [])
    answer = CliRunner().invoke(app, ["bench", "lidar", "--json", "--turns", "3", "--threads", "2"])
    assert answer.exit_code == 0
    (row,) = json.loads(answer.stdout)["rows"]
    assert {name: row[name] for name in ("engine", "scene", "threads", "device", "rays_per_s")} == {
        "engine": "v2xsim", "scene": "town, boxes", "threads": 2, "device": "cpu", "rays_per_s": 1e8,
    }  # fmt: skip
    assert row["median_ms"] == 3.0


def test_torch_is_measured_on_the_cpu_only_when_asked(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert list(lidar.torch_rows(turns=1)) == []
    rows = list(lidar.torch_rows(turns=1, on_cpu=True))
    assert [row.scene for row in rows] == [f"{name}, 4 lidars" for name in lidar.SCENES[:4]]
    for row in rows:
        assert (row.engine, row.device, row.against_embree, row.equal) == ("v2xsim torch", "cpu", None, None)
        assert row.rays_per_s * row.median_ms * 1e-3 == pytest.approx(4 * 64 * 1800)
