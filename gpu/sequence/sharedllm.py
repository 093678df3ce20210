"""SharedLLM: a lower model compresses the past chunk by chunk, an upper model reads the running text and looks at what was kept.

Han et al., SharedLLM (arXiv 2410.19318). As a stream, which the paper does not have: the stream is cut into chunks; the running text is the
current chunk. Whenever a chunk is complete it becomes context, the selection in all chunks is renewed with the last completed token
as the query, and self-attention begins anew (or reaches back over `window` tokens). Tokens of the past are kept, so `focus` can
renew the selection at any time for another query. All of this happens at fixed places of the stream, so it does not matter how it is split.
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
    """A model of tokens whose past is compressed, coarse to fine, by what is asked of it.

    Args:
        vocabulary: Number of tokens.
        dim: Entries of a vector.
        layers: Of the upper model.
        heads: Of attention.
        inject: Layers of the lower model, and layers of the upper one, from the bottom, that look at what is kept. The first sees
            each token by itself, so at least 2 are needed for an entry to stand for its neighbours; 0 for none.
        chunk: Tokens of a chunk.
        depth: Times that a chunk is halved.
        kept: Entries kept of each node of a chunk's tree, or of each level's; chunk / (8 (depth + 1)) if left out, which is an
            eighth in all.
        choice: Which half is expanded: see ContextTree.
        alike: What of a half is compared with the query: see ContextTree.
        seed: Of the coin of choice random.
        window: Tokens before the current chunk that self-attention still reaches.
        renew: Which chunks are selected anew when a chunk is complete: all, or the new one only, which costs less and leaves
            the others to `focus`.
        hidden: Of the feed-forward parts; 4 dim if left out.
        dropout: Share of entries left out in training.
        tied: Whether the head uses the embedding's weights.

    Raises:
        UserError: If sizes do not fit.
    """

    # A stream -------------------------------------------------------------------------------------------------------

    def _advance(self, x: Tensor, state: State, mask: Tensor | None, dt: Tensor | None) -> tuple[Tensor, State]:
        """Read on, up to where the next row completes a chunk, and so on."""
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
        """Write down the tokens of the current chunk."""
        place = before.seen[:, None] % self.tree.chunk + torch.arange(tokens.shape[1], device=tokens.device)
        noted = tokens if mask is None else torch.where(mask, tokens, MISSING)
        partial = before.memory("partial").scatter(1, place, noted.to(torch.int32))
        return replace(after, slots={**after.slots, "partial": Memory(partial, MISSING)})

    def _completed(self, state: State) -> State:
        """Make context of the chunks that are complete."""
        if state.steps is not None:
            return state if state.steps % self.tree.chunk else self._closed(state, slice(None))
        return by_phase(state, state.seen % self.tree.chunk == 0, self._closed)

    def _closed(self, state: State, rows: Tensor | slice) -> State:
        """Make context of the chunk that rows, which have seen equally much, have just completed."""
        assert state.steps is not None
        query, partial = self._last_hidden(state), state.memory("partial")
        done = state.steps // self.tree.chunk - 1
        past = torch.cat([state.memory("past")[:, : done * self.tree.chunk], partial], 1)
        slots = {name: slot for name, slot in state.slots.items() if isinstance(slot, Cache)}
        if self.injected and self.renew == "all" and self.tree.choice == "query":
            slots.update(self._kept(past, query))
        elif self.lower is not None and self.injected:
            keys, values, entry = self.lower.condensed(partial, self.embedding, query, done)
            for i in range(self.upper.inject):
                slots[f"kept{i}"] = state.cache(f"kept{i}").extend(keys[i], values[i], entry)
        for number in range(len(self.upper.layers)):
            slots[f"layer{number}"] = state.cache(f"layer{number}").since(state.steps - self.window)
        memories = {
            "past": Memory(past, MISSING, grows=True),
            "partial": Memory(self._empty_chunk(state.batch, state.device), MISSING),
            "query": Memory(query),
        }
        return replace(state, slots={**state.slots, **slots, **memories})

    def focus(self, state: State, query: Float[Tensor, "batch dim"] | None = None) -> State:
        """Return the state with the selection in all chunks made anew.

        Args:
            state: Any of this model.
            query: What matters now, a vector such as the first layer makes; that of the last token if left out.

        Raises:
            UserError: If the state is of another model, or the query does not fit.
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
        """Return the query of each row: what the first layer makes of its last token that is there."""
        chunk, partial = self.tree.chunk, state.memory("partial")
        there = partial != MISSING
        last = (torch.arange(chunk, device=state.device) * there).amax(1)
        token = partial.gather(1, last[:, None])[:, 0].clamp(min=0)
        begin = ((state.seen - 1) // chunk * chunk).clamp(min=0)
        with torch.no_grad():
            hidden = self.upper.hidden_by(self.embedding(token), state.cache("layer0"), begin + last)
        return torch.where(there.any(1, keepdim=True), hidden, state.memory("query"))

    # The paper's form -----------------------------------------------------------------------------------------------

    def read(
        self,
        context: Int64[Tensor, "batch past"],
        running: Int64[Tensor, "batch time"],
        query_at: int | Int64[Tensor, " batch"] = -1,
        mask: Bool[Tensor, "batch time"] | None = None,
        context_mask: Bool[Tensor, "batch past"] | None = None,
        query: Float[Tensor, "batch dim"] | None = None,
    ) -> Float[Tensor, "batch time vocabulary"]:
        """Read a running text, of any length, with whole chunks before it.

        What comes before `query_at` in the running text is told, through the selection, what comes there. Where that matters, as for a
        cross-entropy over the whole text, give 0.

        Args:
            context: Chunks of the past; may be none.
            running: The running text.
            query_at: Place of the token that decides the selection; -1 for the last one that is there.
            mask: False where the running text has none.
            context_mask: False where the context has none.
            query: A vector that decides the selection instead.

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
        """Return what the upper model's first layer makes of a token of a running text; -1 for the last one that is there."""
        batch, time = self._checked(running, None, mask)
        if not (holds_whole(at) if isinstance(at, Tensor) else is_whole(at)):
            raise UserError(f"SharedModel: the query's place must be a whole number or a tensor of such, got {at!r}")
        place = torch.as_tensor(at, device=running.device)
        if place.ndim == 0:
            place = place.expand(batch)
        if time == 0 or place.shape != (batch,) or not bool(((place >= -time) & (place < time)).all()):
            raise UserError(
                f"SharedModel: the query's place must be within a running text of {time} tokens, one number or one for each of "
                f"{batch} rows, got {at}"
            )
        if batch == 0:
            return torch.zeros(0, self.upper.dim, dtype=self.dtype, device=running.device)
        if mask is not None:
            last = (torch.arange(time, device=running.device) * mask).amax(1)
            place = torch.where(place == -1, last, place)
            running = torch.where(mask, running, 0)
        return self.upper.first_hidden(self.embedding(running), mask, place % time)

    def condense(
        self,
        context: Int64[Tensor, "batch past"],
        query: Float[Tensor, "batch dim"],
        mask: Bool[Tensor, "batch past"] | None = None,
    ) -> State:
        """Return the state after whole chunks, read by the lower model alone; self-attention does not reach back into them.

        Args:
            context: Chunks of the past; may be none.
            query: What decides the selection.
            mask: False where the context has none.

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
        """Return the chunks of a context, MISSING where it has none; refused if they do not fit, or a query does not."""
        batch, past = self._checked(context, None, mask)
        if past % self.tree.chunk:
            raise UserError(
                f"SharedModel: a context must be whole chunks of {self.tree.chunk} tokens, got {past} tokens; read the rest as "
                "running text, or put what is missing in front with a mask of False"
            )
        self._check_query(query, batch, context.device)
        ids = context if mask is None else torch.where(mask, context, MISSING)
        return ids.to(torch.int32).view(batch, past // self.tree.chunk, self.tree.chunk)
