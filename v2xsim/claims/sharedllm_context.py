"""SharedLLM on token sequences of drivers with habits: how much a context longer than in training still helps."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from v2xsim.claims.sharedllm import TOKENS_A_STEP, TRAINED_CHUNKS, small_model, training_step
from v2xsim.gpu.sequence.sharedllm import SharedModel
from v2xsim.gpu.sequence.sharedllm_tree import ContextTree
from v2xsim.gpu.sequence.tokens import next_token_loss


@dataclass(frozen=True)
class ContextRow:
    """How well tokens are predicted with a context of a number of chunks.

    Attributes:
        seed: Seed of the first weights and of the training data.
        ratio: Compression: number of tokens of the context for each kept entry.
        trained: Largest number of chunks of a context in training.
        chunks: Number of chunks of the context; the running text, one more chunk, is the same for all.
        nats: Cross-entropy per token on the running text.
        best_nats: Cross-entropy of the best possible predictor, which knows how the texts are generated and uses all earlier
            tokens.
        uniform_nats: Cross-entropy of a uniform guess over all tokens.
    """

    seed: int
    ratio: float
    trained: int
    chunks: int
    nats: float
    best_nats: float
    uniform_nats: float


@dataclass(frozen=True)
class Habits:
    """The form of token sequences (texts) of drivers with habits.

    Each driver has a distribution over tokens, drawn from a Dirichlet distribution. All tokens of the driver are drawn from
    the driver's distribution.

    Attributes:
        vocabulary: Number of different tokens.
        concentration: Parameter of the Dirichlet distribution, above 0; the smaller it is, the fewer tokens dominate a habit.
        chunk: Number of tokens in a chunk.
    """

    vocabulary: int = 32
    concentration: float = 0.2
    chunk: int = 32

    def drawn(self, batch: int, chunks: int, generator: torch.Generator) -> Int64[Tensor, "batch time"]:
        """Return random texts with a given number of chunks, one for each driver."""
        habit = torch._standard_gamma(torch.full((batch, self.vocabulary), self.concentration), generator=generator)
        return torch.multinomial(habit + 1e-9, chunks * self.chunk, replacement=True, generator=generator)

    def best_nats(self, text: Int64[Tensor, "batch time"], first: int) -> float:
        """Return the least possible mean cross-entropy in nats of the tokens from position `first` on.

        Each token is predicted by Bayes' rule from all tokens before it.
        """
        one = F.one_hot(text, self.vocabulary).double()
        before = one.cumsum(1) - one
        predicted = (before + self.concentration) / (
            before.sum(-1, keepdim=True) + self.concentration * self.vocabulary
        )
        return -float((predicted.gather(2, text[:, :, None]).log()[:, first:]).mean())


def context_rows(seeds: int = 3, steps: int = 400, habits: Habits | None = None) -> Iterator[ContextRow]:
    """Train with up to 4 chunks of context, and yield the cross-entropy on the same running texts with up to 16 chunks.

    Of each chunk, the later half is always kept in more detail, which is the paper's rule for chunks without a query.
    """
    habits = habits or Habits()
    for seed in range(seeds):
        model = small_model(habits.vocabulary, ContextTree(habits.chunk, 3, 1, "right", seed=seed), seed)
        _train_on_habits(model, habits, steps, seed)
        text = habits.drawn(512, 17, torch.Generator().manual_seed(77))
        running = text[:, -habits.chunk :]
        for chunks in (0, 1, 2, 4, 8, 16):
            context = text[:, text.shape[1] - (chunks + 1) * habits.chunk : -habits.chunk]
            with torch.no_grad():
                nats = float(_running_loss(model, context, running))
            best = habits.best_nats(torch.cat([context, running], 1), context.shape[1] + 1)
            yield ContextRow(seed, model.tree.ratio, TRAINED_CHUNKS, chunks, nats, best, math.log(habits.vocabulary))


def _train_on_habits(model: SharedModel, habits: Habits, steps: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(1000 + seed)
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=0.01)
    model.train()
    for step in range(steps):
        chunks = int(torch.randint(TRAINED_CHUNKS + 1, (), generator=generator))
        text = habits.drawn(TOKENS_A_STEP // (habits.chunk * (chunks + 1)), chunks + 1, generator)
        loss = _running_loss(model, text[:, : -habits.chunk], text[:, -habits.chunk :])
        training_step(model, optimizer, loss, step, steps)
    model.eval()


def _running_loss(model: SharedModel, context: Tensor, running: Tensor) -> Float[Tensor, ""]:
    # The choice of halves does not use a query here, so any position can be given as the query.
    return next_token_loss(model.read(context, running, query_at=0), running)
