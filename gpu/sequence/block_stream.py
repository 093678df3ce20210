"""Position of rows within their blocks: rows whose blocks end together are read together, whenever they joined."""

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from jaxtyping import Int64, Shaped
from torch import Tensor

from v2xsim.gpu.sequence.cache import Cache
from v2xsim.gpu.sequence.memory import Memory
from v2xsim.gpu.sequence.state import State

NO_TOKEN = -1
"""Value in place of a token that did not arrive, or has not arrived yet."""


@dataclass(frozen=True)
class Rows:
    """Rows with the same number of tokens in their unfinished block.

    Attributes:
        where: Index of each row of the group among all rows (None if the group has all rows).
        filled: Number of tokens in the unfinished block.
        partial: Tokens of the unfinished block; NO_TOKEN for tokens that did not arrive and for positions not yet
            reached.
        inner: State of the token decoder in the unfinished block.
        blocks: State of the block decoder (None if it is not needed because no block ends).
    """

    where: Int64[Tensor, " rows"] | None
    filled: int
    partial: Int64[Tensor, "rows most"]
    inner: State
    blocks: State | None

    def moved(self, ids: Int64[Tensor, "rows tokens"], blocks: State | None, inner: State) -> "Rows":
        """Return the rows with other tokens and states of the unfinished block."""
        filled = ids.shape[1]
        partial = F.pad(ids, (0, self.partial.shape[1] - filled), value=NO_TOKEN)
        return replace(self, filled=filled, partial=partial, blocks=blocks, inner=inner)


def parted(state: State, count: int, block: int, prefix: int) -> list[Rows]:
    """Return the rows in groups by the number of tokens in their unfinished block.

    Args:
        state: State of a BlockTransformer for all rows.
        count: Number of positions to read.
        block: Number of tokens in a block.
        prefix: Number of vectors of a context, which the token decoder reads first.
    """
    inner, blocks, partial = state.part("inner"), state.part("blocks"), state.memory("partial")
    if inner.steps is not None:
        filled = max(0, inner.steps - prefix)
        return [Rows(None, filled, partial, inner, blocks if filled + count >= block else None)]
    groups = []
    # A row that has read nothing has not read its first context either, so such rows form a separate group.
    for read in sorted(set(inner.seen.tolist())):
        group_rows, filled = (inner.seen == read).nonzero()[:, 0], max(0, read - prefix)
        group_blocks = blocks.select(group_rows) if filled + count >= block else None
        groups.append(Rows(group_rows, filled, partial[group_rows], inner.select(group_rows), group_blocks))
    return groups


def merged(state: State, parts: list[Rows]) -> dict[str, Memory | Cache | State]:
    """Return the slots of the state after the groups have read their tokens."""
    order = _order(parts)
    inner, blocks = _joined([part.inner for part in parts]), state.part("blocks")
    partial = torch.cat([part.partial for part in parts])
    if any(part.blocks is not None for part in parts):
        blocks = _joined([blocks.select(part.where) if part.blocks is None else part.blocks for part in parts])
        blocks = blocks if order is None else blocks.select(order)
    if order is not None:
        inner, partial = inner.select(order), partial[order]
    return {"blocks": blocks, "inner": inner, "partial": Memory(partial, NO_TOKEN)}


def in_order(values: list[Shaped[Tensor, "_rows *shape"]], parts: list[Rows]) -> Shaped[Tensor, "batch *shape"]:
    """Return the results of the groups, in the order of all rows."""
    order = _order(parts)
    return values[0] if order is None else torch.cat(values)[order]


def _order(parts: list[Rows]) -> Int64[Tensor, " batch"] | None:
    wheres = [part.where for part in parts if part.where is not None]
    return torch.cat(wheres).argsort() if wheres else None


def _joined(states: list[State]) -> State:
    joined = states[0]
    for more in states[1:]:
        joined = joined.join(more)
    return joined
