"""Average precision over the frames of a run, in memory and by a temporary file."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from v2xsim.errors import UserError
from v2xsim.evaluation import precision
from v2xsim.evaluation.precision import AveragePrecision
from v2xsim.perception.metrics.average_precision import Matched, curves, joined

THRESHOLDS = (0.3, 0.5, 0.7)


@pytest.fixture
def small_memory(monkeypatch):
    monkeypatch.setattr(precision, "HELD", 8)


def frame(score, hit, objects=1, thresholds=THRESHOLDS):
    hits = np.array(hit, bool).reshape(-1, len(score)) if len(score) else np.zeros((len(thresholds), 0), bool)
    return Matched(
        np.array(thresholds), np.array(score, float), np.broadcast_to(hits, (len(thresholds), len(score))), objects
    )


def areas(frames, thresholds=THRESHOLDS):
    over_run = AveragePrecision(thresholds)
    for one in frames:
        over_run.add(one)
    return dict(over_run.areas())


def whole(frames, thresholds=THRESHOLDS):
    """Return the average precision by the curve of all frames together."""
    return {curve.threshold: curve.ap for curve in curves(joined(frames, thresholds))}


# Few distinct scores, so that many detections have equal ones.
SCORES = st.one_of(st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.floats(0, 1))
FRAMES = st.lists(
    st.lists(st.tuples(SCORES, st.tuples(*[st.booleans()] * 3)), max_size=7).map(
        lambda rows: frame([score for score, _ in rows], [list(hit) for hit in zip(*(h for _, h in rows), strict=True)], 3)
    ),
    max_size=20,
)  # fmt: skip


def test_frames_without_detections_count_with_their_objects():
    hit, missed = frame([0.9], [True]), frame([], [])
    assert areas([hit, missed]) == dict.fromkeys(THRESHOLDS, 0.5)
    assert areas([missed]) == dict.fromkeys(THRESHOLDS, 0.0)


def test_without_frames_or_objects_there_is_no_average_precision():
    for frames in ([], [frame([0.5], [False], objects=0)]):
        assert np.isnan(list(areas(frames).values())).tolist() == [True] * 3


@given(FRAMES)
def test_in_memory_it_is_the_area_under_the_curve_to_the_last_bit(frames):
    assert repr(areas(frames)) == repr(whole(frames))


def test_thousands_of_detections_in_memory_give_the_area_to_the_last_bit():
    draw = np.random.default_rng(5)
    frames = [frame(draw.random(50), draw.random((3, 50)) < 0.6, objects=60) for _ in range(200)]
    assert areas(frames) == whole(frames)


@pytest.mark.usefixtures("small_memory")
@settings(max_examples=40)
@given(FRAMES, st.randoms(use_true_random=False))
def test_by_a_temporary_file_it_is_the_same_in_any_order_of_frames(frames, chance):
    by_file = areas(frames)
    assert repr(areas(chance.sample(frames, len(frames)))) == repr(by_file)
    assert by_file == pytest.approx(whole(frames), rel=1e-12, abs=0, nan_ok=True)


@pytest.mark.usefixtures("small_memory")
def test_the_area_can_be_computed_while_a_run_goes_on():
    frames = [frame([0.1 * n, 0.5], [n % 2, 1], objects=4) for n in range(1, 10)]
    over_run = AveragePrecision(THRESHOLDS)
    for number, one in enumerate(frames, 1):
        over_run.add(one)
        assert dict(over_run.areas()) == pytest.approx(whole(frames[:number]))


@pytest.mark.usefixtures("small_memory")
def test_no_more_detections_are_in_memory_than_allowed():
    over_run = AveragePrecision(THRESHOLDS)
    for _ in range(50):
        over_run.add(frame([0.25, 0.5, 0.75], [True, False, True]))
        assert len(over_run) <= 8


@pytest.mark.usefixtures("small_memory")
def test_a_frame_with_more_detections_than_allowed_is_counted_whole():
    frames = [frame([0.5], [True], 30), frame(np.linspace(0, 1, 20), [True] * 20, 30), frame([0.25], [False], 30)]
    assert areas(frames) == pytest.approx(whole(frames))


def test_more_thresholds_than_bits_of_a_byte_are_all_evaluated():
    thresholds = tuple(np.arange(1, 11) / 20)
    hit = np.arange(10)[:, None] < np.array([[10, 7, 3]])
    frames = [frame([0.9, 0.8, 0.7], hit, 3, thresholds)]
    assert areas(frames, thresholds) == whole(frames, thresholds)


@pytest.mark.usefixtures("small_memory")
def test_no_file_is_made_for_detections_that_fit_into_memory_and_none_stays(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    over_run = AveragePrecision(THRESHOLDS)
    over_run.add(frame([0.5] * 8, [True] * 8))
    assert list(tmp_path.iterdir()) == []
    over_run.add(frame([0.5], [True]))
    assert any(path.name == "rows" for path in tmp_path.rglob("*"))
    del over_run
    assert [path for path in tmp_path.rglob("*") if path.is_file() and path.name == "rows"] == []


@pytest.mark.usefixtures("small_memory")
def test_a_temporary_file_that_cannot_be_written_is_named_with_the_repair(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    over_run = AveragePrecision(THRESHOLDS)
    over_run.add(frame([0.5] * 8, [True] * 8))
    over_run.add(frame([0.5] * 8, [True] * 8))
    (file,) = tmp_path.rglob("rows")
    file.unlink()
    file.mkdir()
    with pytest.raises(
        UserError, match=rf"{file}: must have room for temporary files, but cannot be written: .*TMPDIR"
    ):
        over_run.add(frame([0.5], [True]))
    assert Path(file).is_dir()
