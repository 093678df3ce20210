"""The visibility detection model: its equations, its laws, and what its scores can and cannot tell."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from v2xsim.perception.detection.detector import DetectorView
from v2xsim.perception.detection.visibility_model import (
    CLUTTER_DRAWS,
    OBJECT_DRAWS,
    Clutter,
    Visibility,
    detect,
    detection_probability,
    most_false,
)
from v2xsim.records import Boxes

PARAMS = Visibility()
MANY = 4000


def cars(count: int) -> Boxes:
    center_m = np.column_stack([np.arange(count) * 10.0, np.zeros(count), np.zeros(count)])
    return Boxes(center_m, np.tile([4.5, 1.8, 1.5], (count, 1)), np.zeros(count))


def seen(points: np.ndarray, draws: np.ndarray, params: Visibility = PARAMS):
    count = len(points)
    return detect(cars(count), np.arange(count), points, draws, Clutter.none(), params)


def clutter(seed: int, params: Visibility = PARAMS, places: int = 400) -> Clutter:
    rng = np.random.default_rng(seed)
    return Clutter(rng.uniform(-50, 50, (places, 2)), rng.uniform(size=(most_false(params), CLUTTER_DRAWS)))


def frames_of_clutter(params: Visibility, count: int) -> list:
    none = np.zeros(0, np.int64)
    return [
        detect(Boxes.none(), none, none, np.zeros((0, OBJECT_DRAWS)), clutter(seed, params), params)
        for seed in range(count)
    ]


uniform = st.floats(1e-9, 1 - 1e-9)
objects_with_points = st.integers(1, 8).flatmap(
    lambda n: st.tuples(
        arrays(np.float64, (n, OBJECT_DRAWS), elements=uniform),
        arrays(np.int64, n, elements=st.integers(0, 400)),
        arrays(np.int64, n, elements=st.integers(0, 400)),
    )
)


def equal(one, other) -> bool:
    def columns(d):
        return (d.boxes.center_m, d.boxes.size_m, d.boxes.yaw_rad, d.velocity_mps, d.score, d.truth)

    return all(np.array_equal(a, b) for a, b in zip(columns(one), columns(other), strict=True))


@pytest.mark.parametrize("false_per_frame", [0.0, 0.5, 5.0])
@pytest.mark.parametrize("seed", range(6))
def test_objects_without_points_and_places_without_false_positives_need_not_be_looked_at(seed, false_per_frame):
    params, rng = Visibility(false_per_frame=false_per_frame), np.random.default_rng(seed)
    points, draws, some = rng.integers(0, 3, 60) * 20, rng.uniform(size=(60, OBJECT_DRAWS)), clutter(seed, params)
    view = DetectorView(
        cars(60), np.arange(60), points, lambda: np.zeros((0, 3)), lambda: some.place_m, lambda n: draws[:, :n],
        lambda rows, n: some.draws[:rows, :n], lambda rows, n: draws[rows, :n],
    )  # fmt: skip
    every = detect(cars(60), np.arange(60), points, draws, some, params)
    assert len(every) > 10
    assert equal(params.detect(view), every)


def test_half_of_the_objects_with_half_points_are_detected():
    assert detection_probability(np.array([12]), PARAMS)[0] == pytest.approx(0.5)


def test_the_detection_curve_is_the_hill_function_of_the_points():
    points = np.array([1, 5, 12, 60, 300])
    hill = points**1.6 / (points**1.6 + 12**1.6)
    np.testing.assert_allclose(detection_probability(points, PARAMS), hill)


def test_an_object_without_points_is_never_detected():
    assert len(seen(np.zeros(3, np.int64), np.full((3, OBJECT_DRAWS), 1e-300))) == 0


@given(objects_with_points)
@settings(max_examples=150, deadline=None)
def test_more_points_never_lose_a_detection(case):
    draws, points, extra = case
    assert set(seen(points, draws).truth) <= set(seen(points + extra, draws).truth)


@given(objects_with_points)
@settings(max_examples=150, deadline=None)
def test_more_points_never_lower_a_score_nor_move_a_box_away(case):
    draws, points, extra = case
    few, many = seen(points, draws), seen(points + extra, draws)
    many = many[np.isin(many.truth, few.truth)]
    there = cars(len(points))[few.truth]
    error_few, error_many = (np.abs(found.boxes.center_m - there.center_m) for found in (few, many))
    assert (many.score >= few.score).all()
    assert (error_many <= error_few + 1e-9).all()


@given(objects_with_points, st.randoms())
@settings(max_examples=60, deadline=None)
def test_what_is_detected_of_an_object_does_not_depend_on_the_others(case, random):
    draws, points, _ = case
    rows = sorted(random.sample(range(len(points)), random.randint(1, len(points))))
    every = detect(cars(len(points)), np.arange(len(points)), points, draws, Clutter.none(), PARAMS)
    some = detect(cars(len(points))[np.array(rows)], np.array(rows), points[rows], draws[rows], Clutter.none(), PARAMS)
    np.testing.assert_array_equal(some.boxes.center_m, every[np.isin(every.truth, rows)].boxes.center_m)


@given(objects_with_points, st.floats(0, 5))
@settings(max_examples=60, deadline=None)
def test_a_box_never_has_a_side_below_half_of_the_true_one(case, sigma):
    draws, points, _ = case
    found = seen(points, draws, Visibility(size_sigma_m=sigma))
    assert (found.boxes.size_m >= 0.5 * np.array([4.5, 1.8, 1.5])).all()


def test_the_position_error_at_half_points_has_the_stated_sigma():
    draws = np.random.default_rng(1).uniform(size=(MANY, OBJECT_DRAWS))
    found = seen(np.full(MANY, 12), draws)
    error = (found.boxes.center_m - cars(MANY)[found.truth].center_m).ravel()
    # About 6000 errors: the standard deviation of their standard deviation is 0.15 / sqrt(12000); five of those.
    assert error.std() == pytest.approx(0.15, abs=5 * 0.15 / np.sqrt(2 * len(error)))


def test_errors_fall_with_the_root_of_the_points_until_the_floor():
    draws = np.random.default_rng(2).uniform(size=(1, OBJECT_DRAWS))
    draws[0, 0] = 1e-9
    offset = [seen(np.array([n]), draws).boxes.yaw_rad[0] for n in (12, 48, 300, 100_000)]
    np.testing.assert_allclose(np.array(offset) / offset[0], [1.0, 0.5, 0.2, 0.2])


def test_the_number_of_false_positives_is_poisson():
    counts = np.array([len(found) for found in frames_of_clutter(PARAMS, 1000)])
    # Mean and variance of a Poisson count are both 0.5; five standard errors of each over 1000 frames.
    assert counts.mean() == pytest.approx(0.5, abs=5 * np.sqrt(0.5 / 1000))
    assert counts.var() == pytest.approx(0.5, abs=5 * np.sqrt((0.5 + 2 * 0.25) / 1000))


def test_false_positives_have_nothing_behind_them_and_stand_on_the_given_places():
    one = clutter(3, Visibility(false_per_frame=20.0))
    none = np.zeros(0, np.int64)
    params = Visibility(false_per_frame=20.0)
    found = detect(Boxes.none(), none, none, np.zeros((0, OBJECT_DRAWS)), one, params)
    places = {tuple(place) for place in one.place_m}
    assert len(found) > 5
    assert (found.truth == -1).all()
    assert {tuple(center) for center in found.boxes.center_m[:, :2]} <= places


def test_without_places_there_is_no_false_positive():
    assert len(frames_of_clutter(Visibility(false_per_frame=0.0), 1)[0]) == 0
    none, some = np.zeros(0, np.int64), clutter(1, Visibility(false_per_frame=50.0), places=0)
    found = detect(Boxes.none(), none, none, np.zeros((0, OBJECT_DRAWS)), some, Visibility(false_per_frame=50.0))
    assert len(found) == 0


@pytest.mark.parametrize("mean", [1e-6, 0.5, 10.0, 100.0])
def test_a_frame_wants_more_false_positives_than_it_can_have_once_in_a_thousand_million(mean):
    from scipy.stats import poisson

    assert poisson.sf(most_false(Visibility(false_per_frame=mean)), mean) <= 1e-9


def test_scores_of_true_and_false_positives_overlap_as_stated():
    draws = np.random.default_rng(4).uniform(size=(MANY, OBJECT_DRAWS))
    true = seen(np.full(MANY, 12), draws).score
    false = np.concatenate([f.score for f in frames_of_clutter(Visibility(false_per_frame=20.0), 100)])
    outranks = (true[:, None] > false[None, :]).mean()
    # Phi(1 / sqrt 2) = 0.760; the standard error is below sqrt(1 / (4 * 2000)) for some 2000 of each; five of those.
    assert outranks == pytest.approx(0.760, abs=5 * np.sqrt(1 / 8000))
