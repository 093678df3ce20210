"""Who is drawn as a station."""

import numpy as np

from v2xsim.engine.stations.roster import Roster
from v2xsim.mobility.base import Names, snapshot_of
from v2xsim.scenario.schema import Scenario
from v2xsim.streams import Streams


def drawn(vehicles, names, **stations):
    scenario = Scenario.model_validate(
        {"traffic": {"script": [{"id": "x", "waypoints": [[0, 0, 0]]}]}, "stations": stations}
    )
    roster = Roster(scenario, Streams(3), names.register, names.name_of)
    agent = np.array([names.register(v) for v in vehicles], np.int64)
    count = len(agent)
    snapshot = snapshot_of(
        0,
        agent,
        np.zeros(count, np.int8),
        np.zeros((count, 2)),
        np.ones((count, 3)),
        np.zeros(count),
        np.zeros((count, 2)),
    )
    return {names.name_of(int(a)) for a in roster.update(snapshot).agent}


def test_one_more_vehicle_changes_nobody_elses_luck():
    vehicles = [f"car{i}" for i in range(200)]
    few = drawn(vehicles, Names(), penetration=0.3)
    more = drawn(["new", *vehicles], Names(), penetration=0.3)
    assert more - {"new"} == few


def test_the_penetration_rate_is_the_share_of_stations():
    # 2,000 draws: three standard deviations are 0.031.
    share = len(drawn([f"car{i}" for i in range(2000)], Names(), penetration=0.3)) / 2000
    assert abs(share - 0.3) < 0.031


def test_a_count_of_stations_is_kept():
    assert len(drawn([f"car{i}" for i in range(50)], Names(), count=7)) == 7
