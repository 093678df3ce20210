"""Birth, confirmation and death of tracks, whatever the time between two frames."""

import pytest

from tests.perception.tracking.scenes import FRAME_US, PARAMS, after_frames, at, born, driven, seen, straight
from v2xsim.perception.tracking.tracker import TrackerParams, Tracks, step


def test_one_detection_confirms_nothing_and_two_of_three_do():
    assert not driven([[(0, 0)]]).confirmed.any()
    assert driven([[(0, 0)], [], [(0, 0)]]).confirmed.tolist() == [True]


def test_detections_too_far_apart_in_time_confirm_nothing():
    tracks = driven([[(0, 0)], [], [], [(0, 0)]])
    assert not tracks.confirmed.any()


def test_a_confirmed_track_outlives_missed_frames_and_keeps_moving():
    tracks = driven(straight(10.0, 10) + [[]] * 5)
    assert tracks.mean[0, 0] == pytest.approx(14.0, abs=0.1)


def test_a_track_is_forgotten_when_nothing_was_seen_for_long_enough():
    tracks = driven(straight(10.0, 10))
    assert len(step(tracks, at([]), tracks.time_us + PARAMS.coast_us)) == 1
    assert len(step(tracks, at([]), tracks.time_us + PARAMS.coast_us + 1)) == 0


def test_a_detection_after_a_long_silence_starts_a_new_track():
    tracks = driven(straight(0.0, 5))
    assert step(tracks, at([(0, 0)]), tracks.time_us + 5_000_000).track_id.tolist() == [1]


def test_a_false_positive_starts_a_track_that_dies_unconfirmed():
    tracks = driven([[(0, 0)], [], [], [], []])
    assert len(tracks) == 0


def test_a_doubtful_detection_starts_no_track_but_feeds_one():
    assert len(step(Tracks.none(), at([(0, 0)], score=0.1), 0)) == 0
    tracks = driven(straight(0.0, 2))
    assert step(tracks, at([(0, 0)], score=0.1), 200_000).hits.tolist() == [3]


@pytest.mark.parametrize(("score", "tracks"), [(0.2, 1), (0.1999, 0)])
def test_a_score_of_a_fifth_starts_a_track_and_a_lower_one_does_not(score, tracks):
    assert len(step(Tracks.none(), seen((0.0, 0.0), score=score), 0)) == tracks


def test_tracks_are_numbered_as_they_are_born_and_no_number_is_used_again():
    tracks = step(Tracks.none(), seen((0.0, 0.0), (50.0, 0.0)), 0)
    tracks = step(tracks, seen((100.0, 0.0)), 2_000_000)
    assert (tracks.track_id.tolist(), tracks.next_id) == ([2], 3)


@pytest.mark.parametrize(
    ("hits", "confirmed"),
    [([1], False), ([1, 1], True), ([1, 0, 1], True), ([1, 0, 0, 1], False), ([1, 0, 0, 1, 1], True)],
)
def test_two_of_the_last_three_steps_with_a_detection_confirm_a_track(hits, confirmed):
    assert after_frames(hits).confirmed.tolist() == [confirmed]


def test_a_confirmed_track_stays_confirmed_when_it_is_missed():
    assert after_frames([1, 1, 0, 0, 0, 0]).confirmed.tolist() == [True]


def test_hits_and_misses_are_counted():
    tracks = after_frames([1, 1, 0, 1, 0, 0])
    assert (tracks.hits.tolist(), tracks.misses.tolist()) == ([3], [2])


def test_the_latest_steps_are_kept_as_bits_the_latest_lowest():
    assert after_frames([1, 1, 0, 1]).recent.tolist() == [0b101]


@pytest.mark.parametrize(("silence_us", "tracks"), [(350_000, 1), (350_001, 0)])
def test_an_unconfirmed_track_dies_350_ms_after_its_last_detection(silence_us, tracks):
    assert len(step(born(), seen(), silence_us)) == tracks


@pytest.mark.parametrize(("silence_us", "tracks"), [(1_000_000, 1), (1_000_001, 0)])
def test_a_confirmed_track_dies_a_second_after_its_last_detection(silence_us, tracks):
    confirmed = after_frames([1, 1])
    assert len(step(confirmed, seen(), FRAME_US + silence_us)) == tracks


def test_a_track_that_has_died_takes_no_detection_of_that_step():
    after = step(born(), seen((0.0, 0.0)), 350_001)
    assert (after.track_id.tolist(), after.hits.tolist()) == ([1], [1])


def test_only_the_dead_among_several_tracks_go():
    tracks = step(after_frames([1, 1]), seen((50.0, 0.0)), FRAME_US)
    after = step(tracks, seen(), FRAME_US + 350_001)
    assert after.track_id.tolist() == [0]


@pytest.mark.parametrize(
    ("hits", "steps", "frames", "confirmed"), [(1, 1, [1], True), (3, 4, [1, 1, 0, 1], True), (3, 4, [1, 0, 1], False)]
)
def test_m_of_n_are_parameters(hits, steps, frames, confirmed):
    params, tracks = TrackerParams(confirm_hits=hits, confirm_steps=steps), Tracks.none()
    for number, hit in enumerate(frames):
        tracks = step(tracks, seen(*[(0.0, 0.0)] * hit), number * FRAME_US, params)
    assert tracks.confirmed.tolist() == [confirmed]


STEPS_US = [10_000, 50_000, 100_000, 300_000, 400_000, 500_000, 1_000_000]


def driven_at(step_us, seen, speed_mps=10.0):
    """Return the tracks after frames `step_us` apart, in which a car that drives is detected or not."""
    params, tracks = TrackerParams.at_step(step_us), Tracks.none(0)
    for number, is_seen in enumerate(seen):
        position = [(speed_mps * number * step_us * 1e-6, 0.0)] if is_seen else []
        tracks = step(tracks, at(position), number * step_us, params)
    return tracks


@pytest.mark.parametrize("step_us", STEPS_US)
def test_a_second_detection_confirms_a_track_whatever_the_time_between_frames(step_us):
    assert driven_at(step_us, [True, True]).confirmed.tolist() == [True]
    assert driven_at(step_us, [True, False, True]).confirmed.tolist() == [True]


@pytest.mark.parametrize("step_us", STEPS_US)
def test_a_confirmed_track_survives_one_missed_frame_whatever_the_time_between_frames(step_us):
    tracks = driven_at(step_us, [True, True, True, False, True])
    assert tracks.track_id.tolist() == [0]
    assert tracks.hits.tolist() == [4]


@pytest.mark.parametrize("step_us", STEPS_US)
def test_a_false_alarm_is_dropped_within_five_frames_or_the_usual_time(step_us):
    frames = 5 + PARAMS.tentative_us // step_us
    assert len(driven_at(step_us, [True] + [False] * frames)) == 0


@pytest.mark.parametrize("step_us", [step_us for step_us in STEPS_US if step_us <= FRAME_US])
def test_up_to_the_usual_step_the_parameters_are_the_usual_ones(step_us):
    assert TrackerParams.at_step(step_us) == PARAMS
