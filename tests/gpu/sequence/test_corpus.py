"""A corpus in memory: windows hold every token once, and what is no corpus is refused."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from v2xsim.gpu.sequence.corpus import DRIVER_COLUMNS, Corpus, Sequences
from v2xsim.gpu.sequence.motion_vocabulary import MotionError, MotionVocabulary


def sequences(lengths):
    count = len(lengths)
    driver = {name: np.zeros(count) for name in DRIVER_COLUMNS}
    return Sequences(
        np.arange(sum(lengths)), np.cumsum([0, *lengths]), np.zeros((count, 3)), np.zeros(count, np.int64),
        np.arange(count), np.full(count, "town"), driver,
    )  # fmt: skip


@given(lengths=st.lists(st.integers(1, 40), min_size=1, max_size=6), length=st.integers(2, 12))
def test_windows_hold_each_token_once_but_for_a_rest_of_one(lengths, length):
    held = sequences(lengths)
    if max(lengths) < 2:
        return
    windows = held.windows(length)
    shown = windows.tokens if windows.mask is None else windows.tokens[windows.mask]
    expected = [
        token
        for begin, count in zip(held.offset, lengths, strict=False)
        for token in range(begin, begin + count - (count % length == 1))
    ]
    assert shown.flatten().tolist() == expected


@given(lengths=st.lists(st.integers(1, 40), min_size=1, max_size=6), length=st.integers(2, 12))
def test_no_window_reaches_into_another_sequence(lengths, length):
    held = sequences(lengths)
    first, sequence = held.places(length)
    assert (first >= held.offset[sequence]).all()
    assert (first + 2 <= held.offset[sequence + 1]).all()
    whole, within = held.places(length, whole=True)
    assert (whole + length <= held.offset[within + 1]).all()


def test_whole_windows_need_no_mask():
    assert sequences([10, 7]).windows(5, whole=True).mask is None
    assert len(sequences([10, 7]).windows(5, whole=True)) == 3


@pytest.mark.passes_wrong_types
def test_windows_that_cannot_be_are_refused():
    with pytest.raises(MotionError, match="at least 2 tokens, to predict one, got 1"):
        sequences([5]).windows(1)
    with pytest.raises(MotionError, match=r"whole length of at least 2 tokens, to predict one, got 2\.5"):
        sequences([5]).windows(2.5)
    with pytest.raises(MotionError, match="no sequence has 6 tokens; the longest has 5"):
        sequences([5, 3]).windows(6, whole=True)


def test_sequences_come_back_from_their_file(tmp_path):
    held = sequences([5, 3])
    held.save(tmp_path / "train.npz")
    back = Sequences.load(tmp_path / "train.npz")
    assert back.token.dtype == np.int64
    assert (back.token == held.token).all()
    assert (back.network == held.network).all()
    assert set(back.driver) == set(DRIVER_COLUMNS)


def written(folder):
    MotionVocabulary(np.zeros((8, 3)), np.arange(8), 0.5, 0.3).save(folder / "vocabulary.npz")
    for split in ("train", "validation", "test"):
        sequences([5, 3]).save(folder / f"{split}.npz")
    (folder / "manifest.json").write_text(json.dumps({"corpus": 1}))
    return folder


def test_a_folder_is_opened_with_all_its_splits(tmp_path):
    corpus = Corpus.open(written(tmp_path))
    assert len(corpus.train) == len(corpus.validation) == len(corpus.test) == 2


def test_a_damaged_folder_is_refused_by_the_name_of_the_file(tmp_path):
    with pytest.raises(MotionError, match=r"manifest\.json: cannot be read .* `v2xsim corpus` made"):
        Corpus.open(tmp_path / "nowhere")
    folder = written(tmp_path)
    sequences([9]).save(folder / "test.npz")
    with pytest.raises(MotionError, match=r"test\.npz: tokens must be from 0 to 7 in this vocabulary, got 8 at 8"):
        Corpus.open(folder)
    (folder / "train.npz").write_bytes((folder / "train.npz").read_bytes()[:300])
    with pytest.raises(MotionError, match=r"train\.npz: must be a split of a corpus"):
        Corpus.open(folder)
    (folder / "manifest.json").write_text('{"scenario": 1}')
    with pytest.raises(MotionError, match=r"manifest\.json: must be the manifest of a corpus of format 1"):
        Corpus.open(folder)


@pytest.mark.passes_wrong_types
def test_sequences_that_do_not_fit_together_are_refused():
    held = sequences([5, 3])
    with pytest.raises(MotionError, match="one agent for each of 2 sequences, got 1"):
        Sequences(held.token, held.offset, held.initial_pose, held.begin_us, held.agent[:1], held.network, held.driver)
    with pytest.raises(MotionError, match="offsets must rise from 0 to the number of rows, 8"):
        Sequences(held.token, held.offset[:-1], held.initial_pose, held.begin_us, held.agent, held.network, held.driver)
    for token in (held.token - 9, held.token + 0.5, held.token[:, None]):
        with pytest.raises(MotionError, match="tokens must be whole numbers of at least 0 in one row"):
            Sequences(token, held.offset, held.initial_pose, held.begin_us, held.agent, held.network, held.driver)
