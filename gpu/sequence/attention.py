"""Causal attention over a cache, with rows that joined late, entries that are missing, and windows."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from v2xsim.gpu.sequence.cache import NO_ENTRY, Cache


def attend(
    query: Float[Tensor, "batch heads time head_dim"],
    cache: Cache,
    position: int | Int64[Tensor, "batch time"],
    strict: bool = False,
) -> Float[Tensor, "batch heads time head_dim"]:
    """Return what each query finds among the entries not later than it; zero where there are none.

    Args:
        query: Of positions that follow each other.
        cache: Their own entries included, if they have any.
        position: Of the first query, or of each.
        strict: Whether a query's own position is left out.
    """
    keys, values, window = cache.keys, cache.values, cache.window
    count, slots = query.shape[2], keys.shape[2]
    if slots == 0:
        return torch.zeros_like(query)
    if isinstance(position, int) and cache.index is None:
        last = cache.first + slots - 1
        reach = position - 1 if strict else position
        narrow = window > 0 and position + count - window > cache.first
        if not narrow and reach >= last:
            return F.scaled_dot_product_attention(query, keys, values)
        if not narrow and cache.first == position and count == slots:
            if not strict:
                return F.scaled_dot_product_attention(query, keys, values, is_causal=True)
            found = torch.zeros_like(query)
            if count == 1:
                return found
            rest = F.scaled_dot_product_attention(query[:, :, 1:], keys[:, :, :-1], values[:, :, :-1], is_causal=True)
            return torch.cat([found[:, :, :1], rest], 2)
    seen = visible(cache, position, count, strict)
    # A query that sees nothing would divide zero by zero: it sees all for the moment and its answer is dropped.
    some = seen.any(-1, keepdim=True)
    found = F.scaled_dot_product_attention(query, keys, values, attn_mask=(seen | ~some)[:, None])
    return found * some[:, None]


def visible(
    cache: Cache, position: int | Int64[Tensor, "batch time"], count: int, strict: bool
) -> Bool[Tensor, "batch time slots"]:
    """Return which entries each query may see; one line for all rows where they agree."""
    device = cache.keys.device
    if isinstance(position, int) and cache.index is None:
        at = torch.arange(cache.first, cache.first + len(cache), device=device)[None]
        asked = torch.arange(position, position + count, device=device)[None]
    else:
        at = cache.positions().to(torch.int64)
        asked = torch.arange(position, position + count, device=device)[None] if isinstance(position, int) else position
    back = asked[:, :, None] - at[:, None, :]
    seen = (back > 0 if strict else back >= 0) & (at != NO_ENTRY)[:, None, :]
    return seen & (back < cache.window) if cache.window else seen
