"""One layer of a Transformer, and the positions of a piece of a sequence."""

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
    """The positions of a piece of a sequence.

    Attributes:
        position: Number of the first position in the stream, or the number of each position if rows differ.
        entry: Number of the first cache entry, or of each entry if rows differ; NO_ENTRY where nothing arrived.
        turn: Cosine and sine of the rotary embedding of queries and keys.
        active: For each layer, the number of positions that run it, which are always the first positions (None if all
            positions run all layers).
        rows_active: For each layer, which positions of each row run it; used if rows are at different positions.
    """

    position: int | Int64[Tensor, "batch time"]
    entry: int | Int64[Tensor, "batch time"]
    turn: tuple[Tensor, Tensor]
    active: tuple[int, ...] | None = None
    rows_active: Bool[Tensor, "layers batch time"] | None = None

    def first(self, count: int) -> "Piece":
        """Return the first `count` positions of the piece."""
        position, entry = (at if isinstance(at, int) else at[:, :count] for at in (self.position, self.entry))
        return Piece(position, entry, (self.turn[0][..., :count, :], self.turn[1][..., :count, :]))


class Layer(nn.Module):
    """Attention and a feed-forward part, each added to its input (pre-norm).

    Args:
        dim: Number of entries of a vector.
        heads: Number of attention heads.
        hidden: Width of the feed-forward part.
        gives: Whether the layer has keys and values of its own.
        dropout: Share of entries set to zero in training, 0 to 1.
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
        """Return vectors split into heads."""
        return x.view(*x.shape[:2], self.heads, -1).transpose(1, 2)

    def asked(
        self, normed: Float[Tensor, "batch time dim"], turn: tuple[Tensor, Tensor]
    ) -> Float[Tensor, "batch heads time head_dim"]:
        """Return the queries, rotated by the rotary embedding."""
        return turned(self.split(self.query(normed)), turn)

    def keys_values(
        self, normed: Float[Tensor, "batch time dim"], turn: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Return the keys, rotated by the rotary embedding, and the values."""
        assert self.key_value is not None
        keys, values = (self.split(part) for part in self.key_value(normed).chunk(2, dim=-1))
        return turned(keys, turn), values

    def projected(
        self, normed: Float[Tensor, "batch time dim"], turn: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, tuple[Tensor, Tensor] | None]:
        """Return rotated queries and, if the layer has keys and values of its own, rotated keys and values."""
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
        """Return x plus the output of attention."""
        from_attention = attend(query, cache, piece.position, strict).transpose(1, 2).flatten(2)
        return x + self._dropped(self.out(from_attention))

    def fed(self, x: Float[Tensor, "batch time dim"]) -> Float[Tensor, "batch time dim"]:
        """Return x plus the output of the feed-forward part."""
        inner = F.gelu(self.up(self.feed_norm(x)))
        if (
            x.is_cuda
            and not torch.is_grad_enabled()
            and not self.training
            and x.dtype == inner.dtype == self.down.weight.dtype
            and x.is_contiguous()
        ):
            # This saves one pass over memory: the product is added in place to the sum after attention, which no other
            # code reads.
            return x.flatten(0, 1).addmm_(inner.flatten(0, 1), self.down.weight.t()).view(x.shape)
        return x + self._dropped(self.down(inner))

    def _dropped(self, x: Float[Tensor, "batch time dim"]) -> Float[Tensor, "batch time dim"]:
        return F.dropout(x, self.dropout) if self.training and self.dropout else x
