"""The Block Transformer: a language model with two decoders at different rates.

The block decoder runs once per block of tokens. The token decoder runs within each block, on a context of a few
vectors.

Ho et al., Block Transformer (arXiv 2406.02657). Keys and values of the whole past are stored and read only once per
block and only in half of the layers; those within a block are dropped when the block ends.
"""

from collections.abc import Mapping
from dataclasses import replace

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from v2xsim.errors import UserError
from v2xsim.gpu.sequence.block_decoder import Decoder
from v2xsim.gpu.sequence.block_padding import moved_right
from v2xsim.gpu.sequence.block_stream import NO_TOKEN, Rows, in_order, merged, parted
from v2xsim.gpu.sequence.cache import Cache
from v2xsim.gpu.sequence.memory import Memory
from v2xsim.gpu.sequence.sizes import check_start, check_whole
from v2xsim.gpu.sequence.state import State
from v2xsim.gpu.sequence.tokens import TokenSequence, next_token_loss


class BlockTransformer(TokenSequence):
    """A token model with two levels: blocks of tokens, and tokens within a block.

    The embedder looks up a short vector for each token of a block and concatenates the vectors. From the result and the
    blocks before, the block decoder computes a context for the next block. The token decoder reads this context as
    `prefix` vectors, and then the tokens of its own block.

    In the paper, no token of the first block is predicted. Here the first block gets a learnt context, so that there is
    a prediction at every position of a stream; `first_block` trains this context. For a token that did not arrive, its
    part of the block's vector is zero, and the token decoder has no key for it. A block without any token that arrived
    has no key in the block decoder.

    Args:
        vocabulary: Number of different tokens.
        dim: Number of entries of a vector; a multiple of `block`.
        block_decoder: Layers of the block decoder.
        token_decoder: Layers of the token decoder (None for the same number and sizes as in the block decoder).
        block: Number of tokens in a block. Longer blocks make generation faster and predictions worse.
        prefix: Number of vectors by which a context is passed to the token decoder.
        first_block: Whether `loss` includes the first block.
        tied: Whether the head uses the weights of the token decoder's embedding.
        dropout: Share of entries set to zero in training, 0 to 1.

    Raises:
        UserError: If the sizes are invalid or do not fit together.
    """

    takes_dt = False

    def __init__(
        self,
        vocabulary: int,
        dim: int,
        block_decoder: Decoder,
        token_decoder: Decoder | None = None,
        *,
        block: int = 4,
        prefix: int = 2,
        first_block: bool = False,
        tied: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if token_decoder is None:
            token_decoder = Decoder(block_decoder.layers, block_decoder.heads, block_decoder.hidden)
        check_whole(1, vocabulary=vocabulary, dim=dim, block=block, prefix=prefix)
        if dim % block:
            raise UserError(
                f"dim must be a multiple of block, so that each token has an equal part of a block's vector; got {dim} and {block}"
            )
        schedule = token_decoder.schedule
        if schedule is not None and schedule.horizon >= block:
            raise UserError(
                f"a token schedule counts places within a block: its horizon must be below {block}, got {schedule.horizon}"
            )
        self.period = block
        self.vocabulary, self.dim, self.block, self.prefix, self.first_block = (
            vocabulary, dim, block, prefix, first_block,
        )  # fmt: skip
        self.block_decoder = block_decoder.transformer(dim, dropout)
        self.token_decoder = token_decoder.transformer(dim, dropout)
        if any(self.token_decoder.windows):
            raise UserError(f"a token decoder sees its whole block: its windows must be 0, got {token_decoder.windows}")
        self.lookup = nn.Embedding(vocabulary, dim // block)
        self.embedding = nn.Embedding(vocabulary, dim)
        self.expand = nn.Linear(dim, prefix * dim)
        self.start = nn.Parameter(torch.empty(dim))
        self.head = nn.Linear(dim, vocabulary, bias=False)
        for weight in (self.lookup.weight, self.embedding.weight, self.head.weight, self.start):
            nn.init.normal_(weight, std=0.02)
        nn.init.normal_(self.expand.weight, std=dim**-0.5)
        nn.init.zeros_(self.expand.bias)
        if tied:
            self.head.weight = self.embedding.weight

    @property
    def signature(self) -> str:
        """Kind and sizes of the model, by which a state is recognised as its own."""
        return (
            f"BlockTransformer(vocabulary {self.vocabulary}, block {self.block}, prefix {self.prefix}, "
            f"blocks {self.block_decoder.signature}, tokens {self.token_decoder.signature})"
        )

    def init_state(
        self,
        batch: int,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        room: int = 0,
        prompt: int | None = None,
    ) -> State:
        """Return the state of `batch` rows that have not read anything yet.

        Args:
            batch: Number of rows.
            device: Device of the state (None for the device of the module).
            dtype: Floating-point type of the state (None for that of the module).
            room: Number of tokens for which to allocate memory.
            prompt: Number of tokens of the prompt, whose whole blocks are the prompt of an exit schedule (None uses the
                value in the schedule).
        """
        check_start(batch, dtype, room, prompt)
        state_device = torch.device(device) if device is not None else self.device
        if prompt is None:
            prompt = self.block * (self.block_decoder.schedule.prompt if self.block_decoder.schedule else 0)
        blocks = self.block_decoder.init_state(batch, state_device, dtype, -(-room // self.block))
        partial = torch.full((batch, self.block - 1), NO_TOKEN, dtype=torch.int64, device=state_device)
        inner = self._inner(batch, state_device, dtype or self.dtype)
        slots: Mapping[str, Memory | Cache | State] = {
            "partial": Memory(partial, NO_TOKEN),
            "inner": inner,
            "blocks": blocks,
        }
        return State.fresh(
            self.signature, batch, state_device, slots, **({"prompt": prompt} if self.block_decoder.schedule else {})
        )

    def standing(self, state: State, room: int) -> State | None:
        """Return the state with caches of fixed storage in the block decoder, so that steps can be recorded.

        The result is None if the block decoder does not support this, if nothing was read yet, or if the unfinished
        block has missing tokens.

        The result is also None if a context of several vectors passes through layers that use keys and values from
        layers above. Such layers are repeated until their result no longer changes, and this test needs a value from
        the device.
        """
        self._refuse_other(state)
        if not state.batch or (self.prefix > 1 and any(segment.cyclic for segment in self.token_decoder.segments)):
            return None
        inner = state.part("inner")
        if not inner.steps or any(inner.cache(name).index is not None for name in inner.slots):
            return None
        blocks = self.block_decoder.standing(state.part("blocks"), -(-room // self.block))
        return None if blocks is None else replace(state, slots={**state.slots, "blocks": blocks})

    def prefill(
        self,
        tokens: Int64[Tensor, "batch time"],
        state: State | None = None,
        mask: Bool[Tensor, "batch time"] | None = None,
    ) -> tuple[Float[Tensor, "batch vocabulary"], State]:
        """Read a prompt; the token decoder reads only the tokens of the last, unfinished block."""
        batch, time = self._checked(tokens, state, mask)
        if time == 0 or batch == 0:
            return super().prefill(tokens, state, mask)
        state = self._begun(state, batch, tokens.device)
        logits, state = self._read(tokens, state, mask, last=True)
        return logits[:, -1], state

    def loss(
        self,
        tokens: Int64[Tensor, "batch time"],
        mask: Bool[Tensor, "batch time"] | None = None,
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, ""]:
        """Return the mean cross-entropy, in nats per token, of predicting each token from those before it.

        The first block counts only if `first_block` is set.

        Args:
            tokens: Token sequences from their start, one per row.
            mask: False where there is no token; a position without a token is not predicted.
            generator: If given, each row is shifted right by a random 0 to block - 1 positions, so that the model does
                not depend on the position of a token within its block.
        """
        if generator is not None:
            tokens, mask = moved_right(tokens, mask, self.block, generator)
        logits, _ = self(tokens, None, mask)
        return next_token_loss(logits, tokens, mask, first=1 if self.first_block else self.block)

    def aligned(self, state: State, count: int) -> State:
        """Return the state with `count` new rows whose blocks end together with those of the existing rows.

        Later steps are then faster than after State.append.

        In the first block of a new row, the positions before the row joined count as tokens that did not arrive.

        Raises:
            UserError: If the existing rows are at different positions within their blocks.
        """
        self._refuse_other(state)
        places = sorted(set((state.seen % self.block).tolist()))
        if len(places) > 1:
            raise UserError(f"aligned: all rows must be at one place of their blocks, got {places}; use state.append")
        fresh = self.init_state(count, state.device, _dtype_of(state.part("inner")))
        due = torch.zeros(count, places[0] if places else 0, dtype=torch.int64, device=state.device)
        with torch.no_grad():
            return state.append(self(due, fresh, due.bool())[1])

    def _advance(self, x: Tensor, state: State, mask: Tensor | None, dt: Tensor | None) -> tuple[Tensor, State]:
        return self._read(x, state, mask, last=False)

    def _read(self, x: Tensor, state: State, mask: Tensor | None, last: bool) -> tuple[Tensor, State]:
        """Return the logits of all positions, or of the last one only, and the new state."""
        tokens = x if mask is None else torch.where(mask, x, NO_TOKEN)
        before = parted(state, x.shape[1], self.block, self.prefix)
        logits, after = [], []
        for rows in before:
            group_tokens = tokens if rows.where is None else tokens[rows.where]
            hidden, then = self._read_together(group_tokens, rows, mask is not None, last, state.notes.get("prompt", 0))
            logits.append(self.head(hidden))
            after.append(then)
        slots = merged(state, after)
        return in_order(logits, after), state.advanced(x.shape[1], slots)

    def _read_together(
        self, tokens: Int64[Tensor, "rows time"], rows: Rows, gaps: bool, last: bool, prompt: int
    ) -> tuple[Float[Tensor, "rows positions dim"], Rows]:
        """Read tokens of rows whose blocks end together.

        Args:
            tokens: Tokens to read, NO_TOKEN where none arrived.
            rows: The rows with their unfinished blocks.
            gaps: Whether some tokens may be missing.
            last: Whether only the result of the last position is needed.
            prompt: Number of tokens of the prompt.

        Returns:
            The input of the head at each position (or at the last one only), and the rows with their new unfinished
            blocks.
        """
        block, inner = self.block, rows.inner
        ids = torch.cat([rows.partial[:, : rows.filled], tokens], 1) if rows.filled else tokens
        whole = ids.shape[1] // block
        if whole == 0:
            hidden, inner = self._within(tokens, inner, gaps)
            return hidden, rows.moved(ids, None, inner)
        assert rows.blocks is not None
        # Recorded steps never have gaps (see `standing`), and the check would need a value from the device.
        gaps = not (ids.is_cuda and torch.cuda.is_current_stream_capturing()) and bool((ids < 0).any())
        contexts, blocks = self._over(ids[:, : whole * block], rows.blocks, gaps, prompt)
        hidden_parts = []
        if not last and rows.filled < block - 1:
            hidden_parts.append(self._within(ids[:, rows.filled : block - 1], inner, gaps)[0])
        if not last and whole > 1:
            middle = ids[:, block : whole * block].reshape(-1, block)
            many = self._inner(len(middle), inner.device, _dtype_of(inner), room=0)
            hidden, _ = self._within(middle[:, :-1], many, gaps, contexts[:, :-1].flatten(0, 1))
            hidden_parts.append(hidden.reshape(len(ids), -1, self.dim))
        rest = ids[:, whole * block :]
        hidden, inner = self._within(rest, self._inner(len(ids), inner.device, _dtype_of(inner)), gaps, contexts[:, -1])
        return torch.cat([*hidden_parts, hidden], 1), rows.moved(rest, blocks, inner)

    def _over(
        self, ids: Int64[Tensor, "rows tokens"], state: State, gaps: bool, prompt: int
    ) -> tuple[Float[Tensor, "rows blocks dim"], State]:
        """Run the block decoder over whole blocks; return the context for the block after each of them."""
        parts = _looked_up(self.lookup, ids, gaps).reshape(len(ids), -1, self.dim)
        arrived = (ids >= 0).reshape(len(ids), -1, self.block).any(2) if gaps else None
        with_prompt = replace(state, notes={**state.notes, "prompt": prompt // self.block})
        contexts, after = self.block_decoder._advance(parts, with_prompt, arrived, None)
        return contexts, replace(after, notes=state.notes)

    def _within(
        self, ids: Int64[Tensor, "rows tokens"], state: State, gaps: bool, context: Tensor | None = None
    ) -> tuple[Float[Tensor, "rows positions dim"], State]:
        """Run the token decoder over tokens of an unfinished block.

        Args:
            ids: Tokens to read.
            state: State of the token decoder in this block; a new state at the start of the block.
            gaps: Whether some tokens did not arrive.
            context: Context for the start of a block (None at the start uses the learnt context).

        Returns:
            The input of the head at each token, preceded by the input at the context if one is read; and the new state.
        """
        x = _looked_up(self.embedding, ids, gaps)
        arrived = ids >= 0 if gaps else None
        if state.steps:
            return self.token_decoder._advance(x, state, arrived, None)
        begun = self.start.expand(len(ids), -1) if context is None else context
        x = torch.cat([self.expand(begun).view(len(ids), self.prefix, self.dim), x], 1)
        if arrived is not None:
            arrived = torch.cat([arrived.new_ones(len(ids), self.prefix), arrived], 1)
        y, state = self.token_decoder._advance(x, state, arrived, None)
        return y[:, self.prefix - (context is not None) :], state

    def _inner(self, batch: int, device: torch.device, dtype: torch.dtype, room: int | None = None) -> State:
        """Return a new state of the token decoder, with room for one block by default."""
        room = self.prefix + self.block - 1 if room is None else room
        return self.token_decoder.init_state(batch, device, dtype, room, prompt=self.prefix)


def _looked_up(
    table: nn.Embedding, ids: Int64[Tensor, "rows tokens"], gaps: bool
) -> Float[Tensor, "rows tokens width"]:
    """Return the vectors of tokens, zero for tokens that did not arrive."""
    if not gaps:
        return table(ids)
    return table(ids.clamp(min=0)) * (ids >= 0)[..., None]


def _dtype_of(inner: State) -> torch.dtype:
    return inner.cache(next(iter(inner.slots))).keys.dtype
