"""`v2xsim bench scale`, as its users meet it."""

import csv
import io
import json

import pytest
from typer.testing import CliRunner

from v2xsim.bench import scale
from v2xsim.cli.app import app
from v2xsim.estimate.workload import Workload


def call(*arguments):
    return CliRunner().invoke(app, list(arguments), catch_exceptions=False)


@pytest.fixture
def measured(monkeypatch):
    """Costs that are known at once."""

    def measure(axis, size):
        cpu_s = 0.5 + 0.1 * size.lidars * size.duration_s
        work = Workload(
            round(10 * size.duration_s), 5.0, True, size.vehicles, 0, size.stations, 20 * size.stations, size.lidars,
            115_200 * size.lidars, size.lidars, float(size.stations), 0.0, True,
        )  # fmt: skip
        return scale.Point(
            axis, size, 2.0, cpu_s, 2.0 * cpu_s, 4 * 10**8 + 10**7 * size.lidars, 10**6, cpu_s + 1.0, work.as_object()
        )

    monkeypatch.setattr(scale, "measure", measure)


def test_points_and_exponents_are_one_object(measured):
    done = call("bench", "scale", "--axis", "lidars", "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert [point["size"]["lidars"] for point in found["points"]] == [0, 5, 10, 20, 40]
    fit = found["growth"]["lidars"]["cpu_s"]
    assert (fit["exponent"], fit["fixed_is"]) == (pytest.approx(1.0), "measured")
    assert "lidars: motorway of 240 vehicles, 120 stations, 40 lidars, 5 s, 1 thread: 2.00 x real time" in done.stderr


def test_costs_of_single_things_are_fitted_to_the_runs_of_all_axes_only(measured):
    all_axes, one = (call("bench", "scale", "--quick", "--json", *axis) for axis in ([], ["--axis", "stations"]))
    assert min(json.loads(all_axes.stdout)["costs"]["cpu_us"]["costs"].values()) >= 0
    assert json.loads(one.stdout)["costs"] == {}
    assert "leave out --axis" in one.stderr
    assert "leave out --axis" not in all_axes.stderr


def test_the_table_has_a_row_for_each_point_and_each_fit(measured):
    lines = call("bench", "scale", "--quick", "--axis", "duration").stdout.splitlines()
    assert sum(line.startswith("duration") for line in lines) == 3 + 5
    assert any(line.split()[:2] == ["duration", "cpu_s"] for line in lines)


def test_comma_separated_values_are_the_points(measured):
    rows = list(csv.DictReader(io.StringIO(call("bench", "scale", "--quick", "--csv").stdout)))
    assert {row["axis"] for row in rows} == {*scale.AXES, "shipped"}


@pytest.mark.slow
def test_a_small_bench_measures_real_runs():
    found = json.loads(call("bench", "scale", "--quick", "--axis", "vehicles", "--json").stdout)
    for point in found["points"]:
        assert min(point[cost] for cost in scale.COSTS) > 0
        assert point["workload"]["vehicles"] == pytest.approx(point["size"]["vehicles"], rel=0.1)
        assert point["workload"]["stations"] == point["size"]["stations"]
