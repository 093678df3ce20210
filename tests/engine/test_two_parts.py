"""Vehicles of two parts in whole runs: what lidars see of them, what is recorded, and what a replay gives."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

import v2xsim
from v2xsim.mobility.two_parts import semi_trailer

RADIUS_M, LENGTH_M, WIDTH_M, SPEED_MPS, SECONDS = 30.0, 16.5, 2.5, 8.0, 9.0
PARTS = semi_trailer(LENGTH_M)


def circle():
    """Waypoints of a body whose centre runs on a circle, counter-clockwise, in steps of 2 degrees."""
    turns = np.arange(0.0, SECONDS * SPEED_MPS / RADIUS_M + 0.2, np.radians(2.0))
    return [
        [round(float(turn * RADIUS_M / SPEED_MPS), 9), *(RADIUS_M * np.array([np.cos(turn), np.sin(turn)])).tolist()]
        for turn in turns
    ]


def scenario(tmp_path, **sections):
    text = {
        "name": "circle", "run": {"duration_s": SECONDS, "step_s": 0.1},
        "traffic": {"script": [
            {"id": "ego", "waypoints": [[0, 0, 0]]},
            {"id": "truck", "kind": "truck", "size_m": [LENGTH_M, WIDTH_M, 4.0], "waypoints": circle()},
        ]},
        "lidars": {"include": ["ego"], "range_noise_m": 0.0, "dropout": 0.0,
                   "model": {"beams": 8, "columns": 720, "lowest_deg": -2, "highest_deg": 3, "range_m": 60}},
        "cooperation": {"egos": ["ego"]}, "record": {"clouds_every_s": 0},
        **sections,
    }  # fmt: skip

    (tmp_path / "scene.yaml").write_text(json.dumps(text))
    return v2xsim.load(tmp_path / "scene.yaml")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two_parts")
    v2xsim.run(scenario(folder), out=folder / "run")
    return v2xsim.open(folder / "run")


def expected_trailer_yaw(center_m):
    """Return the heading of the trailer on the steady circle, from the centre of the whole body."""
    bumper_m = np.hypot(RADIUS_M, LENGTH_M / 2)
    tangent = np.arctan2(center_m[1], center_m[0]) + np.pi / 2
    # The bumper moves at a right angle to its own radius, which the half length turns ahead of that of the centre.
    motion = tangent + np.arctan(LENGTH_M / 2 / RADIUS_M)
    front = motion - np.arcsin(PARTS.front_axle_m / bumper_m)
    return front - np.arcsin(PARTS.rear_axle_m / np.sqrt(bumper_m**2 - PARTS.front_axle_m**2))


def last_tick(run, table):
    """Return the rows of the last tick of a table."""
    rows = [SimpleNamespace(**row) for row in run.tables[table].to_pylist()]
    return [row for row in rows if row.time_us == rows[-1].time_us]


def test_lidar_returns_lie_on_the_side_of_the_trailer_where_the_closed_form_has_it(run):
    state = last_tick(run, "states")[1]
    yaw = expected_trailer_yaw((state.x_m, state.y_m))
    bumper = np.array([state.x_m, state.y_m]) + LENGTH_M / 2 * np.array([np.cos(state.yaw_rad), np.sin(state.yaw_rad)])
    front = yaw + np.arcsin(PARTS.rear_axle_m / np.sqrt(np.hypot(RADIUS_M, LENGTH_M / 2) ** 2 - PARTS.front_axle_m**2))
    joint = bumper - PARTS.hitch_m * np.array([np.cos(front), np.sin(front)])
    cloud = run.cloud(run.frames("ego")[-1])
    points = cloud.points_m[cloud.object == state.agent][:, :2] - joint
    along, left = points @ [np.cos(yaw), np.sin(yaw)], points @ [-np.sin(yaw), np.cos(yaw)]
    # The ego is in the middle of the circle, on the left, and the tractor is in front of the trailer.
    on_trailer = along < PARTS.ahead_m(LENGTH_M)
    assert on_trailer.sum() > 200
    # The waypoints are a polygon, not a circle.
    np.testing.assert_allclose(left[on_trailer], WIDTH_M / 2, atol=0.08)
    assert along[on_trailer].min() == pytest.approx(PARTS.ahead_m(LENGTH_M) - PARTS.rear_m, abs=0.3)


def test_the_body_in_line_would_be_somewhere_else(run):
    front, rear = last_tick(run, "parts")
    state = last_tick(run, "states")[1]
    assert (front.part, rear.part) == ("front", "rear")
    assert front.agent == rear.agent == state.agent
    assert abs(np.angle(np.exp(1j * (rear.yaw_rad - front.yaw_rad)))) > np.radians(12.0)
    assert abs(np.angle(np.exp(1j * (rear.yaw_rad - expected_trailer_yaw((state.x_m, state.y_m)))))) < np.radians(0.6)


def test_hits_count_for_one_road_user(run):
    frame, state = run.frames("ego")[-1], last_tick(run, "states")[1]
    hits = [row for row in run.tables["hits"].to_pylist() if row["frame_us"] == frame.time_us]
    assert [row["agent"] for row in hits] == [state.agent]
    assert hits[0]["own_points"] == (run.cloud(frame, cast=True).object == state.agent).sum()


def test_a_replay_and_an_opened_run_have_the_same_parts_and_clouds(run, tmp_path):
    again = v2xsim.run(run.replay(), out=tmp_path / "again")
    assert again.tables["parts"].equals(run.tables["parts"])
    assert again.tables["hits"].equals(run.tables["hits"])
    frame = run.frames("ego")[-1]
    other = v2xsim.open(tmp_path / "again")
    np.testing.assert_array_equal(
        run.cloud(frame, cast=True).points_m, other.cloud(other.frames("ego")[-1], cast=True).points_m
    )
    assert np.isfinite(run.cloud(frame, cast=True).intensity).all()


def straight(x_m, **truck):
    """A truck with a lidar on its tractor, which is lower than the trailer, and a car behind it."""
    return {"traffic": {"script": [
        {"id": "truck", "kind": "truck", "size_m": [LENGTH_M, WIDTH_M, 4.0], "waypoints": [[0, x_m, 0]], "heading_deg": 0,
         "trailer": {"length_m": 13.6, "hitch_m": 4.5, "front_height_m": 3.0}, **truck},
        {"id": "behind", "waypoints": [[0, x_m - 30, 0]]}, {"id": "before", "waypoints": [[0, x_m + 30, 0]]},
    ]}, "run": {"duration_s": 0.1}, "lidars": {
        "include": ["truck"], "range_noise_m": 0.0, "dropout": 0.0, "mounts": [{"x_m": 0.0, "z_m": 0.3}],
        "model": {"beams": 64, "columns": 720, "lowest_deg": -25, "highest_deg": 3, "range_m": 80}},
    "cooperation": {"egos": ["truck"]}}  # fmt: skip


def test_a_lidar_on_a_tractor_does_not_see_through_its_own_trailer(tmp_path):
    v2xsim.run(scenario(tmp_path, **straight(0.0)), out=tmp_path / "run")
    run = v2xsim.open(tmp_path / "run")
    names = {run.names[agent] for agent in run.tables["hits"]["agent"].to_pylist()}
    # Returns on the own trailer are left out.
    assert names == {"before"}
    frame = run.frames("truck")[0]
    cloud = run.cloud(frame, cast=True)
    # The lidar is in the middle of the tractor's roof: 8.25 m before the middle of the vehicle, less half of the tractor.
    tractor_m = PARTS.front_m(LENGTH_M, WIDTH_M)
    ground = cloud.points_m[cloud.object == -1]
    behind = ground[(np.abs(ground[:, 1]) < 0.5) & (ground[:, 0] < 0)]
    assert len(behind) == 0
    assert len(ground[(np.abs(ground[:, 1]) < 0.5) & (ground[:, 0] > LENGTH_M / 2 + tractor_m)]) > 0


def test_a_vehicle_of_one_part_sees_over_its_own_body(tmp_path):
    v2xsim.run(scenario(tmp_path, **straight(0.0, trailer="none")), out=tmp_path / "run")
    run = v2xsim.open(tmp_path / "run")
    assert {run.names[agent] for agent in run.tables["hits"]["agent"].to_pylist()} == {"before", "behind"}


def test_a_program_that_steps_a_run_sees_both_parts(tmp_path):
    with v2xsim.Simulation(scenario(tmp_path, **straight(0.0))) as simulation:
        (instant, *_) = simulation
        front, rear = instant.road_users.parts
    assert [(part.name, part.part) for part in (front, rear)] == [("truck", "front"), ("truck", "rear")]
    assert front.size_m[2] == 3.0
    assert rear.size_m[2] == 4.0
    np.testing.assert_allclose(rear.pose, [13.6 / 2 - LENGTH_M / 2, 0.0, 0.0, 0.0], atol=1e-12)
