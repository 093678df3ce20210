"""SharedLLM: a language model that consists of a lower and an upper model.

The lower model compresses the past chunk by chunk. The upper model reads the running text and attends to the compressed
past.

Han et al., SharedLLM (arXiv 2410.19318). The paper does not treat streams. Here a stream is cut into chunks, and the
running text is the current chunk. When a chunk is complete, three things happen: it becomes context; the selection of
details in all chunks is updated with its last token as the query; and self-attention starts again (or reaches back over
`window` tokens). Tokens of the past are stored, so `focus` can update the selection at any time for another query.
Chunks are completed at fixed positions of the stream, so the result does not depend on how the stream is split into
pieces.
"""

from dataclasses import replace

import torch
from jaxtyping import Bool, Float, Int, Int64
from torch import Tensor

from v2xsim.errors import UserError
from v2xsim.gpu.sequence.cache import Cache
from v2xsim.gpu.sequence.memory import Memory
from v2xsim.gpu.sequence.sharedllm_lower import MISSING
from v2xsim.gpu.sequence.sharedllm_parts import SharedParts, by_phase
from v2xsim.gpu.sequence.sizes import holds_whole, is_whole
from v2xsim.gpu.sequence.state import State


class SharedModel(SharedParts):
    """A token model that compresses its past, coarsely or in detail, depending on a query.

    Args:
        vocabulary: Number of different tokens.
        dim: Number of entries of a vector.
        layers: Number of layers of the upper model.
        heads: Number of attention heads.
        tree: How the chunks of the past are cut into nodes, and how many entries of each node are kept.
        inject: Number of layers of the lower model, which is also the number of the upper model's lowest layers that
            attend to the compressed past; 0 for none. The first layer sees each token alone, so an entry represents its
            neighbours only with at least 2 layers.
        chunk_end: What is updated in a stream when a chunk is complete.
        hidden: Width of the feed-forward parts (None for 4 times dim).
        dropout: Share of entries set to zero in training, 0 to 1.
        tied: Whether the output layer uses the weights of the embedding.

    Raises:
        UserError: If the sizes are invalid or do not fit together.
    """

    # A stream -------------------------------------------------------------------------------------------------------

    def _advance(self, x: Tensor, state: State, mask: Tensor | None, dt: Tensor | None) -> tuple[Tensor, State]:
        """Read tokens up to the position where the next row completes a chunk, and repeat until all are read."""
        begin, made = 0, []
        while begin < x.shape[1]:
            done = state.seen % self.tree.chunk if state.steps is None else None
            phase = int(done.max()) if done is not None else int(state.steps or 0) % self.tree.chunk
            end = min(x.shape[1], begin + self.tree.chunk - phase)
            arrived = None if mask is None else mask[:, begin:end]
            y, after = self.upper._advance(self.embedding(x[:, begin:end]), state, arrived, None)
            made.append(y)
            state = self._completed(self._noted(x[:, begin:end], arrived, state, after))
            begin = end
        return self.head(torch.cat(made, 1) if len(made) > 1 else made[0]), state

    def _noted(self, tokens: Tensor, mask: Tensor | None, before: State, after: State) -> State:
        """Store the tokens read in the current chunk."""
        position = before.seen[:, None] % self.tree.chunk + torch.arange(tokens.shape[1], device=tokens.device)
        noted = tokens if mask is None else torch.where(mask, tokens, MISSING)
        partial = before.memory("partial").scatter(1, position, noted.to(torch.int32))
        return replace(after, slots={**after.slots, "partial": Memory(partial, MISSING)})

    def _completed(self, state: State) -> State:
        """Turn the chunks that are complete into context."""
        if state.steps is not None:
            return state if state.steps % self.tree.chunk else self._closed(state, slice(None))
        return by_phase(state, state.seen % self.tree.chunk == 0, self._closed)

    def _closed(self, state: State, rows: Tensor | slice) -> State:
        """Turn into context the chunk that the given rows, at the same position, have just completed."""
        assert state.steps is not None
        query, partial = self._last_hidden(state), state.memory("partial")
        done = state.steps // self.tree.chunk - 1
        past = torch.cat([state.memory("past")[:, : done * self.tree.chunk], partial], 1)
        slots = {name: slot for name, slot in state.slots.items() if isinstance(slot, Cache)}
        if self.injected and self.chunk_end.renew == "all" and self.tree.choice == "query":
            slots.update(self._kept(past, query))
        elif self.lower is not None and self.injected:
            keys, values, entry = self.lower.condensed(partial, self.embedding, query, done)
            for i in range(self.upper.inject):
                slots[f"kept{i}"] = state.cache(f"kept{i}").extend(keys[i], values[i], entry)
        for number in range(len(self.upper.layers)):
            slots[f"layer{number}"] = state.cache(f"layer{number}").since(state.steps - self.chunk_end.window)
        memories = {
            "past": Memory(past, MISSING, grows=True),
            "partial": Memory(self._empty_chunk(state.batch, state.device), MISSING),
            "query": Memory(query),
        }
        return replace(state, slots={**state.slots, **slots, **memories})

    def focus(self, state: State, query: Float[Tensor, "batch dim"] | None = None) -> State:
        """Return the state with the selection in all chunks updated for a query.

        Args:
            state: Any state of this model.
            query: Vector with which halves of chunks are compared, such as an output of the first layer (None takes
                that of the last token).

        Raises:
            UserError: If the state belongs to another model, or the query does not fit.
        """
        self._refuse_other(state)
        if query is not None:
            self._check_query(query, state.batch, state.device)
        state = self._begun(state, state.batch, state.device)
        if not self.injected or state.batch == 0:
            return state

        def focused(part: State, rows: Tensor | slice) -> State:
            assert part.steps is not None
            wanted = self._last_hidden(part) if query is None else query[rows]
            past = part.memory("past")[:, : part.steps // self.tree.chunk * self.tree.chunk]
            return replace(part, slots={**part.slots, **self._kept(past, wanted)})

        if state.steps is not None:
            return focused(state, slice(None))
        return by_phase(state, torch.ones_like(state.seen, dtype=torch.bool), focused)

    def _last_hidden(self, state: State) -> Float[Tensor, "batch dim"]:
        """Return the query of each row: the output of the first layer for its last token that arrived."""
        chunk, partial = self.tree.chunk, state.memory("partial")
        there = partial != MISSING
        last = (torch.arange(chunk, device=state.device) * there).amax(1)
        token = partial.gather(1, last[:, None])[:, 0].clamp(min=0)
        begin = ((state.seen - 1) // chunk * chunk).clamp(min=0)
        with torch.no_grad():
            hidden = self.upper.hidden_by(self.embedding(token), state.cache("layer0"), begin + last)
        return torch.where(there.any(1, keepdim=True), hidden, state.memory("query"))

    # The paper's form, without a stream
    # --------------------------------------------------------------------------------

    def read(
        self,
        context: Int64[Tensor, "batch past"],
        running: Int64[Tensor, "batch time"],
        query_at: int | Int64[Tensor, " batch"] = -1,
        mask: Bool[Tensor, "batch time"] | None = None,
        context_mask: Bool[Tensor, "batch past"] | None = None,
        query: Float[Tensor, "batch dim"] | None = None,
    ) -> Float[Tensor, "batch time vocabulary"]:
        """Read a running text of any length after a context of whole chunks; this is the paper's form, without a stream.

        The selection depends on the token at `query_at`, so outputs at positions before `query_at` depend on this later
        token. If this is not allowed, as for a cross-entropy over the whole text, use 0.

        Args:
            context: Tokens of the past, in whole chunks; may be empty.
            running: Tokens of the running text.
            query_at: Position in the running text of the token that is the query; -1 for the last token that is
                present.
            mask: False where the running text has no token.
            context_mask: False where the context has no token.
            query: Vector to use as the query, instead of that of a token.

        Raises:
            UserError: If shapes or types do not fit.
        """
        texts = (context, running)
        if not all(isinstance(text, Tensor) for text in texts) or context.shape[:1] != running.shape[:1]:
            got = [tuple(text.shape) if isinstance(text, Tensor) else type(text).__name__ for text in texts]
            raise UserError(
                f"SharedModel.read: context and running text must be tensors of as many rows, got {got[0]} and {got[1]}"
            )
        if query is None:
            query = self.query_of(running, query_at, mask)
        state = self.condense(context, query, context_mask)
        batch, time = self._checked(running, state, mask)
        if batch == 0 or time == 0:
            return self._nothing(running)
        x = running if mask is None else torch.where(mask, running, 0)
        return self.head(self.upper._advance(self.embedding(x), state, mask, None)[0])

    def query_of(
        self,
        running: Int64[Tensor, "batch time"],
        at: int | Int64[Tensor, " batch"] = -1,
        mask: Bool[Tensor, "batch time"] | None = None,
    ) -> Float[Tensor, "batch dim"]:
        """Return the first layer's output for the token at position `at` of a running text.

        The position -1 means the last token that is present.
        """
        batch, time = self._checked(running, None, mask)
        if not (holds_whole(at) if isinstance(at, Tensor) else is_whole(at)):
            raise UserError(f"SharedModel: the query's place must be a whole number or a tensor of such, got {at!r}")
        position = torch.as_tensor(at, device=running.device)
        if position.ndim == 0:
            position = position.expand(batch)
        if time == 0 or position.shape != (batch,) or not bool(((position >= -time) & (position < time)).all()):
            raise UserError(
                f"SharedModel: the query's place must be within a running text of {time} tokens, one number or one for each of "
                f"{batch} rows, got {at}"
            )
        if batch == 0:
            return torch.zeros(0, self.upper.dim, dtype=self.dtype, device=running.device)
        if mask is not None:
            last = (torch.arange(time, device=running.device) * mask).amax(1)
            position = torch.where(position == -1, last, position)
            running = torch.where(mask, running, 0)
        return self.upper.first_hidden(self.embedding(running), mask, position % time)

    def condense(
        self,
        context: Int64[Tensor, "batch past"],
        query: Float[Tensor, "batch dim"],
        mask: Bool[Tensor, "batch past"] | None = None,
    ) -> State:
        """Return the state after whole chunks that only the lower model has read.

        Self-attention of the upper model does not reach into chunks that only the lower model has read.

        Args:
            context: Tokens of the past, in whole chunks; may be empty.
            query: Query vector of each row for the selection.
            mask: False where the context has no token.

        Raises:
            UserError: If shapes or types do not fit.
        """
        ids = self.chunks_of(context, query, mask).flatten(1)
        state = self.init_state(len(ids), context.device).advanced(ids.shape[1], {})
        memories = {"past": Memory(ids, MISSING, grows=True), "query": Memory(query.detach())}
        return replace(state, slots={**state.slots, **self._kept(ids, query), **memories})

    def chunks_of(
        self, context: Int64[Tensor, "batch past"], query: Float[Tensor, "batch dim"], mask: Tensor | None
    ) -> Int[Tensor, "batch chunks chunk"]:
        """Return the chunks of a context, with MISSING where the mask is False.

        An error is raised if the context or the query does not fit.
        """
        batch, past = self._checked(context, None, mask)
        if past % self.tree.chunk:
            raise UserError(
                f"SharedModel: a context must be whole chunks of {self.tree.chunk} tokens, got {past} tokens; read the rest as "
                "running text, or put what is missing in front with a mask of False"
            )
        self._check_query(query, batch, context.device)
        ids = context if mask is None else torch.where(mask, context, MISSING)
        return ids.to(torch.int32).view(batch, past // self.tree.chunk, self.tree.chunk)
