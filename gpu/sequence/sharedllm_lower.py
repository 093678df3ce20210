"""SharedLLM's lower model: the first layers of a Transformer, which compress each chunk of the past separately."""

import torch
from jaxtyping import Bool, Float, Int, Int64
from torch import Tensor, nn

from v2xsim.gpu.sequence.cache import NO_ENTRY, Cache
from v2xsim.gpu.sequence.rotary import turned, turns
from v2xsim.gpu.sequence.sharedllm_tree import ContextTree, Node, spaced
from v2xsim.gpu.sequence.transformer_layer import Layer, Piece

MISSING = -1
"""Value in place of a token at a position where nothing arrived."""


class Giver(nn.Module):
    """The part of a layer that computes keys and values; the last layer needs no other part.

    Args:
        dim: Number of entries of a vector.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = nn.RMSNorm(dim, eps=1e-6)
        self.key_value = nn.Linear(dim, 2 * dim, bias=False)


class Lower(nn.Module):
    """The lower model, which compresses the nodes of context trees.

    Every node of a context tree is read from its own start, with positions counted from there; it does not see other
    nodes.

    Args:
        tree: How chunks are cut into nodes.
        dim: Number of entries of a vector.
        heads: Number of attention heads.
        hidden: Width of the feed-forward parts.
        inject: Number of layers.
        dropout: Share of entries set to zero in training, 0 to 1.
    """

    def __init__(self, tree: ContextTree, dim: int, heads: int, hidden: int, inject: int, dropout: float) -> None:
        super().__init__()
        self.tree, self.heads = tree, heads
        whole = [Layer(dim, heads, hidden, True, dropout) for _ in range(max(1, inject - 1))]
        self.layers = nn.ModuleList([*whole, Giver(dim)] if inject > 1 else whole)

    def copy_from(self, layers: nn.ModuleList) -> None:
        """Copy the weights of a model's first layers."""
        for own, other in zip(self.layers, layers, strict=False):
            wanted = own.state_dict()
            own.load_state_dict({name: value for name, value in other.state_dict().items() if name in wanted})

    def first_hidden(
        self, x: Float[Tensor, "rows time dim"], present: Bool[Tensor, "rows time"] | None
    ) -> Float[Tensor, "rows time dim"]:
        """Return the output of the first layer at each position; halves are compared by it."""
        layer = self.layers[0]
        assert isinstance(layer, Layer)
        return self._through(layer, x, present)[0]

    def condensed(
        self, ids: Int[Tensor, "batch past"], embedding: nn.Embedding, query: Float[Tensor, "batch dim"], first: int
    ) -> tuple[list[Tensor], list[Tensor], int | Tensor]:
        """Compress whole chunks, for all rows and chunks together.

        Args:
            ids: Tokens of the chunks; MISSING where there is none.
            embedding: Embedding table of the tokens.
            query: Query vector of each row.
            first: Number, in the stream, of the first chunk to compress.

        Returns:
            For each layer, the keys (rotated by the number of their chunk) and the values; and the number of the first
            entry, or of each entry.
        """
        batch, count, per_chunk = len(ids), ids.shape[1] // self.tree.chunk, self.tree.per_chunk
        chunks = ids.reshape(batch * count, self.tree.chunk)
        there: Tensor | None = chunks != MISSING
        if there is not None and bool(there.all()):
            there = None
        x = embedding(chunks.clamp(min=0))
        keys, values, kept = self.kept(x, there, self.chosen(chunks, x, there, query.repeat_interleave(count, 0)))
        number = torch.arange(first, first + count, device=ids.device).repeat_interleave(per_chunk)
        turn = turns(number, keys[0].shape[-1], x.dtype)
        entry: int | Tensor = first * per_chunk
        if kept is not None:
            at = torch.arange(first * per_chunk, (first + count) * per_chunk, device=ids.device)
            entry = torch.where(kept.view(batch, -1), at, NO_ENTRY)

        def along(made: Tensor) -> Tensor:
            return made.view(batch, count, *made.shape[1:]).transpose(1, 2).flatten(2, 3)

        return [turned(along(made), turn) for made in keys], [along(made) for made in values], entry

    @torch.no_grad()
    def chosen(
        self,
        tokens: Int[Tensor, "chunks chunk"],
        x: Float[Tensor, "chunks chunk dim"],
        present: Bool[Tensor, "chunks chunk"] | None,
        query: Float[Tensor, "chunks dim"],
    ) -> Bool[Tensor, "chunks decisions"]:
        """Return whether the later half is expanded at each level of the tree.

        If both halves are equally similar to the query, the earlier half is expanded.
        """
        if self.tree.choice == "random":
            return self.tree.coins(tokens)
        right = torch.ones(len(x), self.tree.decisions, dtype=torch.bool, device=x.device)
        if self.tree.choice != "query":
            return right
        start = torch.zeros(len(x), dtype=torch.int64, device=x.device)
        for level in range(1, self.tree.decisions + 1):
            likeness = self.likeness(x, present, query, start, level)
            right[:, level - 1] = likeness[:, 1] > likeness[:, 0]
            start = start + (self.tree.chunk >> level) * right[:, level - 1]
        return right

    def likeness(
        self,
        x: Float[Tensor, "chunks chunk dim"],
        present: Bool[Tensor, "chunks chunk"] | None,
        query: Float[Tensor, "chunks dim"],
        start: Int64[Tensor, " chunks"],
        level: int,
    ) -> Float[Tensor, "chunks two"]:
        """Return the similarity to the query of both halves of the node that starts at `start` and is expanded at `level`."""
        half = self.tree.chunk >> level
        x, here = _stretch(x, present, start, 2 * half)
        halves = None if here is None else here.reshape(-1, half)
        hidden = self.first_hidden(x.reshape(-1, half, x.shape[-1]), halves)
        return self.tree.likeness(
            hidden.view(len(x), 2, half, -1), query, None if here is None else here.view(-1, 2, half)
        )

    def kept(
        self,
        x: Float[Tensor, "chunks chunk dim"],
        present: Bool[Tensor, "chunks chunk"] | None,
        right: Bool[Tensor, "chunks decisions"],
    ) -> tuple[list[Tensor], list[Tensor], Bool[Tensor, "chunks kept"] | None]:
        """Compress the nodes of the tree of each chunk.

        Args:
            x: Embedded tokens of the chunks.
            present: Whether each token is present (None for all).
            right: Whether the later half was expanded, for each chunk and each halving.

        Returns:
            The keys of each layer without rotation, the values of each layer, and which entries exist (None if all do).
        """
        keys: list[list[Tensor]] = [[] for _ in self.layers]
        values: list[list[Tensor]] = [[] for _ in self.layers]
        there = []
        for node in self.tree.nodes(right):
            there.append(self._node(x, present, node, keys, values))
        joined = None if present is None else torch.cat([entry for entry in there if entry is not None], 1)
        return [torch.cat(made, 2) for made in keys], [torch.cat(made, 2) for made in values], joined

    def _node(
        self, x: Tensor, present: Tensor | None, node: Node, keys: list[list[Tensor]], values: list[list[Tensor]]
    ) -> Tensor | None:
        """Compress one node of every chunk, and append its kept entries to `keys` and `values`."""
        x, here = _stretch(x, present, node.start, node.length)
        positions = spaced(node.length, node.kept, x.device)
        for number, layer in enumerate(self.layers):
            if number + 1 < len(self.layers):
                assert isinstance(layer, Layer)
                x, key, value = self._through(layer, x, here)
            else:
                key, value = self._keys_values(layer, x)
            keys[number].append(key[:, :, positions])
            values[number].append(value[:, :, positions])
        return None if here is None else here[:, positions]

    def _through(self, layer: Layer, x: Tensor, present: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Run one layer; return its output, its keys without rotation, and its values."""
        key, value = self._keys_values(layer, x)
        position = torch.arange(x.shape[1], device=x.device)
        turn = turns(position, key.shape[-1], x.dtype)
        entry: int | Tensor = 0 if present is None else torch.where(present, position, NO_ENTRY)
        cache = Cache.empty(len(x), self.heads, key.shape[-1], x.device, x.dtype)
        cache = cache.followed_by(turned(key, turn), value, entry)
        x = layer.attended(x, layer.asked(layer.norm(x), turn), cache, Piece(0, entry, turn), False)
        return layer.fed(x), key, value

    def _keys_values(self, layer: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
        made = layer.key_value(layer.norm(x))  # type: ignore[operator]
        key, value = (part.view(*part.shape[:2], self.heads, -1).transpose(1, 2) for part in made.chunk(2, -1))
        return key, value


def _stretch(
    x: Float[Tensor, "chunks chunk dim"], present: Tensor | None, start: Int64[Tensor, " chunks"], length: int
) -> tuple[Tensor, Tensor | None]:
    """Return `length` positions of each chunk, beginning at the chunk's own entry of `start`."""
    if length == x.shape[1]:
        return x, present
    positions = start[:, None] + torch.arange(length, device=x.device)
    chunk = torch.arange(len(x), device=x.device)[:, None]
    return x[chunk, positions], None if present is None else present[chunk, positions]
