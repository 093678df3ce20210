"""Complex numbers as two real parts, and rotations of them by angles that grow with time."""

import math
from typing import Any

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

Turn = tuple[Tensor, Tensor]
"""Cosine and sine for each position and channel."""

SLOWEST = 10_000.0
"""Ratio that sets the initial rates: channel j of d turns by SLOWEST ** (-2 j / d) radians per step."""


def first_rates(dim: int) -> Float64[Tensor, " dim"]:
    """Return the initial rotation rates, in radians per step."""
    return SLOWEST ** (-2.0 * torch.arange(dim, dtype=torch.float64) / dim)


def elapsed(
    time: int, mask: Bool[Tensor, "batch time"] | None, dt: Float[Tensor, "batch time"] | None, device: torch.device
) -> Float64[Tensor, "#batch time"]:
    """Return the time for which states have turned since the start of the piece; it stands still at masked positions."""
    if mask is None and dt is None:
        return torch.arange(1, time + 1, dtype=torch.float64, device=device)[None]
    steps = torch.ones((), dtype=torch.float64, device=device) if dt is None else dt.double()
    return (steps if mask is None else steps * mask).cumsum(1)


def turns(
    rate_rad: Float[Tensor, "*sets dim"], turned_for: Float64[Tensor, "#batch time"], dtype: torch.dtype
) -> tuple[Float[Tensor, "*sets #batch time dim"], Float[Tensor, "*sets #batch time dim"]]:
    """Return cosine and sine of the rotation angles after given times.

    Whole turns are subtracted in 64 bits: after some thousand steps, 32 bits would be too few for the angle.
    """
    whole = rate_rad.double()[..., None, None, :] * turned_for[..., None] / math.tau
    angle = ((whole - whole.round()) * math.tau).to(dtype)
    return angle.cos(), angle.sin()


def turned(x: Float[Tensor, "batch time 2 dim"], turn: Turn, back: bool = False) -> Float[Tensor, "batch time 2 dim"]:
    """Return complex numbers rotated forward or, if `back`, backward."""
    cos, sin = turn
    result: Tensor = _Turned.apply(x, cos, -sin if back else sin)  # type: ignore[no-untyped-call]
    return result


class _Turned(torch.autograd.Function):
    """The product of complex numbers, computed without a copy for each of its terms."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        ctx.save_for_backward(x, cos, sin)
        return _product(x, cos, sin)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor | None, Tensor | None]:
        x, cos, sin = ctx.saved_tensors
        (real, imaginary), (to_real, to_imaginary) = x.unbind(-2), grad.unbind(-2)
        for_cos = for_sin = None
        if ctx.needs_input_grad[1] or ctx.needs_input_grad[2]:
            for_cos = (to_real * real).addcmul_(to_imaginary, imaginary).sum_to_size(cos.shape)
            for_sin = (to_imaginary * real).addcmul_(to_real, imaginary, value=-1).sum_to_size(sin.shape)
        return _product(grad, cos, -sin), for_cos, for_sin


def _product(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    result = torch.empty_like(x)
    (real, imaginary), (to_real, to_imaginary) = x.unbind(-2), result.unbind(-2)
    torch.mul(real, cos, out=to_real)
    to_real.addcmul_(imaginary, sin, value=-1)
    torch.mul(imaginary, cos, out=to_imaginary)
    to_imaginary.addcmul_(real, sin)
    return result
