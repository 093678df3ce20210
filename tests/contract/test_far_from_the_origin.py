"""Map coordinates are large: a run there gives what it gives near the origin, moved, and keeps its centimetres."""

import numpy as np
import pytest
import yaml

import v2xsim
from v2xsim.scenario.errors import ScenarioError

CROSSING = """
name: crossing
run: {begin_s: 1.0, duration_s: 0.5}
world: {buildings: [{footprint_m: [[-40, -40], [-8, -40], [-8, -8], [-40, -8]], height_m: 9}]}
traffic:
  script:
    - {id: ego, waypoints: [[0, 2, -30], [10, 2, 30]]}
    - {id: helper, waypoints: [[0, -30, -2], [10, 30, -2]]}
    - {id: truck, kind: truck, waypoints: [[0, -3, 9]]}
    - {id: hidden, waypoints: [[0, -20, -3], [10, 20, -3]]}
stations: {penetration: 0, include: [ego, helper, truck], roadside: [{id: pole, position_m: [11, 11], height_m: 6}]}
lidars: {include: [ego, helper], model: {beams: 8, columns: 180, lowest_deg: -18, highest_deg: 4, range_m: 60}}
radio: {access: random_slot, channel: tr37885_urban}
cooperation: {egos: [ego], fusion: early}
errors: {gnss_sigma_m: 0.1}
record: {clouds_every_s: 0.2}
"""
# Columns that hold a coordinate of the world; the others have no reason to change.
EAST, NORTH = ("x_m", "believed_x_m"), ("y_m", "believed_y_m")


def moved(east_m, north_m):
    """Return the scenario with every position shifted."""
    scenario = yaml.safe_load(CROSSING)
    for agent in scenario["traffic"]["script"]:
        agent["waypoints"] = [[time_s, x + east_m, y + north_m] for time_s, x, y in agent["waypoints"]]
    for building in scenario["world"]["buildings"]:
        building["footprint_m"] = [[x + east_m, y + north_m] for x, y in building["footprint_m"]]
    for unit in scenario["stations"]["roadside"]:
        unit["position_m"] = [unit["position_m"][0] + east_m, unit["position_m"][1] + north_m]
    return scenario


def run(folder, east_m, north_m):
    path = folder / f"{east_m:.0f}.yaml"
    path.write_text(yaml.safe_dump(moved(east_m, north_m)))
    return v2xsim.run(v2xsim.load(path)).tables


@pytest.fixture(scope="module")
def near(tmp_path_factory):
    return run(tmp_path_factory.mktemp("near"), 0.0, 0.0)


# UTM of Central Europe; the largest coordinates that a scenario may have. Both are whole numbers of matrix cells.
@pytest.mark.parametrize(("east_m", "north_m"), [(500_000.0, 5_500_000.0), (-90_000_000.0, 99_000_000.0)])
def test_a_run_at_map_coordinates_equals_the_same_run_at_the_origin(near, tmp_path, east_m, north_m):
    far = run(tmp_path, east_m, north_m)
    assert far["clouds"].num_rows > 1000
    for table, rows in near.items():
        for name in rows.column_names:
            before, after = rows.column(name).to_pylist(), far[table].column(name).to_pylist()
            assert len(before) == len(after), table
            if name in (*EAST, *NORTH) and before:
                after = np.array(after) - (east_m if name in EAST else north_m)
                np.testing.assert_allclose(after, before, atol=1e-6, err_msg=f"{table}.{name}")
            elif name in ("lower_x", "lower_y"):
                assert (np.diff(after) == np.diff(before)).all()
            elif before and isinstance(before[0], float):
                np.testing.assert_allclose(after, before, rtol=1e-5, atol=1e-5, err_msg=f"{table}.{name}")
            else:
                assert after == before, f"{table}.{name}"


@pytest.mark.parametrize("key", ["script", "roadside", "buildings"])
def test_a_position_beyond_every_map_projection_is_refused(tmp_path, key):
    scenario = moved(0.0, 0.0)
    if key == "script":
        scenario["traffic"]["script"][0]["waypoints"][0][1] = 1.1e8
    elif key == "roadside":
        scenario["stations"]["roadside"][0]["position_m"][1] = -1.1e8
    else:
        scenario["world"]["buildings"][0]["footprint_m"][0][0] = 1.1e8
    path = tmp_path / "far.yaml"
    path.write_text(yaml.safe_dump(scenario))
    with pytest.raises(ScenarioError, match="within 100,000,000 m of the origin"):
        v2xsim.load(path)
