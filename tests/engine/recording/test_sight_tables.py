"""Who saw what: a truck stands between a parked watcher and a car that drives out of its shadow.

The watcher is at the origin. The truck, 6 m wide, has its rear 16 m ahead. The car goes north at 10 m/s, with its near side 29.1 m ahead, where the shadow is
3 / 16 x 29.1 = 5.46 m wide to the left. Its front, 2.25 m ahead of its middle, begins at 1.25 m and leaves the shadow after 0.42 s, so the tick of 0.5 s is
the first at which the watcher can see it.
"""

import math

import numpy as np
import pytest

import v2xsim
from tests.engine.recording.shadow import SCENE
from v2xsim.opened.errors import NotRecordedError
from v2xsim.scenario.load import from_data

# It stands south of the car and looks at all others past the truck.
HELPER = {"id": "helper", "size_m": [4.5, 1.8, 1.5], "waypoints": [[0, 30, -30], [10, 30, -29.999]]}


def with_helper():
    scene = {**SCENE, "traffic": {"script": [*SCENE["traffic"]["script"], HELPER]}}
    return {
        **scene, "stations": {"include": ["watcher", "helper"]}, "lidars": SCENE["lidars"] | {"include": ["watcher", "helper"]},
    }  # fmt: skip


def result(scene, **record):
    return v2xsim.run(from_data({**scene, "record": SCENE["record"] | record}, "test"))


def listed(run, table):
    """Return the rows of a table with names instead of agent ids."""
    names = dict(zip(*(run.tables["agents"].column(name).to_pylist() for name in ("agent", "name")), strict=True))
    rows = run.tables[table].to_pylist()
    return [row | {key: names[row[key]] for key in ("agent", "station") if key in row} for row in rows]


@pytest.fixture(scope="module")
def alone():
    return result(SCENE)


@pytest.fixture(scope="module")
def together():
    return result(with_helper())


def test_nobody_sees_a_car_behind_a_truck_until_it_leaves_the_shadow(alone):
    stations = {row["time_us"]: row["stations"] for row in listed(alone, "seen") if row["agent"] == "car"}
    assert stations == {time_us: int(time_us >= 500_000) for time_us in range(0, 1_000_000, 100_000)}


def test_only_what_was_hit_is_a_sight(alone):
    seen = {(row["station"], row["agent"]) for row in listed(alone, "sights")}
    assert seen == {("watcher", "truck"), ("watcher", "car")}
    assert min(row["time_us"] for row in listed(alone, "sights") if row["agent"] == "car") == 500_000
    assert min(row["points"] for row in listed(alone, "sights")) >= 1


def test_who_is_out_of_range_of_every_lidar_is_not_listed_as_unseen(alone):
    assert {row["agent"] for row in listed(alone, "seen")} == {"truck", "car"}


def test_a_second_station_sees_the_car_all_the_time(together):
    rows = [row for row in listed(together, "seen") if row["agent"] == "car"]
    assert [row["stations"] for row in rows] == [1] * 5 + [2] * 5
    assert {row["in_range"] for row in rows} == {2}


def test_the_points_of_all_stations_add_up(together):
    sights, seen = listed(together, "sights"), listed(together, "seen")
    for row in seen:
        of_each = [s["points"] for s in sights if (s["time_us"], s["agent"]) == (row["time_us"], row["agent"])]
        assert (len(of_each), sum(of_each), max(of_each)) == (row["stations"], row["points"], row["most_points"])


def test_the_points_of_a_sight_are_those_of_the_cloud(together, tmp_path):
    together.write(tmp_path)
    run = v2xsim.open(tmp_path)
    agent = {name: number for number, name in run.names.items()}
    for station in ("watcher", "helper"):
        on = run.station_cloud(station, 0.7).object
        counted = {name: int((on == number).sum()) for name, number in agent.items() if (on == number).any()}
        rows = [row for row in listed(together, "sights") if (row["station"], row["time_us"]) == (station, 700_000)]
        assert {row["agent"]: row["points"] for row in rows} == counted


def test_shares_and_redundancy_are_those_counted_by_hand(alone, together):
    """Alone: the truck 10 times by one; the car 5 times by nobody, 5 times by one.

    With the helper: watcher and helper 10 times by one each, the truck 10 times by two, the car 5 times by one and 5 times by two.
    """
    names = ("seen_by_nobody", "seen_by_one", "seen_by_several", "seen_redundancy")
    assert [alone.metrics[name].value for name in names] == [5 / 20, 15 / 20, 0.0, 1.0]
    assert [together.metrics[name].value for name in names] == [0.0, 25 / 40, 15 / 40, 55 / 40]


def test_the_delay_until_the_car_is_seen(alone):
    """The truck at once, the car after 0.5 s: half of the road users at once, nine tenths after 0.5 s."""
    found = [alone.metrics[name].value for name in ("first_seen_delay", "first_seen_delay_p90", "never_seen")]
    assert found == [0.0, pytest.approx(0.5), 0.0]


@pytest.mark.parametrize(("every", "ticks"), [(3, [0, 3, 6, 9]), (0, [])])
def test_sights_are_listed_every_so_many_ticks_from_the_first(every, ticks):
    run = result(SCENE, seen_ticks=every)
    for table in ("sights", "seen"):
        assert sorted({row["time_us"] // 100_000 for row in listed(run, table)}) == ticks
    assert math.isnan(run.metrics["seen_by_nobody"].value) == (every == 0)
    assert run.metrics["never_seen"].count == (2 if every else 0)


def test_the_metrics_of_a_finished_run_are_those_of_the_run(together, tmp_path):
    together.write(tmp_path)
    again = v2xsim.open(tmp_path).evaluate().tables["metrics"]
    for name in again.column_names:
        np.testing.assert_array_equal(again[name].to_numpy(), together.tables["metrics"][name].to_numpy())


def test_an_opened_run_says_when_each_road_user_was_first_seen(together, tmp_path):
    together.write(tmp_path)
    run = v2xsim.open(tmp_path)
    users = {user.name: user for user in run.first_seen()}
    assert set(users) == {"watcher", "truck", "car", "helper"}
    car = users["car"]
    assert (car.in_range_s, car.seen_s, car.last_s) == (0.0, 0.0, 0.9)
    assert (car.by_nobody, car.by_one, car.by_several, car.stations) == (0.0, 0.5, 0.5, 1.5)
    assert all(user.seen_s is None for user in run.first_seen(least_points=10**6))


def test_an_opened_run_without_sights_says_how_to_get_them(tmp_path):
    result(SCENE, seen_ticks=0).write(tmp_path)
    with pytest.raises(NotRecordedError, match=r"run it again with record\.seen_ticks=1"):
        v2xsim.open(tmp_path).first_seen()
