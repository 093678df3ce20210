"""Point clouds of a finished run: recorded ones, and those that are cast again."""

import shutil
import sys

import numpy as np
import pytest
from small_runs import finished

import v2xsim
from tests.viz.ply_files import read_ply
from v2xsim.opened import Cloud, NotRecordedError, OpenError, casting
from v2xsim.viz.run.pictures import render

KINDS = ["early", "late", "raw", "cpm", "matrices", "none"]


def of(fusion="early", *more):
    return v2xsim.open(finished(f"cooperation.fusion={fusion}", *more)[1])


@pytest.mark.parametrize("fusion", KINDS)
def test_clouds_cast_again_are_the_recorded_ones(fusion):
    run = of(fusion)
    kept = list(zip(run.tables["frames"]["ego"].to_pylist(), run.tables["frames"]["frame_us"].to_pylist(), strict=True))
    assert len(kept) == 8
    for ego, time_us in kept:
        (frame,) = run.frames(ego, time_s=time_us * 1e-6)
        recorded, again = run.cloud(frame), run.cloud(frame, cast=True)
        for name in ("source", "object", "time_us"):
            assert np.array_equal(getattr(recorded, name), getattr(again, name)), (frame, name)
        # A point that is alone in its message differs by two units in the last place.
        np.testing.assert_allclose(recorded.points_m, again.points_m, rtol=0.0, atol=1e-13)


def test_points_of_helpers_and_relayed_ones_are_among_them():
    run = of()
    clouds = [frame.cloud for frame in run.frames()]
    assert sum((cloud.source != cloud.source[0]).sum() for cloud in clouds) > 100
    assert max(run.tables["contributions"]["relay"].to_pylist()) >= 0
    # Some were captured at an earlier tick than the ego's own.
    assert any(len(np.unique(cloud.time_us)) > 1 for cloud in clouds)


def test_clouds_are_the_same_in_any_order_of_instants_if_the_stations_of_few_instants_are_kept(monkeypatch):
    again = of()
    monkeypatch.setattr(casting, "_KEPT_FLEETS", 2)
    for time_s in (1.4, 0.5, 0.8, 1.1, 0.7):
        one, other = (run.station_cloud("leaver", time_s) for run in (of(), again))
        assert np.array_equal(one.points_m, other.points_m)
        assert len(again._casting._fleets) <= 2


def test_as_many_points_were_fused_as_the_run_says():
    run = of()
    for frame, row in zip(run.frames(), run.tables["fusion"].to_pylist(), strict=True):
        assert len(frame.own_cloud) == row["own_points"]
        assert len(frame.cloud) == row["own_points"] + row["added_points"]


def test_points_on_road_users_are_as_many_as_recorded():
    run = of()
    for frame in run.frames("ego"):
        hit, count = np.unique(frame.own_cloud.object[frame.own_cloud.object >= 0], return_counts=True)
        own = dict(zip(frame.scene.agent.tolist(), frame.scene.own_points.tolist(), strict=True))
        assert {agent: own[agent] for agent in hit.tolist()} == dict(zip(hit.tolist(), count.tolist(), strict=True))


def test_the_clouds_of_a_run_without_recorded_clouds_are_those_of_a_run_with_them():
    with_clouds, without = of(), of("early", "record.clouds_every_s=0")
    frame, other = with_clouds.frames("ego", time_s=1.1)[0], without.frames("ego", time_s=1.1)[0]
    assert np.array_equal(frame.cloud.points_m, other.cloud.points_m)


def test_the_clouds_of_a_generated_town_are_the_recorded_ones(tmp_path):
    """Stations and lidars are drawn by seed, vehicles come and go, and the buildings are those of the town."""
    keys = ["run.duration_s=0.5", "lidars.model=beam16", "record.clouds_every_s=0.2", "record.cloud_egos=9"]
    v2xsim.run(v2xsim.load("urban_grid", keys), out=tmp_path)
    run = v2xsim.open(tmp_path)
    for ego, time_us in zip(
        run.tables["frames"]["ego"].to_pylist(), run.tables["frames"]["frame_us"].to_pylist(), strict=True
    ):
        (frame,) = run.frames(ego, time_s=time_us * 1e-6)
        assert np.array_equal(run.cloud(frame).points_m, run.cloud(frame, cast=True).points_m)
        assert np.array_equal(run.cloud(frame).object, run.cloud(frame, cast=True).object)


def test_the_clouds_of_stations_with_different_rigs_are_the_recorded_ones(tmp_path):
    rigs = "{two: [{x_m: 2.6, z_m: -0.9}, {model: beam32}], pole: [{pitch_deg: 20}]}"
    keys = [
        f"lidars={{model: beam16, rigs: {rigs}, carry: {{ego: two, truck: pole, helper: mounts}}}}",
        "run.duration_s=0.5",
    ]
    v2xsim.run(
        v2xsim.load("demo", [*keys, "record.clouds_every_s=0.2", "cooperation.transport=synchronous", "run.begin_s=6"]),
        out=tmp_path,
    )
    run = v2xsim.open(tmp_path)
    assert sorted(run.tables["agents"]["lidars"].to_pylist())[-3:] == [1, 1, 2]
    (frame,) = run.frames(time_s=6.2)
    assert len(np.unique(frame.cloud.source)) > 1
    assert np.array_equal(run.cloud(frame).points_m, run.cloud(frame, cast=True).points_m)


