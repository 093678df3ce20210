"""Losses of scripted scenes, read from the table of links of a whole run."""

import numpy as np
import pytest

import v2xsim
from v2xsim.scenario.schema import Scenario

WAVELENGTH_M = 299_792_458.0 / 5.9e9
VAN_M, TRUCK_M = [5.0, 2.0, 2.0], [10.0, 2.5, 3.0]
# Out of the way of all links.
ASIDE = {"id": "aside", "waypoints": [[0, 20, 400]]}


def mast(name, x, y, height_m, **settings):
    return {"id": name, "position_m": [x, y], "height_m": height_m, "lidar": False, **settings}


def link(masts, script=(ASIDE,), *, connected=(), world=None, blockage="knife_edges", building_loss="tr37885"):
    """Run one tick, and return the row of the table of links of the only pair of stations."""
    settings = {
        "name": "losses", "run": {"duration_s": 0.1, "step_s": 0.1}, "world": world or {},
        "traffic": {"script": list(script)}, "stations": {"penetration": 0.0, "include": list(connected), "roadside": masts},
        "radio": {"shadowing": False, "propagation": {"vehicle_blockage": blockage, "building_loss": building_loss}},
    }  # fmt: skip
    table = v2xsim.run(Scenario.model_validate(settings)).tables["links"]
    assert table.num_rows == 1
    return {name: table.column(name)[0].as_py() for name in table.column_names}


def body(x, size_m, y=0.0):
    return {"id": "body", "kind": "truck", "size_m": size_m, "waypoints": [[0, x, y]], "heading_deg": 0.0}


def added_db(first_m, second_m, at_m, size_m, *, length_m=100.0, mirrored=False):
    """Return what a body between two antennas adds to the loss of their link."""
    ends = [mast("a", 0, 0, first_m), mast("b", length_m, 0, second_m)]
    if mirrored:
        ends = [mast("a", length_m, 0, second_m), mast("b", 0, 0, first_m)]
    return link(ends, [ASIDE, body(at_m, size_m)])["loss_db"] - link(ends)["loss_db"]


@pytest.mark.parametrize(
    ("first_m", "second_m", "at_m", "loss_db"),
    [(1.5, 1.5, 50, 11.29), (3.0, 1.5, 50, 3.40), (3.0, 1.5, 75, 7.60), (3.0, 1.5, 90, 12.08)],
)
def test_a_van_of_2_m_costs_what_the_knife_edge_says_by_height_and_place_both_ways(first_m, second_m, at_m, loss_db):
    found = added_db(first_m, second_m, at_m, VAN_M)
    assert found == pytest.approx(loss_db, abs=0.1)
    assert added_db(first_m, second_m, at_m, VAN_M, mirrored=True) == pytest.approx(found, abs=1e-6)


def knife_edge_db(clearance_m, before_m, behind_m):
    v = -clearance_m * np.sqrt(2.0 * (before_m + behind_m) / (WAVELENGTH_M * before_m * behind_m))
    return 6.9 + 20.0 * np.log10(np.sqrt((v - 0.1) ** 2 + 1.0) + v - 0.1) if v > -0.78 else 0.0


@pytest.mark.parametrize(("clearance_m", "loses"), [(0.8, False), (0.4, True)])
def test_a_mast_that_looks_over_a_truck_loses_what_the_knife_edge_says(clearance_m, loses):
    # The line falls from 6 m to 1.5 m over 100 m.
    at_m = (6.0 - 3.0 - clearance_m) / 4.5 * 100.0
    expected = knife_edge_db(clearance_m, at_m, 100.0 - at_m)
    assert bool(expected > 0.5) is loses
    assert added_db(6.0, 1.5, at_m, TRUCK_M) == pytest.approx(expected, abs=0.01)


# A corner building between two streets.
CORNER = {
    "buildings": [{"footprint_m": [[-90, 8], [-8, 8], [-8, 90], [-90, 90]], "height_m": 10.0}],
    "roads": [{"center_m": [[-100, 0], [100, 0]]}, {"center_m": [[0, -100], [0, 100]]}],
}


def round_the_corner(heading_deg, *, mast_deg=0.0, building_loss="corner", world=None):
    car = {"id": "car", "waypoints": [[0, -60, 0]], "heading_deg": heading_deg}
    other = mast("unit", 0, 70, 4.0, heading_deg=mast_deg)
    return link([other], [ASIDE, car], connected=["car"], world=CORNER | (world or {}), building_loss=building_loss)


@pytest.mark.parametrize("building_loss", ["corner", "manhattan"])
def test_a_vehicle_or_a_unit_that_turns_on_the_spot_changes_no_loss_round_a_corner(building_loss):
    straight = round_the_corner(0.0, building_loss=building_loss)
    assert straight["state"] == "NLOSb"
    for heading_deg, mast_deg in ((45, 0), (90, 0), (0, 45), (-120, 77)):
        turned = round_the_corner(heading_deg, mast_deg=mast_deg, building_loss=building_loss)
        assert turned["loss_db"] == straight["loss_db"]


def test_the_loss_round_a_corner_is_that_of_the_two_legs():
    # VirtualSource11p, in the better direction: from the shorter leg into the longer one.
    near = 70.0**0.957 / 200.0**0.81 * 4 * np.pi * 60.0 / WAVELENGTH_M
    far = 60.0**0.957 / 200.0**0.81 * 4 * np.pi * 70.0 / WAVELENGTH_M
    expected = 3.75 + 26.9 * np.log10(min(near, far))
    assert round_the_corner(0.0)["loss_db"] == pytest.approx(expected, abs=0.01)


def test_without_roads_there_is_no_corner_and_the_link_loses_at_least_its_direct_loss():
    nowhere = round_the_corner(0.0, world={"roads": []})
    direct = round_the_corner(0.0, building_loss="tr37885")
    assert nowhere["loss_db"] >= direct["loss_db"] - 1e-6
    assert nowhere["loss_db"] != round_the_corner(0.0)["loss_db"]
