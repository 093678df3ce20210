"""Rotary embedding: queries and keys are rotated by angles that depend on their true position in the stream."""

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from v2xsim.gpu.sequence.state import State
from v2xsim.gpu.sequence.triton_use import works_on

BASE = 10_000.0
"""Ratio of the slowest to the fastest rotation (Su et al., RoFormer, arXiv 2104.09864)."""


def positions_of(
    state: State, count: int, dt: Float[Tensor, "batch time"] | None
) -> Float64[Tensor, " time"] | Float64[Tensor, "batch time"]:
    """Return the times of the next `count` positions; the result has a single row if all rows are equal."""
    if dt is None and state.steps is not None and not state.timed:
        return torch.arange(state.steps, state.steps + count, device=state.device, dtype=torch.float64)
    if dt is None:
        return state.clock[:, None] + torch.arange(count, device=state.device, dtype=torch.float64)
    return state.clock[:, None] + dt.to(torch.float64).cumsum(1) - 1.0


def turns(
    position: Float64[Tensor, "*batch time"] | Int64[Tensor, "*batch time"], head_dim: int, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Return cosine and sine of the rotation angles of each position, ready for multiplication with heads.

    Angles are computed in 64 bits: after a million steps, the error in 32 bits would be several degrees.
    """
    rate = BASE ** (-torch.arange(0, head_dim, 2, device=position.device, dtype=torch.float64) / head_dim)
    angle = position.to(torch.float64)[..., None] * rate
    cos, sin = angle.cos().to(dtype), angle.sin().to(dtype)
    if position.ndim == 2:
        cos, sin = cos[:, None], sin[:, None]
    return torch.cat([cos, cos], -1), torch.cat([-sin, sin], -1)


def turned(
    x: Float[Tensor, "batch heads time head_dim"], turn: tuple[Tensor, Tensor]
) -> Float[Tensor, "batch heads time head_dim"]:
    """Return rotated heads; the two halves of a head are the real and imaginary parts of complex numbers."""
    half = x.shape[-1] // 2
    swapped = torch.cat([x[..., half:], x[..., :half]], -1)
    return x * turn[0] + swapped * turn[1]


def turned_pair(
    one: Float[Tensor, "batch heads time head_dim"],
    other: Float[Tensor, "batch heads time head_dim"],
    turn: tuple[Tensor, Tensor],
) -> tuple[Tensor, Tensor]:
    """Return the heads of both tensors, rotated by the same angles."""
    if works_on(one, other) and one.dtype == other.dtype == turn[0].dtype:
        from v2xsim.gpu.sequence import attention_triton

        return attention_triton.turned_pair(one, other, turn)
    return turned(one, turn), turned(other, turn)
