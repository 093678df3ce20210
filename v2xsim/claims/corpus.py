"""The data of the claims about prediction: windows of a corpus of motion tokens."""

from dataclasses import dataclass
from pathlib import Path

from v2xsim.errors import UserError
from v2xsim.gpu.sequence.corpus import Corpus
from v2xsim.gpu.sequence.windows import Windows

# Number of tokens of a window: 32 s at half a second per token.
WINDOW = 64
# Number of windows of the validation set and of the test set, spread over all of it.
EVALUATED = 512


@dataclass(frozen=True)
class CorpusWindows:
    """Windows of one corpus, all of the same length.

    Attributes:
        training: All windows of the training set.
        validation: Windows of other vehicles on the road networks of the training set.
        unseen: Windows of road networks that are not in the training set.
        vocabulary: Number of different tokens.
    """

    training: Windows
    validation: Windows
    unseen: Windows
    vocabulary: int


def windows_of(folder: Path, prompt: int = 0) -> CorpusWindows:
    """Return the windows of a corpus.

    Args:
        folder: Folder written by `v2xsim corpus`.
        prompt: Number of tokens at the start of each window that are given; at least one more must follow.
    """
    if prompt >= WINDOW:
        raise UserError(f"prompt must be below the {WINDOW} tokens of a window of the corpus, got {prompt}")
    corpus = Corpus.open(folder)
    return CorpusWindows(
        corpus.train.windows(WINDOW, whole=True),
        corpus.validation.windows(WINDOW, whole=True).spread(EVALUATED),
        corpus.test.windows(WINDOW, whole=True).spread(EVALUATED),
        len(corpus.vocabulary),
    )
