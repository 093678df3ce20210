"""Road users and stations that a scenario asks for and that never come are reported."""

import numpy as np
import pytest

from tests.engine.stations.test_roster import Town


def reported(*ticks, **sections):
    """Return the notices of a run, by subject; each tick lists the vehicles on the road."""
    town = Town(**sections)
    for vehicles in ticks:
        town.fleet(list(vehicles))
    return {notice.subject: notice for notice in town.roster.notices()}


def test_a_run_with_all_who_were_asked_for_has_nothing_to_report():
    sections = {
        "stations": {"include": ["a"], "count": 2, "region": [-5, -5, 5, 5]}, "lidars": {"include": ["a"], "count": 1},
        "cooperation": {"egos": ["a"]},
    }  # fmt: skip
    assert reported("ab", "abc", **sections) == {}


@pytest.mark.parametrize(
    ("key", "sections"),
    [
        ("stations.include", {"stations": {"include": ["a", "nobody"]}}),
        ("lidars.include", {"lidars": {"include": ["a", "nobody"]}}),
        ("cooperation.egos", {"cooperation": {"egos": ["a", "nobody"]}}),
    ],
)
def test_a_name_that_never_appears_is_reported_with_its_key(key, sections):
    notice = reported("ab", **sections)["names.never_there"]
    assert notice.count == 1
    assert notice.text.startswith(f"{key}: 1 of 2 names never appeared among 2 road users ('a', 'b'): 'nobody'")


def test_a_name_with_a_typing_error_is_reported_with_the_nearest_one():
    notice = reported(["car1", "car2"], cooperation={"egos": ["cra1", "car2"]})["names.never_there"]
    assert "did you mean 'car1'?" in notice.text


def test_that_no_ego_was_ever_there_is_said_loudly():
    assert "NO EGO was ever there" in reported("ab", cooperation={"egos": ["x", "y"]})["names.never_there"].text


def test_a_vehicle_that_comes_in_the_last_tick_is_there():
    assert reported("a", "a", "ab", cooperation={"egos": ["b"]}) == {}


def test_a_roadside_unit_may_be_an_ego_but_is_no_vehicle():
    unit = {"id": "mast", "position_m": [0, 0]}
    assert reported("a", stations={"roadside": [unit], "penetration": 1.0}, cooperation={"egos": ["mast"]}) == {}
    found = reported("a", stations={"roadside": [unit], "include": ["mast"]})
    assert "'mast'" in found["names.never_there"].text


@pytest.mark.parametrize(
    ("sections", "reason"),
    [
        ({"stations": {"include": ["a"]}}, "has no radio (stations.include)"),
        ({"lidars": {"include": ["a"]}}, "carries no lidar (lidars.include)"),
    ],
)
def test_a_named_ego_that_is_there_but_cannot_fuse_is_reported_with_the_reason(sections, reason):
    notice = reported("ab", cooperation={"egos": ["b"]}, **sections)["egos.never_ego"]
    assert f"'b' {reason}" in notice.text
    assert "no ego was ever there" in notice.text


def test_where_another_ego_fuses_the_metrics_are_not_called_empty():
    notice = reported("abc", cooperation={"egos": ["a", "b"]}, lidars={"include": ["a"]})["egos.never_ego"]
    assert (notice.count, "no ego was ever there" in notice.text) == (1, False)


def test_a_lidar_on_a_vehicle_without_a_radio_is_reported():
    assert (
        "'b'" in reported("ab", stations={"include": ["a"]}, lidars={"include": ["a", "b"]})["lidars.no_station"].text
    )


def test_a_number_of_stations_that_is_not_reached_is_reported_with_the_ticks():
    notice = reported("ab", "abc", "abcd", stations={"count": 3})["stations.count_not_reached"]
    assert notice.count == 1
    assert "3 wanted, but at most 3 connected vehicles" in notice.text
    assert "1 of 3 steps" in notice.text


def test_a_number_of_lidars_that_is_not_reached_is_reported():
    notice = reported("ab", "ab", stations={"penetration": 1.0}, lidars={"count": 5})["lidars.count_not_reached"]
    assert (notice.count, "at most 2" in notice.text) == (2, True)


def test_a_region_in_which_nobody_ever_is_is_reported_with_the_place_of_the_traffic():
    notice = reported("ab", stations={"count": 1, "region": [500, 500, 600, 600]})["stations.region_empty"]
    assert "(0, 0) and (1, 0)" in notice.text


def test_traffic_without_any_road_user_is_said_loudly():
    found = reported("", "", cooperation={"egos": ["a"]})
    assert "NO ROAD USER" in found["traffic.nobody"].text
    assert found["traffic.nobody"].count == 2
    assert "never appeared among 0 road users" in found["names.never_there"].text


def test_steps_without_road_users_are_counted():
    assert reported("", "a", "")["traffic.empty_steps"].count == 2


def test_a_run_without_a_station_is_reported():
    assert "stations.none" in reported("ab", stations={"penetration": 0.0})


def test_pedestrians_do_not_fill_a_region():
    town = Town(stations={"count": 1, "region": [-5, -5, 5, 5]})
    town.fleet(["p"], kinds=["pedestrian"], x_m=np.zeros(1))
    assert "stations.region_empty" in {notice.subject for notice in town.roster.notices()}


def test_a_radio_study_without_lidars_by_wish_is_not_told_that_it_has_none():
    assert reported("ab", lidars={"count": 0}) == {}
    assert "egos.none" in reported("ab", lidars={"include": ["c"]})


def test_a_person_named_without_its_prefix_is_recognised():
    notice = reported(["person:7", "car"], stations={"include": ["7"]})["names.never_there"]
    assert "did you mean 'person:7'?" in notice.text


def test_a_roadside_unit_in_another_frame_is_reported_with_its_distance():
    units = [{"id": "near", "position_m": [0, 900]}, {"id": "utm", "position_m": [549266, 5634490]}]
    notice = reported("ab", "b", stations={"roadside": units, "penetration": 1.0})["roadside.far"]
    assert notice.count == 1
    assert "'utm' never came closer than 5,661," in notice.text
