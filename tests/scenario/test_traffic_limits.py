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


@pytest.mark.parametrize(
    "footprint_m",
    [
        [[-80, -12], [-8, -12], [-80, -70], [-8, -70]],
        [[10, 10], [30, 10], [10, 20], [30, 26]],
    ],
)
def test_an_outline_whose_corners_are_in_the_wrong_order_has_an_area(footprint_m):
    """The two halves of a bow tie cancel out in the shoelace formula."""
    data = {"traffic": {"script": [{"id": "a", "waypoints": [[0, 0, 0]]}]}}
    from_data({**data, "world": {"buildings": [{"footprint_m": footprint_m, "height_m": 9}]}})


@pytest.mark.parametrize(
    "footprint_m", [[[0, 0], [10, 10], [20, 20]], [[9.1, 48.1], [9.1001, 48.1], [9.1001, 48.1001]]]
)
def test_an_outline_on_one_line_or_in_degrees_is_refused(footprint_m):
    data = {"traffic": {"script": [{"id": "a", "waypoints": [[0, 0, 0]]}]}}
    with pytest.raises(ScenarioError, match="must enclose an area"):
        from_data({**data, "world": {"buildings": [{"footprint_m": footprint_m, "height_m": 9}]}})
