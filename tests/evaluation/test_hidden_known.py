"""The share of hidden road users that an ego knows, and its false tracks, in scenes small enough to check by hand."""

import numpy as np
import pytest
from small_scenes import EGO, RANGE_M, confirmed_tracks, detections, scene
from small_tables import counts, read, table, values

from v2xsim.evaluation.ego_frames import EgoFrames
from v2xsim.evaluation.evaluator import Evaluator
from v2xsim.evaluation.false_tracks import FalseTracks
from v2xsim.evaluation.metrics import all_metrics
from v2xsim.perception.tracking.station_tracks import tracker_at
from v2xsim.perception.tracking.tracker import Tracks
from v2xsim.records import Detections
from v2xsim.results.scored_tables import add_awareness, counts_of
from v2xsim.results.tables import Columns
from v2xsim.world.hidden_speeds import top_speeds_mps
from v2xsim.world.road_users import BICYCLE, PASSENGER, PEDESTRIAN

CHILD, OTHER = 2, 3
STEP_US = 100_000
WALKER_MPS = 2.2


def at(*places_m):
    """Return detections of a helper at these places."""
    return detections(places_m, [-1] * len(places_m)) if places_m else Detections.none()


def evaluated(
    users,
    reported=(),
    *,
    frames=2,
    own_points=0,
    announces=False,
    top_mps=WALKER_MPS,
    own_tracks=(),
    step_us=STEP_US,
    begin_us=0,
):
    """Return value and number of samples of each metric, after some frames of an ego that drives east at 10 m/s.

    Args:
        users: Place of each road user beside the ego.
        reported: Places that a helper reports in every frame.
        frames: Number of frames.
        own_points: Returns of the ego's own lidars on each road user.
        announces: Whether the road users have a radio.
        top_mps: Top speed of the road users.
        own_tracks: Places of confirmed tracks of the ego alone.
        step_us: Time between two frames.
        begin_us: Beginning of the run.
    """
    evaluator = Evaluator(RANGE_M, tracker_at(step_us))
    awareness, fusion = Columns("awareness"), {}
    agents = [EGO, *range(CHILD, CHILD + len(users))]
    for number in range(frames):
        around = scene(
            agents, [(0, 0), *users], own_points=[0] + [own_points] * len(users), time_us=begin_us + number * step_us
        )
        tick = EgoFrames.of(
            [around], [Detections.none()], [at(*reported)], [Detections.none()],
            [confirmed_tracks(own_tracks) if len(own_tracks) else Tracks.none(0)], [np.zeros(len(agents), np.int64)],
            np.array([True] + [announces] * len(users)), np.array([14.0] + [top_mps] * len(users)),
        )  # fmt: skip
        scores = evaluator.add(tick)
        add_awareness(awareness, tick, scores)
        for name, column in counts_of(scores).items():
            fusion.setdefault(name, []).extend(column.tolist())
    tables = {"awareness": awareness.finished(), "fusion": table("fusion", **fusion)}
    rows = all_metrics(read(tables), {}, 1.0, 150.0, step_us=step_us, begin_us=begin_us)
    of, samples = values(rows), counts(rows)
    return {name: (of[name, ""], samples[name, ""]) for name, part in of if part == ""}


def known(users, reported=(), **about):
    """Return the share known after fusion, and the number of cases."""
    return evaluated(users, reported, **about)["hidden_known_fused"]


# Who counts


def test_a_hidden_child_ahead_that_a_helper_reports_counts_from_the_second_report_on():
    """The first report starts a track, and the second confirms it."""
    found = evaluated([(20, 2)], [(20.5, 2)])
    assert (found["hidden_known_fused"], found["hidden_known_ego"]) == ((0.5, 2), (0.0, 2))


def test_a_child_that_nobody_reports_is_a_case_and_unknown():
    assert known([(20, 2)]) == (0.0, 2)


def test_a_track_that_the_ego_has_kept_counts_for_the_ego_alone():
    assert evaluated([(20, 2)], own_tracks=[(20, 2)])["hidden_known_ego"] == (1.0, 2)


def test_a_road_user_with_a_radio_is_no_case():
    assert known([(20, 2)], [(20.5, 2)], announces=True)[1] == 0


def test_a_road_user_that_the_own_scan_hits_once_is_no_case():
    assert known([(20, 2)], [(20.5, 2)], own_points=1)[1] == 0


def test_a_road_user_out_of_range_is_no_case():
    assert known([(50.1, 0)], top_mps=14.0)[1] == 0


def test_without_a_case_there_is_no_share():
    assert np.isnan(known([])[0])


# Who is relevant


@pytest.mark.parametrize(
    ("place_m", "top_mps", "is_relevant"),
    [
        # A runner comes to the lane 3 m away in 1.4 s, when the ego has gone 14 m.
        ((20, 3), WALKER_MPS, True),
        ((10, 8), WALKER_MPS, False),
        ((-10, 0), WALKER_MPS, False),
        # A car as fast as 14 m/s catches up with 4 m/s, and crosses from the side in time up to 49 m away.
        ((-19, 0), 14.0, True),
        ((-21, 0), 14.0, False),
        ((0, 48), 14.0, True),
        ((0, 49.5), 14.0, False),
    ],
)
def test_who_could_meet_the_ego_within_five_seconds_is_relevant(place_m, top_mps, is_relevant):
    assert known([place_m], top_mps=top_mps)[1] == (2 if is_relevant else 0)


def test_a_car_behind_a_faster_ego_is_not_relevant():
    assert known([(-5, 0)], top_mps=9.0)[1] == 0


