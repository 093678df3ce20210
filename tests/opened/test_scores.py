"""Scores of frames, computed when they are used, in any order."""

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_runs import finished

import v2xsim
from v2xsim.evaluation.evaluator import Evaluator
from v2xsim.opened import scores
from v2xsim.opened.scores import Scores
from v2xsim.perception.tracking.station_tracks import tracker_at

STEP_US, RANGE_M, TRACKER = 100_000, 45.0, tracker_at(100_000)


@pytest.fixture(scope="module")
def frames():
    return v2xsim.open(finished("cooperation.fusion=early")[1])._recorded_frames


@pytest.fixture(scope="module")
def in_order(frames):
    evaluator = Evaluator(RANGE_M, TRACKER)
    return [score for tick in frames.ticks(STEP_US, TRACKER) for score in evaluator.add(tick)]


@pytest.fixture
def small_memory(monkeypatch):
    monkeypatch.setattr(scores, "KEPT_FRAMES", 4)
    monkeypatch.setattr(scores, "_FEWEST_TICKS", 3)
    monkeypatch.setattr(scores, "MARKS", 3)


def same(one, other):
    """Return whether two scores, or parts of them, are equal to the last bit."""
    if isinstance(one, np.ndarray):
        return np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if hasattr(one, "__dataclass_fields__"):
        return all(same(getattr(one, item.name), getattr(other, item.name)) for item in fields(one))
    return one == other


@pytest.mark.usefixtures("small_memory")
@settings(max_examples=20)
@given(st.lists(st.integers(0, 27), min_size=1, max_size=8))
def test_scores_in_any_order_are_those_of_all_frames_in_order_of_time(frames, in_order, numbers):
    found = Scores(frames, RANGE_M, STEP_US, TRACKER)
    for number in [*numbers, len(in_order) - 1]:
        assert same(found.of(number), in_order[number])


@pytest.mark.usefixtures("small_memory")
def test_the_scores_of_few_frames_and_the_tracks_of_few_instants_are_kept(frames):
    found = Scores(frames, RANGE_M, STEP_US, TRACKER)
    for number in range(len(frames)):
        found.of(number)
        assert sum(map(len, found._kept.values())) <= 4
    assert len(found._marks) <= 4


def test_a_frame_is_scored_when_its_score_is_used(monkeypatch):
    scored, of = [], Scores.of
    monkeypatch.setattr(Scores, "of", lambda self, number: scored.append(number) or of(self, number))
    run = v2xsim.open(finished("cooperation.fusion=early")[1])
    frame = run.frames("ego", time_s=1.2)[0]
    assert frame.detections["fused"] is not None
    assert scored == []
    assert frame.score is frame.score
    assert scored == [frame.number]
