"""Traces whose units, times, places and names are not what a trace of SUMO has."""

import numpy as np
import pytest

from v2xsim.mobility.base import MobilityError, Names
from v2xsim.mobility.fcd import FcdMobility

STEP_US = 100_000


def trace(rows, header=""):
    """A trace: rows of time, and of the road users at that time, each (tag, attributes)."""
    steps = "".join(
        f"<timestep time='{time}'>"
        + "".join(f"<{tag} {' '.join(f'{k}={v!r}' for k, v in a.items())}/>" for tag, a in users)
        + "</timestep>"
        for time, users in rows
    )
    return f"{header}<fcd-export>{steps}</fcd-export>"


def car(name="a", **attributes):
    return "vehicle", {
        "id": name,
        "angle": "90",
        "type": "car",
        "speed": "10",
        "y": "0",
        **{k: str(v) for k, v in attributes.items()},
    }


def person(name="p", **attributes):
    return "person", dict(car(name, **{"type": "DEFAULT_PEDTYPE", **attributes})[1])


def eastward(steps=30, speed_mps=10.0, span_s=1.0, to_x=lambda m: m, to_time=lambda s: s, **attributes):
    """Two cars that drive east at one speed, with their positions and times converted to other units."""
    return [
        (
            to_time(i * span_s),
            [car(n, x=to_x(200 * n_row + speed_mps * i * span_s), **attributes) for n_row, n in enumerate("ab")],
        )
        for i in range(steps)
    ]


def opened(path, rows, header="", **options):
    path = path / "t.xml"
    path.write_text(trace(rows, header), encoding="utf-8")
    return FcdMobility(path, Names(), **options)


def driven(folder, rows, begin_s=0.0, end_s=5.0, step_us=STEP_US, header=""):
    """The notices of a run over a trace, by subject, and who was there at each step."""
    begin_us, end_us = round(begin_s * 1e6), round(end_s * 1e6)
    traffic = opened(folder, rows, header, step_us=step_us, run_us=(begin_us, end_us))
    there = {}
    for time_us in range(begin_us, end_us, step_us):
        there[time_us / 1e6] = {traffic.name_of(int(agent)) for agent in traffic.snapshot(time_us).agent}
    return {notice.subject: notice for notice in traffic.notices()}, there


# Units


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


# Time


def test_a_trace_that_begins_after_the_run_is_refused_with_its_begin(tmp_path):
    rows = [(3600 + time, users) for time, users in eastward()]
    with pytest.raises(MobilityError, match=r"t\.xml: traffic begins at 3600 s.*run\.begin_s to at least 3600"):
        driven(tmp_path, rows)


def test_the_begin_to_set_is_named_with_all_its_digits(tmp_path):
    rows = [(1_609_459_200.4 + time, users) for time, users in eastward()]
    with pytest.raises(MobilityError, match=r"run\.begin_s to at least 1609459200\.4$"):
        driven(tmp_path, rows)


def test_a_trace_whose_first_road_user_comes_after_the_run_is_refused(tmp_path):
    rows = [(0, []), *((3600 + time, users) for time, users in eastward())]
    with pytest.raises(MobilityError, match=r"first road user is there at 3600 s.*run\.begin_s"):
        driven(tmp_path, rows)


def test_a_trace_that_begins_during_the_run_is_reported_with_the_steps_before(tmp_path):
    found, there = driven(tmp_path, [(2 + time, users) for time, users in eastward()])
    assert found["trace.begins_late"].count == 20
    assert there[1.9] == set()


def test_a_trace_whose_street_is_empty_at_first_begins_in_time(tmp_path):
    found, _ = driven(tmp_path, [(0, []), *((2 + time, users) for time, users in eastward())])
    assert "trace.begins_late" not in found


def test_a_trace_that_ends_during_the_run_is_reported_with_the_steps_after(tmp_path):
    found, there = driven(tmp_path, eastward(steps=4))
    assert found["trace.ends_early"].count == 19
    assert "ends at 3 s; the last 1.9 s" in found["trace.ends_early"].text
    assert there[3.1] == set()


def test_a_trace_that_covers_the_run_step_by_step_gives_no_notice(tmp_path):
    found, _ = driven(tmp_path, eastward(steps=50, span_s=0.1))
    assert found == {}


def test_interpolation_between_samples_is_reported(tmp_path):
    found, _ = driven(tmp_path, eastward())
    assert set(found) == {"trace.interpolated"}
    assert "every 1 s" in found["trace.interpolated"].text


