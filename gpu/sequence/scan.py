"""The linear recurrence h_t = decay_t h_(t-1) + entry_t with decays in [0, 1] and its gradient, by several methods.

All methods give the same results. No method divides by products of decays or takes the exponential of summed
logarithms, because the numbers would leave the floating-point range within some hundred positions. Products of decays
occur only as factors, where underflow to zero is correct.
"""

from typing import Any, Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from v2xsim.errors import UserError
from v2xsim.gpu.sequence import scan_kernels
from v2xsim.gpu.sequence.sizes import is_whole
from v2xsim.gpu.sequence.triton_use import has_triton

Method = Literal["auto", "sequential", "chunked", "associative", "compiled", "triton"]
CHUNK = 64
"""Number of positions that the chunked method computes side by side."""


def scan(
    decay: Float[Tensor, "batch time dim"],
    entry: Float[Tensor, "batch time parts dim"],
    initial: Float[Tensor, "batch parts dim"] | None = None,
    method: Method = "auto",
    chunk: int = CHUNK,
) -> Float[Tensor, "batch time parts dim"]:
    """Return h_t = decay_t h_(t-1) + entry_t at every position.

    The real and imaginary part of a complex channel have the same decay. A turn of complex states is removed beforehand
    by coordinates that turn with it (see `hgrn_layer`). The backward pass needs only the decays and the result, so the
    memory is proportional to time times channels.

    Args:
        decay: Decay at each position, from 0 to 1, both included.
        entry: Value to add at each position.
        initial: State before the first position (None for zero).
        method: Algorithm. `sequential`: one position after the other. `chunked`: all positions of a chunk together by
            doubling, chunks one after the other. `associative`: doubling over all positions. `compiled`: sequential in
            compiled code, on the CPU. `triton`: chunked in two kernels, on a GPU. `auto`: the fastest method for the
            given tensors (docs/benchmarks.md).
        chunk: Number of positions in a chunk, for the methods with chunks.

    Raises:
        UserError: If shapes or types do not fit, or the method does not work on the tensors' device.
    """
    if initial is None:
        initial = entry.new_zeros(*entry.shape[:1], *entry.shape[2:])
    _check(decay, entry, initial, method, chunk)
    if entry.numel() == 0:
        return entry
    states: Tensor = _Scan.apply(decay, entry, initial, _chosen(method, entry), chunk)  # type: ignore[no-untyped-call]
    return states


def _check(decay: Tensor, entry: Tensor, initial: Tensor, method: str, chunk: int) -> None:
    given = (decay, entry, initial)
    if not all(isinstance(x, Tensor) for x in given) or len({x.device for x in given}) > 1:
        devices = ", ".join(str(x.device) if isinstance(x, Tensor) else type(x).__name__ for x in given)
        raise UserError(
            f"scan: decay, entry and initial must be tensors on one device, got {devices}; move them with x.to(device)"
        )
    batch, time, parts, dim = entry.shape if entry.ndim == 4 else (-1,) * 4
    if decay.shape != (batch, time, dim) or initial.shape != (batch, parts, dim):
        raise UserError(
            "scan: entry must have shape (batch, time, parts, dim), decay (batch, time, dim) and initial (batch, parts, dim); "
            f"got {tuple(entry.shape)}, {tuple(decay.shape)} and {tuple(initial.shape)}"
        )
    if {decay.dtype, initial.dtype} != {entry.dtype} or entry.dtype not in (torch.float32, torch.float64):
        raise UserError(
            "scan: decay, entry and initial must all be float32, or all float64 (fewer bits lose the state); "
            f"got {decay.dtype}, {entry.dtype} and {initial.dtype}"
        )
    if method not in get_args(Method) or not is_whole(chunk) or chunk < 1:
        raise UserError(
            f"scan: method must be one of {', '.join(get_args(Method))}, chunk a whole number of at least 1; "
            f"got {method!r}, {chunk!r}"
        )


def _chosen(method: Method, entry: Tensor) -> Method:
    """Return the method to use for the given tensors; `auto` is replaced by the fastest one."""
    if method == "compiled" and entry.device.type != "cpu":
        raise UserError(
            f"scan: the compiled way works on the CPU, the tensors are on {entry.device}; use method='auto'"
        )
    if method == "triton" and not has_triton():
        raise UserError(
            "scan: the triton way needs the triton package (it comes with torch for CUDA); use method='auto'"
        )
    if method != "auto":
        return method
    if entry.device.type == "cpu":
        return "compiled"
    if entry.device.type == "cuda" and has_triton():
        return "triton"
    return "sequential" if entry.shape[1] <= CHUNK // 8 else "chunked"


