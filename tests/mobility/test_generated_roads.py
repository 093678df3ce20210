"""Roads that are made when a run starts."""

import tempfile
from pathlib import Path

import numpy as np
import pytest

from v2xsim.mobility import MobilityError, Names, extra_buildings, open_mobility
from v2xsim.mobility.generated import traffic_speed_mps
from v2xsim.scenario.schema_world import GridTown, Highway, Run, Traffic
from v2xsim.world.road_users import KINDS


def at(traffic, *times_s, begin_s=0.0, seed=1, step_s=0.5):
    run = Run(seed=seed, begin_s=begin_s, duration_s=60, step_s=step_s)
    with open_mobility(traffic, run, Names()) as source:
        source.warm_up(round(begin_s * 1e6))
        return [source.snapshot(round(t * 1e6)) for t in times_s]


@pytest.mark.parametrize("density_per_km", [20, 60, 240, 360])
def test_a_motorway_has_its_density_from_the_first_instant_on(density_per_km):
    highway = Highway(length_m=1500, density_per_km=density_per_km)
    first, last = at(Traffic(highway=highway), 0, 40)
    wanted = density_per_km * 1.5
    assert len(first) == wanted
    assert len(last) == pytest.approx(wanted, rel=0.15)


def test_a_long_motorway_made_of_several_edges_has_its_density_and_lets_traffic_pass():
    # Edges of 2 km.
    first, last = at(Traffic(highway=Highway(length_m=6000, density_per_km=40)), 0, 40)
    assert len(first) == 240
    assert len(last) == pytest.approx(240, rel=0.1)
    before_m = dict(zip(first.agent.tolist(), first.boxes.center_m[:, 0].tolist(), strict=True))
    gone_m = [
        abs(x_m - before_m[agent])
        for agent, x_m in zip(last.agent.tolist(), last.boxes.center_m[:, 0].tolist(), strict=True)
        if agent in before_m
    ]
    # Who drove for 40 s came at least 0.7 km far, trucks at 80 km/h too, and crossed a joint or not.
    assert min(gone_m) > 700.0
    crossed = [m for m in gone_m if m > 900.0]
    assert len(crossed) > 50


def test_dense_traffic_is_slow_traffic():
    speeds = [traffic_speed_mps(Highway(density_per_km=density)) for density in (10, 60, 200, 400)]
    assert speeds[0] == speeds[1] == pytest.approx(120 / 3.6)
    assert speeds[1] > speeds[2] > speeds[3] > 0


def test_both_directions_keep_to_the_right():
    (snapshot,) = at(Traffic(highway=Highway(length_m=1000)), 5)
    east = snapshot.velocity_mps[:, 0] > 0
    y = snapshot.boxes.center_m[:, 1]
    assert (y[east] < 0).all()
    assert (y[~east] > 0).all()
    assert 0.3 < east.mean() < 0.7


def test_nobody_starts_inside_another_vehicle():
    (snapshot,) = at(Traffic(highway=Highway(length_m=1500, density_per_km=300)), 0)
    x, y, length = snapshot.boxes.center_m[:, 0], snapshot.boxes.center_m[:, 1], snapshot.boxes.size_m[:, 0]
    same_lane = np.abs(y[:, None] - y) < 1
    np.fill_diagonal(same_lane, False)
    apart = np.abs(x[:, None] - x) - 0.5 * (length[:, None] + length)
    assert apart[same_lane].min() > 1.0


def test_a_motorway_with_cyclists_is_refused():
    with pytest.raises(MobilityError, match="bicycle"):
        at(Traffic(highway=Highway(mix={"passenger": 0.9, "bicycle": 0.1})), 0)


def test_a_grid_has_a_building_in_every_block_and_nobody_drives_through_it():
    town = Traffic(grid=GridTown(blocks=4, block_m=100, setback_m=12, vehicles_per_hour=7200))
    houses = extra_buildings(town)
    assert len(houses) == 9
    np.testing.assert_allclose(houses.vertices_m[:4], [[12, 12], [88, 12], [88, 88], [12, 88]])
    for snapshot in at(town, 60, 70, begin_s=60):
        assert len(snapshot) > 40
        x, y = snapshot.boxes.center_m[:, 0], snapshot.boxes.center_m[:, 1]
        inner = (x > 0) & (x < 300) & (y > 0) & (y < 300)
        beside = np.stack([np.abs((c + 50) % 100 - 50) for c in (x, y)]).min(axis=0)
        assert beside[inner].max() < 12


@pytest.mark.parametrize("grid", [GridTown(building_height_m=0), GridTown(block_m=40, setback_m=25)])
def test_a_grid_without_room_or_wish_for_buildings_has_none(grid):
    assert len(extra_buildings(Traffic(grid=grid))) == 0


def test_pedestrians_of_a_grid_walk_beside_the_lanes():
    mix = {"pedestrian": 0.8, "bicycle": 0.1, "passenger": 0.1}
    (snapshot,) = at(Traffic(grid=GridTown(vehicles_per_hour=5000, mix=mix)), 60, begin_s=60)
    walking = snapshot.kind == KINDS.index("pedestrian")
    assert walking.sum() > 20
    beside = np.stack([np.abs((c + 60) % 120 - 60) for c in snapshot.boxes.center_m[walking, :2].T]).min(axis=0)
    assert np.median(beside) > 3.2  # a lane is 3.2 m wide


def test_the_seed_and_nothing_else_decides_who_drives():
    town = Traffic(grid=GridTown(blocks=3))
    one, again, other = (at(town, 40, begin_s=40, seed=seed)[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.boxes.center_m, again.boxes.center_m)
    assert one.kind.tolist() != other.kind.tolist()


def test_a_closed_road_leaves_no_folder_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    at(Traffic(grid=GridTown(blocks=2)), 1)
    at(Traffic(highway=Highway(length_m=300)), 1)
    assert list(Path(tmp_path).iterdir()) == []


def test_a_motorway_may_have_trucks_with_trailers():
    sizes_m = {"truck": (16.5, 2.55, 4.0)}
    (snapshot,) = at(Traffic(highway=Highway(length_m=1000, mix={"truck": 0.6, "van": 0.4}, sizes_m=sizes_m)), 1)
    trucks = np.flatnonzero(snapshot.kind == KINDS.index("truck"))
    assert (snapshot.boxes.size_m[trucks] == [16.5, 2.55, 4.0]).all()
    assert np.unique(snapshot.parts.owner).tolist() == trucks.tolist()
