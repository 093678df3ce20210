"""Average precision: values worked by hand, and the laws it keeps."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from v2xsim.perception.metrics.average_precision import Frame, ap, ap_opencood_local, curves, joined, matched
from v2xsim.records import Boxes, Detections


def cars(x: list[float]) -> Boxes:
    n = len(x)
    return Boxes(np.column_stack([x, np.zeros(n), np.zeros(n)]), np.tile([4.0, 2.0, 1.5], (n, 1)), np.zeros(n))


def frame(found: list[tuple[float, float]], objects: list[float]) -> Frame:
    """Return a frame of cars in a row: detections by x and score, objects by x."""
    x, score = [f[0] for f in found], np.array([f[1] for f in found], float)
    return Frame(Detections(cars(x), np.zeros((len(x), 2)), score, np.zeros(len(x), np.int64)), cars(objects))


def areas(frames: list[Frame]) -> list[float]:
    return [curve.ap for curve in ap(frames)]


# Cars 4 m long in a row: shifted by s they overlap (4 - s) / (4 + s); 0.5 m apart that is 0.78, 2 m apart 0.33.
place = st.integers(0, 40).map(lambda i: i * 0.5)
scores = st.sampled_from([0.1, 0.3, 0.5, 0.7, 0.9])
frames = st.lists(
    st.tuples(st.lists(st.tuples(place, scores), max_size=6), st.lists(place, max_size=4, unique=True)),
    min_size=1,
    max_size=4,
).map(lambda rows: [frame(*row) for row in rows])


def shuffled(frames: list[Frame], random) -> list[Frame]:
    mixed = []
    for one in frames:
        rows, truth = list(range(len(one.detections))), list(range(len(one.objects)))
        random.shuffle(rows)
        random.shuffle(truth)
        mixed.append(Frame(one.detections[np.array(rows, int)], one.objects[np.array(truth, int)]))
    random.shuffle(mixed)
    return mixed


def test_a_miss_before_two_hits_gives_two_thirds_in_either_order_of_frames():
    # A case worked by hand: precision 0, 1/2, 2/3; interpolated 2/3 at both recalls.
    first, second = frame([(50, 0.9), (0, 0.8)], [0]), frame([(0, 0.7)], [0])
    assert areas([first, second]) == areas([second, first]) == pytest.approx([2 / 3] * 3)


def test_opencoods_convention_gives_five_sixths_or_two_thirds_by_the_order_of_frames():
    first, second = frame([(50, 0.9), (0, 0.8)], [0]), frame([(0, 0.7)], [0])
    both = (ap_opencood_local([first, second])[0], ap_opencood_local([second, first])[0])
    assert both == pytest.approx((2 / 3, 5 / 6))


def test_perfect_detections_score_one():
    assert areas([frame([(0, 0.3), (10, 0.9)], [0, 10]), frame([(20, 0.5)], [20])]) == [1.0, 1.0, 1.0]


def test_a_box_two_metres_off_counts_at_an_overlap_of_three_tenths_only():
    assert areas([frame([(2, 0.9)], [0])]) == [1.0, 0.0, 0.0]


def test_one_car_reported_twice_is_found_once():
    (curve, *_) = ap([frame([(0, 0.9), (0.5, 0.8)], [0])])
    assert (curve.recall.tolist(), curve.precision.tolist()) == ([1.0, 1.0], [1.0, 0.5])


def test_a_detection_takes_the_object_that_it_overlaps_most():
    # The better detection overlaps the first car by 1/3 and the second by 3/5, and leaves the first to the other one.
    assert areas([frame([(2, 0.9), (0, 0.8)], [0, 3])])[0] == 1.0


def test_which_of_two_equally_overlapped_objects_is_taken_does_not_depend_on_their_rows():
    # The better detection overlaps both cars by 3/5; the other one reaches 1/2 with the first car only.
    found = [(1, 0.9), (0.5, 0.8)]
    assert areas([frame(found, [0, 2])]) == areas([frame(found, [2, 0])])


def test_detections_of_equal_score_enter_the_curve_together():
    (curve, *_) = ap([frame([(0, 0.5), (50, 0.5), (10, 0.5)], [0, 10])])
    assert (curve.recall.tolist(), curve.precision.tolist()) == ([1.0], [pytest.approx(2 / 3)])


def test_nothing_reported_scores_nothing():
    assert areas([frame([], [0])]) == [0.0, 0.0, 0.0]


def test_without_objects_there_is_no_average_precision():
    assert np.isnan(areas([frame([(0, 0.9)], [])])).all()


def test_no_frames_have_no_average_precision():
    assert np.isnan(areas([])).all()


@given(frames, st.randoms())
@settings(max_examples=150, deadline=None)
def test_the_order_of_frames_detections_and_objects_changes_nothing(given_frames, random):
    before, after = ap(given_frames), ap(shuffled(given_frames, random))
    for a, b in zip(before, after, strict=True):
        np.testing.assert_array_equal(a.ap, b.ap)
        np.testing.assert_array_equal(a.precision, b.precision)


@given(frames)
@settings(max_examples=100, deadline=None)
def test_average_precision_lies_between_zero_and_one(given_frames):
    values = [value for value in areas(given_frames) if not np.isnan(value)]
    assert all(0.0 <= value <= 1.0 for value in values)


@given(frames, st.integers(0, 3))
@settings(max_examples=100, deadline=None)
def test_one_more_false_positive_at_the_bottom_never_raises_it(given_frames, which):
    which %= len(given_frames)
    ghost = frame([(500.0, 0.1)], []).detections
    more = list(given_frames)
    more[which] = replace(more[which], detections=Detections.joined([more[which].detections, ghost]))
    before, after = np.array(areas(given_frames)), np.array(areas(more))
    assert (np.isnan(before) | (after <= before)).all()


@given(frames, st.floats(0.01, 1.0))
@settings(max_examples=60, deadline=None)
def test_only_the_ranking_of_scores_matters(given_frames, factor):
    scaled = [replace(f, detections=replace(f.detections, score=f.detections.score * factor)) for f in given_frames]
    np.testing.assert_array_equal(areas(given_frames), areas(scaled))


def test_matches_kept_frame_by_frame_give_the_same_curve():
    two = [frame([(50, 0.9), (0, 0.8)], [0]), frame([(0, 0.7)], [0, 10])]
    assert [c.ap for c in curves(joined([matched(f) for f in two]))] == areas(two)
