"""What a run reports about traffic and stations under which cooperation cannot work, or bodies that cannot be."""

import numpy as np
import pytest

import v2xsim
from v2xsim.traffic_preview import previewed
from v2xsim.world.road_users import KINDS
from v2xsim.world.usual_sizes import is_unusual_size

BLOCK = {"footprint_m": [[100, 100], [110, 100], [110, 110], [100, 110]], "height_m": 10}


def street(*positions_m, world=None, **sections):
    """Return the notices of a script of cars that stand along a street, by subject."""
    script = [{"id": name, "waypoints": [[0, x, y]]} for name, (x, y) in zip("abcdefgh", positions_m, strict=False)]
    data = {
        "run": {"duration_s": 0.3}, "world": {"buildings": [BLOCK]} if world is None else world,
        "traffic": {"script": script}, **sections,
    }  # fmt: skip
    scenario = v2xsim.scenario.from_data(data)
    return {notice.subject: notice for notice in previewed(scenario)}


FOUR = ((0, 0), (20, 0), (40, 0), (60, 0))


def test_a_plain_street_has_nothing_to_report():
    assert street(*FOUR) == {}


def test_bodies_that_overlap_are_named_with_the_time():
    found = street(*FOUR, (1, 0.5))
    assert list(found) == ["traffic.overlapping"]
    assert "'a' and 'e' at 0 s" in found["traffic.overlapping"].text


@pytest.mark.parametrize(
    ("more", "words"), [([(1, 0.5)], "1 pair of road users has"), ([(1, 0.5), (21, 0.5)], "2 pairs of road users have")]
)
def test_pairs_that_overlap_are_counted_in_words(more, words):
    assert f"traffic: {words} overlapping bodies" in street(*FOUR, *more)["traffic.overlapping"].text


def test_a_pair_that_overlaps_at_every_tick_counts_once():
    assert street(*FOUR, (1, 0.5))["traffic.overlapping"].count == 1


def test_the_parts_of_one_vehicle_do_not_overlap_each_other():
    truck = {"id": "truck", "kind": "truck", "size_m": [16.5, 2.5, 4.0], "waypoints": [[0, 0, -30], [9, 40, -30]]}
    script = [{"id": name, "waypoints": [[0, 20 * place, 0]]} for place, name in enumerate("abcd")]
    assert "traffic.overlapping" not in street(traffic={"script": [*script, truck]})


def test_a_town_without_buildings_is_reported():
    assert list(street(*FOUR, world={})) == ["world.no_buildings"]


@pytest.mark.parametrize(
    "radio", [{"channel": "tr37885_highway"}, {"access": "ideal"}, {"propagation": {"states": "tr37885"}}]
)
def test_buildings_are_not_missed_where_the_radio_needs_none(radio):
    assert street(*FOUR, world={}, radio=radio) == {}


def fast_car(**sections):
    script = [
        {"id": name, "waypoints": [[0, x, 0], [1, x + move, 0]]}
        for name, x, move in (("a", 0, 14), ("b", 50, 18), ("c", 90, 30))
    ]
    data = {"run": {"duration_s": 0.3}, "world": {"buildings": [BLOCK]}, "traffic": {"script": script}, **sections}
    notices = previewed(v2xsim.scenario.from_data(data))
    return [notice for notice in notices if notice.subject == "cooperation.hidden_speed"]


def test_road_users_faster_than_hidden_ones_may_be_are_reported_with_the_fastest():
    (notice,) = fast_car()
    assert notice.count == 2
    assert "at most 14 m/s everywhere, but 2 road users drove much faster, 'c' 30 m/s" in notice.text


def test_road_users_faster_than_the_limits_of_the_map_are_reported_with_the_worst():
    roads = [{"center_m": [[0, 0], [200, 0]]}]
    (notice,) = fast_car(world={"buildings": [BLOCK], "roads": roads})
    assert notice.count == 1
    assert (
        "1 road user near egos drove more than 1.5 times as fast, 'c' 30 m/s where 13.9 m/s are assumed" in notice.text
    )
    (notice,) = fast_car(world={"buildings": [BLOCK], "roads": [{"center_m": [[0, 50], [200, 50]], "speed_kmh": 120}]})
    assert notice.count == 3
    assert "where 2.2 m/s are assumed" in notice.text


def test_road_users_far_from_egos_may_be_fast():
    near = {"cooperation": {"egos": ["a"], "matrix": {"extent_m": 80, "cell_m": 4}}}
    assert fast_car(world={"buildings": [BLOCK], "roads": [{"center_m": [[0, 0], [200, 0]]}]}, **near) == []


