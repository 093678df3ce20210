"""One layer of a Transformer, and where the positions that it reads stand."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from v2xsim.gpu.sequence.attention import attend
from v2xsim.gpu.sequence.cache import Cache
from v2xsim.gpu.sequence.rotary import turned, turned_pair


@dataclass(frozen=True)
class Piece:
    """Where the positions of a piece stand.

    Attributes:
        position: Number of the first, or of each where rows differ.
        entry: The same for their cache entries, NO_ENTRY where nothing arrived.
        turn: Rotation of queries and keys.
        active: Positions of each layer, always the first so many; None where all run through all.
        rows_active: For each layer which positions run through it, where rows stand at different positions.
    """

    position: int | Int64[Tensor, "batch time"]
    entry: int | Int64[Tensor, "batch time"]
    turn: tuple[Tensor, Tensor]
    active: tuple[int, ...] | None = None
    rows_active: Bool[Tensor, "layers batch time"] | None = None

    def first(self, count: int) -> "Piece":
        """Return the first positions."""
        position, entry = (at if isinstance(at, int) else at[:, :count] for at in (self.position, self.entry))
        return Piece(position, entry, (self.turn[0][..., :count, :], self.turn[1][..., :count, :]))


class Layer(nn.Module):
    """Attention and a feed-forward part, each added to what it reads (pre-norm).

    Args:
        dim: Entries of a vector.
        heads: Of attention.
        hidden: Of the feed-forward part.
        gives: Whether it has keys and values of its own.
        dropout: Share of entries left out in training.
    """

    def __init__(self, dim: int, heads: int, hidden: int, gives: bool, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.norm = nn.RMSNorm(dim, eps=1e-6)
        self.query = nn.Linear(dim, dim, bias=False)
        self.key_value = nn.Linear(dim, 2 * dim, bias=False) if gives else None
        self.out = nn.Linear(dim, dim, bias=False)
        self.feed_norm = nn.RMSNorm(dim, eps=1e-6)
        self.up = nn.Linear(dim, hidden, bias=False)
        self.down = nn.Linear(hidden, dim, bias=False)

    def split(self, x: Float[Tensor, "batch time dim"]) -> Float[Tensor, "batch heads time head_dim"]:
        """Return vectors as heads."""
        return x.view(*x.shape[:2], self.heads, -1).transpose(1, 2)

    def asked(
        self, normed: Float[Tensor, "batch time dim"], turn: tuple[Tensor, Tensor]
    ) -> Float[Tensor, "batch heads time head_dim"]:
        """Return queries, turned."""
        return turned(self.split(self.query(normed)), turn)

    def keys_values(
        self, normed: Float[Tensor, "batch time dim"], turn: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Return keys, turned, and values."""
        assert self.key_value is not None
        keys, values = (self.split(part) for part in self.key_value(normed).chunk(2, dim=-1))
        return turned(keys, turn), values

    def projected(
        self, normed: Float[Tensor, "batch time dim"], turn: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, tuple[Tensor, Tensor] | None]:
        """Return queries, turned, and if the layer has some of its own keys, turned, and values."""
        if self.key_value is None:
            return self.asked(normed, turn), None
        query = self.split(self.query(normed))
        keys, values = (self.split(part) for part in self.key_value(normed).chunk(2, dim=-1))
        query, keys = turned_pair(query, keys, turn)
        return query, (keys, values)

    def attended(
        self,
        x: Float[Tensor, "batch time dim"],
        query: Float[Tensor, "batch heads time head_dim"],
        cache: Cache,
        piece: Piece,
        strict: bool,
    ) -> Float[Tensor, "batch time dim"]:
        """Return x with what attention finds added."""
        found = attend(query, cache, piece.position, strict).transpose(1, 2).flatten(2)
        return x + self._dropped(self.out(found))

    def fed(self, x: Float[Tensor, "batch time dim"]) -> Float[Tensor, "batch time dim"]:
        """Return x with the feed-forward part added."""
        inner = F.gelu(self.up(self.feed_norm(x)))
        if (
            x.is_cuda
            and not torch.is_grad_enabled()
            and not self.training
            and x.dtype == inner.dtype == self.down.weight.dtype
            and x.is_contiguous()
        ):
            # One pass over memory less: the product is added where attention's sum stands, which nobody else reads.
            return x.flatten(0, 1).addmm_(inner.flatten(0, 1), self.down.weight.t()).view(x.shape)
        return x + self._dropped(self.down(inner))

    def _dropped(self, x: Float[Tensor, "batch time dim"]) -> Float[Tensor, "batch time dim"]:
        return F.dropout(x, self.dropout) if self.training and self.dropout else x
