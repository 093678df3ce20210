"""Traces whose times, places, names and passengers are not what the run needs: refused or reported."""

import numpy as np
import pytest

from tests.mobility.traces import car, driven, eastward, opened, person, trace
from v2xsim.mobility.base import MobilityError, Names
from v2xsim.mobility.fcd import FcdMobility

# Time.


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


# Places.


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


# Names.


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


def test_a_car_that_becomes_a_truck_while_it_drives_is_absent_between_the_two_samples(tmp_path):
    rows = [
        (time, [car(x=10 * time, type="truck" if 3 <= time < 5 else "car"), car("b", x=10 * time, y=8)])
        for time in range(8)
    ]
    found, there = driven(tmp_path, rows, end_s=7)
    assert there[2.0] == {"a", "b"}
    assert there[2.5] == {"b"}
    assert there[3.0] == {"a#2", "b"}
    notice = found["trace.body_changes"]
    assert notice.count == 2  # back to a car at 5 s
    assert "'a': it is absent between its samples at 2 s and 3 s" in notice.text


def test_a_name_that_is_used_again_after_a_pause_is_no_change_on_the_way(tmp_path):
    rows = [*eastward(steps=3), (10, [car(x=500, type="truck")]), (11, [car(x=510, type="truck")])]
    found, _ = driven(tmp_path, rows, end_s=12)
    assert "trace.body_changes" not in found


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


# Passengers.


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
