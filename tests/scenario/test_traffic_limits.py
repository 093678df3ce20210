"""Times, places and speeds that no traffic can have are refused with the key."""

import pytest

from v2xsim.scenario import ScenarioError, from_data


def script(*waypoints, **more):
    return {"script": [{"id": "a", "waypoints": list(waypoints), **more}]}


def load(traffic, **run):
    return from_data({"traffic": traffic, "run": run})


@pytest.mark.parametrize("begin_s", [1e308, 1e18, 4.1e9, -1.0])
def test_a_begin_beyond_every_time_is_refused(begin_s):
    with pytest.raises(ScenarioError, match=r"run\.begin_s: must be"):
        load(script([0, 0, 0]), begin_s=begin_s)


def test_a_run_may_begin_at_a_time_in_seconds_since_1970():
    assert load(script([0, 0, 0]), begin_s=1.76e9).run.begin_s == 1.76e9


def test_a_generated_town_may_not_warm_up_for_ever():
    with pytest.raises(ScenarioError, match=r"run\.begin_s: .*10,000,000 steps"):
        load({"highway": {}}, begin_s=2e6)


@pytest.mark.parametrize(
    ("traffic", "reason"),
    [
        (script([0, 0, 0], [1e300, 9, 0]), r"waypoints\.1: a time must be within"),
        (script([0, 0, 0], [1e-6, 9, 0]), r"waypoints\.1: speeds must be at most 1,000 m/s, got 9,000,000"),
        (script([0, 9.7, 50.8], [10, 9.701, 50.8]), "convert longitude and latitude to metres"),
        (script([0, 0, 0], size_m=[0.004, 0.002, 0.0015]), r"size_m: must be 0\.05 to 100 m"),
        (script([0, 0, 0], heading_deg=1e9), "heading_deg: must be"),
    ],
)
def test_a_script_in_other_units_is_refused(traffic, reason):
    with pytest.raises(ScenarioError, match=reason):
        load(traffic)


@pytest.mark.parametrize(
    "traffic", [script([0, 9.7, 50.8]), script([0, 0, 0], [100, 1, 0]), script([-5, 0, 0], [5, 300, 0])]
)
def test_a_slow_or_fast_script_in_metres_is_not_refused(traffic):
    assert load(traffic).traffic.script is not None