@pytest.mark.parametrize(
    "sections",
    [
        {"world": {"buildings": [BLOCK], "roads": [{"center_m": [[0, 0], [200, 0]], "speed_kmh": 120}]}},
        {"cooperation": {"hidden_speed_mps": 36.0}},
        {"cooperation": {"fusion": "none"}},
    ],
)
def test_fast_road_users_are_no_surprise_with_a_map_a_higher_speed_or_without_requests(sections):
    assert fast_car(**sections) == []


@pytest.mark.parametrize(("count", "words"), [(2, "no candidate"), (3, "1 candidate")])
def test_a_relay_rule_without_a_choice_is_reported(count, words):
    found = street(*FOUR[:count])
    assert list(found) == ["cooperation.few_relays"]
    assert words in found["cooperation.few_relays"].text


@pytest.mark.parametrize("cooperation", [{"relay": "none"}, {"matching": "none"}, {"fusion": "none"}])
def test_few_stations_are_no_fault_where_nothing_is_relayed(cooperation):
    assert street(*FOUR[:2], cooperation=cooperation) == {}


def test_few_stations_relay_no_reports_either():
    assert list(street(*FOUR[:2], cooperation={"fusion": "cpm"})) == ["cooperation.few_relays"]


def test_stations_without_lidar_that_relay_reports_are_no_fault():
    reports = {"fusion": "cpm"}
    assert street(*FOUR, lidars={"include": ["a", "b"]}, cooperation=reports) == {}
    assert list(street(*FOUR, lidars={"include": ["a", "b"]}, cooperation={**reports, "relay": "none"})) == [
        "lidars.none_to_share"
    ]


@pytest.mark.parametrize("fusion", ["early", "cpm"])
def test_stations_without_lidar_load_no_ideal_channel(fusion):
    lidars = {"include": ["a", "b"]}
    assert street(*FOUR, lidars=lidars, radio={"access": "ideal"}, cooperation={"fusion": fusion}) == {}


def test_stations_without_lidar_are_reported_where_they_relay_nothing():
    lidars = {"include": ["a", "b"]}
    assert street(*FOUR, lidars=lidars) == {}
    found = street(*FOUR, lidars=lidars, cooperation={"relay": "none"})
    assert list(found) == ["lidars.none_to_share"]
    assert "2 of 4 stations never carry a lidar" in found["lidars.none_to_share"].text


def test_stations_without_lidar_load_the_channel_only_where_something_is_sent():
    lidars = {"include": ["a", "b"]}
    sent = street(*FOUR, lidars=lidars, cooperation={"relay": "none"})["lidars.none_to_share"].text
    at_once = street(*FOUR, lidars=lidars, cooperation={"transport": "synchronous"})["lidars.none_to_share"].text
    assert "load the channel" in sent
    assert "load the channel" not in at_once
    assert "nothing is sent" in at_once


def test_egos_without_a_helper_in_range_are_reported_with_the_distance():
    found = street((0, 0), (130, 0), (260, 0), (390, 0))
    assert list(found) == ["cooperation.no_helper_in_range"]
    assert "never closer than 130 m" in found["cooperation.no_helper_in_range"].text


def test_a_helper_at_the_corner_of_the_matrix_is_in_range():
    assert street((0, 0), (99, 99), (0, 200), (99, 299)) == {}


def test_a_single_ego_with_the_only_lidar_has_no_helper():
    found = street(*FOUR, lidars={"include": ["a"]})
    assert "no other station has a lidar" in found["cooperation.no_helper_in_range"].text


def test_a_run_reports_what_the_preview_of_its_traffic_reports():
    script = [{"id": name, "waypoints": [[0, x, 0]]} for name, x in (("a", 0), ("b", 1))]
    scenario = v2xsim.scenario.from_data({"run": {"duration_s": 0.2}, "traffic": {"script": script}})
    assert v2xsim.run(scenario).notices == previewed(scenario)
    assert {notice.subject for notice in previewed(scenario)} >= {"traffic.overlapping", "world.no_buildings"}


HALL = {"footprint_m": [[-10, -10], [100, -10], [100, 10], [-10, 10]], "height_m": 12}


def test_road_users_inside_a_building_are_counted_with_the_first_one():
    found = street((0, 0), (20, 0), (0, 40), world={"buildings": [HALL]})["traffic.inside_building"]
    assert found.count == 2
    assert "'a' at 0 s at (0.0, 0.0)" in found.text


def test_road_users_through_whose_bodies_a_wall_passes_are_counted_apart_from_those_inside():
    notices = street((0, 0), (101, 0), (0, 40), world={"buildings": [HALL]})
    assert (notices["traffic.inside_building"].count, notices["traffic.in_wall"].count) == (1, 1)
    assert "'b' at 0 s at (101.0, 0.0)" in notices["traffic.in_wall"].text