class _Scan(torch.autograd.Function):
    """The recurrence as an autograd function; its gradient is the same recurrence run backwards."""

    @staticmethod
    def forward(ctx: Any, decay: Tensor, entry: Tensor, initial: Tensor, method: Method, chunk: int) -> Tensor:
        decay, entry, initial = decay.contiguous(), entry.contiguous(), initial.contiguous()
        states = _run(decay, entry, initial, method, chunk)
        ctx.save_for_backward(decay, initial, states)
        ctx.method, ctx.chunk = method, chunk
        return states

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        decay, initial, states = ctx.saved_tensors
        if ctx.method == "compiled":
            return (*_compiled_backward(decay, states, initial, grad.contiguous()), None, None)
        grad_entry = _run_backward(decay, grad.contiguous(), ctx.method, ctx.chunk)
        before = torch.cat([initial[:, None], states[:, :-1]], 1)
        return (grad_entry * before).sum(2), grad_entry, decay[:, :1] * grad_entry[:, 0], None, None


def _run(decay: Tensor, entry: Tensor, initial: Tensor, method: Method, chunk: int) -> Tensor:
    if method == "compiled":
        states = torch.empty_like(entry)
        scan_kernels.run_forward(*(x.detach().numpy() for x in (decay, entry, initial, states)))
        return states
    if method == "triton":
        from v2xsim.gpu.sequence import scan_triton

        return scan_triton.run(decay, entry, initial, chunk)
    return {"sequential": _sequential, "chunked": _chunked, "associative": _associative}[method](
        decay, entry, initial, chunk
    )


def _run_backward(decay: Tensor, grad: Tensor, method: Method, chunk: int) -> Tensor:
    """Return s_t = grad_t + decay_(t+1) s_(t+1), which is the gradient of the entries."""
    if method == "triton":
        from v2xsim.gpu.sequence import scan_triton

        return scan_triton.run(decay, grad, None, chunk)
    shifted = torch.cat([decay[:, :1], decay[:, 1:].flip(1)], 1)
    return _run(shifted, grad.flip(1), torch.zeros_like(grad[:, 0]), method, chunk).flip(1)


def _compiled_backward(decay: Tensor, states: Tensor, initial: Tensor, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    given = torch.zeros_like(decay), torch.empty_like(states), torch.empty_like(initial)
    scan_kernels.run_backward(*(x.detach().numpy() for x in (decay, states, initial, grad, *given)))
    return given


# Methods in torch
# -------------------------------------------------------------------------------------------------------


def _sequential(decay: Tensor, entry: Tensor, initial: Tensor, chunk: int) -> Tensor:
    states, h = torch.empty_like(entry), initial
    for t in range(entry.shape[1]):
        h = torch.addcmul(entry[:, t], decay[:, t, None], h)
        states[:, t] = h
    return states


def _associative(decay: Tensor, entry: Tensor, initial: Tensor, chunk: int) -> Tensor:
    """Compute all positions together: double the range that each has summed until it reaches the start.

    Reference: Hillis and Steele 1986.
    """
    product, gathered = _doubled(decay[:, :, None], entry)
    return torch.addcmul(gathered, product, initial[:, None])


def _chunked(decay: Tensor, entry: Tensor, initial: Tensor, chunk: int) -> Tensor:
    batch, time, parts, dim = entry.shape
    chunk = min(chunk, time)
    count = -(-time // chunk)
    fill = count * chunk - time
    if fill:
        decay = torch.cat([decay, decay.new_ones(batch, fill, dim)], 1)
        entry = torch.cat([entry, entry.new_zeros(batch, fill, parts, dim)], 1)
    # The positions of all chunks together: (batch * count, chunk, ...).
    product, gathered = _doubled(decay.view(-1, chunk, 1, dim), entry.view(-1, chunk, parts, dim))
    product, gathered = product.view(batch, count, chunk, 1, dim), gathered.view(batch, count, chunk, parts, dim)
    carried = _sequential(product[:, :, -1, 0], gathered[:, :, -1], initial, chunk)
    before = torch.cat([initial[:, None], carried[:, :-1]], 1)
    return torch.addcmul(gathered, product, before[:, :, None]).view(batch, -1, parts, dim)[:, :time]


def _doubled(product: Tensor, gathered: Tensor) -> tuple[Tensor, Tensor]:
    """Return for each position the product of the decays and the decayed sum of the entries since the start.

    Args:
        product: Decay at each position, of shape (rows, time, 1, dim).
        gathered: Entry at each position, of shape (rows, time, parts, dim).
    """
    reach, time = 1, gathered.shape[1]
    while reach < time:
        more = torch.addcmul(gathered[:, reach:], product[:, reach:], gathered[:, :-reach])
        gathered = torch.cat([gathered[:, :reach], more], 1)
        product = torch.cat([product[:, :reach], product[:, reach:] * product[:, :-reach]], 1)
        reach *= 2
    return product, gathered