def test_nobody_moves_across_a_gap_and_the_gap_is_reported(tmp_path):
    rows = [(time + (30 if time >= 10 else 0), users) for time, users in eastward(steps=20)]
    found, there = driven(tmp_path, rows, end_s=45)
    assert there[9.0] == {"a", "b"}
    assert there[9.1] == there[39.9] == set()
    assert there[40.0] == {"a", "b"}
    assert found["trace.gaps"].count == 1
    assert "from 9 s to 40 s" in found["trace.gaps"].text


def test_a_sample_every_ten_seconds_is_no_gap(tmp_path):
    found, there = driven(tmp_path, eastward(steps=8, span_s=10.0), end_s=60, step_us=1_000_000)
    assert set(found) == {"trace.interpolated"}
    assert "across corners" in found["trace.interpolated"].text
    assert all(there.values())


# Places


def test_a_road_user_does_not_fly_to_where_it_was_teleported(tmp_path):
    rows = eastward(steps=8)
    for _, users in rows[4:]:
        users[0][1]["x"] = str(float(users[0][1]["x"]) + 700)
    found, there = driven(tmp_path, rows)
    assert there[3.0] == {"a", "b"}
    assert there[3.5] == {"b"}
    assert there[4.0] == {"a", "b"}
    assert "'a' by 710 m in 1 s at 3 s" in found["trace.jumps"].text


def test_a_few_teleports_over_kilometres_are_jumps_and_no_wrong_unit(tmp_path):
    rows = eastward(steps=30)
    for number, (_, users) in enumerate(rows):
        if number % 10 == 5:
            users[0][1]["x"] = "90000"
    found, _ = driven(tmp_path, rows, end_s=29)
    assert set(found) == {"trace.interpolated", "trace.jumps"}


def test_a_lane_change_in_one_step_is_no_jump(tmp_path):
    rows = eastward(steps=60, span_s=0.1)
    for _, users in rows[4:]:
        users[0][1]["y"] = "3.2"
    found, _ = driven(tmp_path, rows)
    assert found == {}


def test_elevations_that_are_ignored_are_reported(tmp_path):
    rows = eastward()
    for time, users in rows:
        users[0][1]["z"] = str(6 if time > 2 else 0)
    assert "0 m to 6 m are ignored" in driven(tmp_path, rows)[0]["traffic.elevation"].text


def test_utm_coordinates_are_reported(tmp_path):
    header = '<!-- <fcd-output.utm value="true"/> -->'
    assert "trace.utm" in driven(tmp_path, eastward(to_x=lambda m: m + 5e5, y=5.6e6), header=header)[0]


# Names


def test_one_id_twice_at_one_time_is_refused(tmp_path):
    with pytest.raises(MobilityError, match=r"line 1: <vehicle id='a'> .*twice at one time"):
        opened(tmp_path, [(0, [car(x=0), car(x=20)])])


def test_a_vehicle_with_the_name_of_a_roadside_unit_stops_the_run_where_it_appears(tmp_path):
    names = Names()
    names.register("b", "a roadside unit")
    (tmp_path / "t.xml").write_text(trace([(0, [car(x=0)]), (1, [car(x=10), car("b", x=50)])]))
    traffic = FcdMobility(tmp_path / "t.xml", names)
    assert len(traffic.snapshot(0)) == 1
    with pytest.raises(MobilityError, match=r"t\.xml: at 1 s: a vehicle and a roadside unit have the same name 'b'"):
        traffic.snapshot(1_000_000)


@pytest.mark.parametrize("vehicle_first", [True, False])
def test_a_vehicle_named_like_a_person_of_the_run_is_refused_with_both(tmp_path, vehicle_first):
    rows = [(0, [car("person:1", x=0)]), (1, [person("1", x=30, speed=1)])]
    users = [users for _, users in (rows if vehicle_first else rows[::-1])]
    with pytest.raises(MobilityError, match=r"the same name 'person:1'") as error:
        opened(tmp_path, [(0, users[0]), (1, users[1])])
    assert "the person '1'" in str(error.value)


def test_a_name_that_is_used_again_by_a_truck_is_another_road_user(tmp_path):
    rows = [*eastward(steps=3), (10, [car(x=500, type="truck")]), (11, [car(x=510, type="truck")])]
    found, there = driven(tmp_path, rows, end_s=12)
    assert there[0.0] == {"a", "b"}
    assert there[11.0] == {"a#2"}
    assert "'a#2'" in found["traffic.names_used_again"].text