def test_a_roadside_unit_below_a_roof_is_reported_and_one_above_it_is_not():
    units = [{"id": "low", "position_m": [50, 5]}, {"id": "high", "position_m": [60, 5], "height_m": 14}]
    found = street((0, 40), (20, 40), world={"buildings": [HALL]}, stations={"roadside": units})
    assert found["stations.inside_building"].count == 1
    assert "'low' at (50.0, 5.0), 6 m" in found["stations.inside_building"].text


def test_buildings_far_from_all_traffic_are_reported_with_their_distance():
    far = {"footprint_m": [[5000, 0], [5010, 0], [5010, 10]], "height_m": 10}
    assert "at least 4940 m" in street(*FOUR, world={"buildings": [far]})["buildings.far"].text
    assert "buildings.far" not in street(*FOUR, world={"buildings": [far, BLOCK]})


def test_link_states_drawn_by_distance_are_reported_where_buildings_stand():
    found = street(*FOUR, radio={"propagation": {"states": "tr37885"}})
    assert list(found) == ["radio.ignores_buildings"]
    assert street(*FOUR, world={}, radio={"propagation": {"states": "tr37885"}}) == {}


@pytest.mark.parametrize("place_m", [(7.6, 47.5), (500_000, 5_300_000)])
def test_a_road_user_far_from_all_others_is_named_with_its_place(place_m):
    crowd = [(3000 + 20 * k, 2000) for k in range(6)]
    script = [{"id": f"c{k}", "waypoints": [[0, *place]]} for k, place in enumerate([*crowd, place_m])]
    scenario = v2xsim.scenario.from_data({"run": {"duration_s": 0.2}, "traffic": {"script": script}})
    (found,) = [notice for notice in previewed(scenario) if notice.subject == "traffic.far_away"]
    assert found.count == 1
    assert (
        f"1 road user far from the 6 others, first 'c6' with its centre at ({place_m[0]:.7g}, {place_m[1]:.7g}) at 0 s"
        in found.text
    )
    assert ("longitude and latitude" in found.text) == (place_m == (7.6, 47.5))


@pytest.mark.parametrize(
    "places_m", [[(0, 0), (5000, 0)], [(0, 0), (900, 0), (1800, 0), (2700, 0)], [(0, 0)] * 4 + [(2500, 0)] * 4]
)
def test_sparse_traffic_and_two_villages_are_not_reported_as_far(places_m):
    script = [{"id": f"c{k}", "waypoints": [[0, x, y + 8 * k]]} for k, (x, y) in enumerate(places_m)]
    scenario = v2xsim.scenario.from_data({"run": {"duration_s": 0.2}, "traffic": {"script": script}})
    assert not [notice for notice in previewed(scenario) if notice.subject == "traffic.far_away"]


def test_a_road_user_that_comes_from_afar_is_not_far_from_the_others(tmp_path):
    steps = "".join(
        f"<timestep time='{i}'>"
        + "".join(f"<vehicle id='c{k}' type='car' x='{9 * k}' y='0' angle='90' speed='0'/>" for k in range(4))
        + f"<vehicle id='guest' type='car' x='{9000 * (i < 2)}' y='9' angle='90' speed='0'/></timestep>"
        for i in range(4)
    )
    (tmp_path / "t.xml").write_text(f"<fcd-export>{steps}</fcd-export>")
    data = {"run": {"duration_s": 3, "step_s": 1}, "traffic": {"fcd": str(tmp_path / "t.xml")}}
    found = {notice.subject for notice in previewed(v2xsim.scenario.from_data(data))}
    assert "trace.jumps" in found
    assert "traffic.far_away" not in found


@pytest.mark.parametrize(
    ("kind", "size_m"),
    [
        ("passenger", (45, 18, 15)),
        ("passenger", (1.6, 1.8, 4.5)),
        ("bus", (12, 2.5, 12)),
        ("pedestrian", (1.7, 0.5, 17)),
        ("van", (0.06, 2, 2)),
    ],
)
def test_a_size_that_the_class_does_not_have_is_reported(kind, size_m):
    script = [{"id": "a", "kind": kind, "size_m": size_m, "waypoints": [[0, 0, 0]]}]
    scenario = v2xsim.scenario.from_data({"run": {"duration_s": 0.2}, "traffic": {"script": script}})
    (found,) = [notice for notice in previewed(scenario) if notice.subject == "traffic.sizes"]
    assert f"first 'a' ({kind}) at 0 s: {size_m[0]:g} x {size_m[1]:g} x {size_m[2]:g} m" in found.text


@pytest.mark.parametrize(
    ("kind", "size_m"), [("bus", (200, 3, 4)), ("truck", (25.25, 2.55, 4)), ("pedestrian", (0.215, 0.478, 1.719))]
)
def test_trains_road_trains_and_people_have_usual_sizes(kind, size_m):
    assert not is_unusual_size(np.array([KINDS.index(kind)], np.int8), np.array([size_m], float)).any()
