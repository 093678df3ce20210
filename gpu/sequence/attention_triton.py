"""Attention of a few new positions over a cache, and rotary embedding, as Triton kernels for generation on a GPU.

This module needs the triton package and is imported only when it is used. A generation step reads every key and value
once and computes little with them. So two things matter: memory reads must not pause, and rows with few entries must
still keep all multiprocessors busy.
"""

import math

import torch
import triton
import triton.language as tl
from jaxtyping import Float, Int32, Int64
from torch import Tensor

_MOST_HEADS = 16
# Number of entries handled side by side and number of warps: first for long rows, then for several heads of short rows.
_LONG, _SHORT = (16, 4), (128, 4)
# A finite stand-in for minus infinity in scores, because the difference of two infinities would be NaN.
_LOWEST = tl.constexpr(-1.0e30)
_BITS_OF_NATS = math.log2(math.e)


@triton.jit(do_not_specialize=["slots", "seen_first", "window"])
def _attend(
    query, keys, values, found, index, position, slots, seen_first, window, scale, time, heads, dim,
    query_row, query_head, query_time, key_row, key_head, key_slot, value_row, value_head, value_slot, index_row,
    HEADS: tl.constexpr, LANES: tl.constexpr, DIM: tl.constexpr, INDEXED: tl.constexpr, COUNTED: tl.constexpr, STRICT: tl.constexpr,
):  # fmt: skip
    """Compute attention in several lanes: each lane processes every LANES-th entry with a softmax of its own.

    The results of the lanes are combined at the end.
    """
    row, t = tl.program_id(0).to(tl.int64) // time, tl.program_id(0) % time
    # Offsets have 64 bits, because one row of a long context may have more numbers than 32 bits can count.
    h = tl.program_id(1).to(tl.int64) * HEADS + tl.arange(0, HEADS)
    lane, j = tl.arange(0, LANES), tl.arange(0, DIM)
    whole = (h < heads)[:, None] & (j < dim)[None, :]
    asked = tl.load(query + row * query_row + t * query_time + h[:, None] * query_head + j[None, :], whole, 0.0)
    asked = asked.to(tl.float32) * scale
    key_at = keys + row * key_row + h[:, None, None] * key_head + j[None, None, :]
    value_at = values + row * value_row + h[:, None, None] * value_head + j[None, None, :]
    now = tl.load(position + row * time + t) if INDEXED else 0
    if COUNTED:
        seen_first = tl.load(position).to(tl.int32) + 1 - time
    end = slots if INDEXED else tl.minimum(slots, seen_first + t)
    highest = tl.full([HEADS, LANES], _LOWEST, tl.float32)
    share = tl.zeros([HEADS, LANES], tl.float32)
    gathered = tl.zeros([HEADS, LANES, DIM], tl.float32)
    for start in range(0, end, LANES):
        slot = start + lane
        seen = slot < end
        if INDEXED:
            at = tl.load(index + row * index_row + slot, seen, -1)
            back = now - at
            seen = seen & (at >= 0) & (back >= (1 if STRICT else 0)) & ((window == 0) | (back < window))
        there = whole[:, None, :] & seen[None, :, None]
        far = slot.to(tl.int64)[None, :, None]
        key = tl.load(key_at + far * key_slot, there, 0.0).to(tl.float32)
        value = tl.load(value_at + far * value_slot, there, 0.0).to(tl.float32)
        score = tl.where(seen[None, :], tl.sum(asked[:, None, :] * key, 2), _LOWEST)
        higher = tl.maximum(highest, score)
        fade, weight = tl.exp2(highest - higher), tl.where(seen[None, :], tl.exp2(score - higher), 0.0)
        share = share * fade + weight
        gathered = gathered * fade[:, :, None] + weight[:, :, None] * value
        highest = higher
    fade = tl.exp2(highest - tl.max(highest, 1)[:, None])
    total = tl.sum(share * fade, 1)
    answer = tl.sum(gathered * fade[:, :, None], 1) / tl.where(total > 0.0, total, 1.0)[:, None]
    tl.store(found + ((row * time + t) * heads + h[:, None]) * dim + j[None, :], answer, whole)