def test_who_passes_the_ego_closely_is_relevant_although_they_cannot_meet_exactly():
    assert known([(10, 2.9)], top_mps=0.1)[1] == 2


def test_what_helpers_report_does_not_change_the_cases():
    users = [(20, 2), (30, -4), (10, 8)]
    assert known(users, [(20, 2), (30, -4), (-7, 0)])[1] == known(users)[1] == 4


def test_top_speeds_are_those_of_the_class_or_the_present_one_if_it_is_higher():
    kinds = np.array([PEDESTRIAN, BICYCLE, PASSENGER, PASSENGER, PEDESTRIAN], np.int8)
    velocity_mps = np.array([(0, 1), (3, 0), (0, 0), (-18, 24), (3, 0)], float)
    assert top_speeds_mps(kinds, velocity_mps).tolist() == [2.2, 7.0, 14.0, 30.0, 3.0]


# Who is known


def test_a_track_farther_away_than_two_metres_is_no_knowledge():
    assert known([(20, 0)], [(20, 1.9)]) == (0.5, 2)
    assert known([(20, 0)], [(20, 2.1)]) == (0.0, 2)


def test_one_track_between_two_road_users_counts_for_one_of_them():
    assert known([(20, 1), (20, -1)], [(20, 0)]) == (0.25, 4)


# False tracks


def false(users, reported, **about):
    """Return the new false tracks of an ego after fusion, per second."""
    return evaluated(users, reported, **about)["false_tracks_fused"][0]


def test_a_track_of_nobody_is_false_from_its_confirmation_on_and_counts_once():
    """One new track within the two seconds of 20 frames, and the samples are the frames."""
    found = evaluated([(20, 2)], [(20, 2), (30, 20)], frames=20)
    assert found["false_tracks_fused"] == (pytest.approx(0.5), 20)
    assert found["false_tracks_ego"] == (0.0, 20)


def test_false_tracks_of_the_ego_alone_are_counted_apart():
    found = evaluated([(20, 2)], own_tracks=[(30, 20)])
    assert (found["false_tracks_ego"][0], found["false_tracks_fused"][0]) == (pytest.approx(5.0), 0.0)


def test_the_number_per_second_does_not_depend_on_the_step():
    slow, fast = (false([], [(30, 20)], frames=2_000_000 // us, step_us=us) for us in (STEP_US, 20_000))
    assert slow == fast == pytest.approx(0.5)


def test_a_second_track_of_one_road_user_is_false():
    """Both are within 2 m of the car, and 3 m apart."""
    assert false([(20, 0)], [(20, 1.5)]) == 0.0
    assert false([(20, 0)], [(20, 1.5), (20, -1.5)]) == pytest.approx(5.0)


def test_a_track_of_a_road_user_with_a_radio_or_out_of_range_or_of_the_ego_is_not_false():
    assert false([(20, 0)], [(20, 0), (0.5, 0)], announces=True) == 0.0
    assert false([(50.5, 0)], [(49.9, 0)]) == 0.0


def test_a_false_track_out_of_range_does_not_count():
    assert false([], [(0, 50.1)]) == 0.0
    assert false([], [(0, 49.9)]) == pytest.approx(5.0)


def test_a_track_that_was_confirmed_once_and_not_yet_a_second_time_is_not_false():
    assert false([], [(30, 20)], frames=1) == 0.0


def test_a_track_counts_again_when_it_was_not_false_for_more_than_one_second():
    """It is false in frames 0 and 10, a second apart, and again in frame 21."""
    tracks, new = FalseTracks(), []
    for number in range(22):
        false = [7] if number in (0, 10, 21) else []
        group, ids = np.ones(len(false), np.int64), np.array(false, np.int64)
        new.append(tracks.add(number * STEP_US, np.array([EGO]), 2, group, ids)[0].tolist())
    assert {number: count for number, count in enumerate(new) if count != [0, 0]} == {0: [0, 1], 21: [0, 1]}


def test_tracks_with_the_same_number_of_two_egos_are_two():
    """Each ego numbers its tracks from 0; the second one has its false track a frame later."""
    evaluator = Evaluator(RANGE_M, tracker_at(STEP_US))
    agents, places_m = [EGO, OTHER], [(0.0, 0.0), (0.0, 30.0)]
    nothing, new = [Detections.none()] * 2, []
    for number in range(3):
        scenes = [
            scene(agents, places_m, ego=ego, ego_m=place, time_us=number * STEP_US)
            for ego, place in zip(agents, places_m, strict=True)
        ]
        reported = [at((30, 15)), at((30, 15)) if number else Detections.none()]
        tick = EgoFrames.of(scenes, nothing, reported, nothing, [Tracks.none(0)] * 2, [np.zeros(2, np.int64)] * 2)
        new.append(evaluator.add(tick).new_false_tracks[:, 1].tolist())
    assert new == [[0, 0], [1, 0], [0, 1]]


# Before the run has settled


def test_the_settled_share_counts_the_frames_from_one_second_after_the_beginning_on():
    found = evaluated([(20, 2), (20, -2)], [(20, 2)], frames=13, begin_us=60_000_000)
    # A track is confirmed with its second detection, so the first frame of the run knows none.
    assert found["hidden_known_settled_fused"] == (0.5, 3 * 2)
    assert found["hidden_known_fused"][1] == 13 * 2
    assert found["hidden_known_fused"][0] <= 0.5


def test_a_run_of_less_than_a_second_has_no_settled_share():
    assert evaluated([(20, 2)], frames=10)["hidden_known_settled_fused"][1] == 0
