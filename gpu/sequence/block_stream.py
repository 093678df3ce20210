"""Where rows stand in their blocks: rows whose blocks end together are read together, whenever they joined."""

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from jaxtyping import Int64, Shaped
from torch import Tensor

from v2xsim.gpu.sequence.cache import Cache
from v2xsim.gpu.sequence.memory import Memory
from v2xsim.gpu.sequence.state import State

NO_TOKEN = -1
"""Stands where no token arrived, or none yet."""


@dataclass(frozen=True)
class Rows:
    """Rows that have equally many tokens of an open block.

    Attributes:
        where: Which of all rows; None for all.
        filled: Tokens of the open block.
        partial: Those tokens, NO_TOKEN behind them and where none arrived.
        inner: State of the token decoder in the open block.
        blocks: State of the block decoder; None where it is not needed, as no block ends.
    """

    where: Int64[Tensor, " rows"] | None
    filled: int
    partial: Int64[Tensor, "rows most"]
    inner: State
    blocks: State | None

    def moved(self, ids: Int64[Tensor, "rows tokens"], blocks: State | None, inner: State) -> "Rows":
        """Return where the rows stand with other tokens in the open block."""
        filled = ids.shape[1]
        partial = F.pad(ids, (0, self.partial.shape[1] - filled), value=NO_TOKEN)
        return replace(self, filled=filled, partial=partial, blocks=blocks, inner=inner)


def parted(state: State, count: int, block: int, prefix: int) -> list[Rows]:
    """Return the rows parted by how full their open block is.

    Args:
        state: Of a BlockTransformer.
        count: Positions that are to be read.
        block: Tokens of a block.
        prefix: Vectors of a context, the first that the token decoder reads.
    """
    inner, blocks, partial = state.part("inner"), state.part("blocks"), state.memory("partial")
    if inner.steps is not None:
        filled = max(0, inner.steps - prefix)
        return [Rows(None, filled, partial, inner, blocks if filled + count >= block else None)]
    found = []
    # A row that has seen nothing has not read its first context either, so it is a part of its own.
    for read in sorted(set(inner.seen.tolist())):
        where, filled = (inner.seen == read).nonzero()[:, 0], max(0, read - prefix)
        mine = blocks.select(where) if filled + count >= block else None
        found.append(Rows(where, filled, partial[where], inner.select(where), mine))
    return found


def merged(state: State, parts: list[Rows]) -> dict[str, Memory | Cache | State]:
    """Return the slots of the state in which the parts have moved on."""
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
    """Return what was worked out for each part as all rows have it."""
    order = _order(parts)
    return values[0] if order is None else torch.cat(values)[order]


def _order(parts: list[Rows]) -> Int64[Tensor, " batch"] | None:
    wheres = [part.where for part in parts if part.where is not None]
    return torch.cat(wheres).argsort() if wheres else None


def _joined(states: list[State]) -> State:
    found = states[0]
    for more in states[1:]:
        found = found.join(more)
    return found