def test_any_station_with_a_lidar_has_a_cloud_at_each_tick():
    cloud = of().station_cloud("helper", 0.7)
    assert set(cloud.source.tolist()) == {2}
    assert set(cloud.time_us.tolist()) == {700_000}
    assert len(cloud) > 500


@pytest.mark.parametrize(("station", "time_s", "message"), [
    ("helpr", 0.7, r"must have a station 'helpr'; did you mean 'helper'\?"),
    ("van", 0.7, r"'van' must carry a lidar at 0.7 s"),
    ("leaver", 0.9, r"'leaver' must carry a lidar at 0.9 s"),
    ("helper", 0.75, r"time must be that of a tick, got 0.75 s; ticks are from 0.5 s to 1.4 s every 0.1 s"),
    ("helper", 1.5, r"time must be that of a tick, got 1.5 s"),
])  # fmt: skip
def test_a_cloud_that_never_was_is_refused(station, time_s, message):
    with pytest.raises(OpenError, match=message):
        of().station_cloud(station, time_s)


# Clouds that cannot be cast here

SCHEME = '''
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from v2xsim.gpu.bev.fusion import FusedObjects, FusionScheme, FusionView, Share
from v2xsim.parts import part


@part("first_points")
@dataclass(frozen=True)
class FirstPoints(FusionScheme):
    """Adds the first received point."""

    shares: ClassVar[Share] = Share.POINTS

    def fuse(self, view: FusionView) -> FusedObjects:
        """Return the detections of the ego alone."""
        for item in view.received:
            if len(item.points_m):
                source = np.full(1, item.station, np.int64)
                return FusedObjects(view.own_detections, view.own_points, item.points_m[:1], item.object_id[:1], source)
        return FusedObjects(view.own_detections, view.own_points)
'''


def test_the_fused_cloud_of_a_users_scheme_must_have_been_recorded(tmp_path):
    (tmp_path / "own.py").write_text(SCHEME)
    run = of("first_points", f"plugins=[{tmp_path / 'own.py'}]")
    kept = run.tables["frames"].select(["ego", "frame_us"]).to_pylist()
    (recorded,) = run.frames(kept[-1]["ego"], time_s=kept[-1]["frame_us"] * 1e-6)
    assert len(recorded.cloud) >= len(recorded.own_cloud) > 0
    other = next(frame for frame in run.frames() if frame.time_us == 600_000)
    assert len(other.own_cloud) > 0
    with pytest.raises(
        NotRecordedError, match=r"fusion scheme 'first_points' of .*own.py made it; .*record.clouds_every_s"
    ):
        _ = other.cloud


def test_a_changed_plug_in_is_refused_before_it_runs(tmp_path):
    (tmp_path / "own.py").write_text(SCHEME)
    run = of("first_points", f"plugins=[{tmp_path / 'own.py'}]")
    (tmp_path / "own.py").write_text("raise SystemExit\n")
    assert run.evaluate().metrics
    with pytest.raises(OpenError, match=r"the plug-in .*own.py has changed since the run"):
        _ = run.scenario


def test_a_run_on_a_gpu_is_cast_again_only_where_there_is_one(tmp_path):
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    shutil.copytree(finished("cooperation.fusion=early")[1], tmp_path / "run")
    manifest = tmp_path / "run" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"device": "cpu"', '"device": "cuda"'))
    with pytest.raises(NotRecordedError, match=r"cast its lidars on a GPU .* replay the run with run.device=cpu"):
        v2xsim.open(tmp_path / "run").station_cloud("helper", 0.7)


# Intensity


@pytest.mark.parametrize("fusion", ["early", "raw"])
def test_the_ground_sends_back_the_share_that_the_height_of_its_lidar_gives(fusion):
    run = of(fusion)
    frame = run.frames("ego")[3]
    cloud, (x_m, y_m, z_m, yaw_rad) = frame.own_cloud, frame.believed
    ground = cloud.object == -1
    roof_m = frame.scene.boxes.size_m[frame.scene.agent == frame.agent, 2][0]
    expected = []
    for mount in run.scenario.lidars.mounts:
        height_m = roof_m + mount.z_m
        lidar_m = [x_m + np.cos(yaw_rad) * mount.x_m, y_m + np.sin(yaw_rad) * mount.x_m, z_m + height_m]
        expected.append(height_m / np.linalg.norm(cloud.points_m[ground] - lidar_m, axis=1))
    # Each return is of one of two lidars. Ranges have an error of a few centimetres.
    assert np.abs(np.array(expected) - cloud.intensity[ground]).min(axis=0).max() < 0.01
    assert 0 <= cloud.intensity.min() < cloud.intensity.max() <= 1


