"""Awareness, conflicts, and the time from occlusion to awareness."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from v2xsim.perception.metrics.awareness import Episodes, aware, awareness_ratio, conflicts, step

places = st.integers(0, 5).flatmap(lambda n: arrays(np.float64, (n, 2), elements=st.integers(0, 8).map(float)))
motion = st.tuples(*(st.integers(-20, 20).map(float) for _ in range(4)))


def one(position, velocity, **more) -> bool:
    """Return whether a road user is in conflict with an ego at the origin that drives east at 10 m/s."""
    ego = np.zeros(2), np.array([10.0, 0.0])
    return bool(conflicts(*ego, np.array([position], float), np.array([velocity], float), **more)[0])


def ridden(rows, gap_us=1_000_000):
    """Return the episodes going on and those over after rows of (time, conflicted, hidden, known) of agent 7."""
    going, over = Episodes.none(), []
    for time_us, *flags in rows:
        conflicted, hidden, known = (np.array([bool(flag)]) for flag in flags)
        going, ended = step(going, conflicted, hidden, known, np.array([7]), time_us, gap_us)
        over += list(zip(ended.agent.tolist(), ended.start_us.tolist(), ended.aware_us.tolist(), strict=True))
    return going, over


def test_a_track_within_two_metres_is_awareness():
    assert aware(np.array([[0.0, 0], [10, 0]]), np.array([[2.0, 0], [12.1, 0]])).tolist() == [True, False]


def test_one_track_stands_for_one_road_user():
    assert aware(np.array([[0.0, 0], [1, 0]]), np.array([[0.4, 0]])).tolist() == [True, False]


def test_two_tracks_serve_two_road_users_even_if_both_are_nearest_to_one():
    assert aware(np.array([[0.0, 0], [2.5, 0]]), np.array([[0.9, 0], [-1.0, 0]])).all()


@given(places, places)
@settings(max_examples=120, deadline=None)
def test_as_many_road_users_are_known_as_any_pairing_allows(objects, tracks):
    few, many = (objects, tracks) if len(objects) <= len(tracks) else (tracks, objects)
    near = np.hypot(*(few[:, None] - many[None]).transpose(2, 0, 1)) <= 2.0
    best = max((near[range(len(few)), list(p)].sum() for p in permutations(range(len(many)), len(few))), default=0)
    assert aware(objects, tracks).sum() == best


def test_the_ratio_counts_road_users_within_range_only():
    known, objects = np.array([True, False, False]), np.array([[10.0, 0], [0, 20], [100, 0]])
    assert awareness_ratio(known, objects, np.zeros(2), 60.0) == 0.5


def test_with_nobody_in_range_there_is_no_ratio():
    assert np.isnan(awareness_ratio(np.array([True]), np.array([[100.0, 0]]), np.zeros(2), 60.0))


def test_a_crossing_road_user_that_arrives_with_the_ego_is_in_conflict():
    assert one((30, -30), (0, 10))


def test_a_crossing_road_user_that_arrives_a_second_later_is_not():
    assert not one((30, -40), (0, 10))


def test_a_car_in_the_next_lane_is_not_in_conflict():
    assert not one((0, 3.25), (10, 0))
    assert not one((40, 3.5), (-10, 0))


def test_a_meeting_beyond_the_horizon_is_no_conflict_yet():
    assert not one((110, 0), (-10, 0))
    assert one((110, 0), (-10, 0), horizon_s=5.5)


def test_a_road_user_that_has_passed_is_no_conflict():
    assert not one((-10, 0), (-10, 0))


@given(motion, st.floats(0, 2 * np.pi))
@settings(max_examples=100, deadline=None)
def test_a_conflict_is_what_a_fine_march_through_time_finds(state, heading):
    position, velocity = np.array(state[:2]), np.array(state[2:])
    ego_velocity = 10.0 * np.array([np.cos(heading), np.sin(heading)])
    t = np.linspace(0.0, 5.0, 5001)[:, None]
    miss = np.hypot(*(position + t * (velocity - ego_velocity)).T).min()
    said = conflicts(np.zeros(2), ego_velocity, position[None], velocity[None])[0]
    # 5 ms at up to 40 m/s relative speed: the march misses the closest point by 2 cm at most.
    assert said == (miss < 3.0) or abs(miss - 3.0) < 0.02


def test_an_episode_runs_from_hidden_conflict_to_the_first_awareness():
    _, over = ridden([(0, 1, 0, 0), (100, 1, 1, 0), (200, 1, 1, 0), (300, 1, 0, 1), (2_000_000, 0, 0, 1)])
    assert over == [(7, 100, 300)]


def test_who_is_known_when_it_disappears_is_an_episode_of_no_length():
    _, over = ridden([(100, 1, 1, 1), (200, 1, 1, 1), (2_000_000, 0, 0, 0)])
    assert over == [(7, 100, 100)]


def test_who_is_never_known_ends_as_never():
    _, over = ridden([(100, 1, 1, 0), (2_000_000, 0, 0, 0)])
    assert over == [(7, 100, -1)]


def test_a_conflict_in_plain_sight_is_no_episode():
    going, over = ridden([(0, 1, 0, 0), (100, 1, 0, 1)])
    assert len(going) == 0
    assert over == []


def test_hidden_without_conflict_is_no_episode():
    assert len(ridden([(0, 0, 1, 0)])[0]) == 0


def test_a_course_that_wavers_is_one_episode():
    going, over = ridden([(0, 1, 1, 0), (400_000, 0, 1, 0), (900_000, 1, 1, 0), (1_500_000, 0, 1, 0)])
    assert (going.start_us.tolist(), over) == ([0], [])


def test_awareness_lost_again_does_not_undo_the_first():
    going, _ = ridden([(0, 1, 1, 0), (100, 1, 1, 1), (200, 1, 1, 0), (300, 1, 1, 1)])
    assert going.aware_us.tolist() == [100]


def test_a_road_user_that_leaves_the_world_ends_its_episode():
    going, _ = ridden([(0, 1, 1, 0)])
    nobody, flags = np.zeros(0, np.int64), np.zeros(0, bool)
    going, over = step(going, flags, flags, flags, nobody, 1_000_001)
    assert (len(going), over.agent.tolist(), over.aware_us.tolist()) == (0, [7], [-1])


@given(st.lists(st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), min_size=3, max_size=3), max_size=12))
@settings(max_examples=100, deadline=None)
def test_road_users_have_their_episodes_independently_of_each_other(frames):
    def history(agents):
        going, over = Episodes.none(), []
        for number, rows in enumerate(frames):
            flags = np.array(rows)[agents]
            going, ended = step(going, *flags.T, np.array(agents), number * 600_000)
            over += [tuple(row) for row in zip(ended.agent, ended.start_us, ended.aware_us, strict=True)]
        return sorted(over)

    assert history([0, 1, 2]) == sorted(history([0]) + history([1]) + history([2]))


@pytest.mark.parametrize("order", list(permutations([3, 1, 2])))
def test_the_order_in_which_road_users_are_named_changes_nothing(order):
    yes = np.ones(3, bool)
    going, _ = step(Episodes.none(), yes, yes, ~yes, np.array(order), 5)
    assert going.agent.tolist() == [1, 2, 3]
