"""Sets of token sequences for training and evaluation."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from v2xsim.errors import UserError


class Source(Protocol):
    """Interface of a source of batches for a trainer."""

    @property
    def fingerprint(self) -> str:
        """A text that identifies the sequences of this source."""

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor | None]:
        """Return `count` sequences of tokens (int64, one per row) and a mask of the positions with tokens.

        None as mask means that all positions have tokens.
        """


@dataclass(frozen=True)
class Windows:
    """Token sequences of equal length, from which batches are drawn with replacement.

    Attributes:
        tokens: Tokens, one sequence per row.
        mask: False where there is no token (None if all positions have tokens).
    """

    tokens: Int64[Tensor, "windows time"]
    mask: Bool[Tensor, "windows time"] | None = None

    def __post_init__(self) -> None:
        if self.tokens.ndim != 2 or self.tokens.dtype != torch.int64 or self.tokens.shape[0] < 1:
            raise UserError(
                "windows must be of torch.int64 and shape (windows, time) with at least one window, "
                f"got {tuple(self.tokens.shape)} of {self.tokens.dtype}"
            )
        if self.mask is not None and (self.mask.dtype != torch.bool or self.mask.shape != self.tokens.shape):
            raise UserError(
                f"the mask of windows must be booleans of shape {tuple(self.tokens.shape)} as the tokens have it, "
                f"got {tuple(self.mask.shape)} of {self.mask.dtype}"
            )

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def fingerprint(self) -> str:
        """A checksum of all sequences."""
        parts = [self.tokens] if self.mask is None else [self.tokens, self.mask]
        sums = [f"{zlib.crc32(part.cpu().numpy().tobytes()):08x}" for part in parts]
        return "-".join(["x".join(map(str, self.tokens.shape)), *sums])

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor | None]:
        """Return `count` sequences drawn at random with replacement, and their mask."""
        rows = torch.randint(len(self.tokens), (count,), generator=generator)
        return self.tokens[rows], None if self.mask is None else self.mask[rows]

    def spread(self, count: int) -> "Windows":
        """Return at most `count` of the sequences, evenly spaced over all of them."""
        rows = torch.linspace(0, len(self) - 1, min(count, len(self)), dtype=torch.float64).round().long()
        return Windows(self.tokens[rows], None if self.mask is None else self.mask[rows])

    def pieces(self, count: int) -> Iterator[tuple[Tensor, Tensor | None]]:
        """Yield all sequences in order, at most `count` at a time."""
        for begin in range(0, len(self.tokens), count):
            end = begin + count
            yield self.tokens[begin:end], None if self.mask is None else self.mask[begin:end]


def unigram_nats(train: Windows, judged: Windows, vocabulary: int) -> float:
    """Return the cross-entropy per token, in nats, of a model that predicts each token with its frequency in training.

    One count is added to the frequency of every token.
    """
    counts = np.ones(vocabulary)
    for tokens, mask in train.pieces(4096):
        chosen = tokens if mask is None else tokens[mask]
        counts += np.bincount(chosen.flatten().cpu().numpy(), minlength=vocabulary)
    log_share = np.log(counts / counts.sum())
    tokens = judged.tokens[:, 1:]
    chosen = tokens if judged.mask is None else tokens[judged.mask[:, 1:]]
    return -float(log_share[chosen.flatten().cpu().numpy()].mean())
