"""How costs grow with sizes, and that a point is measured in a process of its own."""

import numpy as np
import pytest

from v2xsim.bench import scale
from v2xsim.bench.scale import AXES, SHIPPED, Point, Size, growths, sizes
from v2xsim.bench.scale_fit import growth
from v2xsim.bench.scale_point import largest_memory_bytes
from v2xsim.errors import UserError

SIZES = np.array([10.0, 20.0, 40.0, 80.0, 160.0])


@pytest.mark.parametrize("exponent", [0.5, 1.0, 1.7])
def test_the_exponent_of_a_plain_power_is_found_without_a_fixed_cost(exponent):
    found = growth(SIZES, 3.0 * SIZES**exponent)
    assert (found.fixed_is, found.fixed) == ("none", 0.0)
    assert found.exponent == pytest.approx(exponent)
    assert found.factor == pytest.approx(3.0)


def test_a_fixed_cost_that_hides_quadratic_growth_is_taken_off():
    cost = 50.0 + 0.02 * SIZES**2
    assert np.polyfit(np.log(SIZES), np.log(cost), 1)[0] < 0.9
    found = growth(SIZES, cost)
    assert found.fixed_is == "fitted"
    assert found.exponent == pytest.approx(2.0, abs=0.1)


def test_a_cost_at_size_0_is_the_fixed_cost():
    found = growth(np.array([0.0, 5.0, 10.0, 40.0]), 7.0 + 2.0 * np.array([0.0, 5.0, 10.0, 40.0]))
    assert (found.fixed_is, found.fixed) == ("measured", 7.0)
    assert (found.exponent, found.factor) == (pytest.approx(1.0), pytest.approx(2.0))


def test_two_sizes_are_enough_for_an_exponent():
    assert growth(np.array([1.0, 2.0]), np.array([8.0, 4.0])).exponent == pytest.approx(-1.0)


@pytest.mark.parametrize("quick", [True, False])
def test_stations_grow_at_constant_density_and_one_thing_along_each_other_axis(quick):
    every = list(sizes(quick))
    assert {axis for axis, _ in every} == {*AXES, SHIPPED}
    assert {size.duration_s for axis, size in every if axis != "duration"} == {2.0 if quick else 5.0}
    for axis in AXES:
        own = [size for name, size in every if name == axis]
        varied = {name for name in Size.__dataclass_fields__ if len({getattr(size, name) for size in own}) > 1}
        assert varied == (
            {"vehicles", "stations"} if axis == "stations" else {"duration_s" if axis == "duration" else axis}
        )
        if axis == "stations":
            assert len({size.vehicles / size.stations for size in own}) == 1


def test_a_motorway_is_as_long_as_its_vehicles_need():
    lengths_m = [Size(vehicles=count).overrides()[0] for count in (120, 240)]
    assert lengths_m == ["traffic.highway.length_m=2000", "traffic.highway.length_m=4000"]


def test_every_point_has_the_same_models_of_loss_whatever_the_shipped_scenarios_have():
    losses = {"radio.propagation.vehicle_blockage=tr37885", "radio.propagation.building_loss=tr37885"}
    assert all(losses <= set(size.overrides()) for _, size in sizes(quick=True))


def test_every_axis_gets_an_exponent_for_each_cost():
    measured = [
        Point("duration", Size(duration_s=s), 2.0, 0.3 * s, 0.5 * s, 400, round(100 * s), 0.4 * s)
        for s in (5.0, 10.0, 20.0)
    ]
    fits = growths(measured)
    assert list(fits) == ["duration"]
    assert {cost: round(fit.exponent, 6) for cost, fit in fits["duration"].items()} == {
        "cpu_s": 1.0, "whole_cpu_s": 1.0, "wall_s": 1.0, "peak_bytes": 0.0, "disk_bytes": 1.0,
    }  # fmt: skip


def test_the_largest_memory_is_that_of_this_program_and_never_falls():
    before = largest_memory_bytes()
    block = np.ones(40_000_000, np.uint8)
    del block
    assert largest_memory_bytes() >= before > 10_000_000


def test_a_run_that_fails_is_named_with_its_reason(monkeypatch):
    monkeypatch.setattr(Size, "overrides", lambda self: ["stations.count=-1"])
    with pytest.raises(UserError, match=r"bench scale: the run of Size\(.*stations.count"):
        scale.measure("stations", Size())
