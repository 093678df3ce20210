"""The linear recurrence in Triton kernels for a GPU.

First, the final states of all chunks are computed in parallel, each from a zero state. Then the true final states
follow one after the other, and then all positions in parallel.

This module needs the triton package and is imported only when it is used. The kernels run forward in time, or backward
for the gradient.
"""

import torch
import triton
import triton.language as tl
from jaxtyping import Float
from torch import Tensor

# Largest number of channels of one program.
_WIDEST_BLOCK = 128


@triton.jit
def _gather_ends(
    decay, entry, product, gathered, time, count, chunk, parts, dim, BLOCK: tl.constexpr, REVERSE: tl.constexpr
):
    """Write the final state of each chunk when it starts from a zero state, and the product of its decays."""
    row, j = tl.program_id(0).to(tl.int64), tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    part, number, line = row % parts, (row // parts) % count, row // parts // count
    h = tl.zeros([BLOCK], entry.dtype.element_ty)
    whole = h + 1.0
    for s in range(number * chunk, tl.minimum((number + 1) * chunk, time)):
        at, of = _places(s, time, REVERSE)
        keep = tl.load(decay + (line * time + of) * dim + j, j < dim, 0.0)
        h = keep * h + tl.load(entry + ((line * time + at) * parts + part) * dim + j, j < dim, 0.0)
        whole = whole * keep
    tl.store(gathered + _row_place(line, number, part, count, parts) * dim + j, h, j < dim)
    tl.store(product + (line * count + number) * dim + j, whole, j < dim)


@triton.jit
def _walk(decay, entry, before, found, time, count, chunk, parts, dim, BLOCK: tl.constexpr, REVERSE: tl.constexpr):
    """Write the state at every position of each chunk, given the state before the chunk."""
    row, j = tl.program_id(0).to(tl.int64), tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    part, number, line = row % parts, (row // parts) % count, row // parts // count
    h = tl.load(before + _row_place(line, number, part, count, parts) * dim + j, j < dim, 0.0)
    for s in range(number * chunk, tl.minimum((number + 1) * chunk, time)):
        at, of = _places(s, time, REVERSE)
        keep = tl.load(decay + (line * time + of) * dim + j, j < dim, 0.0)
        address = ((line * time + at) * parts + part) * dim + j
        h = keep * h + tl.load(entry + address, j < dim, 0.0)
        tl.store(found + address, h, j < dim)


@triton.jit
def _row_place(line, number, part, count, parts):
    """Return the index of a chunk's state in the array of the states of all chunks."""
    return (line * count + number) * parts + part


@triton.jit
def _places(s, time, REVERSE: tl.constexpr):
    """Return the index of the position of step s, and that of the decay on the way to it."""
    if REVERSE:
        # The first step from the end has no decay before it, but the value that would be multiplied is zero.
        return time - 1 - s, tl.minimum(time - s, time - 1)
    return s, s


def run(
    decay: Float[Tensor, "batch time dim"],
    entry: Float[Tensor, "batch time parts dim"],
    initial: Float[Tensor, "batch parts dim"] | None,
    chunk: int,
) -> Float[Tensor, "batch time parts dim"]:
    """Return h_t = decay_t h_(t-1) + entry_t from the start.

    Without an initial state, return h_t = decay_(t+1) h_(t+1) + entry_t, computed from the end.

    All tensors must be contiguous.
    """
    batch, time, parts, dim = entry.shape
    count = triton.cdiv(time, chunk)
    block = min(_WIDEST_BLOCK, triton.next_power_of_2(dim))
    settings = {"BLOCK": block, "REVERSE": initial is None, "num_warps": max(1, block // 32)}
    grid = (batch * count * parts, triton.cdiv(dim, block))
    before = entry.new_zeros(batch, parts, dim) if initial is None else initial
    with torch.cuda.device_of(entry):
        if count > 1:
            product, gathered = entry.new_empty(batch, count, dim), entry.new_empty(batch, count, parts, dim)
            _gather_ends[grid](decay, entry, product, gathered, time, count, chunk, parts, dim, **settings)
            before = torch.cat([before[:, None], run(product, gathered, before, count)[:, :-1]], 1).contiguous()
        states = torch.empty_like(entry)
        _walk[grid](decay, entry, before, states, time, count, chunk, parts, dim, **settings)
    return states
