"""The packaged scenarios of docs/nlos.md run, and stand for what their comments say."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import v2xsim
from v2xsim.claims.situations import FAMILIES
from v2xsim.cli.app import app
from v2xsim.gpu.lidar.models import CATALOGUE

SCENARIOS = Path(v2xsim.__file__).parent / "scenarios"


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_runs_with_helpers_in_range(name):
    scenario = v2xsim.load(name, ["run.duration_s=0.3", "lidars.model=beam16"])
    results = v2xsim.run(scenario)
    assert results.tables["fusion"].num_rows > 0
    assert scenario.cooperation.matrix.extent_m >= 100
    subjects = {notice.subject for notice in results.notices}
    assert not subjects & {
        "cooperation.no_helper_in_range",
        "cooperation.few_relays",
        "cooperation.hidden_speed",
        "traffic.inside_building",
    }


@pytest.mark.parametrize("name", ["hidden_grid", "rural_trucks"])
def test_lidars_reach_as_far_as_road_users_count_as_hidden(name):
    scenario = v2xsim.load(name)
    assert CATALOGUE[scenario.lidars.model].range_m >= scenario.record.evaluation_range_m


def test_on_the_rural_road_whom_an_ego_does_not_see_is_behind_another_vehicle():
    results = v2xsim.run(v2xsim.load("rural_trucks", ["run.duration_s=0.3", "cooperation.transport=synchronous"]))
    cases = [
        row
        for row in results.tables["awareness"].to_pylist()
        if row["occluded"] and row["relevant"] and not row["announces"]
    ]
    states = results.tables["states"].to_pylist()
    behind = [_behind_another(case, [row for row in states if row["time_us"] == case["frame_us"]]) for case in cases]
    assert len(behind) > 20
    # A few are too far away for a return although nothing is in between.
    assert np.mean(behind) > 0.9


def _behind_another(case, states):
    """Return whether the line from an ego to a road user crosses another body, seen from above."""
    place = {row["agent"]: np.array([row["x_m"], row["y_m"]]) for row in states}
    line = place[case["ego"]] + np.linspace(0.0, 1.0, 401)[:, None] * (place[case["agent"]] - place[case["ego"]])
    for row in states:
        if row["agent"] in (case["ego"], case["agent"]):
            continue
        cos, sin = np.cos(row["yaw_rad"]), np.sin(row["yaw_rad"])
        along, across = ((line - place[row["agent"]]) @ np.array([[cos, -sin], [sin, cos]])).T
        if ((abs(along) < row["length_m"] / 2) & (abs(across) < row["width_m"] / 2)).any():
            return True
    return False


def test_in_the_retelling_grid_more_hidden_road_users_are_known_for_hardly_more_bytes():
    known, sent = {}, {}
    for rule in ("none", "unheard"):
        settings = [f"cooperation.retelling={rule}", "run.duration_s=2.5", "run.seed=3"]
        metrics = v2xsim.run(v2xsim.load("retelling", settings)).metrics
        known[rule], sent[rule] = metrics["hidden_known_settled_fused"].value, metrics["on_air"].value
    assert known["unheard"] > known["none"] + 0.03
    assert sent["unheard"] < 1.15 * sent["none"]


@pytest.mark.parametrize("name", ["t_junction", "t_junction_rsu", "overtaking"])
def test_in_a_scripted_family_nobody_drives_through_another(name):
    """`check` runs the whole traffic of a script; with --strict, what looks wrong in it is an error."""
    checked = CliRunner().invoke(app, ["check", name, "--strict"])
    assert (checked.exit_code, "overlapping" in checked.output) == (0, False)


@pytest.mark.parametrize("share", [0.0, 0.6])
def test_one_key_sets_the_share_of_trucks_on_the_motorway(share):
    scenario = v2xsim.load(
        "motorway", ["run.duration_s=0.1", "run.begin_s=0", "lidars.count=1", f"traffic.highway.truck_share={share}"]
    )
    kinds = np.array(v2xsim.run(scenario).tables["agents"]["kind"].to_pylist())
    # About 100 vehicles, each drawn: three standard deviations are 0.15.
    assert np.mean(kinds == "truck") == pytest.approx(share, abs=0.15 if share else 0.0)
    assert {"passenger", "van"} <= set(kinds)


def test_one_key_sets_the_share_of_trucks_in_a_street_grid():
    changes = ["run.duration_s=0.1", "run.begin_s=30", "lidars.count=1", "traffic.grid.truck_share=0.6"]
    kinds = np.array(v2xsim.run(v2xsim.load("hidden_grid", changes)).tables["agents"]["kind"].to_pylist())
    # More than 50 vehicles, each drawn: three standard deviations are 0.2.
    assert (len(kinds) > 50, np.mean(kinds == "truck")) == (True, pytest.approx(0.6, abs=0.2))
    assert {"passenger", "van"} <= set(kinds)


def test_a_share_of_trucks_leaves_the_other_kinds_in_proportion():
    highway = v2xsim.load("motorway", ["traffic.highway.truck_share=0.5"]).traffic.highway
    assert highway.shares["truck"] == 0.5
    assert highway.shares["passenger"] / highway.shares["van"] == pytest.approx(7.0)
    assert sum(highway.shares.values()) == pytest.approx(1.0)


def test_a_share_of_trucks_without_another_kind_is_refused():
    with pytest.raises(v2xsim.ScenarioError, match="mix names no other kind"):
        v2xsim.load("motorway", ["traffic.highway.truck_share=0.5", "traffic.highway.mix={truck: 1}"])
    with pytest.raises(v2xsim.ScenarioError, match="mix names no other kind"):
        v2xsim.load("hidden_grid", ["traffic.grid.truck_share=0.5", "traffic.grid.mix={truck: 1}"])


def test_the_sweep_over_trucks_names_a_packaged_scenario_and_the_key():
    from v2xsim.study.plan import plan_of

    plan = plan_of(SCENARIOS / "sweeps/motorway_trucks.yaml")
    assert len(plan.settings) == 8