def test_a_recorded_cloud_and_one_cast_again_have_one_intensity():
    run = of()
    kept = list(zip(run.tables["frames"]["ego"].to_pylist(), run.tables["frames"]["frame_us"].to_pylist(), strict=True))
    frames = [run.frames(ego, time_s=time_us * 1e-6)[0] for ego, time_us in kept]
    frame = [frame for frame in frames if len(np.unique(run.cloud(frame).source)) > 1][-1]
    recorded, again = run.cloud(frame), run.cloud(frame, cast=True)
    assert np.array_equal(recorded.intensity, again.intensity)
    assert np.isfinite(recorded.intensity).all()
    # Those of a helper are those of its own cloud, whoever fuses them.
    helper = recorded.source[-1]
    theirs = run.station_cloud(run.names[int(helper)], int(recorded.time_us[-1]) * 1e-6)
    assert np.isin(recorded.intensity[recorded.source == helper], theirs.intensity).all()


def test_the_file_of_a_cloud_has_its_intensity(tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(of().folder, folder)
    render(folder, frame=1)
    points = read_ply(folder / "pictures" / "clouds" / "frame_1.ply")
    run = v2xsim.open(folder)
    ego, time_us = (run.tables["frames"][name][1].as_py() for name in ("ego", "frame_us"))
    assert np.array_equal(points["intensity"], run.frames(ego, time_us * 1e-6)[0].cloud.intensity)


def test_a_cloud_of_unknown_angles_has_no_intensity():
    assert np.isnan(small_cloud().intensity).all()


# Colours


def small_cloud():
    hit = np.array([-1, -2, 7, 7, 3])
    return Cloud(
        np.arange(15.0).reshape(5, 3),
        np.array([4, 4, 4, 9, 9]),
        hit,
        np.array([5, 5, 5, 1, 3]),
        {4: "ego", 9: "helper"},
    )


def test_points_of_one_station_have_one_colour_and_those_of_another_a_different_one():
    colours = small_cloud().colours("source")
    assert (colours[0] == colours[2]).all()
    assert (colours[3] == colours[4]).all()
    assert (colours[2] != colours[3]).any()
    assert small_cloud().legend("source") == {4: tuple(colours[0]), 9: tuple(colours[3])}


def test_ground_and_buildings_are_grey_and_road_users_are_not():
    colours = small_cloud().colours("object")
    assert np.ptp(colours[0]) == np.ptp(colours[1]) == 0
    assert np.ptp(colours[2]) > 0
    assert (colours[2] == colours[3]).all()
    assert (colours[2] != colours[4]).any()


@pytest.mark.parametrize(("by", "lightest"), [("time", [0, 1, 2]), ("height", [4])])
def test_newer_or_higher_points_are_lighter(by, lightest):
    light = small_cloud().colours(by).sum(axis=1)
    assert np.flatnonzero(light == light.max()).tolist() == lightest


def test_forty_stations_have_forty_colours():
    cloud = Cloud(np.zeros((40, 3)), np.arange(40), np.full(40, -1), np.zeros(40, np.int64), {})
    assert len(set(cloud.legend().values())) == 40


def test_a_cloud_without_points_has_no_colours_and_is_printed():
    none = np.zeros(0, np.int64)
    cloud = Cloud(np.zeros((0, 3)), none, none, none, {})
    for by in ("source", "object", "time", "height"):
        assert cloud.colours(by).shape == (0, 3)
    assert repr(cloud) == "cloud of 0 points"


@pytest.mark.passes_wrong_types
def test_a_colouring_that_does_not_exist_is_refused():
    with pytest.raises(OpenError, match="colour_by must be one of source, object, time, height, got 'sauce'"):
        small_cloud().colours("sauce")


def test_a_cloud_becomes_one_of_open3d_with_its_colours():
    pytest.importorskip("open3d")
    cloud = small_cloud()
    converted = cloud.to_open3d(colour_by="source")
    assert np.array_equal(np.asarray(converted.points), cloud.points_m)
    np.testing.assert_allclose(np.asarray(converted.colors), cloud.colours("source"))
    assert len(cloud.to_open3d(colour_by=None).colors) == 0


def test_without_open3d_the_message_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "open3d", None)
    with pytest.raises(OpenError, match=r"pip install 'v2xsim\[viewer\]'"):
        small_cloud().to_open3d()


def test_a_legend_has_the_names_of_stations_and_of_what_is_no_road_user():
    cloud = small_cloud()
    assert list(cloud.named_legend("source").values()) == list(cloud.legend("source").values())
    named = cloud.named_legend("object")
    assert (named["ground"], named["building"]) == (cloud.legend("object")[-1], cloud.legend("object")[-2])
    assert {cloud.names.get(agent, str(agent)) for agent in cloud.legend("source")} == set(cloud.named_legend("source"))


@pytest.mark.passes_wrong_types
@pytest.mark.parametrize("colour_by", ["time", "height", "colour"])
def test_a_scale_has_no_legend(colour_by):
    with pytest.raises(OpenError, match="a legend is of 'source' or 'object', got"):
        small_cloud().legend(colour_by)
