"""Runs with unusual settings: evaluated again, cast again, replayed, and run again from their manifests."""

import numpy as np
import pytest
from small_runs import finished, same

import v2xsim

CASES = {
    "without messages": ("cooperation.transport=synchronous", "cooperation.fusion=raw"),
    "late": ("cooperation.deadline_ms=350", "cooperation.max_age_ms=1000"),
    "long steps": ("run.step_s=1.0", "run.duration_s=3", "cooperation.deadline_ms=1500"),
    "short steps": ("run.step_s=0.05", "run.duration_s=0.5", "cooperation.fusion=late"),
    "redundancy": (
        "radio.access=ieee80211p", "cooperation.awareness_rule=cam", "cooperation.fusion=cpm", "cooperation.redundancy=dynamics",
    ),
    "listed in part": ("radio.access=nr_mode2", "record.packet_share=0.5", "record.link_ticks=3"),
    "one or two lidars": ("lidars.per_vehicle={1: 0.5, 2: 0.5}", "run.seed=11"),
    "large errors": ("errors.gnss_sigma_m=5", "errors.heading_sigma_deg=20", "errors.clock_sigma_ms=80"),
    "all egos": ("cooperation.egos=all",),
    "meshes": ("lidars.bodies=meshes",),
    "meshes in fog": ("lidars.bodies=meshes", "lidars.air.fog_visibility_m=60"),
}  # fmt: skip


@pytest.fixture(params=CASES, ids=lambda name: name.replace(" ", "_"))
def case(request):
    return finished(*CASES[request.param], "record.cloud_egos=9")


@pytest.mark.slow
def test_the_evaluation_is_that_of_the_run(case):
    results, folder = case
    for name, table in v2xsim.open(folder).evaluate().tables.items():
        assert same(table, results.tables[name]), name


@pytest.mark.slow
def test_clouds_are_those_of_the_run(case):
    run = v2xsim.open(case[1])
    kept = run.tables["frames"].select(["ego", "frame_us"]).to_pylist()
    assert len(kept) >= 6
    for row in kept:
        (frame,) = run.frames(row["ego"], time_s=row["frame_us"] * 1e-6)
        recorded, again = run.cloud(frame), run.cloud(frame, cast=True)
        for name in ("points_m", "source", "object", "time_us"):
            assert np.array_equal(getattr(recorded, name), getattr(again, name)), (frame, name)


@pytest.mark.slow
def test_a_replay_gives_all_tables_of_the_run(case):
    results, folder = case
    again = v2xsim.run(v2xsim.open(folder).replay())
    for name, table in results.tables.items():
        assert same(again.tables[name], table), name


@pytest.mark.slow
def test_the_manifest_runs_again_to_the_same_bytes(case, tmp_path):
    _, folder = case
    v2xsim.run(v2xsim.load(folder / "manifest.json"), out=tmp_path)
    for path in folder.iterdir():
        if path.name != "timing.json":
            assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name