def attend_few(
    query: Float[Tensor, "batch heads time head_dim"],
    keys: Float[Tensor, "batch heads slots head_dim"],
    values: Float[Tensor, "batch heads slots head_dim"],
    seen_first: int | Int64[Tensor, " 1"],
    index: Int32[Tensor, "batch slots"] | None = None,
    position: Int64[Tensor, "batch time"] | None = None,
    window: int = 0,
    strict: bool = False,
) -> Float[Tensor, "batch heads time head_dim"]:
    """Return the attention of each query over the entries of its row; zero if it sees none.

    No gradients are computed.

    Args:
        query: Queries. The numbers of a head must be adjacent in memory; this also holds for `keys` and `values`.
        keys: Keys, including those of the queries' own positions if they exist.
        values: Values that belong to the keys.
        seen_first: Number of entries that the first query sees; each query sees one more than the one before it. A
            tensor on the device gives the number for the last query instead, so that a recorded launch can be repeated.
            `seen_first` has no effect if `index` is given.
        index: Position of each entry in the stream, negative for no entry (None if the positions are consecutive).
        position: Position of each query; needed if `index` is given.
        window: Number of positions that a query can see, its own included; 0 for all. `window` has an effect only if
            `index` is given.
        strict: Whether a query ignores the entry at its own position; has an effect only if `index` is given.
    """
    batch, heads, slots, dim = keys.shape
    time, counted = query.shape[2], isinstance(seen_first, Tensor)
    place = seen_first if counted else query if position is None else position.contiguous()
    lanes = min(_LONG[0], triton.next_power_of_2(slots))
    short = slots <= _LONG[0]
    many = min(_MOST_HEADS, _SHORT[0] // lanes, triton.next_power_of_2(heads)) if short else 1
    attended = torch.empty(batch, time, heads, dim, dtype=query.dtype, device=query.device)
    with torch.cuda.device_of(query):
        _attend[(batch * time, triton.cdiv(heads, many))](
            query, keys, values, attended, query if index is None else index,
            place, slots, 0 if counted else seen_first, window,
            dim**-0.5 * _BITS_OF_NATS, time, heads, dim,
            *query.stride()[:3], *keys.stride()[:3], *values.stride()[:3], 0 if index is None else index.stride(0),
            HEADS=many, LANES=lanes, DIM=triton.next_power_of_2(dim), INDEXED=index is not None, COUNTED=counted, STRICT=strict,
            num_warps=(_SHORT if short else _LONG)[1],
        )  # fmt: skip
    return attended.transpose(1, 2)


@triton.jit(do_not_specialize=["slot"])
def _put(
    keys, values, to_keys, to_values, slot, time, heads, dim,
    key_row, key_time, key_head, value_row, value_time, value_head, to_row, to_head, to_slot,
    HEADS: tl.constexpr, DIM: tl.constexpr, COUNTED: tl.constexpr,
):  # fmt: skip
    row, t = tl.program_id(0).to(tl.int64) // time, tl.program_id(0) % time
    h, j = tl.program_id(1).to(tl.int64) * HEADS + tl.arange(0, HEADS), tl.arange(0, DIM)
    inside = (h < heads)[:, None] & (j < dim)[None, :]
    if COUNTED:
        slot = tl.load(slot)
    to = row * to_row + h[:, None] * to_head + (t.to(tl.int64) + slot) * to_slot + j[None, :]
    key = tl.load(keys + row * key_row + t * key_time + h[:, None] * key_head + j[None, :], inside)
    value = tl.load(values + row * value_row + t * value_time + h[:, None] * value_head + j[None, :], inside)
    tl.store(to_keys + to, key, inside)
    tl.store(to_values + to, value, inside)


def put(
    keys: Float[Tensor, "batch heads time head_dim"],
    values: Float[Tensor, "batch heads time head_dim"],
    to_keys: Float[Tensor, "batch heads slots head_dim"],
    to_values: Float[Tensor, "batch heads slots head_dim"],
    slot: int | Int64[Tensor, " 1"],
) -> None:
    """Write entries of each row into the slots from `slot` on, which may be a tensor on the device.

    Both stores must have the same memory layout.
    """
    batch, heads, time, dim = keys.shape
    many = min(_MOST_HEADS, triton.next_power_of_2(heads))
    with torch.cuda.device_of(keys):
        _put[(batch * time, triton.cdiv(heads, many))](
            keys, values, to_keys, to_values, slot, time, heads, dim,
            keys.stride(0), keys.stride(2), keys.stride(1), values.stride(0), values.stride(2), values.stride(1),
            *to_keys.stride()[:3],
            HEADS=many, DIM=triton.next_power_of_2(dim), COUNTED=isinstance(slot, Tensor),
        )  # fmt: skip


@triton.jit
def _turn(
    one, other, cos, sin, found, found_other, heads, time, half,
    one_row, one_time, one_head, other_row, other_time, other_head, turn_row, turn_time,
    HEADS: tl.constexpr, HALF: tl.constexpr,
):  # fmt: skip
    place = tl.program_id(0).to(tl.int64)
    row, at = place // time, place % time
    h, j = tl.program_id(1) * HEADS + tl.arange(0, HEADS), tl.arange(0, HALF)
    inside = (h < heads)[:, None] & (j < half)[None, :]
    angle = row * turn_row + at * turn_time + j
    c = tl.load(cos + angle, j < half, 0.0)[None, :].to(tl.float32)
    s = tl.load(sin + angle + half, j < half, 0.0)[None, :].to(tl.float32)
    to = (place * heads + h[:, None]) * 2 * half + j[None, :]
    _turn_one(one + row * one_row + at * one_time + h[:, None] * one_head + j[None, :], found + to, c, s, half, inside)
    source = other + row * other_row + at * other_time + h[:, None] * other_head + j[None, :]
    _turn_one(source, found_other + to, c, s, half, inside)


@triton.jit
def _turn_one(source, to, c, s, half, inside):
    first = tl.load(source, inside, 0.0).to(tl.float32)
    second = tl.load(source + half, inside, 0.0).to(tl.float32)
    tl.store(to, first * c - second * s, inside)
    tl.store(to + half, second * c + first * s, inside)


def turned_pair(
    one: Float[Tensor, "batch heads time head_dim"],
    other: Float[Tensor, "batch heads time head_dim"],
    turn: tuple[Tensor, Tensor],
) -> tuple[Tensor, Tensor]:
    """Return the heads of two tensors with rotary embedding in one pass; the same as `rotary.turned` of each.

    No gradients are computed.
    """
    batch, heads, time, dim = one.shape
    found, found_other = (torch.empty(batch, time, heads, dim, dtype=one.dtype, device=one.device) for _ in range(2))
    cos, sin = (part[:, 0] if part.ndim == 4 else part[None] for part in turn)
    many = min(_MOST_HEADS, triton.next_power_of_2(heads))
    with torch.cuda.device_of(one):
        _turn[(batch * time, triton.cdiv(heads, many))](
            one, other, cos, sin, found, found_other, heads, time, dim // 2,
            one.stride(0), one.stride(2), one.stride(1), other.stride(0), other.stride(2), other.stride(1),
            cos.stride(0) if len(cos) > 1 else 0, cos.stride(1),
            HEADS=many, HALF=triton.next_power_of_2(dim // 2),
        )  # fmt: skip
    return found.transpose(1, 2), found_other.transpose(1, 2)
