"""SharedLLM's upper model: a Transformer whose first layers attend to the running text and to the compressed past."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from v2xsim.gpu.sequence.attention import attend
from v2xsim.gpu.sequence.cache import NO_ENTRY, Cache
from v2xsim.gpu.sequence.rotary import turned, turns
from v2xsim.gpu.sequence.state import State
from v2xsim.gpu.sequence.transformer import Transformer
from v2xsim.gpu.sequence.transformer_layer import Layer, Piece

# A position later than that of any entry, so that a query sees all kept entries.
_AFTER_ALL = 2**40


class Injection(nn.Module):
    """Attention to the entries that one layer of the lower model kept.

    The upper model has no other weights in addition to those of a plain Transformer.

    Args:
        dim: Number of entries of a vector.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = nn.RMSNorm(dim, eps=1e-6)
        self.query = nn.Linear(dim, dim, bias=False)
        self.out = nn.Linear(dim, dim, bias=False)


class Upper(Transformer):
    """The upper model, whose state has a cache `kept0`, `kept1`... for each layer that attends to the compressed past.

    Kept keys are rotated by the number of their chunk, and queries by the number of the running chunk, not by positions
    within chunks.

    Args:
        dim: Number of entries of a vector.
        layers: Number of layers.
        heads: Number of attention heads.
        hidden: Width of the feed-forward parts.
        inject: Number of lowest layers that attend to kept entries.
        chunk: Number of tokens in a chunk.
        dropout: Share of entries set to zero in training, 0 to 1.
    """

    def __init__(
        self, dim: int, layers: int, heads: int, hidden: int | None, inject: int, chunk: int, dropout: float
    ) -> None:
        super().__init__(dim, layers, heads, hidden, dropout=dropout)
        self.inject, self.chunk, self.dropout = inject, chunk, dropout
        self.injections = nn.ModuleList(Injection(dim) for _ in range(inject))
        for name, weight in self.injections.named_parameters():
            if weight.ndim == 2:
                less = (2 * layers) ** -0.5 if name.endswith("out.weight") else 1.0
                nn.init.normal_(weight, std=0.02 * less)

    def _between(self, x: Float[Tensor, "batch time dim"], layer: int, state: State) -> Float[Tensor, "batch time dim"]:
        if layer >= self.inject:
            return x
        injection, below = self.injections[layer], self.layers[layer]
        assert isinstance(injection, Injection)
        assert isinstance(below, Layer)
        number = (state.seen // self.chunk)[:, None]
        query = turned(below.split(injection.query(injection.norm(x))), turns(number, self.dim // self.heads, x.dtype))
        attended = attend(query, state.cache(f"kept{layer}"), _AFTER_ALL).transpose(1, 2).flatten(2)
        return x + F.dropout(injection.out(attended), self.dropout, self.training)

    def first_hidden(
        self, x: Float[Tensor, "batch time dim"], mask: Bool[Tensor, "batch time"] | None, at: Int64[Tensor, " batch"]
    ) -> Float[Tensor, "batch dim"]:
        """Return the first layer's output, without attention to kept entries, at one position of each text."""
        layer = self.layers[0]
        assert isinstance(layer, Layer)
        position = torch.arange(x.shape[1], device=x.device)
        entry: int | Tensor = 0 if mask is None else torch.where(mask, position, NO_ENTRY)
        keys, values = layer.keys_values(layer.norm(x), turns(position, self.dim // self.heads, x.dtype))
        cache = Cache.empty(len(x), self.heads, self.dim // self.heads, x.device, x.dtype)
        return self.hidden_by(x[torch.arange(len(x), device=x.device), at], cache.followed_by(keys, values, entry), at)

    def hidden_by(
        self, x: Float[Tensor, "batch dim"], cache: Cache, position: Int64[Tensor, " batch"]
    ) -> Float[Tensor, "batch dim"]:
        """Return the first layer's output, without attention to kept entries, at a position that is already in its cache."""
        layer = self.layers[0]
        assert isinstance(layer, Layer)
        at, now = position[:, None], x[:, None]
        piece = Piece(at, at, turns(at, self.dim // self.heads, x.dtype))
        query = layer.asked(layer.norm(now), piece.turn)
        return layer.fed(layer.attended(now, query, cache, piece, False))[:, 0]
