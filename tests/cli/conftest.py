"""What the tests of several commands share."""

import json

import numpy as np
import pytest
import torch

from v2xsim.gpu.sequence.corpus import DRIVER_COLUMNS, FORMAT, MANIFEST, SPLITS, VOCABULARY, Sequences
from v2xsim.gpu.sequence.motion_vocabulary import MotionVocabulary

TOKENS, SEQUENCES, LENGTH = 5, 24, 40


@pytest.fixture
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    """A folder with 5 tokens that count up, from another number in each split: 24 sequences of 40."""
    folder = tmp_path_factory.mktemp("corpus")
    move = np.column_stack([np.arange(float(TOKENS)), np.zeros(TOKENS), np.zeros(TOKENS)])
    MotionVocabulary(move, np.arange(TOKENS), 0.5, 0.3).save(folder / VOCABULARY)
    for first, split in enumerate(SPLITS):
        token = (first + np.arange(SEQUENCES)[:, None] + np.arange(LENGTH)) % TOKENS
        whole, number = np.arange(SEQUENCES), np.zeros(SEQUENCES, np.int64)
        Sequences(
            token.reshape(-1), np.arange(SEQUENCES + 1) * LENGTH, np.zeros((SEQUENCES, 3)), number, whole, np.array(["town"] * SEQUENCES),
            {name: np.array(["car"] * SEQUENCES) if name in ("kind", "style", "model") else np.ones(SEQUENCES) for name in DRIVER_COLUMNS},
        ).save(folder / f"{split}.npz")  # fmt: skip
    (folder / MANIFEST).write_text(json.dumps({"corpus": FORMAT}))
    return folder
