"""Who is in range of an ego, hidden from it, or on a collision course with it."""

from small_scenes import EGO, RANGE_M, scene

NEAR, EDGE, FAR = 2, 3, 4
AGENTS, PLACES_M = [EGO, NEAR, EDGE, FAR], [(0, 0), (20, 0), (50, 0), (50.1, 0)]


def test_road_users_up_to_the_range_are_scored_and_the_ego_is_not():
    assert scene(AGENTS, PLACES_M).near(RANGE_M).tolist() == [False, True, True, False]


def test_an_ego_at_the_roadside_is_scored_on_everybody_in_range():
    assert scene(AGENTS, PLACES_M, ego=99).near(RANGE_M).tolist() == [True, True, True, False]


def test_range_is_measured_from_where_the_ego_is_and_not_from_where_it_believes_it_is():
    assert scene(AGENTS, PLACES_M, error_m=(5.0, 0.0)).near(RANGE_M).tolist() == [False, True, True, False]


def test_conflicts_are_with_road_users_ahead_and_not_with_the_ego_itself():
    # At 10 m/s, in five seconds: 20 m ahead is met, 20 m behind is not, 60 m ahead is too far.
    around = scene([EGO, 2, 3, 4], [(0, 0), (20, 0), (-20, 0), (60, 0)])
    assert around.conflict.tolist() == [False, True, False, False]


def test_a_road_user_that_drives_at_the_same_velocity_is_in_no_conflict():
    around = scene([EGO, NEAR], [(0, 0), (20, 0)], velocity_mps=[(10, 0), (10, 0)])
    assert not around.conflict.any()


def test_distance_is_from_where_the_ego_is():
    around = scene(AGENTS, [(100, 50), (103, 54), (100, 90), (40, 50)], ego_m=(100.0, 50.0))
    assert around.distance_m.tolist() == [0, 5, 40, 60]


def test_conflicts_are_counted_from_where_the_ego_is():
    around = scene([EGO, 2, 3], [(100, 50), (120, 50), (80, 50)], ego_m=(100.0, 50.0))
    assert around.conflict.tolist() == [False, True, False]


def test_who_has_no_return_of_the_egos_own_lidars_is_hidden():
    assert scene(AGENTS, PLACES_M, own_points=[9, 0, 1, 0]).hidden.tolist() == [False, True, False, True]
