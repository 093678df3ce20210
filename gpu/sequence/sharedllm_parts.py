"""The components of a SharedLLM: its two models, its tree, its state, and the entries it keeps of whole chunks."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Int, Int64
from torch import Tensor, nn

from v2xsim.errors import UserError
from v2xsim.gpu.sequence.cache import Cache
from v2xsim.gpu.sequence.memory import Memory
from v2xsim.gpu.sequence.sharedllm_lower import MISSING, Lower
from v2xsim.gpu.sequence.sharedllm_tree import ContextTree
from v2xsim.gpu.sequence.sharedllm_upper import Injection, Upper
from v2xsim.gpu.sequence.sizes import check_start, check_whole
from v2xsim.gpu.sequence.state import State
from v2xsim.gpu.sequence.tokens import TokenModel, TokenSequence
from v2xsim.gpu.sequence.transformer import Transformer
from v2xsim.gpu.sequence.transformer_layer import Layer


@dataclass(frozen=True)
class ChunkEnd:
    """What is updated in a stream when a chunk is complete.

    Attributes:
        window: Number of tokens before the current chunk that self-attention can see.
        renew: Chunks whose selection is updated: all, or only the new one. The latter takes less time and leaves the
            other chunks to `focus`.

    Raises:
        UserError: If a value is not allowed.
    """

    window: int = 0
    renew: Literal["all", "new"] = "all"

    def __post_init__(self) -> None:
        check_whole(0, window=self.window)
        if self.renew not in ("all", "new"):
            raise UserError(f"renew must be all or new, got {self.renew!r}")


START_AGAIN = ChunkEnd()
"""By default, self-attention starts again with each chunk, and the selection in all chunks is updated."""


class SharedParts(TokenSequence):
    """The components of a SharedModel, and every operation on them except reading.

    The constructor has the arguments of SharedModel.
    """

    takes_dt = False

    def __init__(
        self,
        vocabulary: int,
        dim: int,
        layers: int,
        heads: int,
        tree: ContextTree,
        inject: int = 2,
        chunk_end: ChunkEnd = START_AGAIN,
        hidden: int | None = None,
        dropout: float = 0.0,
        tied: bool = False,
    ) -> None:
        super().__init__()
        check_whole(1, vocabulary=vocabulary, layers=layers)
        check_whole(0, layers, inject=inject)
        self.vocabulary, self.tree, self.chunk_end = vocabulary, tree, chunk_end
        self.upper = Upper(dim, layers, heads, hidden, inject, tree.chunk, dropout)
        self.lower = Lower(tree, dim, heads, self.upper.hidden, inject, dropout) if inject else None
        if self.lower is not None:
            # Both models start from the same weights, so that their outputs for a token can be compared.
            self.lower.copy_from(self.upper.layers)
        self.embedding = nn.Embedding(vocabulary, dim)
        self.head = nn.Linear(dim, vocabulary, bias=False)
        nn.init.normal_(self.embedding.weight, std=0.02)
        nn.init.normal_(self.head.weight, std=0.02)
        if tied:
            self.head.weight = self.embedding.weight

    def start_from(self, plain: TokenModel) -> None:
        """Copy the weights of a plain Transformer of the same sizes.

        Before training, the two models give exactly the same output.

        Raises:
            UserError: If the plain model has another kind or size.
        """
        if not isinstance(plain, TokenModel):
            raise UserError(f"start_from: the model must be a plain Transformer of tokens, got {type(plain).__name__}")
        body = plain.body
        sizes = (self.vocabulary, self.upper.dim, self.upper.heads, self.upper.hidden, len(self.upper.layers))
        shares = isinstance(body, Transformer) and body.kv_map != tuple(range(len(body.layers)))
        if not isinstance(body, Transformer) or shares or body.schedule or any(body.windows):
            raise UserError(f"start_from: the model must be a plain Transformer of tokens, got {plain.signature}")
        theirs = (plain.vocabulary, body.dim, body.heads, body.hidden, len(body.layers))
        if sizes != theirs:
            raise UserError(
                f"start_from: vocabulary, dim, heads, hidden and layers are {sizes} here and {theirs} there; "
                "they must be the same"
            )
        self.upper.load_state_dict(body.state_dict(), strict=False)
        self.embedding.load_state_dict(plain.embedding.state_dict())
        self.head.load_state_dict(plain.head.state_dict())
        if self.lower is not None:
            self.lower.copy_from(self.upper.layers)
        for injection, layer in zip(self.upper.injections, self.upper.layers, strict=False):
            assert isinstance(injection, Injection)
            assert isinstance(layer, Layer)
            injection.norm.load_state_dict(layer.norm.state_dict())
            injection.query.load_state_dict(layer.query.state_dict())
            nn.init.zeros_(injection.out.weight)

    @property
    def signature(self) -> str:
        """Kind and sizes of the model, by which a state is recognised as its own."""
        window = f", window {self.chunk_end.window}" if self.chunk_end.window else ""
        renew = f", renew {self.chunk_end.renew}" if self.chunk_end.renew != "all" else ""
        return f"SharedModel(vocabulary {self.vocabulary}, inject {self.upper.inject}, {self.tree}{window}{renew}, {self.upper.signature})"

    @property
    def injected(self) -> bool:
        """Whether the model keeps any entries of the past."""
        return self.lower is not None and self.tree.choice != "none"

    def init_state(
        self, batch: int, device: torch.device | str | None = None, dtype: torch.dtype | None = None, room: int = 0
    ) -> State:
        """Return the state of `batch` rows that have not read anything yet."""
        check_start(batch, dtype, room)
        upper = self.upper.init_state(batch, device, dtype, min(room, self.tree.chunk + self.chunk_end.window))
        state_device, state_dtype = upper.device, dtype or self.dtype
        heads, dim = self.upper.heads, self.upper.dim
        room = room // self.tree.chunk * self.tree.per_chunk
        kept = {
            f"kept{i}": Cache.empty(batch, heads, dim // heads, state_device, state_dtype, 0, room)
            for i in range(self.upper.inject)
        }
        memories = {
            "past": Memory(torch.empty(batch, 0, dtype=torch.int32, device=state_device), MISSING, grows=True),
            "partial": Memory(self._empty_chunk(batch, state_device), MISSING),
            "query": Memory(torch.zeros(batch, dim, dtype=state_dtype, device=state_device)),
        }
        return State.fresh(self.signature, batch, state_device, {**upper.slots, **kept, **memories})

    def _kept(self, past: Int[Tensor, "batch past"], query: Tensor) -> dict[str, Cache]:
        """Return the kept entries of all chunks of the past, selected for a query."""
        if self.lower is None or not self.injected or past.numel() == 0:
            return {}
        keys, values, entry = self.lower.condensed(past, self.embedding, query, 0)
        heads, dim = self.upper.heads, self.upper.dim
        cache = Cache.empty(len(past), heads, dim // heads, past.device, self.dtype)
        return {f"kept{i}": cache.followed_by(keys[i], values[i], entry) for i in range(self.upper.inject)}

    def _check_query(self, query: Tensor, batch: int, device: torch.device) -> None:
        fits = isinstance(query, Tensor) and query.shape == (batch, self.upper.dim) and query.dtype == self.dtype
        if not fits or query.device != device or not bool(torch.isfinite(query).all()):
            given = (
                f"{tuple(query.shape)} of {query.dtype} on {query.device}" if isinstance(query, Tensor) else repr(query)
            )
            raise UserError(
                f"SharedModel: a query must be finite, of shape ({batch}, {self.upper.dim}) and {self.dtype} on {device}, "
                f"got {given}; query_of makes one of a text"
            )

    def _empty_chunk(self, batch: int, device: torch.device) -> Tensor:
        return torch.full((batch, self.tree.chunk), MISSING, dtype=torch.int32, device=device)


def by_phase(
    state: State, wanted: Bool[Tensor, " batch"], change: Callable[[State, Int64[Tensor, " rows"]], State]
) -> State:
    """Return the state with some rows changed; rows that have read the same number of positions are changed together.

    Args:
        state: State of all rows.
        wanted: Whether to change each row.
        change: Function of the state of rows that have read the same number of positions and of the indices of these
            rows; it returns their changed state.
    """
    parts, order = [], []
    for seen in sorted(set(state.seen[wanted].tolist())):
        rows = (wanted & (state.seen == seen)).nonzero()[:, 0]
        parts.append(change(state.select(rows), rows))
        order.append(rows)
    if not parts:
        return state
    rest = (~wanted).nonzero()[:, 0]
    joined = parts[0]
    for part in [*parts[1:], state.select(rest)]:
        joined = joined.join(part)
    return joined.reorder(torch.cat([*order, rest]).argsort())
