"""Causal attention over a cache of keys and values; supports rows that joined late, missing entries, and windows."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from v2xsim.gpu.sequence.cache import NO_ENTRY, Cache
from v2xsim.gpu.sequence.standing import StandingCache
from v2xsim.gpu.sequence.triton_use import works_on

# Largest number of queries, number of entries and head size for which our own kernel is used (docs/benchmarks.md, "On a
# GPU").
_FEW, _FEW_SLOTS, _MOST_HEAD_DIM = 4, 64, 256


def attend(
    query: Float[Tensor, "batch heads time head_dim"],
    cache: Cache,
    position: int | Int64[Tensor, "batch time"],
    strict: bool = False,
) -> Float[Tensor, "batch heads time head_dim"]:
    """Return the attention of each query over the entries up to its own position; zero if there are none.

    Args:
        query: Queries at consecutive positions.
        cache: Keys and values, including those of the queries' own positions if they exist.
        position: Position of the first query in the stream, or position of each query.
        strict: Whether each query leaves out the entry at its own position.
    """
    if isinstance(cache, StandingCache):
        return _attend_standing(query, cache)
    keys, values, window = cache.keys, cache.values, cache.window
    count, slots = query.shape[2], keys.shape[2]
    if slots == 0:
        return torch.zeros_like(query)
    if isinstance(position, int) and cache.index is None:
        last = cache.first + slots - 1
        reach = position - 1 if strict else position
        narrow = window > 0 and position + count - window > cache.first
        if not narrow and _few(query, keys, values):
            return _attend_few()(query, keys, values, reach - cache.first + 1)
        if not narrow and reach >= last:
            return _torch_attention(query, keys, values)
        if not narrow and cache.first == position and count == slots:
            if not strict:
                return _torch_attention(query, keys, values, causal=True)
            attended = torch.zeros_like(query)
            if count == 1:
                return attended
            rest = _torch_attention(query[:, :, 1:], keys[:, :, :-1], values[:, :, :-1], causal=True)
            return torch.cat([attended[:, :, :1], rest], 2)
    if cache.index is not None and _few(query, keys, values):
        query_position = (
            torch.arange(position, position + count, device=query.device) if isinstance(position, int) else position
        )
        query_position = query_position.expand(len(query), -1)
        return _attend_few()(query, keys, values, 0, cache.index, query_position, window, strict)
    seen = visible(cache, position, count, strict)
    # A query that sees no entry would divide zero by zero. It is allowed to see all entries, and its result is then set
    # to zero.
    some = seen.any(-1, keepdim=True)
    attended = _torch_attention(query, keys, values, (seen | ~some)[:, None])
    return attended * some[:, None]


def _attend_standing(query: Tensor, cache: StandingCache) -> Tensor:
    """Return the attention of one query per row over all entries so far of a cache with fixed storage."""
    keys, values = cache.keys, cache.values
    if _few(query, keys, values):
        return _attend_few()(query, keys, values, cache.filled)
    seen, some = torch.arange(keys.shape[2], device=keys.device) < cache.filled, cache.filled > 0
    # Memory that was never written may hold NaN, and NaN times a weight of zero is NaN: zero the values first.
    keys, values = (torch.where(seen[:, None], held, 0.0) for held in (keys, values))
    return _torch_attention(query, keys, values, (seen | ~some)[None, None, None]) * some


def _few(query: Tensor, keys: Tensor, values: Tensor) -> bool:
    """Return whether our kernel for few queries works on these tensors and is the fastest one.

    In this case torch uses cuDNN by default. cuDNN makes a new plan for every new length, which takes longer than a
    generation step itself, and it is slow for rows with few entries. The measurements are in docs/benchmarks.md, "On a
    GPU".
    """
    count, dim = query.shape[2:]
    if count > 1 and (count > _FEW or keys.shape[2] > _FEW_SLOTS):
        return False
    return works_on(query, keys, values) and query.dtype == keys.dtype and dim <= _MOST_HEAD_DIM


def _torch_attention(
    query: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None = None, causal: bool = False
) -> Tensor:
    if not query.is_cuda or torch.is_grad_enabled():
        return F.scaled_dot_product_attention(query, keys, values, mask, is_causal=causal)
    # Pieces of a stream have many different lengths, and cuDNN would make a plan for each. In training, lengths repeat.
    with sdpa_kernel([SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]):
        return F.scaled_dot_product_attention(query, keys, values, mask, is_causal=causal)


def _attend_few() -> Callable[..., Tensor]:
    from v2xsim.gpu.sequence.attention_triton import attend_few

    return attend_few


def visible(
    cache: Cache, position: int | Int64[Tensor, "batch time"], count: int, strict: bool
) -> Bool[Tensor, "batch time slots"]:
    """Return which entries each query may see; the result has a single row if all rows are equal."""
    device = cache.keys.device
    if isinstance(position, int) and cache.index is None:
        at = torch.arange(cache.first, cache.first + len(cache), device=device)[None]
        query_position = torch.arange(position, position + count, device=device)[None]
    else:
        at = cache.positions().to(torch.int64)
        query_position = (
            torch.arange(position, position + count, device=device)[None] if isinstance(position, int) else position
        )
    back = query_position[:, :, None] - at[:, None, :]
    seen = (back > 0 if strict else back >= 0) & (at != NO_ENTRY)[:, None, :]
    return seen & (back < cache.window) if cache.window else seen
