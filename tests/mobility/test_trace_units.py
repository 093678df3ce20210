"""Traces in other units, formats and kinds of angles are refused with the likely one."""

import pytest

from tests.mobility.traces import car, driven, eastward, opened, person
from v2xsim.mobility.base import MobilityError, Names
from v2xsim.mobility.fcd import FcdMobility


@pytest.mark.parametrize(
    ("unit", "advice"),
    [
        ({"to_x": lambda m: f"{9.7 + m / 7e4:.7f}", "y": "50.8"}, "longitude and latitude"),
        ({"to_x": lambda m: m * 1e-3}, "kilometres"),
        ({"to_x": lambda m: m * 100}, "centimetres"),
        ({"to_x": lambda m: m * 1000}, "millimetres"),
        ({"to_x": lambda m: m / 0.3048}, "feet"),
        ({"to_time": lambda s: 1000 * s}, "milliseconds"),
        ({"speed": 36}, "km/h"),
        ({"speed": 22.37}, "miles per hour"),
    ],
)
def test_a_trace_in_other_units_is_refused_with_the_likely_one(tmp_path, unit, advice):
    with pytest.raises(MobilityError, match=rf"t\.xml: .*{advice}"):
        opened(tmp_path, eastward(**unit))


@pytest.mark.parametrize(
    "unit",
    [
        {"to_x": lambda m: f"{9.7 + m / 7e4:.7f}", "y": "50.8"},
        {"to_time": lambda s: 1000 * s},
        {"to_x": lambda m: 1e4 * m},
    ],
)
def test_a_trace_in_other_units_is_refused_without_speeds_too(tmp_path, unit):
    rows = eastward(**unit)
    for _, users in rows:
        for _, attributes in users:
            del attributes["speed"]
    with pytest.raises(MobilityError, match=r"t\.xml: road users move at"):
        opened(tmp_path, rows)


def test_cars_that_stand_in_degrees_are_refused(tmp_path):
    rows = [(i, [car("a", x=9.7, y=50.8, speed=0), car("b", x=9.7008, y=50.8, speed=0)]) for i in range(3)]
    with pytest.raises(MobilityError, match=r"all vehicles stand within .*longitude and latitude"):
        opened(tmp_path, rows)


def test_persons_who_walk_in_degrees_are_refused(tmp_path):
    rows = [(i, [person(x=f"{9.7 + i * 2e-5:.6f}", y=50.8, speed=1.4)]) for i in range(8)]
    with pytest.raises(MobilityError, match="longitude and latitude"):
        opened(tmp_path, rows)


def test_a_lone_car_that_stands_is_not_refused(tmp_path):
    assert len(opened(tmp_path, [(i, [car(x=9.7, y=50.8, speed=0)]) for i in range(3)]).snapshot(0)) == 1


@pytest.mark.parametrize("value", ["true", "1", "on"])
def test_the_header_of_a_geographic_trace_is_enough_to_refuse_it(tmp_path, value):
    header = f"<!-- <output><fcd-output value='t.xml'/><fcd-output.geo value=\"{value}\"/></output> -->"
    with pytest.raises(MobilityError, match=r"fcd-output\.geo.*longitude and latitude"):
        opened(tmp_path, [(0, [car(x=9.7, y=50.8, speed=0)])], header)


def test_a_trace_that_was_converted_to_metres_may_keep_its_header(tmp_path):
    header = '<!-- <fcd-output.geo value="true"/> -->'
    assert len(opened(tmp_path, eastward(y=900), header).snapshot(0)) == 2


def test_degrees_that_come_late_in_a_trace_are_refused_when_they_are_read(tmp_path):
    rows = [(i, [car(f"c{k}", x=k % 100, y=k // 100, speed=0) for k in range(200)]) for i in range(110)]
    rows += [(110 + i, [car(x=9.7 + i / 7e3, y=50.8)]) for i in range(20)]
    traffic = opened(tmp_path, rows)
    assert len(traffic.snapshot(0)) == 200
    with pytest.raises(MobilityError, match="longitude and latitude"):
        traffic.snapshot(111_000_000)


@pytest.mark.parametrize(
    ("angle", "advice"),
    [("1.5708", "radians, clockwise from north"), ("0", "counter-clockwise from east"), ("270", "opposite direction")],
)
def test_angles_of_another_kind_are_refused_with_the_likely_one(tmp_path, angle, advice):
    rows = eastward()
    for _, users in rows:
        for _, attributes in users:
            attributes["angle"] = angle
    with pytest.raises(MobilityError, match="degrees off their angles") as error:
        opened(tmp_path, rows)
    assert advice in str(error.value)


def test_a_slow_start_and_a_braking_queue_are_no_wrong_unit(tmp_path):
    x_m, v_mps, rows = 0.0, 0.0, []
    for i in range(60):
        v_mps = min(max(v_mps + (2.6 if (i // 8) % 2 == 0 else -4.5), 0.0), 14.0)
        x_m += v_mps
        rows.append((i, [car(x=f"{x_m:.2f}", speed=f"{v_mps:.2f}")]))
    found, _ = driven(tmp_path, rows, end_s=60, step_us=1_000_000)
    assert found == {}


def test_a_trace_of_mesoscopic_traffic_is_refused_by_its_header(tmp_path):
    with pytest.raises(MobilityError, match=r"t\.xml: its header has the option mesosim"):
        opened(tmp_path, eastward(), '<!-- <processing><mesosim value="true"/></processing> -->')


def test_positions_that_stay_while_speeds_do_not_are_reported(tmp_path):
    rows = [(i, [car(x=100 * (i // 8), speed=12)]) for i in range(30)]
    assert driven(tmp_path, rows)[0]["trace.frozen"].count == 26


def test_speeds_that_do_not_fit_without_a_known_reason_are_reported(tmp_path):
    found, _ = driven(tmp_path, eastward(speed=5.5))
    assert "20 m where their speeds" not in found["trace.speeds"].text
    assert "check the units" in found["trace.speeds"].text


def test_road_users_that_move_at_a_speed_of_0_are_reported(tmp_path):
    found, _ = driven(tmp_path, eastward(speed=0))
    assert "although their speeds are 0" in found["trace.speeds"].text


@pytest.mark.parametrize("time", ["1e308", "inf", "nan", "1e12", "-1e300"])
def test_a_time_beyond_all_bounds_is_refused(tmp_path, time):
    with pytest.raises(MobilityError, match=r"line 1: <timestep> needs a time"):
        opened(tmp_path, [(time, [car(x=0)])])


@pytest.mark.parametrize(
    "attributes",
    [
        {"x": "1e300"},
        {"x": "nan"},
        {"x": 0, "angle": "1e99"},
        {"x": 0, "length": "0"},
        {"x": 0, "width": "-2"},
        {"x": 0, "height": "inf"},
    ],
)
def test_a_place_or_size_beyond_all_bounds_is_refused(tmp_path, attributes):
    with pytest.raises(MobilityError, match="malformed"):
        opened(tmp_path, [(0, [car(**attributes)])])


@pytest.mark.parametrize(
    ("content", "advice"), [(b"PAR1\x15\x04", "Parquet"), (b"timestep_time;vehicle_id;x\n0;a;1\n", "comma-separated")]
)
def test_a_trace_in_another_format_of_sumo_is_refused_with_its_name(tmp_path, content, advice):
    (tmp_path / "t.xml").write_bytes(content)
    with pytest.raises(MobilityError, match=advice):
        FcdMobility(tmp_path / "t.xml", Names())
