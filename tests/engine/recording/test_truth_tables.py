"""The truth of each tick, as rows with all digits."""

import numpy as np
import pytest

from tests.engine.small_world import EGO, HELPER, OTHER, fleet_of, instant, links_of, scenario, snapshot
from v2xsim.engine.recording.truth_tables import TruthTables
from v2xsim.engine.stations.station_errors import StationErrors
from v2xsim.results.tables import Columns

BEGIN_US, STEP_US = 500_000, 100_000
THIRD = 1.0 / 3.0


def tick(time_us=BEGIN_US, error=(0.0, 0.0, 0.0), **about):
    """Return a tick with two stations and one car that is none; the ego is misplaced by `error`."""
    fleet = fleet_of([EGO, HELPER], [(0, 0), (THIRD, 2)], antenna_m=2.0)
    world = snapshot([EGO, HELPER, OTHER], [(0, 0), (THIRD, 2), (9, 9)], time_us=time_us, **about)
    errors = StationErrors(fleet.agent, time_us, np.array([error, (0, 0, 0)], float), np.zeros(2, np.int64))
    now = instant(world, fleet, links_of(fleet))
    return type(now)(now.snapshot, now.fleet, errors, now.links)


def rows(table, *ticks, **record):
    tables = {name: Columns(name) for name in ("states", "parts", "stations")}
    truth = TruthTables(tables, scenario(record=record).record, BEGIN_US, STEP_US)
    for one in ticks:
        truth.add(one)
    return tables[table].finished().to_pylist()


def test_each_road_user_of_a_tick_is_a_row_with_all_digits():
    world = tick(velocity_mps=(THIRD, -1), yaw_rad=0.1, size_m=(5, 2, 1.6), kind=2)
    first, second, third = rows("states", world)
    assert (first["agent"], second["agent"], third["agent"]) == (EGO, HELPER, OTHER)
    assert second == {
        "time_us": BEGIN_US, "agent": HELPER, "kind": "truck", "x_m": THIRD, "y_m": 2, "z_m": 0, "yaw_rad": 0.1,
        "vx_mps": THIRD, "vy_mps": -1, "length_m": 5, "width_m": 2, "height_m": 1.6,
    }  # fmt: skip


def test_each_station_is_a_row_with_its_true_and_its_believed_pose():
    first, second = rows("stations", tick(error=(THIRD, -1, 0.25)))
    assert (first["station"], first["x_m"], first["y_m"], first["yaw_rad"]) == (EGO, 0, 0, 0)
    assert (first["believed_x_m"], first["believed_y_m"], first["believed_yaw_rad"]) == (THIRD, -1, 0.25)
    assert (second["station"], second["x_m"], second["believed_x_m"], second["antenna_m"]) == (HELPER, THIRD, THIRD, 2)


@pytest.mark.parametrize(("every", "ticks"), [(1, [0, 1, 2, 3, 4]), (2, [0, 2, 4]), (3, [0, 3])])
@pytest.mark.parametrize("table", ["states", "stations"])
def test_every_nth_tick_is_recorded_from_the_first(table, every, ticks):
    found = rows(table, *(tick(BEGIN_US + n * STEP_US) for n in range(5)), state_ticks=every)
    assert sorted({(row["time_us"] - BEGIN_US) // STEP_US for row in found}) == ticks


@pytest.mark.parametrize("table", ["states", "stations"])
def test_a_run_may_record_no_states(table):
    assert rows(table, tick(), states=False) == []
