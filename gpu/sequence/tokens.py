"""Token models (a sequence module with an embedding before and an output layer after it), and their next-token loss."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from v2xsim.errors import UserError
from v2xsim.gpu.sequence.module import SequenceModule
from v2xsim.gpu.sequence.sizes import check_whole
from v2xsim.gpu.sequence.state import State


class TokenSequence(SequenceModule):
    """A sequence module that reads tokens and returns, at each position, the logits of the next token.

    Attributes:
        vocabulary: Number of different tokens; tokens are numbered from 0.
        recipe: Arguments of `models.build` with which the model was built, stored with the weights (None if it was
            built in another way).
    """

    width = 0
    vocabulary: int
    recipe: Mapping[str, Any] | None = None

    def prefill(
        self,
        tokens: Int64[Tensor, "batch time"],
        state: State | None = None,
        mask: Bool[Tensor, "batch time"] | None = None,
    ) -> tuple[Float[Tensor, "batch vocabulary"], State]:
        """Read a prompt; return the logits after its last position only, and the state."""
        if isinstance(tokens, Tensor) and tokens.ndim == 2 and tokens.shape[1] == 0:
            raise UserError(
                f"{self._name}.prefill: a prompt must have at least one token, got shape {tuple(tokens.shape)}"
            )
        logits, state = self(tokens, state, mask)
        return logits[:, -1], state

    def loss(
        self,
        tokens: Int64[Tensor, "batch time"],
        mask: Bool[Tensor, "batch time"] | None = None,
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, ""]:
        """Return the mean cross-entropy, in nats per token, of predicting each token from those before it.

        Args:
            tokens: Token sequences from their start, one per row.
            mask: False where there is no token; a position without a token is not predicted.
            generator: Random generator for models that draw random numbers in training.
        """
        logits, _ = self(tokens, None, mask)
        return next_token_loss(logits, tokens, mask)

    def _check_input(self, x: Tensor, mask: Tensor | None) -> None:
        if x.ndim != 2 or x.dtype != torch.int64:
            raise UserError(
                f"{self._name}: tokens must have shape (batch, time) and be of torch.int64, got {tuple(x.shape)} of {x.dtype}"
            )
        inside = (x >= 0) & (x < self.vocabulary)
        if mask is not None and mask.shape == x.shape:
            inside = inside | ~mask
        if not bool(inside.all()):
            row, position = (~inside).nonzero()[0].tolist()
            raise UserError(
                f"{self._name}: tokens must be from 0 to {self.vocabulary - 1}, got {int(x[row, position])} in row {row}, "
                f"position {position}; mask what is not there"
            )

    def _nothing(self, x: Tensor) -> Tensor:
        return torch.zeros(*x.shape[:2], self.vocabulary, dtype=self.dtype, device=x.device)


class TokenModel(TokenSequence):
    """A token model made of an embedding, a module of vectors, and an output layer (head).

    Args:
        body: Any sequence module of vectors.
        vocabulary: Number of different tokens.
        tied: Whether the output layer uses the weights of the embedding.
    """

    def __init__(self, body: SequenceModule, vocabulary: int, tied: bool = False) -> None:
        super().__init__()
        if not isinstance(body, SequenceModule) or not body.width:
            raise UserError(
                f"a token model needs a body that is a sequence module of vectors, got {type(body).__name__}"
            )
        check_whole(1, vocabulary=vocabulary)
        self.body, self.vocabulary, self.takes_dt = body, vocabulary, body.takes_dt
        self.any_precision, self.period = body.any_precision, body.period
        self.embedding = nn.Embedding(vocabulary, body.width)
        self.head = nn.Linear(body.width, vocabulary, bias=False)
        nn.init.normal_(self.embedding.weight, std=0.02)
        nn.init.normal_(self.head.weight, std=0.02)
        if tied:
            self.head.weight = self.embedding.weight

    @property
    def signature(self) -> str:
        """Kind and sizes of the model, by which a state is recognised as its own."""
        return f"TokenModel(vocabulary {self.vocabulary}, {self.body.signature})"

    def init_state(
        self,
        batch: int,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        room: int = 0,
        **said: Any,
    ) -> State:
        """Return the state of `batch` rows that have not read anything yet; further arguments are passed to the body."""
        return replace(self.body.init_state(batch, device, dtype, room, **said), maker=self.signature)

    def standing(self, state: State, room: int) -> State | None:
        """Return the state of the body with fixed storage, so that steps can be recorded.

        The result is None if there are no rows, or if rows have read different numbers of positions.
        """
        self._refuse_other(state)
        if state.steps is None or not state.batch:
            return None
        return self.body.standing(state, room)

    def _advance(self, x: Tensor, state: State, mask: Tensor | None, dt: Tensor | None) -> tuple[Tensor, State]:
        y, state = self.body._advance(self.embedding(x), state, mask, dt)
        return self.head(y), state

    def prefill(
        self,
        tokens: Int64[Tensor, "batch time"],
        state: State | None = None,
        mask: Bool[Tensor, "batch time"] | None = None,
    ) -> tuple[Float[Tensor, "batch vocabulary"], State]:
        """Read a prompt; return the logits after its last position only, and the state."""
        batch, time = self._checked(tokens, state, mask)
        if time == 0:
            return super().prefill(tokens, state, mask)
        state = self._begun(state, batch, tokens.device)
        if batch == 0:
            return self._nothing(tokens)[:, -1], state
        x = tokens if mask is None else torch.where(mask, tokens, 0)
        y, state = self.body._advance(self.embedding(x), state, mask, None)
        return self.head(y[:, -1]), state


def next_token_loss(
    logits: Float[Tensor, "batch time vocabulary"],
    tokens: Int64[Tensor, "batch time"],
    mask: Bool[Tensor, "batch time"] | None = None,
    first: int = 1,
) -> Float[Tensor, ""]:
    """Return the mean cross-entropy of the tokens from `first` on, each predicted by the logits one position earlier."""
    if tokens.shape[0] == 0:
        raise UserError("a loss needs at least one row, got 0")
    if tokens.shape[1] <= first:
        raise UserError(f"a loss needs more than {first} tokens a row, got {tokens.shape[1]}")
    # Values at masked positions are ignored and need not be valid tokens.
    targets = (tokens if mask is None else torch.where(mask, tokens, 0))[:, first:].flatten()
    losses = F.cross_entropy(logits[:, first - 1 : -1].flatten(0, 1).float(), targets, reduction="none")
    if mask is None:
        return losses.mean()
    wanted = mask[:, first:].flatten().to(losses.dtype)
    return (losses * wanted).sum() / wanted.sum().clamp(min=1.0)