def test_a_car_that_comes_back_after_a_long_absence_is_the_same_and_reported(tmp_path):
    rows = [(time, users[:1] if 5 <= time < 20 else users) for time, users in eastward(steps=30)]
    found, there = driven(tmp_path, rows, end_s=25)
    assert "b" not in there[10.0]
    assert "b" in there[20.0]
    assert found["trace.returns"].count == 1


def test_a_car_that_is_missing_in_single_samples_is_reported(tmp_path):
    rows = [(time, users[:1] if time in (2, 4) else users) for time, users in eastward(steps=10)]
    assert driven(tmp_path, rows, end_s=6)[0]["trace.flicker"].count == 2


def test_types_that_tell_no_class_are_reported_with_their_names(tmp_path):
    rows = eastward(type="t7")
    del rows[0][1][0][1]["type"]
    found, _ = driven(tmp_path, rows)
    assert "'t7'" in found["trace.unknown_types"].text
    assert found["trace.untyped"].count == 1


# Passengers


def test_a_person_in_a_bus_is_no_road_user_while_it_rides(tmp_path):
    rows = []
    for i in range(6):
        rider = person(x=8 * i, speed=8) if i < 4 else person(x=26 + i, y=3, speed=1)
        rows.append((i, [car("bus", x=8 * i, speed=8, type="bus"), rider, person("walker", x=8 * i, y=4, speed=8)]))
    found, there = driven(tmp_path, rows)
    assert there[1.0] == {"bus", "person:walker"}
    assert there[4.0] == {"bus", "person:walker", "person:p"}
    assert found["trace.riders"].count == 1
    assert "'p'" in found["trace.riders"].text


def test_a_person_in_a_standing_car_is_no_road_user_even_without_speeds(tmp_path):
    users = [car(x=5), person(x=5)]
    for _, attributes in users:
        del attributes["speed"]
    assert driven(tmp_path, [(i, users) for i in range(6)])[1][0.0] == {"a"}


def test_a_person_at_the_speed_of_a_car_without_a_car_is_reported(tmp_path):
    rows = [(time, [*users, person(x=500 + 9 * time, y=40, speed=9)]) for time, users in eastward()]
    assert "'p'" in driven(tmp_path, rows)[0]["trace.fast_persons"].text


def test_a_street_that_is_empty_at_the_end_of_the_trace_is_told_from_an_end_of_the_trace(tmp_path):
    rows = [*eastward(steps=3), *((time, []) for time in range(3, 9))]
    assert "the last road user of the trace is there at 2 s" in driven(tmp_path, rows)[0]["trace.ends_early"].text


def test_containers_are_left_out_and_counted(tmp_path):
    rows = [(i, [car(x=10 * i), ("container", {"id": "k", "x": "3", "y": "9", "angle": "0"})]) for i in range(6)]
    found, there = driven(tmp_path, rows)
    assert there[0.0] == {"a"}
    assert found["trace.containers"].count == 1


def test_a_road_user_without_a_name_is_refused(tmp_path):
    with pytest.raises(MobilityError, match="its id is empty"):
        opened(tmp_path, [(0, [car("", x=0)])])


def test_a_road_user_outside_a_time_step_is_refused(tmp_path):
    (tmp_path / "t.xml").write_text("<fcd-export><vehicle id='a' x='0' y='0' angle='0'/></fcd-export>")
    with pytest.raises(MobilityError, match="inside a <timestep>"):
        FcdMobility(tmp_path / "t.xml", Names())


def test_what_is_read_ahead_does_not_depend_on_the_length_of_the_trace(tmp_path):
    rows = [(i, [car(f"c{k}", x=10 * i, y=20 * k) for k in range(200)]) for i in range(400)]
    traffic = opened(tmp_path, rows)
    assert len(traffic._ahead) < 110
    np.testing.assert_allclose(traffic.snapshot(399_000_000).boxes.center_m[:, 0], 3987.5)


def test_what_happens_before_and_after_the_run_is_not_reported(tmp_path):
    rows = eastward(steps=60)
    for time, users in rows:
        if time in (5, 50):
            users[0][1]["x"] = "9000"
            users[1][1]["type"] = "t7"
            users.append(person(x=9000))
        if time in (8, 9, 52):
            del users[1]
    assert set(driven(tmp_path, rows, begin_s=20, end_s=30)[0]) == {"trace.interpolated"}
    assert {"trace.jumps", "trace.unknown_types", "trace.riders", "trace.flicker"} < set(
        driven(tmp_path, rows, end_s=60)[0]
    )
