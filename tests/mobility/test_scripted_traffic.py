"""Road users that follow waypoints."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from v2xsim.mobility.base import MobilityError, Names
from v2xsim.mobility.script import ScriptMobility
from v2xsim.scenario.schema_world import Agent


def at(time_s, *agents):
    return ScriptMobility(agents, Names()).snapshot(round(time_s * 1e6))


def car(*waypoints, **other):
    return Agent(id="car", waypoints=list(waypoints), **other)


def test_the_centre_moves_linearly_between_waypoints():
    snapshot = at(2.5, car((0, 0, 0), (10, 40, 20)))
    np.testing.assert_allclose(snapshot.boxes.center_m, [[10.0, 5.0, 0.0]])
    np.testing.assert_allclose(snapshot.velocity_mps, [[4.0, 2.0]])


def test_the_heading_is_the_direction_of_travel():
    assert at(1, car((0, 0, 0), (2, 0, -10))).boxes.yaw_rad[0] == pytest.approx(-np.pi / 2)


@pytest.mark.parametrize("time_s", [0.0, 4.9, 20.0])
def test_a_road_user_rests_before_its_first_and_after_its_last_waypoint(time_s):
    snapshot = at(time_s, car((5, 0, 0), (10, 10, 0)))
    assert not snapshot.velocity_mps.any()
    assert snapshot.boxes.center_m[0, 0] == (0.0 if time_s < 5 else 10.0)


def test_a_stated_heading_holds_at_rest_only():
    agent = car((0, 0, 0), (5, 10, 0), heading_deg=90)
    assert at(9, agent).boxes.yaw_rad[0] == pytest.approx(np.pi / 2)
    assert at(2, agent).boxes.yaw_rad[0] == pytest.approx(0)


def test_a_road_user_that_waits_on_its_way_keeps_its_heading():
    agent = car((0, 0, 0), (5, 0, 50), (8, 0, 50), (12, 0, 90))
    snapshot = at(6, agent)
    assert not snapshot.velocity_mps.any()
    assert snapshot.boxes.yaw_rad[0] == pytest.approx(np.pi / 2)


@pytest.mark.parametrize(("time_s", "yaw_deg"), [(4.4, 0), (4.75, 22.5), (5.0, 45), (5.25, 67.5), (5.6, 90)])
def test_a_body_turns_over_five_metres_on_both_sides_of_a_corner(time_s, yaw_deg):
    # 10 m/s: half a second on either side of the corner at t = 5 s.
    yaw = at(time_s, car((0, 0, 0), (5, 50, 0), (10, 50, 50))).boxes.yaw_rad[0]
    assert np.degrees(yaw) == pytest.approx(yaw_deg, abs=1e-6)


def test_a_turn_goes_the_short_way_round():
    headings = [at(t, car((0, 0, 0), (5, -50, 5), (10, -100, 0))).boxes.yaw_rad[0] for t in np.arange(4.4, 5.7, 0.05)]
    assert (np.abs(headings) > np.pi / 2).all()


def test_the_catalogue_gives_the_body_unless_the_script_does():
    plain = at(0, car((0, 0, 0), kind="truck"))
    sized = at(0, car((0, 0, 0), kind="truck", size_m=(16.5, 2.5, 4.0)))
    assert plain.boxes.size_m[0].tolist() == [13.0, 2.6, 3.0]
    assert sized.boxes.size_m[0].tolist() == [16.5, 2.5, 4.0]
    assert sized.antenna_height_m[0] == 4.0


def test_ids_follow_the_script_after_those_that_are_registered_already():
    names = Names()
    names.register("pole")
    traffic = ScriptMobility([car((0, 0, 0)), Agent(id="b", waypoints=[(0, 1, 1)])], names)
    assert traffic.snapshot(0).agent.tolist() == [1, 2]
    assert traffic.name_of(2) == "b"
    assert traffic.agent_of("nobody") is None


def test_an_empty_script_has_nobody():
    assert len(at(3.0)) == 0


@given(
    st.lists(st.tuples(st.floats(3, 5), st.floats(-99, 99), st.floats(-99, 99)), min_size=2, max_size=6),
    st.floats(-5, 40),
)
def test_nobody_turns_or_moves_faster_than_the_path_asks(steps, time_s):
    times = np.cumsum([step[0] for step in steps])
    agent = car(*[(float(t), x, y) for t, (_, x, y) in zip(times, steps, strict=True)])
    before, after = at(time_s, agent), at(time_s + 1e-4, agent)
    legs = np.diff([[x, y] for _, x, y in steps], axis=0)
    fastest = (np.hypot(*legs.T) / np.diff(times)).max()
    assert np.linalg.norm(after.boxes.center_m - before.boxes.center_m) <= fastest * 1.01e-4 + 1e-9
    assert -np.pi < before.boxes.yaw_rad[0] <= np.pi


def test_road_users_whose_waypoints_are_outside_the_run_are_reported():
    script = [
        Agent(id="before", waypoints=[(0, 0, 0), (5, 50, 0)]), Agent(id="after", waypoints=[(3600, 9, 0), (3610, 59, 0)]),
        Agent(id="within", waypoints=[(0, 0, 9), (19, 50, 9)]), Agent(id="parked", waypoints=[(0, 0, 20)]),
    ]  # fmt: skip
    with ScriptMobility(script, Names(), (10_000_000, 20_000_000)) as traffic:
        (notice,) = traffic.notices()
    assert notice.count == 2
    assert "2 of 3 moving road users stand still all the time ('before', 'after')" in notice.text


def test_a_script_in_which_everybody_creeps_is_reported():
    creeping = [Agent(id="a", waypoints=[(0, 0, 0), (10_000, 100, 0)]), Agent(id="b", waypoints=[(0, 9, 0)])]
    assert "faster than 0.01 m/s" in ScriptMobility(creeping, Names(), (0, 10_000_000)).notices()[0].text
    driving = Agent(id="c", waypoints=[(0, 0, 9), (10, 100, 9)])
    assert ScriptMobility([driving, creeping[1]], Names(), (0, 10_000_000)).notices() == ()
    text = ScriptMobility([*creeping, driving], Names(), (0, 10_000_000)).notices()[0].text
    assert "1 of 2 moving road users never move ('a') faster than 0.01 m/s" in text


def test_a_script_in_which_a_road_user_is_faster_than_its_kind_usually_is_is_reported():
    script = [
        Agent(id="jogger", kind="pedestrian", waypoints=[(0, 0, 0), (10, 80, 0), (20, 81, 0)]),
        Agent(id="racer", waypoints=[(0, 0, 9), (5, 5, 9), (6, 105, 9)]),
        Agent(id="car", waypoints=[(0, 0, 20), (10, 650, 20)]),
    ]
    (notice,) = ScriptMobility(script, Names(), (0, 10_000_000)).notices()
    assert (notice.subject, notice.count) == ("traffic.fast", 2)
    assert (
        "first 'jogger' at 0 s (a pedestrian, usually at most 7 m/s); the fastest is 'racer' with 100 m/s"
        in notice.text
    )


@pytest.mark.parametrize(
    ("kind", "speed_mps"), [("pedestrian", 40), ("bicycle", 60), ("bus", 77), ("truck", 80), ("passenger", 200)]
)
def test_a_script_with_a_speed_that_nobody_can_reach_is_refused_with_the_limit(kind, speed_mps):
    agent = Agent(id="a", kind=kind, waypoints=[(3, 0, 0), (4, speed_mps, 0)])
    with pytest.raises(
        MobilityError, match=rf"traffic\.script: at 3 s: the speed of 'a' must be wrong: {speed_mps} m/s"
    ):
        ScriptMobility([agent], Names())


@pytest.mark.parametrize(
    ("heading_deg", "cause"),
    [(-60, "the opposite direction"), (2.0944, "radians"), (-30, "degrees clockwise from north"), (10, "")],
)
def test_a_heading_at_rest_that_is_not_that_of_the_way_is_reported(heading_deg, cause):
    agent = car((2, 0, 0), (12, -50, 86.6), heading_deg=heading_deg)
    (notice,) = ScriptMobility([agent], Names(), (0, 20_000_000)).notices()
    assert notice.subject == "script.turns"
    assert "first 'car' at 2 s: its heading_deg is" in notice.text
    assert cause in notice.text


@pytest.mark.parametrize(("heading_deg", "begin_s", "end_s"), [(120, 0, 20), (100, 0, 20), (0, 3, 11)])
def test_a_heading_at_rest_that_fits_the_way_or_never_counts_is_not_reported(heading_deg, begin_s, end_s):
    agent = car((2, 0, 0), (12, -50, 86.6), heading_deg=heading_deg)
    assert ScriptMobility([agent], Names(), (begin_s * 1_000_000, end_s * 1_000_000)).notices() == ()


def test_a_heading_that_is_wrong_at_the_end_of_the_way_or_at_a_stop_is_reported():
    way = [(0, 0, 0), (5, 50, 0), (8, 50, 0), (13, 50, 50)]
    (notice,) = ScriptMobility([car(*way, heading_deg=90)], Names(), (0, 20_000_000)).notices()
    assert "at 5 s" in notice.text
    (notice,) = ScriptMobility([car(*way, heading_deg=0)], Names(), (0, 20_000_000)).notices()
    assert "at 8 s" in notice.text


def rests(begin_s, end_s, *agents):
    run_us = (round(begin_s * 1e6), round(end_s * 1e6))
    notices = ScriptMobility(agents, Names(), run_us).notices()
    return [notice.text for notice in notices if notice.subject == "script.all_at_rest"]


@pytest.mark.parametrize(
    ("begin_s", "end_s", "waypoints", "words"),
    [
        (0, 4000, [(0, 0, 0), (4, 40, 0)], "all road users stand still from 4 s on,"),
        (0, 4000, [(0, 0, 0), (4, 40, 0), (4000, 40, 0)], "from 4 s on,"),
        (0, 100, [(90, 0, 0), (100, 40, 0)], "until 90 s,"),
        (10, 110, [(50, 0, 0), (60, 40, 0)], "until 50 s and from 60 s on,"),
    ],
)
def test_a_run_in_which_everybody_stands_most_of_the_time_is_reported(begin_s, end_s, waypoints, words):
    parked = Agent(id="parked", waypoints=[(0, 5, 5)])
    (text,) = rests(begin_s, end_s, car(*waypoints), parked)
    assert words in text


def test_a_rest_of_half_a_run_or_of_some_road_users_is_not_reported():
    assert rests(0, 8, car((0, 0, 0), (4, 40, 0))) == []
    assert rests(0, 4000, car((0, 0, 0), (4, 40, 0)), Agent(id="other", waypoints=[(0, 9, 9), (3000, 99, 9)])) == []
    assert rests(0, 10, Agent(id="parked", waypoints=[(0, 5, 5)])) == []
