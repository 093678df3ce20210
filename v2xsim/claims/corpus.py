"""What the claims about prediction train and evaluate on: windows of a corpus of motion tokens."""

from dataclasses import dataclass
from pathlib import Path

from v2xsim.errors import UserError
from v2xsim.gpu.sequence.corpus import Corpus
from v2xsim.gpu.sequence.windows import Windows

# 32 s at half a second a token.
WINDOW = 64
# Windows of the validation and of the test set, spread over all.
EVALUATED = 512


@dataclass(frozen=True)
class CorpusWindows:
    """Windows of one corpus, all equally long.

    Attributes:
        training: To train on, all there are.
        validation: Other vehicles on networks that training knows.
        unseen: Networks that training has nothing of.
        vocabulary: Number of tokens.
    """

    training: Windows
    validation: Windows
    unseen: Windows
    vocabulary: int


def windows_of(folder: Path, prompt: int = 0) -> CorpusWindows:
    """Return the windows of a corpus.

    Args:
        folder: Written by `v2xsim corpus`.
        prompt: Tokens at the start of each window that are given; at least one must follow them.
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
